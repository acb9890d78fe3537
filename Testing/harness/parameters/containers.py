"""Lists, tuples and dictionaries in a parameter node. What is read writes itself back when it is changed."""

from __future__ import annotations

import typing
from collections.abc import Callable, MutableMapping, MutableSequence
from typing import Any

from slicer.util import NodeModify

from .codecs import Codec, codec_for, extra_codecs


class ObservedList(MutableSequence):
    """A list that is stored at every change."""

    def __init__(self, items: list, save: Callable[[list], None]) -> None:
        self._items, self._save = items, save

    def __getitem__(self, index: Any) -> Any:
        return self._items[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        self._items[index] = value
        self._save(self._items)

    def __delitem__(self, index: Any) -> None:
        del self._items[index]
        self._save(self._items)

    def insert(self, index: int, value: Any) -> None:
        """Puts a value before a position."""
        self._items.insert(index, value)
        self._save(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __eq__(self, other: object) -> bool:
        return self._items == (other._items if isinstance(other, ObservedList) else other)

    def __repr__(self) -> str:
        return f"ObservedList({self._items})"


class ObservedDict(MutableMapping):
    """A dictionary that is stored at every change."""

    def __init__(self, items: dict, save: Callable[[dict], None]) -> None:
        self._items, self._save = items, save

    def __getitem__(self, key: Any) -> Any:
        return self._items[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self._items[key] = value
        self._save(self._items)

    def __delitem__(self, key: Any) -> None:
        del self._items[key]
        self._save(self._items)

    def __iter__(self) -> typing.Iterator:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"ObservedDict({self._items})"


class TupleCodec(Codec):
    """A tuple of fixed length."""

    def __init__(self, members: list[Codec]) -> None:
        super().__init__([])
        self._members = members

    def default(self) -> tuple:
        return tuple(member.default() for member in self._members)

    def validate(self, value: Any) -> None:
        super().validate(value)
        if len(value) != len(self._members):
            raise ValueError(f"expected {len(self._members)} values, got {value!r}")
        for member, item in zip(self._members, value, strict=True):
            member.validate(item)

    def has(self, node: Any, name: str) -> bool:
        return self._members[0].has(node, f"{name}.0")

    def read(self, node: Any, name: str) -> tuple:
        return tuple(member.read(node, f"{name}.{index}") for index, member in enumerate(self._members))

    def write(self, node: Any, name: str, value: Any) -> None:
        with NodeModify(node):
            for index, (member, item) in enumerate(zip(self._members, value, strict=True)):
                member.write(node, f"{name}.{index}", item)

    def remove(self, node: Any, name: str) -> None:
        for index, member in enumerate(self._members):
            member.remove(node, f"{name}.{index}")


class ListCodec(Codec):
    """A list: its length, and each item under its number."""

    def __init__(self, item: Codec) -> None:
        super().__init__([])
        self._item = item

    def default(self) -> list:
        return []

    def validate(self, value: Any) -> None:
        super().validate(value)
        for item in value:
            self._item.validate(item)

    def has(self, node: Any, name: str) -> bool:
        return node.HasParameter(f"{name}.len")

    def read(self, node: Any, name: str) -> ObservedList:
        items = [self._item.read(node, f"{name}.{index}") for index in range(int(node.GetParameter(f"{name}.len")))]
        return ObservedList(items, lambda changed: self._rewrite(node, name, changed))

    def _rewrite(self, node: Any, name: str, items: list) -> None:
        self.validate(items)
        self.write(node, name, items)

    def write(self, node: Any, name: str, value: Any) -> None:
        with NodeModify(node):
            self.remove(node, name)
            for index, item in enumerate(value):
                self._item.write(node, f"{name}.{index}", item)
            node.SetParameter(f"{name}.len", str(len(value)))

    def remove(self, node: Any, name: str) -> None:
        for index in range(int(node.GetParameter(f"{name}.len") or 0)):
            self._item.remove(node, f"{name}.{index}")
        node.UnsetParameter(f"{name}.len")


class DictCodec(ListCodec):
    """A dictionary, stored as a list of pairs."""

    def default(self) -> dict:
        return {}

    def validate(self, value: Any) -> None:
        super().validate(list(value.items()))

    def read(self, node: Any, name: str) -> ObservedDict:
        pairs = dict(super().read(node, name))
        return ObservedDict(pairs, lambda changed: self._rewrite(node, name, changed))

    def write(self, node: Any, name: str, value: Any) -> None:
        super().write(node, name, list(value.items()))


def _members(plain: Any) -> list[Codec]:
    return [codec_for(argument)[0] for argument in typing.get_args(plain)]


extra_codecs.extend(
    [
        (lambda plain: typing.get_origin(plain) is list, lambda plain: ListCodec(_members(plain)[0])),
        (lambda plain: typing.get_origin(plain) is tuple, lambda plain: TupleCodec(_members(plain))),
        (lambda plain: typing.get_origin(plain) is dict, lambda plain: DictCodec(TupleCodec(_members(plain)))),
    ]
)
