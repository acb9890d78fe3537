"""Volumes of the scene -> files of a data folder, one at a time, so that the application stays live."""

from collections.abc import Callable
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from CTGANLib.files import staged
from CTGANReconstructLib.nodes import writeVolume

Volumes = list[slicer.vtkMRMLScalarVolumeNode]


class SceneVolumes:
    """Writes volumes as NRRD files.

    Attributes:
        problems: a sentence for each volume that was not written.
    """

    def __init__(self, onProgress: Callable[[str], None], onDone: Callable[[], None]) -> None:
        """Prepare for writing; ``onProgress`` is called with what is being done, ``onDone`` at the end."""
        self._onProgress, self._onDone = onProgress, onDone
        self._waiting: list[tuple[slicer.vtkMRMLScalarVolumeNode, Path]] = []
        self._count = 0
        self.problems: list[str] = []
        self._timer = qt.QTimer()
        self._timer.interval = 0
        self._timer.timeout.connect(self._writeNext)

    @property
    def running(self) -> bool:
        return bool(self._waiting)

    def start(self, volumes: Volumes, folder: Path) -> None:
        """Write volumes into a folder, which is made where it is not there yet. Files of their names are replaced."""
        self._waiting = list(zip(volumes, volumeFiles(volumes, folder), strict=True))
        self._count, self.problems = len(self._waiting), []
        self._announce()
        self._timer.start()

    def stop(self) -> None:
        """Write no more."""
        self._timer.stop()
        self._waiting = []

    def _writeNext(self) -> None:
        node, path = self._waiting.pop(0)
        try:
            with staged(path) as temporary:
                writeVolume(node, temporary)
        except (RuntimeError, ValueError) as error:
            self.problems.append(str(error))
        if self._waiting:
            self._announce()
        else:
            self._timer.stop()
            self._onDone()

    def _announce(self) -> None:
        done = self._count - len(self._waiting)
        text = _("Writing {name} ({number} of {count})")
        self._onProgress(text.format(name=self._waiting[0][0].GetName(), number=done + 1, count=self._count))


def volumeFiles(volumes: Volumes, folder: Path) -> list[Path]:
    """The file for each volume: its name, as far as file systems allow it, and a number where two have the same."""
    files: list[Path] = []
    for node in volumes:
        allowed = "".join(letter if letter.isalnum() or letter in " -_." else "_" for letter in node.GetName())
        stem = allowed.strip(" .") or "volume"
        path, number = folder / f"{stem}.nrrd", 2
        while path in files:
            path, number = folder / f"{stem} {number}.nrrd", number + 1
        files.append(path)
    return files
