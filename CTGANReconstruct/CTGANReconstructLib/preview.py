"""Small radiographs of a CT while the user moves the angles, from a child of the backend that keeps the CT.

One request is under way at a time; of those that come meanwhile only the last counts. The child ends when it is told
to, and by itself when its standard input closes, so not even a crash of the application leaves it behind.
"""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from .backend import Backend
from .events import EventReader
from .nodes import writeCoarseVolume
from .processes import killTree, startTree

_POLL_MSEC = 20
_PICTURE_SIZE = 128
_CT_SIZE = 128  # voxels along the longest axis: enough for the picture, and quick to project


class Preview:
    """The running child for one CT."""

    def __init__(
        self,
        backend: Backend,
        ct: slicer.vtkMRMLScalarVolumeNode,
        onPicture: Callable[[bytes, dict], None],
        onProblem: Callable[[str], None],
    ) -> None:
        """Start the child.

        Args:
            backend: does the computing.
            ct: a CT in HU.
            onPicture: called with each picture as PNG, and how it was taken (``Acquisition.to_dict`` of CTGANLib).
            onProblem: called with a sentence where there is no picture.

        Raises:
            ValueError: the CT cannot be written.
            OSError: the child cannot be started.
        """
        self._onPicture, self._onProblem = onPicture, onProblem
        self._wanted: dict | None = None
        self._asked: dict | None = None
        self._busy = False
        self._events = EventReader()
        self._folder = Path(tempfile.mkdtemp(prefix="CTGAN-", dir=slicer.app.temporaryPath))
        try:
            writeCoarseVolume(ct, self._folder / "ct.nrrd", _CT_SIZE)
            arguments = ["preview", str(self._folder / "ct.nrrd"), "--out", str(self._folder)]
            self._process = startTree(
                backend.command([*arguments, "--size", str(_PICTURE_SIZE)]),
                backend.environment(),
                self._folder / "stdout.txt",
                self._folder / "stderr.txt",
                subprocess.PIPE,
            )
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        self._stdout = open(self._folder / "stdout.txt", "rb")  # noqa: SIM115, closed by stop
        self._timer = qt.QTimer()
        self._timer.interval = _POLL_MSEC
        self._timer.timeout.connect(self._poll)
        self._timer.start()

    @property
    def running(self) -> bool:
        return not self._stdout.closed

    def request(self, request: dict) -> None:
        """Ask for a picture, unless it is the one asked for last; see ``CTGANLib/commands/preview.py``."""
        if request != self._asked:
            self._wanted = self._asked = request
            self._send()

    def stop(self) -> None:
        """End the child."""
        if not self.running:
            return
        self._timer.stop()
        self._stdout.close()
        killTree(self._process)
        self._process.communicate()  # closes the pipe, too
        shutil.rmtree(self._folder, ignore_errors=True)

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
        if ended:
            self.stop()
            self._onProblem(_sentence(error) if error else _("The preview ended unexpectedly."))
        elif result or error:
            self._busy = False
            if error:
                self._onProblem(_sentence(error))
            else:
                picture = Path(result["picture"])
                png = picture.read_bytes()
                picture.unlink()
                self._onPicture(png, result["acquisition"])
            self._send()


def _sentence(error: dict) -> str:
    return str(error.get("message") or "")
