"""The folder of a training run: what it was asked, how far it is, what may be asked of it.

Only the standard library is imported, so that a panel can follow a run without torch. Whoever trains writes; any number
of others may read at the same time, from the same machine or over a shared disk.
"""

import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

from ..errors import UserError
from ..files import staged

# The states of a run at work, each with where it begins in the whole and its share of it.
WORKING = {"preparing": (0.0, 0.05), "training": (0.05, 0.85), "evaluating": (0.9, 0.1)}
REQUESTS = ("pause", "stop")
# How long a process that cannot be looked up, such as one on another machine, may be silent and pass for alive.
_SILENT_SECONDS = 300.0


class Run:
    """One run folder; it need not exist yet.

    Attributes:
        folder: the run's place; its name is the run's name.
        checkpoint: the state to resume from.
        best: the best weights so far.
        model: the finished bundle.
        evaluation: its scores, a row for each test case and method.
        prepared: the prepared CTs.
        truth: a patient's CT, to look at beside :meth:`predictions`.
        film: the :meth:`previews` as an animation.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.checkpoint = self.folder / "checkpoint.pt"
        self.best = self.folder / "best.pt"
        self.model = self.folder / "model"
        self.evaluation = self.folder / "evaluation.json"
        self.prepared = self.folder / "prepared"
        self.truth = self.folder / "examples" / "truth.nrrd"
        self.film = self.folder / "previews.gif"
        self._info, self._status = self.folder / "run.json", self.folder / "status.json"
        self._losses, self._scores = self.folder / "losses.jsonl", self.folder / "scores.jsonl"
        self._request, self._memory = self.folder / "request", self.folder / "memory.json"

    @property
    def name(self) -> str:
        return self.folder.name

    def info(self) -> dict:
        """What the run was begun with: ``name``, ``recipe``, ``data``, ``settings``, ``created``; empty before that."""
        return _read(self._info)

    def status(self) -> dict:
        """How far it is; see :meth:`say`. A run that should be working but is not has the state ``interrupted``."""
        status = _read(self._status)
        if status.get("state") in WORKING and not _is_alive(status):
            return {**status, "state": "interrupted"}
        return status

    def losses(self, since_step: int = 0) -> list[dict]:
        """A row a step from ``since_step`` on: ``step`` and the losses by name."""
        return [row for row in _rows(self._losses) if row["step"] >= since_step]

    def scores(self) -> list[dict]:
        """A row a validation: ``step`` and the metrics by name."""
        return list(_rows(self._scores))

    def rows(self) -> list[dict]:
        """The scores of a finished run: a row for each test case and method."""
        return json.loads(self.evaluation.read_text(encoding="utf-8"))

    def example(self, step: int) -> Path:
        """Where the CT lies that was predicted after ``step`` steps."""
        return self.truth.with_name(f"step_{step:06d}.nrrd")

    def predictions(self) -> list[Path]:
        """The predicted CTs that are there, the oldest first."""
        return sorted(self.truth.parent.glob("step_*.nrrd"))

    def preview(self, step: int) -> Path:
        """Where the picture for people lies that was made after ``step`` steps."""
        return self.folder / "previews" / f"step_{step:06d}.png"

    def previews(self) -> list[Path]:
        """The pictures for people that are there, the oldest first."""
        return sorted((self.folder / "previews").glob("step_*.png"))

    def request(self, what: str) -> None:
        """Ask the process that trains to ``pause`` or ``stop``; it obeys after its step."""
        if what not in REQUESTS:
            raise ValueError(f"A run cannot be asked to {what}.")
        with staged(self._request) as temporary:
            temporary.write_text(what, encoding="utf-8")

    def begin(self, recipe: str, data: Path, settings: dict, restarted: bool = False) -> dict:
        """Claim the folder; return the settings, those it was begun with when it is resumed.

        ``restarted`` says that a supervisor has ended the process that was at work.

        Raises:
            UserError: another process is at work in it, or it was begun with another recipe.
        """
        working = self.status().get("state") in WORKING and self.status().get("pid") != os.getpid()
        if working and not restarted:
            advice = "Wait for its end, or choose another run folder."
            raise UserError(f"The run {self.name} is at work already.", advice)
        self.take_request()
        info = self.info()
        if not info:
            created = datetime.now(timezone.utc).isoformat(timespec="seconds")
            info = {"name": self.name, "recipe": recipe, "data": str(data), "settings": settings, "created": created}
            _write(self._info, info)
        if info["recipe"] != recipe:
            raise UserError(
                f"The run {self.name} was begun with the recipe {info['recipe']}.", "Choose another run folder."
            )
        return info["settings"]

    def say(self, state: str, **values: object) -> None:
        """Write the status: ``state`` and any of ``fraction`` (of the work of this state; what is written is that of
        the whole), ``message``, ``eta_s``, ``step``, ``steps``, ``samples_per_s``, ``memory_mb``, ``device``, ``best``,
        ``error``, ``model``, ``notices`` and ``left_out``; the others stay as they were."""
        if "fraction" in values:
            values["fraction"] = whole_fraction(state, values["fraction"])
        status = {**_read(self._status), "error": None, **values}
        here = {"pid": os.getpid(), "host": platform.node(), "updated": time.time()}
        _write(self._status, {**status, "state": state, **here})

    def fail(self, error: UserError) -> None:
        """Write that the run has failed, and why."""
        self.say("failed", error={"message": error.message, "advice": error.advice})

    def take_request(self) -> str:
        """What was asked since the last call: ``pause``, ``stop`` or nothing."""
        try:
            what = self._request.read_text(encoding="utf-8").strip()
        except OSError:
            return ""
        self._request.unlink(missing_ok=True)
        return what if what in REQUESTS else ""

    def curves_before(self, step: int) -> None:
        """Forget losses and scores from ``step`` on, as the run goes back to it."""
        for path in (self._losses, self._scores):
            rows = [row for row in _rows(path) if row["step"] < step]
            with staged(path) as temporary:
                temporary.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

    def patients_at_a_time(self, most: int) -> int:
        """How many patients fit into memory at a time, as far as it is known, at most ``most``."""
        return min(most, _read(self._memory).get("patients_at_a_time", most))

    def set_patients_at_a_time(self, count: int) -> None:
        """Remember, for a resumed run, what :meth:`patients_at_a_time` tells."""
        _write(self._memory, {"patients_at_a_time": count})

    def add_losses(self, step: int, losses: dict[str, float]) -> None:
        _append(self._losses, {"step": step, **losses})

    def add_scores(self, step: int, scores: dict[str, float]) -> None:
        _append(self._scores, {"step": step, **scores})


def runs_folder() -> Path:
    """Where the panel keeps runs: ``$CTGAN_RUNS``, or ``~/.ctgan/runs``."""
    return Path(os.environ.get("CTGAN_RUNS") or Path.home() / ".ctgan" / "runs")


def list_runs(root: str | Path | None = None) -> list[Run]:
    """The runs of a folder (default: :func:`runs_folder`), the newest first."""
    runs = [Run(path.parent) for path in Path(root or runs_folder()).glob("*/run.json")]
    return sorted(runs, key=lambda run: str(run.info().get("created", "")), reverse=True)


def whole_fraction(state: str, fraction: float) -> float:
    """What a fraction of the work of a state is of the whole run."""
    start, share = WORKING.get(state, (0.0, 1.0))
    return start + share * fraction


def _is_alive(status: dict) -> bool:
    pid = status.get("pid")
    if os.name == "nt" or status.get("host") != platform.node() or not isinstance(pid, int):
        updated = status.get("updated")
        return isinstance(updated, float) and time.time() - updated < _SILENT_SECONDS
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's, but there
        return True
    return True


def _read(path: Path) -> dict:
    with suppress(OSError, ValueError):
        values = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(values, dict):
            return values
    return {}


def _write(path: Path, values: dict) -> None:
    with staged(path) as temporary:
        temporary.write_text(json.dumps(values, indent=2), encoding="utf-8")


def _rows(path: Path) -> Iterator[dict]:
    """The rows of a file with one JSON object a line; a half-written line is passed over."""
    with suppress(OSError), path.open(encoding="utf-8") as file:
        for line in file:
            with suppress(ValueError):
                row = json.loads(line)
                if isinstance(row, dict) and isinstance(row.get("step"), int):
                    yield row


def _append(path: Path, row: dict) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
