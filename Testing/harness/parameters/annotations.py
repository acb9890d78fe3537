"""What may stand in Annotated[...]: validators, the default, and hints for number widgets."""

from __future__ import annotations

import abc
import typing
from collections.abc import Callable
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, get_args, get_origin


class Validator(abc.ABC):
    """Base class of validators, also of a module's own."""

    @abc.abstractmethod
    def validate(self, value: Any) -> None:
        """Raises an exception for a value that is not valid."""


class NotNone(Validator):
    """Any value but None."""

    def validate(self, value: Any) -> None:
        """Refuses None."""
        if value is None:
            raise ValueError("Value must not be None")


@dataclass
class IsInstance(Validator):
    """A value of a class; None passes."""

    classtype: type | tuple[type, ...]

    def validate(self, value: Any) -> None:
        """Refuses other classes."""
        if value is not None and not isinstance(value, self.classtype):
            raise TypeError(f"Value must be of type {self.classtype}, is {type(value)}: {value!r}")


@dataclass
class WithinRange(Validator):
    """A number between two limits, which are included."""

    minimum: float
    maximum: float

    def validate(self, value: float) -> None:
        """Refuses what is outside."""
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"Value must be within [{self.minimum}, {self.maximum}], is {value}")


@dataclass
class Minimum(Validator):
    """A number that is not smaller."""

    minimum: float

    def validate(self, value: float) -> None:
        """Refuses what is smaller."""
        if value < self.minimum:
            raise ValueError(f"Value must not be less than {self.minimum}, is {value}")


@dataclass
class Maximum(Validator):
    """A number that is not larger."""

    maximum: float

    def validate(self, value: float) -> None:
        """Refuses what is larger."""
        if value > self.maximum:
            raise ValueError(f"Value must not be greater than {self.maximum}, is {value}")


@dataclass
class Choice(Validator):
    """One of a list of values."""

    choices: list

    def validate(self, value: Any) -> None:
        """Refuses what is not in the list."""
        if value not in self.choices:
            raise ValueError(f"Value must be one of {self.choices}, is {value!r}")


@dataclass
class Exclude(Validator):
    """None of a list of values."""

    excludedValues: list

    def validate(self, value: Any) -> None:
        """Refuses what is in the list."""
        if value in self.excludedValues:
            raise ValueError(f"Value must not be one of {self.excludedValues}, is {value!r}")


@dataclass
class Decimals:
    """How many decimals a number widget shows."""

    value: int


@dataclass
class SingleStep:
    """The step of a number widget."""

    value: float


class Default:
    """The default of a parameter: a value, or a function that makes one each time."""

    def __init__(self, value: Any = None, *, generator: Callable[[], Any] | None = None) -> None:
        self._value, self._generator = value, generator

    @property
    def value(self) -> Any:
        """The default value."""
        return self._generator() if self._generator else self._value


def split(annotated: Any) -> tuple[Any, list]:
    """A type without its annotations, and the annotations; a union always as typing.Union."""
    plain, *extra = get_args(annotated) if get_origin(annotated) is Annotated else (annotated,)
    if isinstance(plain, UnionType):
        plain = typing.Union[get_args(plain)]  # noqa: UP007  made from a tuple
    return plain, extra


def first(annotated: Any, kind: type) -> Any:
    """The first annotation of a kind, or None."""
    return next((item for item in split(annotated)[1] if isinstance(item, kind)), None)
