"""How a task tells its progress, result or failure: people read a terminal, programs read JSON lines."""

import json
import sys
import time
from collections.abc import Callable

from .errors import UserError

Progress = Callable[[float, str], None]
"""Called with the fraction done (0 to 1) and what is being done."""


def part(progress: Progress, start: float, share: float, before: str = "") -> Progress:
    """The progress of a part of the whole, which begins at ``start`` and is a ``share`` of it; its messages come after
    ``before``."""
    return lambda fraction, message: progress(start + share * fraction, before + message)


def silent(fraction: float, message: str) -> None:
    """The progress of a caller who does not want to know."""


class Reporter:
    """Writes events to standard output: one JSON object a line, or text and a moving percentage for people."""

    def __init__(self, json_lines: bool) -> None:
        self._json_lines = json_lines
        self._start = time.monotonic()
        self._first_fraction: float | None = None

    def progress(self, fraction: float, message: str) -> None:
        """Report the fraction done, with the time left in seconds as far as the pace so far tells it."""
        fraction = min(max(fraction, 0.0), 1.0)
        eta = self._eta(fraction)
        if self._json_lines:
            self._write({"event": "progress", "fraction": round(fraction, 4), "message": message, "eta_s": eta})
        else:
            left = f", {eta:.0f} s left" if eta is not None else ""
            print(f"\r\033[K{fraction:4.0%} {message}{left}", end="", flush=True)

    def result(self, values: dict) -> None:
        """Report what the task has made; for people, a ``text`` among the values stands for all of them."""
        if self._json_lines:
            self._write({"event": "result", **{key: value for key, value in values.items() if key != "text"}})
        else:
            print("\r\033[K" + (values.get("text") or json.dumps(values, indent=2)))

    def error(self, error: UserError) -> None:
        """Report why the task failed; for people on standard error."""
        if self._json_lines:
            self._write({"event": "error", "message": error.message, "advice": error.advice})
        else:
            print(f"\nError: {error.message} {error.advice}", file=sys.stderr)

    def _eta(self, fraction: float) -> float | None:
        """Seconds left; a resumed task starts above zero, so only what was done since then sets the pace."""
        if self._first_fraction is None:
            self._first_fraction, self._start = fraction, time.monotonic()
        done = fraction - self._first_fraction
        return round((1 - fraction) * (time.monotonic() - self._start) / done, 1) if done > 0 else None

    def _write(self, event: dict) -> None:
        print(json.dumps(event), flush=True)
