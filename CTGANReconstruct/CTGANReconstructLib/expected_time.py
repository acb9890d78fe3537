"""How long a computation on a CT will take, by what the last one of its kind took on this computer."""

import qt
import slicer
import vtk

_SETTINGS = "CTGAN/SecondsPerLiter"


def expectedSeconds(kind: str, ct: slicer.vtkMRMLScalarVolumeNode) -> float | None:
    """The expected time; None where no such computation has been done on this computer yet.

    Args:
        kind: tells apart what takes longer from what does not, such as model and device.
        ct: the time is taken to grow with its volume.
    """
    pace = slicer.util.settingsValue(f"{_SETTINGS}/{kind}", 0.0, converter=float)
    return pace * _liters(ct) or None


def rememberSeconds(kind: str, ct: slicer.vtkMRMLScalarVolumeNode, seconds: float) -> None:
    """Note how long a computation took, in the user's settings."""
    qt.QSettings().setValue(f"{_SETTINGS}/{kind}", seconds / _liters(ct))


def _liters(ct: slicer.vtkMRMLScalarVolumeNode) -> float:
    """The volume of the image, air included; above 0."""
    toRAS = vtk.vtkMatrix4x4()
    ct.GetIJKToRASMatrix(toRAS)
    i, j, k = ct.GetImageData().GetDimensions()
    return abs(toRAS.Determinant()) * i * j * k / 1e6
