"""A reader study on disk: blinded cases, the answers of each reader, and a key that is kept apart.

A study is a folder with ``study.json``, ``cases/NAME.nrrd`` (random names) and ``answers/READER.jsonl``. Which cases
are synthetic stands in none of them, only in the key, a file beside the folder, whose hash the study holds.

A reader goes on where they stopped, a torn line of the answers costs one of them, and several can read at once.
"""

import hashlib
import json
import unicodedata
from dataclasses import asdict, dataclass
from pathlib import Path

from ..errors import UserError
from . import reader_answers
from .reader_answers import SYNTHETIC, Answer, add_line, answer_of, read_lines

SLICES, VOLUMES = "slices", "volumes"
KINDS = (SLICES, VOLUMES)
FORMAT = "CTGAN reader study 1"
CASE_ENDING = ".nrrd"

_UNBLINDED = "unblinded"


@dataclass(frozen=True)
class Truth:
    """What a case is, and where it came from."""

    synthetic: bool
    source: str


class Study:
    """A study to read or to score.

    Args:
        folder: of the study.

    Attributes:
        kind: ``slices`` or ``volumes``.
        cases: names of the cases, sorted; they are random.

    Raises:
        UserError: the folder holds no study, or a damaged one.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).resolve()
        file = self.folder / "study.json"
        if not file.is_file():
            raise UserError(f"{self.folder} holds no reader study.", "Choose the folder that holds study.json.")
        try:
            told = json.loads(file.read_text(encoding="utf-8"))
            self._format, self._id = told["format"], str(told["id"])
            self.kind, self.cases = str(told["kind"]), sorted(map(str, told["cases"]))
            self._key_hash = str(told["key_sha256"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{file} is damaged.", "Take it from a copy of the study.") from error
        # Names lead to files, and a study may come from anybody.
        if self._format != FORMAT or self.kind not in KINDS or not all(map(str.isalnum, self.cases)):
            raise UserError(f"{file} is of another version.", f"This version reads: {FORMAT}.")
        missing = [name for name in self.cases if not self.case_file(name).is_file()]
        if missing or not self.cases:
            count = f"{len(missing)} of {len(self.cases)} cases"
            raise UserError(f"{count} of the study {self.folder} are missing.", "Copy the whole folder again.")

    def case_file(self, case: str) -> Path:
        """The volume of a case, int16 HU."""
        return self.folder / "cases" / f"{case}{CASE_ENDING}"

    @property
    def key_file(self) -> Path:
        """Where the key lies unless it was taken elsewhere: beside the folder."""
        return key_file(self.folder)

    def reading(self, reader: str) -> "Reading":
        """A reader's way through the study, by their name."""
        return Reading(self, reader)

    def readings(self) -> list["Reading"]:
        """Those of all who have answered, by name."""
        files = sorted((self.folder / "answers").glob("*.jsonl"))
        names = [name for file in files if (name := _reader_of(file))]
        return sorted((Reading(self, name) for name in names), key=lambda reading: reading.reader.casefold())

    def truths(self, key: str | Path | None = None) -> dict[str, Truth]:
        """What each case is. Who has seen it cannot read the study any more.

        Args:
            key: the key, where it does not lie beside the folder.

        Raises:
            UserError: there is no key, or it is that of another study.
        """
        file = Path(key) if key else self.key_file
        try:
            content = file.read_bytes()
        except OSError as error:
            raise UserError(f"There is no key {file}.", "Say where the key of the study is.") from error
        if hashlib.sha256(content).hexdigest() != self._key_hash:
            raise UserError(f"{file} is not the key of this study, or was changed.", "Choose the right key.")
        cases = json.loads(content)["cases"]
        return {name: Truth(bool(told[SYNTHETIC]), str(told["source"])) for name, told in cases.items()}

    def place_for(self, reader: str, case: str) -> str:
        """What a reader's cases are sorted by: as good as random, and always the same."""
        return hashlib.sha256(f"{self._id}\n{_plain(reader)}\n{case}".encode()).hexdigest()


