"""What the CTGANLib command line says with ``--events``: one JSON object a line on standard output."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """How far a job is.

    Attributes:
        fraction: from 0 to 1.
        message: what is being done.
        secondsLeft: estimated time to the end, or None where it is not known yet.
    """

    fraction: float
    message: str = ""
    secondsLeft: float | None = None


class EventReader:
    """Collects events out of the bytes of a child's standard output, in pieces of any size.

    Lines that are no event, such as what a library prints, are passed over.

    Attributes:
        result: the object of the ``result`` event, or None.
        error: the object of the ``error`` event, or None.
        onProgress: called for each progress event, unless it is None.
    """

    def __init__(self, onProgress: Callable[[Progress], None] | None = None) -> None:
        self.result: dict | None = None
        self.error: dict | None = None
        self.onProgress = onProgress
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take the next bytes; call ``onProgress`` for each whole progress event in them."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._readLine(line)

    def _readLine(self, line: bytes) -> None:
        try:
            event = json.loads(line)
        except ValueError:
            return
        kind = event.get("event") if isinstance(event, dict) else None
        if kind == "result":
            self.result = event
        elif kind == "error":
            self.error = event
        elif kind == "progress" and self.onProgress:
            self.onProgress(_progress(event))


def _progress(event: dict) -> Progress:
    fraction = finiteNumber(event.get("fraction")) or 0.0
    return Progress(min(max(fraction, 0.0), 1.0), str(event.get("message") or ""), finiteNumber(event.get("eta_s")))


def finiteNumber(value: object) -> float | None:
    """A number out of JSON, or None for anything else, NaN among it."""
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None
