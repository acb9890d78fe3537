"""Names of models: plain file names that every system takes."""

import re
from collections.abc import Iterable

from ..errors import UserError

_LONGEST = 64
# What Windows keeps for devices, with any ending.
_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}
_PLAIN = re.compile(r"\w(?:[\w .()+-]*[\w)+-])?")


def check_name(name: str) -> None:
    """Check that a model may be called so.

    Raises:
        UserError: it is empty, too long, or not a plain file name.
    """
    if not _PLAIN.fullmatch(name) or len(name) > _LONGEST or name.split(".")[0].strip().lower() in _DEVICES:
        raise UserError(
            f"A model cannot be called {name!r}.",
            f"Use letters, digits, spaces and any of . ( ) + - _, at most {_LONGEST} characters.",
        )


def usable_name(name: str, taken: Iterable[str]) -> str:
    """The name, made plain and, with a number behind it, different from those taken, whatever their case."""
    plain = re.sub(r"[^\w .()+-]", "_", name)[: _LONGEST - 5].strip(" .()+-")
    try:
        check_name(plain)
    except UserError:
        plain = "Model"
    used = {other.casefold() for other in taken}
    free, number = plain, 1
    while free.casefold() in used:
        number += 1
        free = f"{plain} {number}"
    return free
