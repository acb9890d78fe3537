"""What a run's files say of it, as values to show: whatever is missing or odd there is left out here."""

from dataclasses import dataclass
from datetime import datetime

from slicer.i18n import tr as _

from CTGANLib.training.runs import WORKING, Run
from CTGANReconstructLib.events import Progress, finiteNumber

from .trainings import STARTING, Trainings

RESUMABLE = ("paused", "interrupted", "failed")


@dataclass(frozen=True)
class RunState:
    """One run as it is now.

    Attributes:
        state: ``starting``, ``preparing``, ``training``, ``evaluating``, ``paused``, ``done``, ``failed`` or
            ``interrupted``.
        progress: fraction, message and time left.
        steps: how far, such as ``120 of 1200``.
        pace: samples a second, memory and device in one line.
        best: the best scores so far, by metric.
        error: why it failed, or nothing.
        model: the name of the model in the store, once it is there.
        notices: what to know of the training, a sentence each, in one line.
        asked: ``pause`` or ``stop`` where it has not been obeyed yet, else nothing.
    """

    state: str
    progress: Progress
    steps: str
    pace: str
    best: dict[str, float]
    error: str
    model: str
    notices: str
    asked: str

    @property
    def working(self) -> bool:
        return self.state in (STARTING, *WORKING)

    @property
    def resumable(self) -> bool:
        return self.state in RESUMABLE

    @property
    def label(self) -> str:
        """The state for people."""
        return _stateLabels().get(self.state, self.state)


def runState(run: Run, trainings: Trainings) -> RunState:
    """How a run is now."""
    status = run.status()
    state = trainings.state(run)
    step, steps = finiteNumber(status.get("step")), finiteNumber(status.get("steps"))
    best = status.get("best") if isinstance(status.get("best"), dict) else {}
    error = status.get("error") if isinstance(status.get("error"), dict) else {}
    return RunState(
        state,
        Progress(
            min(max(finiteNumber(status.get("fraction")) or 0.0, 0.0), 1.0),
            str(status.get("message") or ""),
            finiteNumber(status.get("eta_s")),
        ),
        "" if step is None else _("{step} of {steps}").format(step=int(step), steps=int(steps or 0)),
        _pace(status),
        {name: number for name, value in best.items() if (number := finiteNumber(value)) is not None},
        " ".join(str(error.get(part) or "") for part in ("message", "advice")).strip(),
        str(status.get("model") or ""),
        " ".join(map(str, status["notices"])) if isinstance(status.get("notices"), list) else "",
        _asked(run) if state in (STARTING, *WORKING) else "",
    )


def settingsText(info: dict) -> str:
    """The settings of a run in one line."""
    settings = info.get("settings") if isinstance(info.get("settings"), dict) else {}
    return ", ".join(f"{name} {value}" for name, value in settings.items())


def createdText(info: dict) -> str:
    """When a run was begun, in local time."""
    try:
        return datetime.fromisoformat(str(info.get("created"))).astimezone().strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return ""


def bestText(best: dict[str, float]) -> str:
    """The best scores in one line."""
    return ", ".join(f"{name} {value:.4g}" for name, value in best.items())


def _pace(status: dict) -> str:
    samples, memory = finiteNumber(status.get("samples_per_s")), finiteNumber(status.get("memory_mb"))
    parts = [
        "" if samples is None else _("{count} samples/s").format(count=f"{samples:.3g}"),
        "" if memory is None else _("{count} MB memory").format(count=round(memory)),
        str(status.get("device") or ""),
    ]
    return ", ".join(part for part in parts if part)


def _asked(run: Run) -> str:
    try:
        return (run.folder / "request").read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""


def _stateLabels() -> dict[str, str]:
    return {
        STARTING: _("starting"),
        "preparing": _("preparing"),
        "training": _("training"),
        "evaluating": _("evaluating"),
        "paused": _("paused"),
        "done": _("done"),
        "failed": _("failed"),
        "interrupted": _("interrupted"),
    }
