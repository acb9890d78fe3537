"""A task's way through the backend: inputs into a temporary folder, a job, the results into the scene."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import slicer
from slicer.i18n import tr as _

from .backend import Backend
from .events import Progress
from .jobs import Job, JobError
from .processes import removeFolder


class Task(Protocol):
    """What the backend is asked to do."""

    def prepare(self, folder: Path) -> list[str]:
        """Write the inputs into a folder; return the backend's arguments. Raise ValueError for wrong inputs."""

    def finish(self, result: dict) -> object:
        """Turn the backend's result event into what the caller gets. The scene is changed here, or not at all."""


class TaskRun:
    """A task under way. The temporary folder goes when it ends, however it ends."""

    def __init__(self, task: Task, backend: Backend, onProgress: Callable[[Progress], None] | None = None) -> None:
        """Start the task.

        Raises:
            ValueError: the inputs are wrong.
            JobError: the backend cannot be started.
        """
        self._task = task
        self._folder = Path(tempfile.mkdtemp(prefix="CTGAN-", dir=slicer.app.temporaryPath))
        try:
            command = backend.command(task.prepare(self._folder))
            self._job = Job(command, backend.environment(), self._folder, onProgress)
        except BaseException:
            self._removeFolder()
            raise

    def poll(self) -> bool:
        """Report new progress; return whether the backend has ended. If so, call :meth:`finish`."""
        return self._job.poll()

    def cancel(self) -> None:
        """Ask the backend to end; go on polling."""
        self._job.cancel()

    def stop(self) -> None:
        """End the backend and forget the task."""
        self._job.stop()
        self._removeFolder()

    def wait(self) -> None:
        """Poll until the backend has ended. Whatever interrupts the wait ends the backend too."""
        try:
            self._job.wait()
        except BaseException:
            self._removeFolder()
            raise

    def finish(self) -> object:
        """The task's outcome, after the backend has ended.

        Raises:
            JobCancelled, JobError: there is none; the scene is as it was.
        """
        try:
            return self._task.finish(self._job.result())
        except JobError as error:
            raise self._withoutFolder(error) from error
        finally:
            self._removeFolder()

    def _withoutFolder(self, error: JobError) -> JobError:
        """The same failure, in which files of the temporary folder have but their names."""
        return JobError(error.message.replace(f"{self._folder}{os.sep}", ""), error.advice, error.details)

    def _removeFolder(self) -> None:
        removeFolder(self._folder)


def optionArguments(options: dict[str, str | float | bool | None]) -> list[str]:
    """``{"pixelSpacing": 0.5, "film": True}`` as ``["--pixel-spacing", "0.5", "--film"]``.

    Options that are None, empty or False are left out.
    """
    arguments = []
    for name, value in options.items():
        if value is not None and value is not False and value != "":
            dashed = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name)
            arguments += [f"--{dashed}"] if value is True else [f"--{dashed}", str(value)]
    return arguments


def runTask(task: Task, backend: Backend, onProgress: Callable[[Progress], None] | None = None) -> object:
    """Run a task to its end and return its outcome, for scripts.

    Raises:
        RuntimeError: packages are missing; its subclasses JobError, JobCancelled: the job failed.
        ValueError: the inputs are wrong.
    """
    if missing := backend.missingPackages():
        text = _("These Python packages are missing: {names}. Call installPackages() of the logic.")
        raise RuntimeError(text.format(names=", ".join(missing)))
    run = TaskRun(task, backend, onProgress)
    run.wait()
    return run.finish()
