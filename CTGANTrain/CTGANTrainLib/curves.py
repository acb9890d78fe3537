"""The losses and scores of a run as columns of numbers, read as they grow."""

import json
import math
import os
from contextlib import suppress
from pathlib import Path

import numpy as np

from CTGANReconstructLib.events import finiteNumber

_STEP = "step"
_MOST_POINTS = 2000


class Curves:
    """The rows of a file with one JSON object a line: ``step``, and numbers by name.

    What is new is read by each :meth:`update`, so that following a long run costs no more than following a short one.
    A file that is written anew, as by a run that goes back to its checkpoint, is read from its start.

    Attributes:
        version: grows with each change.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.version = 0
        self._forget()

    @property
    def names(self) -> list[str]:
        """What there are numbers of, in the order in which it came."""
        return list(self._columns)

    def update(self) -> None:
        """Read what is new. A half-written last line waits for the next call."""
        try:
            with self._path.open("rb") as file:
                state = os.fstat(file.fileno())
                if (state.st_dev, state.st_ino) != self._identity or state.st_size < self._offset:
                    self._forget()
                    self._identity = (state.st_dev, state.st_ino)
                file.seek(self._offset)
                lines, newline, _rest = file.read().rpartition(b"\n")
        except OSError:
            return
        self._offset += len(lines) + len(newline)
        for line in lines.split(b"\n"):
            self._add(line)
        self.version += bool(lines)

    def columns(self, names: list[str] | None = None) -> dict[str, np.ndarray]:
        """``step`` and the named columns, or all; not a number where a step has none. Long ones are thinned out."""
        count = len(self._steps)
        kept = np.arange(count)
        if count > _MOST_POINTS:
            kept = np.unique(np.linspace(0, count - 1, _MOST_POINTS).round().astype(int))
        shown = {name: self._columns[name] for name in names or self.names if name in self._columns}
        return {
            _STEP: np.array(self._steps, float)[kept],
            **{name: np.array(self._complete(values), float)[kept] for name, values in shown.items()},
        }

    def _forget(self) -> None:
        self._identity: tuple[int, int] | None = None
        self._offset = 0
        self._steps: list[int] = []
        self._columns: dict[str, list[float]] = {}

    def _add(self, line: bytes) -> None:
        row = None
        with suppress(ValueError, RecursionError):
            row = json.loads(line)
        if not isinstance(row, dict) or finiteNumber(row.get(_STEP)) is None:
            return
        values = {name: finiteNumber(value) for name, value in row.items() if name != _STEP}
        for name, value in values.items():
            if value is not None:
                column = self._columns.setdefault(name, [])
                self._complete(column).append(value)
        self._steps.append(int(row[_STEP]))

    def _complete(self, column: list[float]) -> list[float]:
        """Fill a column up to the steps so far."""
        column.extend([math.nan] * (len(self._steps) - len(column)))
        return column