class Reading:
    """One reader's way through a study, in an order of their own.

    Args:
        study: the study.
        reader: their name; capitals and spaces do not matter.

    Attributes:
        cases: the names of the cases in the reader's order.

    Raises:
        UserError: the name is empty.
    """

    def __init__(self, study: Study, reader: str) -> None:
        plain = _plain(reader)
        if not any(map(str.isalnum, plain)):
            raise UserError("The reader has no name.", "Give one; it only has to differ from other readers'.")
        self.study, self.reader = study, " ".join(reader.split())
        self.cases = sorted(study.cases, key=lambda case: study.place_for(reader, case))
        letters = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in plain)
        # With a hash, since names that differ may come out alike.
        self.file = study.folder / "answers" / f"{letters[:40]}_{hashlib.sha256(plain.encode()).hexdigest()[:8]}.jsonl"

    @property
    def answers(self) -> dict[str, Answer]:
        """By case, what the reader said last."""
        return self._read()[0]

    @property
    def closed(self) -> bool:
        """Whether the reader was shown what the cases are, so that nothing more can be answered."""
        return self._read()[1]

    @property
    def damaged(self) -> int:
        """Lines of the file that are no answers and were passed over."""
        return self._read()[2]

    @property
    def next_case(self) -> str | None:
        """The first case without an answer; None at the end."""
        answers = self.answers
        return next((case for case in self.cases if case not in answers), None)

    def answer(self, case: str, call: str, confidence: int, realism: int, seconds: float = 0.0) -> None:
        """Say whether a case is ``real`` or ``synthetic``; said again, it replaces what was said before.

        Args:
            case: its name.
            call: ``real`` or ``synthetic``.
            confidence: 1 (a guess) to 5 (certain).
            realism: 1 to 10 (as real as any).
            seconds: how long the reader looked.

        Raises:
            UserError: there is no such case or answer, the reading is closed, or the file cannot be written.
        """
        self._add(Answer(case, call, confidence, realism, seconds=seconds))

    def reject(self, case: str, reason: str, seconds: float = 0.0) -> None:
        """Say why a case cannot be judged; see :meth:`answer`."""
        if not reason.strip():
            raise UserError("A case is rejected for no reason.", "Give one, in a few words.")
        self._add(Answer(case, reject=" ".join(reason.split()), seconds=seconds))

    def close(self) -> None:
        """Note that the reader is shown what the cases are."""
        if not self.closed:
            add_line(self.file, {_UNBLINDED: reader_answers.now(), "reader": self.reader})

    def _add(self, answer: Answer) -> None:
        if answer.case not in self.study.cases:
            raise UserError(f"The study has no case {answer.case}.", "Choose one of its cases.")
        if answer.problem:
            raise UserError(answer.problem, "Choose another value.")
        if self.closed:
            raise UserError(f"{self.reader} has been shown the results.", "Read another study, or as another reader.")
        about = {"seconds": round(answer.seconds, 1), "time": reader_answers.now(), "reader": self.reader}
        add_line(self.file, {**asdict(answer), **about})

    def _read(self) -> tuple[dict[str, Answer], bool, int]:
        """The answers, whether the reading is closed, and the number of damaged lines."""
        answers: dict[str, Answer] = {}
        closed, damaged = False, 0
        for told in read_lines(self.file):
            answer = answer_of(told)
            if told and _UNBLINDED in told:
                closed = True
            elif answer and answer.case in self.study.cases and not closed:
                answers[answer.case] = answer
            else:
                damaged += 1
        return answers, closed, damaged


def key_file(folder: Path) -> Path:
    """The place of the key of a study's folder."""
    return folder.with_name(f"{folder.name}.key.json")


def _plain(reader: str) -> str:
    """A name as it is compared."""
    return " ".join(unicodedata.normalize("NFKC", reader).casefold().split())


def _reader_of(file: Path) -> str:
    """The name in a file of answers; empty where all of it is damaged."""
    return next((told["reader"] for told in read_lines(file) if told and isinstance(told.get("reader"), str)), "")
