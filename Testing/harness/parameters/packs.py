"""@parameterPack: several parameters that belong together."""

from __future__ import annotations

import typing
from typing import Any

from slicer.util import NodeModify

from .annotations import Default, NotNone, split
from .codecs import Codec, codec_for, extra_codecs


def isParameterPack(candidate: Any) -> bool:
    """Whether this is a class made by @parameterPack, or an object of one."""
    return "_pack_codecs" in dir(candidate)


def parameterPack(cls: type | None = None) -> Any:
    """Class decorator: typed members with validation, an __init__, == and a readable text."""
    return _make_pack(cls) if cls else _make_pack


def _make_pack(cls: type) -> type:
    cls._pack_codecs, cls._pack_defaults = {}, {}
    cls._pack_types = typing.get_type_hints(cls, include_extras=True)
    if not cls._pack_types:
        raise ValueError("a parameterPack needs at least one member")
    for name, annotated in cls._pack_types.items():
        codec, rest = codec_for(annotated)
        given = [Default(getattr(cls, name))] if hasattr(cls, name) else [a for a in rest if isinstance(a, Default)]
        default = given[0] if given else Default(generator=codec.default)
        codec.validate(default.value)
        cls._pack_codecs[name], cls._pack_defaults[name] = codec, default
        setattr(cls, name, _member(name))
    for name, function in (("__init__", _init), ("__eq__", _equal), ("__repr__", _text)):
        if name not in cls.__dict__:
            setattr(cls, name, function)
    cls.getValue, cls.setValue, cls.dataType = _get_value, _set_value, classmethod(_data_type)
    return cls


def _member(name: str) -> property:
    def write(self: Any, value: Any) -> None:
        self._pack_codecs[name].validate(value)
        self.__dict__[f"_{name}"] = value
        self.__dict__.get("_on_change", lambda: None)()

    return property(lambda self: self.__dict__[f"_{name}"], write)


def _init(self: Any, *values: Any, **named: Any) -> None:
    names = list(self._pack_codecs)
    given = {**dict(zip(names, values, strict=False)), **named}
    if len(values) > len(names) or len(given) < len(values) + len(named) or set(given) - set(names):
        raise TypeError(f"{type(self).__name__} takes {names}")
    for name in names:
        setattr(self, name, given[name] if name in given else self._pack_defaults[name].value)


def _equal(self: Any, other: object) -> bool:
    return type(self) is type(other) and all(getattr(self, n) == getattr(other, n) for n in self._pack_codecs)


def _text(self: Any) -> str:
    return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in self._pack_codecs)})"


def _get_value(self: Any, name: str) -> Any:
    head, _, tail = name.partition(".")
    value = getattr(self, head)
    return value.getValue(tail) if tail else value


def _set_value(self: Any, name: str, value: Any) -> None:
    head, _, tail = name.partition(".")
    if head not in self._pack_codecs:
        raise ValueError(f"{type(self).__name__} has no member '{head}'")
    if tail:
        getattr(self, head).setValue(tail, value)
    else:
        setattr(self, head, value)


def _data_type(cls: type, name: str) -> Any:
    head, _, tail = name.partition(".")
    if head not in cls._pack_types:
        raise ValueError(f"{cls.__name__} has no member '{head}'")
    return split(cls._pack_types[head])[0].dataType(tail) if tail else cls._pack_types[head]


class PackCodec(Codec):
    """A pack, each member under pack.member. What is read writes itself back when a member changes."""

    def __init__(self, pack: type) -> None:
        super().__init__([NotNone()])
        self._pack = pack

    def default(self) -> Any:
        return self._pack()

    def validate(self, value: Any) -> None:
        super().validate(value)
        if not isinstance(value, self._pack):
            raise ValueError(f"Value must be a {self._pack.__name__}, is {value!r}")

    def has(self, node: Any, name: str) -> bool:
        member, codec = next(iter(self._pack._pack_codecs.items()))
        return codec.has(node, f"{name}.{member}")

    def read(self, node: Any, name: str) -> Any:
        value = self._pack.__new__(self._pack)
        _init(value, **{m: codec.read(node, f"{name}.{m}") for m, codec in self._pack._pack_codecs.items()})
        value.__dict__["_on_change"] = lambda: self.write(node, name, value)
        for member in self._pack._pack_codecs:
            nested = getattr(value, member)
            if isParameterPack(nested):
                nested.__dict__["_on_change"] = lambda: self.write(node, name, value)
        return value

    def write(self, node: Any, name: str, value: Any) -> None:
        with NodeModify(node):
            for member, codec in self._pack._pack_codecs.items():
                codec.write(node, f"{name}.{member}", getattr(value, member))

    def remove(self, node: Any, name: str) -> None:
        for member, codec in self._pack._pack_codecs.items():
            codec.remove(node, f"{name}.{member}")


extra_codecs.append((isParameterPack, PackCodec))
