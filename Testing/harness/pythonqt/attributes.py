"""Attributes of Qt objects as PythonQt has them: properties without brackets, and no invented names."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from numbers import Real

from PySide6.QtCore import QMetaMethod, QObject, Signal

from .signals import SignalDescriptor, object_connect, object_disconnect

_NUMBERS = {"int", "uint", "double", "float", "qreal", "bool", "qlonglong", "qulonglong"}


class PropertyDescriptor:
    """A Qt property, read as an attribute. From the class it gives what PySide has, such as QTimer.singleShot."""

    def __init__(self, name: str, owner: type) -> None:
        self._name = name
        self._on_class = getattr(owner, name, None)
        capitalized = name[0].upper() + name[1:]
        getters = (getattr(owner, text, None) for text in (name, f"is{capitalized}", f"has{capitalized}"))
        self._getter = next((getter for getter in getters if callable(getter)), None)
        if isinstance(
            owner.__dict__.get(name), staticmethod
        ):  # the static QTimer.singleShot is not the property's getter
            self._getter = getattr(owner, f"is{capitalized}", None)

    def __get__(self, instance: QObject | None, owner: type) -> object:
        if instance is None:
            return self._on_class
        value = self._getter(instance) if self._getter else instance.property(self._name)
        return tuple(value) if isinstance(value, list) else value  # PythonQt turns every Qt list into a tuple

    def __set__(self, instance: QObject, value: object) -> None:
        set_property(instance, self._name, value)

    def replace_on_class(self, value: object) -> None:
        """Changes what the name means on the class, where it is a static method there."""
        self._on_class = value


def set_property(instance: QObject, name: str, value: object) -> None:
    """Writes a Qt property, with PythonQt's refusals."""
    meta = instance.metaObject()
    meta_property = meta.property(meta.indexOfProperty(name))
    if not meta_property.isWritable():
        raise AttributeError(f"Property '{name}' of {type(instance).__name__} object is not writable")
    accepted = _accepts(meta_property.typeName(), value)
    written = list(value) if accepted and meta_property.typeName() == "QStringList" else value
    if not accepted or not instance.setProperty(name, written):
        raise AttributeError(
            f"Property '{name}' of type '{meta_property.typeName()}' does not accept an object of type "
            f"{type(value).__name__} ({value!r})"
        )


def _accepts(type_name: str, value: object) -> bool:
    if type_name in _NUMBERS:
        return isinstance(value, Real)
    if type_name == "QString":
        return isinstance(value, str)
    if type_name == "QStringList":
        return isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value)
    return value is not None


naming_children: list[object] = []
"""Not empty while PySide's QUiLoader makes attributes of a panel's widgets, which PythonQt does in its own way."""


def is_cpp_class(cls: type) -> bool:
    """Whether instances of this very class are C++ objects in Slicer: PySide's classes, and the stand-ins."""
    return cls.__module__.startswith("PySide6.") or "CPP_CLASS" in cls.__dict__


def _set_attribute(self: QObject, name: str, value: object) -> None:
    cls = type(self)
    if naming_children and isinstance(value, QObject) and value.objectName == name:
        return
    if name.startswith("_") and not cls.__module__.startswith("PySide6."):
        self.__dict__[name] = value  # the private state of stand-ins, and of Python classes before QObject.__init__
        return
    if self.metaObject().indexOfProperty(name) >= 0:
        set_property(self, name, value)
        return
    if name == "name":
        set_property(self, "objectName", value)
        return
    owner = next((base for base in cls.__mro__ if name in base.__dict__), None)
    if owner and hasattr(owner.__dict__[name], "__set__"):
        owner.__dict__[name].__set__(self, value)
    elif owner and is_cpp_class(owner):
        raise AttributeError(f"Slot '{name}' can not be overwritten on {cls.__name__} object")
    elif name in _dynamic_properties(self):
        self.setProperty(name, value)
    elif is_cpp_class(cls):
        raise AttributeError(
            f"'{name}' does not exist on {cls.__name__} and creating new attributes on C++ objects is not allowed"
        )
    else:
        self.__dict__[name] = value


def _missing_attribute(self: QObject, name: str) -> object:
    """PythonQt's last resorts: dynamic properties, then a child with that object name."""
    if not name.startswith("_"):
        if name in _dynamic_properties(self):
            return self.property(name)
        for child in self.children():
            if child.objectName == name:
                return child
    raise AttributeError(f"{type(self).__name__} has no attribute named '{name}'")


_CONNECTING = {"connect": object_connect, "disconnect": object_disconnect}


def _catch_connect(native: Callable[[QObject, str], object]) -> Callable[[QObject, str], object]:
    """PySide hands out its own connect and disconnect whatever the class says, so they are caught before."""

    def get_attribute(self: QObject, name: str) -> object:
        if name in _CONNECTING:
            return partial(_CONNECTING[name], self)
        return native(self, name)

    return get_attribute


def _dynamic_properties(instance: QObject) -> list[str]:
    return [bytes(name).decode() for name in instance.dynamicPropertyNames()]


def adapt(cls: type) -> None:
    """Gives one class of PySide, or one stand-in, the attributes of PythonQt."""
    cls.__setattr__ = _set_attribute
    if "__getattribute__" in cls.__dict__:
        cls.__getattribute__ = _catch_connect(cls.__getattribute__)
    meta = cls.staticMetaObject
    if cls.__module__.startswith("PySide6."):
        for index in range(meta.propertyOffset(), meta.propertyCount()):
            name = meta.property(index).name()
            setattr(cls, name, PropertyDescriptor(name, cls))
    for index in range(meta.methodOffset(), meta.methodCount()):
        method = meta.method(index)
        name = bytes(method.name()).decode()
        native = cls.__dict__.get(name)
        if method.methodType() == QMetaMethod.MethodType.Signal and isinstance(native, Signal):
            setattr(cls, name, SignalDescriptor(name, native))


_native_find_children = QObject.findChildren


def _find_children(self: QObject, kind: type | str, name: str | None = None) -> tuple[QObject, ...]:
    """PythonQt takes a class or a class's name, and gives a tuple."""
    found = _native_find_children(self, kind if isinstance(kind, type) else QObject)
    return tuple(
        child
        for child in found
        if (isinstance(kind, type) or child.inherits(kind)) and name in (None, child.objectName)
    )


def _find_child(self: QObject, kind: type | str, name: str | None = None) -> QObject | None:
    return next(iter(_find_children(self, kind, name)), None)


def adapt_root() -> None:
    """What PythonQt gives to every QObject. Comes after the other classes are adapted."""
    QObject.connect = staticmethod(object_connect)
    QObject.disconnect = staticmethod(object_disconnect)
    QObject.findChildren = _find_children
    QObject.findChild = _find_child
    QObject.name = property(lambda self: self.objectName)
    QObject.className = lambda self: self.metaObject().className()
    QObject.__getattr__ = _missing_attribute
