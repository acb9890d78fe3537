"""Small radiographs of a CT while the user moves the angles."""

from collections.abc import Callable
from pathlib import Path

import slicer

from .backend import Backend
from .nodes import writeCoarseVolume
from .server import Server

_PICTURE_SIZE = 128
_CT_SIZE = 128  # voxels along the longest axis: enough for the picture, and quick to project


def startPreview(
    backend: Backend,
    ct: slicer.vtkMRMLScalarVolumeNode,
    onPicture: Callable[[bytes, dict], None],
    onProblem: Callable[[str], None],
) -> Server:
    """Start the child for one CT; for its requests see ``CTGANLib/commands/preview.py``.

    Args:
        backend: does the computing.
        ct: a CT in HU.
        onPicture: called with each picture as PNG, and how it was taken (``Acquisition.to_dict`` of CTGANLib).
        onProblem: called with a sentence where there is no picture.

    Raises:
        ValueError: the CT cannot be written.
        OSError: the child cannot be started.
    """

    def prepare(folder: Path) -> list[str]:
        writeCoarseVolume(ct, folder / "ct.nrrd", _CT_SIZE)
        return ["preview", str(folder / "ct.nrrd"), "--out", str(folder), "--size", str(_PICTURE_SIZE)]

    def onResult(result: dict) -> None:
        picture = Path(result["picture"])
        png = picture.read_bytes()
        picture.unlink()
        onPicture(png, result["acquisition"])

    return Server(backend, prepare, onResult, onProblem)
