"""Pictures that follow a 3D view: observers of all that they depend on, and a child that makes them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import qt
import slicer
import vtk
from slicer.i18n import tr as _

from .backend import Backend
from .events import Progress, finiteNumber
from .nodes import writeVolume
from .render_functions import displayOf, propertyOf
from .render_task import Shot
from .render_view import cameraOf
from .scene_watch import SceneWatch
from .server import Server
from .tasks import optionArguments

_SOON_MSEC, _REST_MSEC = 30, 600
_FILES = {"out": "picture", "truth": "truth", "difference": "difference"}


@dataclass(frozen=True)
class LivePicture:
    """A picture as it is shown.

    Attributes:
        shot: what it shows.
        camera: see ``render_view.cameraFields``.
        png, truthPng, differencePng: the pictures as PNG; None where VTK was not asked.
        seconds, truthSeconds, scores: see ``RenderResult``.
    """

    shot: Shot
    camera: dict
    png: bytes
    truthPng: bytes | None
    differencePng: bytes | None
    seconds: float
    truthSeconds: float | None
    scores: dict[str, float] | None


class RenderFollower:
    """Asks for a picture whenever view, volume or transfer functions change, and for VTK's when they rest.

    Attributes:
        waiting: whether something that takes its time was asked for and has not come yet.
        server: the child, once something was asked for.
    """

    def __init__(
        self,
        backend: Backend,
        onPicture: Callable[[LivePicture], None],
        onProblem: Callable[[str], None],
        onProgress: Callable[[Progress], None],
        onAsked: Callable[[list[str]], None],
    ) -> None:
        """Do nothing yet.

        Args:
            backend: does the computing.
            onPicture: called with each picture.
            onProblem: called with a sentence where there is none.
            onProgress: called as the child starts, and as it works.
            onAsked: called as something else is asked for than before, with what pictures of it do not show.
        """
        self.waiting = False
        self.server: Server | None = None
        self._backend, self._onPicture, self._onProblem = backend, onPicture, onProblem
        self._onProgress, self._onAsked = onProgress, onAsked
        self._shot: Shot | None = None
        self._options: dict[str, str] = {}
        self._compare = False
        self._asked: dict | None = None
        self._served: tuple | None = None
        self._watch = SceneWatch()
        self._soon, self._rest = _timer(_SOON_MSEC, self._onSoon), _timer(_REST_MSEC, self.ask)

    def choose(self, shot: Shot, compare: bool, options: dict[str, str]) -> None:
        """What to show; ``compare`` with VTK's picture at rest. ``options`` are of the command line."""
        if compare and not self._compare and self._asked is not None:
            self._rest.start()
        self._shot, self._compare, self._options = shot, compare, options

    def follow(self) -> None:
        """Show what is chosen, now and whenever it changes."""
        if not self._soon.isActive():  # started anew at each change, it would not come while the camera moves
            self._soon.start()

    def rest(self) -> None:
        """Follow no longer; the child goes on waiting for :meth:`ask`."""
        self._soon.stop()
        self._rest.stop()
        self._watch.stop()

    def stop(self) -> None:
        """Follow no longer, and end the child."""
        self.rest()
        self._stopServer()

    def ask(self) -> None:
        """Ask for a picture now, and for VTK's beside it where they are to be compared."""
        self._ask(self._compare)

    def _onSoon(self) -> None:
        self._observe()
        if self.server is not None and self._served != self._whatIsServed():
            self._rest.start()  # a volume that is being moved or painted is not written again at each step
        else:
            self._ask(False)

    def _ask(self, compare: bool) -> None:
        try:
            request, notes = self._shot.request()
            isNew = self._startServer() or request != self._asked
        except (ValueError, OSError) as error:
            self._failed(str(error))
            return
        if isNew:
            self._asked = request
            self._onAsked(notes)
            if self._compare and not compare:
                self._rest.start()
        elif not compare:
            return
        names = _FILES if compare else ("out",)
        files = {name: str(self.server.folder / f"{name}.png") for name in names}
        if self.server.request({**request, **files}):
            self.waiting = self.waiting or compare

    def _whatIsServed(self) -> tuple:
        """What a child has to be started anew for."""
        volume = self._shot.volume
        image, transform = volume.GetImageData(), volume.GetParentTransformNode()
        toRAS = vtk.vtkMatrix4x4()
        volume.GetIJKToRASMatrix(toRAS)
        geometry = tuple(toRAS.GetElement(row, column) for row in range(3) for column in range(4))
        moved = transform.GetTransformToWorldMTime() if transform else 0
        return volume.GetID(), image.GetMTime(), geometry, moved, tuple(self._options.items())

    def _startServer(self) -> bool:
        """Start the child, unless it is there and has this volume as it is now; return whether it was started."""
        volume, wanted = self._shot.volume, self._whatIsServed()
        if self.server is not None and self.server.running and wanted == self._served:
            return False
        self._stopServer()
        self._onProgress(Progress(0.0, _("Starting")))

        def prepare(folder: Path) -> list[str]:
            writeVolume(volume, folder / "ct.nrrd")
            return ["render", str(folder / "ct.nrrd"), "--follow", *optionArguments(self._options)]

        self.server = Server(self._backend, prepare, self._onResult, self._failed, self._onProgress)
        self._served, self.waiting = wanted, True
        return True

    def _stopServer(self) -> None:
        self.waiting = False
        if self.server is not None:
            self.server.stop()
        self.server = self._served = self._asked = None

    def _onResult(self, result: dict) -> None:
        pngs = {name: Path(result[key]).read_bytes() if result.get(key) else None for name, key in _FILES.items()}
        if pngs["truth"] is not None or not self._compare:
            self.waiting = False
        self._onPicture(
            LivePicture(
                self._shot,
                result["camera"],
                *pngs.values(),
                finiteNumber(result.get("seconds")) or 0.0,
                finiteNumber(result.get("truth_seconds")),
                result.get("scores"),
            )
        )

    def _failed(self, problem: str) -> None:
        self._rest.stop()  # what has failed would fail again
        self.waiting = False
        self._onProblem(problem)

    def _observe(self) -> None:
        """Watch the nodes that the picture depends on, those that have come meanwhile too."""
        volume, view = self._shot.volume, self._shot.view
        modified = vtk.vtkCommand.ModifiedEvent
        self._watch.watch(
            [
                (volume, modified, self._onNodeModified),
                (volume, slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent, self._onNodeModified),
                (volume, slicer.vtkMRMLTransformableNode.TransformModifiedEvent, self._onNodeModified),
                (volume, slicer.vtkMRMLDisplayableNode.DisplayModifiedEvent, self._onNodeModified),
                (displayOf(volume), modified, self._onNodeModified),
                (propertyOf(volume), modified, self._onNodeModified),
                (view, modified, self._onNodeModified),
                (cameraOf(view), modified, self._onNodeModified),
            ]
        )

    def _onNodeModified(self, caller, event) -> None:
        self.follow()


def _timer(milliseconds: int, callback: Callable[[], None]) -> qt.QTimer:
    timer = qt.QTimer()
    timer.setSingleShot(True)
    timer.interval = milliseconds
    timer.timeout.connect(callback)
    return timer
