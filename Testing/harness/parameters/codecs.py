"""How values stand in the parameter node: as texts and node references, so that they are saved with the scene."""

from __future__ import annotations

import enum
import pathlib
import types
import typing
from collections.abc import Callable
from typing import Any

import slicer

from .annotations import IsInstance, NotNone, Validator, split


class Codec:
    """Reads and writes one parameter. ``validators`` hold for every write."""

    def __init__(self, validators: list[Validator]) -> None:
        self.validators = validators

    def validate(self, value: Any) -> None:
        """Raises if the value may not be written."""
        for validator in self.validators:
            validator.validate(value)

    def default(self) -> Any:
        """The value where no default is given."""
        raise NotImplementedError

    def has(self, node: Any, name: str) -> bool:
        """Whether the node has this parameter."""
        return node.HasParameter(name)

    def remove(self, node: Any, name: str) -> None:
        """Takes the parameter out of the node."""
        node.UnsetParameter(name)

    def read(self, node: Any, name: str) -> Any:
        """The value in the node."""
        raise NotImplementedError

    def write(self, node: Any, name: str, value: Any) -> None:
        """Puts the value into the node."""
        raise NotImplementedError


class TextCodec(Codec):
    """A value that is one text."""

    def __init__(self, accepted: Any, default: Any, to_text: Callable, from_text: Callable) -> None:
        super().__init__([NotNone(), IsInstance(accepted)])
        self._default, self._to_text, self._from_text = default, to_text, from_text

    def default(self) -> Any:
        return self._default

    def read(self, node: Any, name: str) -> Any:
        return self._from_text(node.GetParameter(name))

    def write(self, node: Any, name: str, value: Any) -> None:
        node.SetParameter(name, self._to_text(value))


class NodeCodec(Codec):
    """A reference to a node, or None."""

    def __init__(self, node_class: type) -> None:
        super().__init__([IsInstance(node_class)])

    def default(self) -> None:
        return None

    def read(self, node: Any, name: str) -> Any:
        return node.GetNodeReference(name)

    def write(self, node: Any, name: str, value: Any) -> None:
        node.SetParameter(name, "")  # says that the parameter is there even if it is None
        node.SetNodeReferenceID(name, value.GetID() if value else None)

    def remove(self, node: Any, name: str) -> None:
        node.UnsetParameter(name)
        node.RemoveNodeReferenceIDs(name)


class NoneCodec(Codec):
    """The None in Optional[...]."""

    def __init__(self) -> None:
        super().__init__([])

    def validate(self, value: Any) -> None:
        if value is not None:
            raise ValueError("Value must be None")

    def default(self) -> None:
        return None

    def read(self, node: Any, name: str) -> None:
        return None

    def write(self, node: Any, name: str, value: None) -> None:
        node.SetParameter(name, "True")


class UnionCodec(Codec):
    """One of several types, under its number."""

    def __init__(self, options: list[Codec]) -> None:
        super().__init__([])
        self._options = options

    def default(self) -> Any:
        optional = len(self._options) == 2 and isinstance(self._options[1], NoneCodec)
        return None if optional else self._options[0].default()

    def validate(self, value: Any) -> None:
        self._choose(value)

    def _choose(self, value: Any) -> tuple[int, Codec]:
        problems = []
        # None belongs to the None option, though a node option would take it too.
        numbered = sorted(
            enumerate(self._options), key=lambda item: value is None and not isinstance(item[1], NoneCodec)
        )
        for index, option in numbered:
            try:
                option.validate(value)
                return index, option
            except (TypeError, ValueError) as error:
                problems.append(error)
        raise problems[0]

    def has(self, node: Any, name: str) -> bool:
        return any(option.has(node, f"{name}.{index}") for index, option in enumerate(self._options))

    def read(self, node: Any, name: str) -> Any:
        for index, option in enumerate(self._options):
            if option.has(node, f"{name}.{index}"):
                return option.read(node, f"{name}.{index}")
        raise KeyError(f"no value for {name}")

    def write(self, node: Any, name: str, value: Any) -> None:
        index, option = self._choose(value)
        self.remove(node, name)
        option.write(node, f"{name}.{index}", value)

    def remove(self, node: Any, name: str) -> None:
        for index, option in enumerate(self._options):
            option.remove(node, f"{name}.{index}")


_PATHS = (
    pathlib.Path, pathlib.PosixPath, pathlib.WindowsPath,
    pathlib.PurePath, pathlib.PurePosixPath, pathlib.PureWindowsPath,
)  # fmt: skip
# Types whose codec is made elsewhere (lists, packs): (test, make).
extra_codecs: list[tuple[Callable[[Any], bool], Callable[[Any], Codec]]] = []


def codec_for(annotated: Any) -> tuple[Codec, list]:
    """The codec of a type, and the annotations that say nothing to it."""
    plain, annotations = split(annotated)
    codec = _plain_codec(plain)
    for item in list(annotations):
        if isinstance(item, Validator):
            codec.validators = [*codec.validators, item]
            annotations.remove(item)
    return codec, annotations


def _plain_codec(plain: Any) -> Codec:
    if plain is int:
        return TextCodec(int, 0, str, int)
    if plain is float:
        return TextCodec((int, float), 0, str, float)
    if plain is str:
        return TextCodec(str, "", str, str)
    if plain is bool:
        return TextCodec(bool, False, str, lambda text: text == "True")
    if plain in _PATHS:
        return TextCodec(plain, plain(), str, plain)
    if plain is types.NoneType:
        return NoneCodec()
    if typing.get_origin(plain) is typing.Union:
        return UnionCodec([codec_for(option)[0] for option in typing.get_args(plain)])
    if isinstance(plain, type) and issubclass(plain, enum.Enum):
        return TextCodec(plain, next(iter(plain)), lambda value: value.name, lambda text: plain[text])
    if isinstance(plain, type) and issubclass(plain, slicer.vtkMRMLNode):
        return NodeCodec(plain)
    for fits, make in extra_codecs:
        if fits(plain):
            return make(plain)
    raise TypeError(f"no way to store the type {plain} in a parameter node")
