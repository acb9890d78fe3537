"""Trainings as processes of their own, which go on when the panel, the scene or the application closes."""

import shutil
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from slicer.i18n import tr as _

from CTGANLib.models.names import usable_name
from CTGANLib.models.store import taken_names
from CTGANLib.training.runs import WORKING, Run, list_runs, runs_folder
from CTGANReconstructLib.backend import Backend
from CTGANReconstructLib.events import EventReader, finiteNumber
from CTGANReconstructLib.jobs import JobError, adviceFor
from CTGANReconstructLib.processes import killTree, startTree, terminateTree

from .process_lookup import endTraining
from .train_task import DEVICES, TrainTask

STARTING = "starting"
_OUTPUT, _ERRORS = "output.txt", "errors.txt"
_DETAILS_SIZE = 8000
# What a training that was paused, cancelled or ended from outside may say; no failure to tell anybody about.
_ENDED_ON_REQUEST = (0, 130)


@dataclass
class _Started:
    """A training that was started here, when, and whether it has been ended from here."""

    run: Run
    process: subprocess.Popen
    time: float
    isEnded: bool = False

    @property
    def isRunning(self) -> bool:
        return self.process.poll() is None


class Trainings:
    """Starts, resumes and ends trainings, and tells why one failed that was started here.

    Nothing depends on this object: whoever reads the run folder can follow a run, whatever process started it.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._started: dict[Path, _Started] = {}
        self._askedToEnd: set[Path] = set()

    def start(self, task: TrainTask) -> Run:
        """Start a training in its run folder, which is made where it is not there yet.

        Raises:
            ValueError: the data set or the run folder is wrong.
            JobError: the program cannot be started, or the run is at work already.
        """
        arguments = task.prepare(Path(task.runFolder))
        run = Run(task.runFolder)
        if self.state(run) in (STARTING, *WORKING):
            raise JobError(_("The run {name} is at work already.").format(name=run.name))
        command, environment = self._backend.command(arguments), self._backend.environment()
        try:
            run.folder.mkdir(parents=True, exist_ok=True)
            process = startTree(command, environment, run.folder / _OUTPUT, run.folder / _ERRORS)
        except OSError as error:
            raise JobError(_("The training could not be started: {error}.").format(error=error)) from error
        self._started[run.folder.resolve()] = _Started(run, process, time.time())
        self._askedToEnd.discard(run.folder.resolve())
        return run

    def resume(self, run: Run) -> None:
        """Go on with a run where it stopped, with the settings it was begun with.

        Raises:
            ValueError: its data set is gone.
            JobError: see :meth:`start`.
        """
        info = run.info()
        device = str(run.status().get("device") or "").partition(":")[0]
        options = {"device": device if device in DEVICES else "auto"}
        self.start(TrainTask(info.get("data", ""), run.folder, info.get("recipe", ""), options))

    def runs(self) -> list[Run]:
        """All runs of the runs folder, the newest first, and those started here that have not said anything yet."""
        known = list_runs()
        folders = {run.folder.resolve() for run in known}
        others = [each.run for folder, each in reversed(self._started.items()) if folder not in folders]
        # A paused run may have been deleted while its process was still on the way out.
        silent = [run for run in others if run.folder.is_dir() and self.state(run) == STARTING]
        return [*silent, *known]

    def state(self, run: Run) -> str:
        """The run's state, or ``starting`` while a process that was started here has not said anything yet.

        One that has never said anything, and will not, is ``interrupted``.
        """
        status, started = run.status(), self._started.get(run.folder.resolve())
        if started and started.isRunning and (finiteNumber(status.get("updated")) or 0.0) < started.time:
            return STARTING
        return str(status.get("state") or "interrupted")

    def end(self, run: Run) -> None:
        """End a run's process now, not after its step; asked a second time, by force.

        Raises:
            JobError: it was not started here, and cannot be told from other programs.
        """
        folder = run.folder.resolve()
        started = self._started.get(folder)
        if started and started.isRunning:
            (killTree if folder in self._askedToEnd else terminateTree)(started.process)
            started.isEnded = True
        elif not endTraining(run.status().get("pid"), folder, force=folder in self._askedToEnd):
            raise JobError(
                _("The process of {name} cannot be found on this computer.").format(name=run.name),
                _("End it where it was started."),
            )
        self._askedToEnd.add(folder)

    def failures(self) -> list[JobError]:
        """Why trainings that were started here have failed since the last call."""
        over = {folder: each for folder, each in self._started.items() if not each.isRunning}
        failures = []
        for folder, each in over.items():
            del self._started[folder]
            if each.process.returncode not in _ENDED_ON_REQUEST and not each.isEnded:
                failures.append(_failure(folder, each.process.returncode))
            _removeIfEmpty(folder)
        return failures


def freeRunFolder(name: str) -> Path:
    """The folder for a new run: its name is free among the runs and, since the model gets it too, among the models."""
    root = runs_folder()
    taken = [path.name for path in root.iterdir()] if root.is_dir() else []
    return root / usable_name(name, [*taken, *taken_names()])


def deleteRun(run: Run) -> None:
    """Delete a run's folder with everything in it. The published model stays in the store.

    Raises:
        ValueError: this is no run of the runs folder.
        OSError: a file cannot be deleted.
    """
    folder = run.folder.resolve()
    if folder.parent != runs_folder().resolve() or not (folder / "run.json").is_file():
        raise ValueError(_("{path} is no run of the runs folder.").format(path=folder))
    shutil.rmtree(folder)


def _failure(folder: Path, status: int) -> JobError:
    """What a process that failed has said of it."""
    reader = EventReader()
    details = ""
    with suppress(OSError):
        reader.feed((folder / _OUTPUT).read_bytes() + b"\n")
    with suppress(OSError):
        details = (folder / _ERRORS).read_bytes()[-_DETAILS_SIZE:].decode(errors="replace").strip()
    if reader.error is not None:
        return JobError(str(reader.error.get("message") or ""), str(reader.error.get("advice") or ""), details)
    message = _("The training {name} ended unexpectedly (exit status {status}).")
    return JobError(message.format(name=folder.name, status=status), adviceFor(status, details), details)


def _removeIfEmpty(folder: Path) -> None:
    """Remove a run folder that never became one."""
    with suppress(OSError):
        files = list(folder.iterdir())
        if {path.name for path in files} <= {_OUTPUT, _ERRORS, "request"}:
            for path in files:
                path.unlink()
            folder.rmdir()
