"""What all widget stand-ins share: a class decorator and Qt properties that hold a plain value."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Property

from ..pythonqt.attributes import adapt

registry: dict[str, type] = {}


def standin(cls: type) -> type:
    """Registers a class as the stand-in of a C++ widget: loadable from .ui files, closed to new attributes."""
    cls.CPP_CLASS = True
    meta = cls.staticMetaObject
    cls.CPP_PROPERTIES = frozenset(meta.property(index).name() for index in range(meta.propertyCount()))
    adapt(cls)
    registry[cls.__name__] = cls
    return cls


def plain(type_name: str, name: str, default: Any) -> Property:
    """A Qt property that is only remembered; for looks that no test depends on."""
    key = f"_{name}"

    def write(self: Any, value: Any) -> None:
        self.__dict__[key] = tuple(value) if isinstance(value, list) else value  # PythonQt has tuples only

    return Property(type_name, lambda self: self.__dict__.get(key, default), write)
