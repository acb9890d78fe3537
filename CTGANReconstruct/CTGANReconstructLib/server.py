"""A child of the backend that keeps a volume, and answers requests while the user moves something.

One request is under way at a time; of those that come meanwhile only the last counts. The child ends when it is told
to, and by itself when its standard input closes, so not even a crash of the application leaves it behind.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from .backend import Backend
from .events import EventReader, Progress
from .processes import killTree, removeFolder, startTree

_POLL_MSEC = 20


class Server:
    """The running child.

    Attributes:
        folder: for what it reads and writes; goes when the child ends.
    """

    def __init__(
        self,
        backend: Backend,
        prepare: Callable[[Path], list[str]],
        onResult: Callable[[dict], None],
        onProblem: Callable[[str], None],
        onProgress: Callable[[Progress], None] | None = None,
    ) -> None:
        """Start the child.

        Args:
            backend: does the computing.
            prepare: writes what the child needs into a folder, and gives the backend's arguments.
            onResult: called with the result event of each request.
            onProblem: called with a sentence where there is none.
            onProgress: called for each progress event.

        Raises:
            ValueError: the inputs are wrong.
            OSError: the child cannot be started.
        """
        self._onResult, self._onProblem = onResult, onProblem
        self._wanted: dict | None = None
        self._asked: dict | None = None
        self._busy = False
        self._problem = ""
        self._events = EventReader(onProgress)
        self.folder = Path(tempfile.mkdtemp(prefix="CTGAN-", dir=slicer.app.temporaryPath))
        try:
            self._process = startTree(
                backend.command(prepare(self.folder)),
                backend.environment(),
                self.folder / "stdout.txt",
                self.folder / "stderr.txt",
                subprocess.PIPE,
            )
        except BaseException:
            removeFolder(self.folder)
            raise
        self._stdout = open(self.folder / "stdout.txt", "rb")  # noqa: SIM115, closed by stop
        self._timer = qt.QTimer()
        self._timer.interval = _POLL_MSEC
        self._timer.timeout.connect(self._poll)
        self._timer.start()

    @property
    def running(self) -> bool:
        return not self._stdout.closed

    def request(self, request: dict) -> bool:
        """Ask for something, unless it is what was asked for last; return whether it was asked for."""
        if request == self._asked:
            return False
        self._wanted = self._asked = request
        self._send()
        return True

    def stop(self) -> None:
        """End the child."""
        if not self.running:
            return
        self._timer.stop()
        self._stdout.close()
        killTree(self._process)
        self._process.communicate()  # closes the pipe, too
        removeFolder(self.folder)

    def _send(self) -> None:
        if self._busy or self._wanted is None or not self.running:
            return
        line = json.dumps(self._wanted) + "\n"
        self._wanted, self._busy = None, True
        try:
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()
        except OSError:
            pass  # it has ended; the next poll says why

    def _poll(self) -> None:
        ended = self._process.poll() is not None
        self._events.feed(self._stdout.read())
        result, error = self._events.result, self._events.error
        self._events.result = self._events.error = None
        if error:
            self._problem = self._sentence(error)
        if ended:
            self.stop()
            self._onProblem(self._problem or _("The computation ended unexpectedly."))
        elif result or error:
            self._busy = False
            if error:
                self._asked = self._wanted  # so that it can be tried again
                self._onProblem(self._problem)
            else:
                self._problem = ""
                self._onResult(result)
            self._send()

    def _sentence(self, error: dict) -> str:
        """What went wrong, in which files of the temporary folder have but their names."""
        return str(error.get("message") or "").replace(f"{self.folder}{os.sep}", "")
