"""A panel's Start/Cancel button, progress bar and status line, for any task."""

import traceback
from collections.abc import Callable

import qt
import slicer
from slicer.i18n import tr as _

from CTGANLib.errors import UserError

from .backend import Backend
from .events import Progress
from .jobs import JobCancelled, JobError
from .tasks import Task, TaskRun

_POLL_MSEC = 100


class JobControl:
    """Runs one task at a time without blocking the application."""

    def __init__(
        self,
        button: qt.QPushButton,
        progressBar: qt.QProgressBar,
        statusLabel: qt.QLabel,
        backend: Backend,
        makeTask: Callable[[], Task],
        onDone: Callable[[object], None],
        onProgress: Callable[[Progress], None] | None = None,
    ) -> None:
        """Take over the widgets.

        Args:
            button: starts the task, and cancels it while it runs. Its text is what it starts.
            progressBar: shown while a task runs.
            statusLabel: says what is being done; hidden while there is nothing to say.
            backend: does the computing.
            makeTask: called at the start.
            onDone: called with the task's outcome after success.
            onProgress: called for each progress event, too.
        """
        self._button, self._progressBar, self._statusLabel = button, progressBar, statusLabel
        self._backend, self._makeTask, self._onDone, self._onProgress = backend, makeTask, onDone, onProgress
        self._startText = button.text
        self._problem, self._readyTip = "", ""
        self._run: TaskRun | None = None
        self._timer = qt.QTimer()
        self._timer.interval = _POLL_MSEC
        self._timer.timeout.connect(self._poll)
        self._button.clicked.connect(self._onClicked)
        self._showStatus("")
        self._showState()

    @property
    def running(self) -> bool:
        return self._run is not None

    def setReady(self, problem: str, tip: str, text: str = "") -> None:
        """Say why the task cannot be started, or with no problem, what starting it does; ``text`` is the button's."""
        self._problem, self._readyTip = problem, tip
        self._startText = text or self._startText
        self._showState()

    def start(self) -> None:
        """Start the task, after asking for the installation of what is missing. Failures are shown."""
        try:
            if self._backend.missingPackages():
                self._backend.installPackages()
            self._run = TaskRun(self._makeTask(), self._backend, self._showProgress)
        except Exception as error:
            showError(error)
            return
        self._showProgress(Progress(0.0, _("Starting")))
        self._timer.start()
        self._showState()

    def cancel(self) -> None:
        """Ask the running task to end; the panel stays live meanwhile."""
        if self._run:
            self._showStatus(_("Cancelling"))
            self._run.cancel()

    def stop(self) -> None:
        """End the running task now and forget it, as the scene or the application closes."""
        if self._run:
            self._timer.stop()
            self._run.stop()
            self._ended(_("Cancelled"))

    def _onClicked(self, checked: bool = False) -> None:
        if self.running:
            self.cancel()
        else:
            self.start()

    def _poll(self) -> None:
        if not self._run.poll():
            return
        self._timer.stop()
        try:
            outcome = self._run.finish()
        except JobCancelled:
            self._ended(_("Cancelled"))
        except Exception as error:
            self._ended(_("Failed"))
            showError(error)
        else:
            self._ended(_("Done"))
            self._onDone(outcome)

    def _ended(self, status: str) -> None:
        self._run = None
        self._showStatus(status)
        self._showState()

    def _showStatus(self, text: str) -> None:
        self._statusLabel.text = text
        self._statusLabel.visible = bool(text)

    def _showState(self) -> None:
        self._progressBar.visible = self.running
        self._button.text = _("Cancel") if self.running else self._startText
        self._button.enabled = self.running or not self._problem
        self._button.toolTip = (
            _("End the computation. The scene stays as it is.") if self.running else (self._problem or self._readyTip)
        )

    def _showProgress(self, progress: Progress) -> None:
        showProgress(self._progressBar, self._statusLabel, progress)
        if self._onProgress:
            self._onProgress(progress)


def showProgress(progressBar: qt.QProgressBar, statusLabel: qt.QLabel, progress: Progress) -> None:
    """Show percent, time left, and what is being done, if anything is said of it."""
    progressBar.value = round(100 * progress.fraction)
    left = progress.secondsLeft
    progressBar.format = "%p%" if left is None else _("%p%, {time} left").format(time=durationText(left))
    statusLabel.text = progress.message
    statusLabel.visible = bool(progress.message)


def showError(error: Exception) -> None:
    """Tell the user what failed, with details where there are any."""
    if isinstance(error, JobError):
        details = error.details
    elif isinstance(error, (RuntimeError, ValueError, UserError)):  # said in a sentence
        details = ""
    else:
        details = traceback.format_exc()
    slicer.util.errorDisplay(str(error), detailedText=details)


def durationText(seconds: float) -> str:
    """A duration for people: ``40 s``, ``12 min``, ``3 h 20 min``."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return _("{count} s").format(count=max(1, round(seconds)))
    if minutes < 90:
        return _("{count} min").format(count=minutes)
    return _("{hours} h {minutes} min").format(hours=minutes // 60, minutes=minutes % 60)
