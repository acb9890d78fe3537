"""What readers say of cases, as lines of JSON that are only ever added, a whole line at once."""

import json
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ..errors import UserError

REAL, SYNTHETIC = "real", "synthetic"
MOST_CONFIDENT, MOST_REALISTIC = 5, 10


@dataclass(frozen=True)
class Answer:
    """What a reader says of a case.

    Attributes:
        case: its name in the study.
        call: ``real`` or ``synthetic``; empty where the case is rejected.
        confidence: of the call, 1 (a guess) to 5 (certain); 0 where the case is rejected.
        realism: 1 to 10 (as real as any); 0 where the case is rejected.
        reject: why the case cannot be judged; empty where it is judged.
        seconds: how long the reader looked.
        time: of the answer, ISO 8601 with the offset from UTC.
    """

    case: str
    call: str = ""
    confidence: int = 0
    realism: int = 0
    reject: str = ""
    seconds: float = 0.0
    time: str = ""

    @property
    def problem(self) -> str:
        """A sentence that says why this is no answer, or nothing."""
        if self.reject:
            return ""
        if self.call not in (REAL, SYNTHETIC):
            return f"A call is {REAL} or {SYNTHETIC}, not {self.call or 'nothing'}."
        if not 1 <= self.confidence <= MOST_CONFIDENT:
            return f"The confidence is 1 to {MOST_CONFIDENT}, not {self.confidence}."
        if not 1 <= self.realism <= MOST_REALISTIC:
            return f"The realism is 1 to {MOST_REALISTIC}, not {self.realism}."
        return ""

    @property
    def date(self) -> str:
        """The day of the answer where it was given, ISO 8601."""
        return self.time[:10]


def now() -> str:
    """The time here, ISO 8601 with the offset from UTC."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


def add_line(file: Path, told: dict) -> None:
    """Add a line to a file, which is made where there is none.

    Raises:
        UserError: the file cannot be written.
    """
    line = json.dumps(told, ensure_ascii=False).encode() + b"\n"
    try:
        file.parent.mkdir(exist_ok=True)
        torn = file.is_file() and file.read_bytes()[-1:] not in (b"", b"\n")
        # One write to a file opened for adding, so that lines of two processes do not mix.
        with file.open("ab", buffering=0) as opened:
            opened.write(b"\n" * torn + line)
            os.fsync(opened.fileno())
    except OSError as error:
        advice = "Check that the study's folder can be written and the disk is not full."
        raise UserError(f"The answer cannot be written to {file}.", advice) from error


def read_lines(file: Path) -> list[dict | None]:
    """The objects in a file of JSON lines; None for what is none."""
    if not file.is_file():
        return []
    found: list[dict | None] = []
    for line in file.read_bytes().splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            value = None
        if line.strip():
            found.append(value if isinstance(value, dict) else None)
    return found


def answer_of(told: dict | None) -> Answer | None:
    """An answer from a line, as :func:`read_lines` gives it; None where it is none."""
    try:
        answer = Answer(
            str(told["case"]),
            str(told["call"]),
            int(told["confidence"]),
            int(told["realism"]),
            str(told["reject"]),
            float(told["seconds"]),
            str(told["time"]),
        )
    except (KeyError, TypeError, ValueError):
        return None
    return None if answer.problem else answer
