"""One run of the backend in a child process, with progress and Cancel.

The child's output goes to files that :meth:`Job.poll` reads, so that the same job serves a panel (a timer polls) and
a script (a loop polls), without threads, and without a full pipe ever stopping the child.
"""

import time
from collections.abc import Callable
from pathlib import Path

from .events import EventReader, Progress
from .processes import isTreeAlive, killTree, startTree, terminateTree

_CANCELLED_STATUS = 130
_SECONDS_TO_END = 3.0
_POLL_SECONDS = 0.05
_DETAILS_SIZE = 8000
_LAUNCHER_SAYS_KILLED = "exit abnormally - Report the problem"


class JobError(RuntimeError):
    """A job that failed: one clear sentence, advice, and details for a report (what the child printed)."""

    def __init__(self, message: str, advice: str = "", details: str = "") -> None:
        super().__init__(f"{message} {advice}".strip())
        self.message = message
        self.advice = advice
        self.details = details


class JobCancelled(RuntimeError):
    """The job was cancelled; there is no result."""


class Job:
    """A running child process that speaks the events of the CTGANLib command line."""

    def __init__(
        self,
        command: list[str],
        environment: dict[str, str],
        folder: Path,
        onProgress: Callable[[Progress], None] | None = None,
    ) -> None:
        """Start the child.

        Args:
            command: program and arguments.
            environment: the child's environment variables.
            folder: an existing folder for the child's output.
            onProgress: called during :meth:`poll` for each progress event.

        Raises:
            JobError: the program cannot be started.
        """
        self._stderr = folder / "stderr.txt"
        self._events = EventReader(onProgress)
        self._killTime: float | None = None
        try:
            self._process = startTree(command, environment, folder / "stdout.txt", self._stderr)
        except OSError as error:
            raise JobError(f"The computation could not be started: {error}.", "Install the extension again.") from error
        self._stdout = open(folder / "stdout.txt", "rb")  # noqa: SIM115, closed by poll

    def poll(self) -> bool:
        """Read new events; return whether the job has ended."""
        if self._stdout.closed:
            return True
        ended = self._process.poll() is not None and not self._isCleaningUp()
        self._events.feed(self._stdout.read())
        if ended:
            self._events.feed(b"\n")
            self._stdout.close()
            killTree(self._process)
        elif self._killTime is not None and time.monotonic() > self._killTime:
            killTree(self._process)
        return ended

    def _isCleaningUp(self) -> bool:
        """Whether children of a cancelled child use their grace time; ``PythonSlicer`` ends before its Python does."""
        return self._killTime is not None and time.monotonic() < self._killTime and isTreeAlive(self._process)

    def cancel(self) -> None:
        """Ask the child and its children to end; go on polling, which ends them by force after a grace time."""
        if self._killTime is None and not self._stdout.closed:
            self._killTime = time.monotonic() + _SECONDS_TO_END
            terminateTree(self._process)

    def wait(self) -> None:
        """Poll until the job has ended. Whatever interrupts the wait, such as Ctrl+C, ends the child too."""
        try:
            while not self.poll():
                time.sleep(_POLL_SECONDS)
        finally:
            self.stop()

    def stop(self) -> None:
        """Cancel, and wait until the child is gone. Progress is not reported any more."""
        self._events.onProgress = None
        self.cancel()
        while not self.poll():
            time.sleep(_POLL_SECONDS)

    def result(self) -> dict:
        """The result event of a job that has ended.

        Raises:
            JobCancelled: the job was cancelled.
            JobError: the job failed.
        """
        status = self._process.returncode
        if self._killTime is not None or status == _CANCELLED_STATUS:
            raise JobCancelled("Cancelled.")
        if self._events.error is not None:
            error = self._events.error
            message = str(error.get("message") or "The computation failed.")
            raise JobError(message, str(error.get("advice") or ""), self._details())
        if status != 0:
            details = self._details()
            message = f"The computation ended unexpectedly (exit status {status})."
            raise JobError(message, adviceFor(status, details), details)
        if self._events.result is None:
            raise JobError("The computation ended without a result.", "", self._details())
        return self._events.result

    def _details(self) -> str:
        """The end of what the child printed as errors."""
        return self._stderr.read_bytes()[-_DETAILS_SIZE:].decode(errors="replace").strip()


def adviceFor(status: int, details: str) -> str:
    """What to do about a process that ended unexpectedly, and printed the details as errors."""
    # SIGKILL is on Linux mostly the system's answer to a lack of memory. PythonSlicer, which starts Python, says it so.
    if status == -9 or _LAUNCHER_SAYS_KILLED in details:
        return "The computer may have run out of memory. Close other programs and try again."
    return "See the details."
