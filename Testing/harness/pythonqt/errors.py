"""Exceptions that Qt would only print: PythonQt does not let a slot's exception reach the caller."""

from __future__ import annotations

import traceback
from collections.abc import Callable

slot_errors: list[BaseException] = []
# slicer.util.tryWithErrorDisplay shows the error and raises it again: what the user has seen is not lost. The
# recorder of dialogs adds itself here.
was_shown: list[Callable[[BaseException], bool]] = []


def guarded(function: Callable, arguments: tuple) -> object:
    """Calls a slot; an exception is printed as PythonQt does, and kept so that the test fails."""
    try:
        return function(*arguments)
    except Exception as error:
        traceback.print_exception(error)
        if not any(shown(error) for shown in was_shown):
            slot_errors.append(error)
        return None


def raise_slot_errors() -> None:
    """Raises the first exception that a slot has raised since the last call."""
    if slot_errors:
        first = slot_errors[0]
        slot_errors.clear()
        raise first
