"""Surfaces of segments to see in 3D, one segment at a time, so that nobody waits without knowing how long."""

import math
import time

import qt
import slicer
import vtk
from slicer.i18n import tr as _

from .job_control import durationText

# The structures are found on voxels of 2 mm; surfaces of finer ones take many times as long and show no more.
_SPACING = 2.0  # mm


def showIn3D(segmentation: slicer.vtkMRMLSegmentationNode, show: bool, dialog=None) -> bool:
    """Make the surfaces of a segmentation, or remove them, as the Segment Editor's button does.

    Args:
        segmentation: in the scene.
        show: whether it is to be seen in 3D.
        dialog: a ``qt.QProgressDialog`` that is told of each segment and may cancel; see :func:`surfacesDialog`.

    Returns:
        Whether it is as wanted; if canceled, there are no surfaces.
    """
    segments, began = segmentation.GetSegmentation(), time.monotonic()
    ids = list(segments.GetSegmentIDs()) if show else []
    for number, segmentId in enumerate(ids):
        if dialog:
            dialog.labelText = _told(segments.GetSegment(segmentId).GetName(), number, len(ids), began)
            dialog.value = round(100 * number / len(ids))
            slicer.app.processEvents()
            if dialog.wasCanceled:
                segmentation.RemoveClosedSurfaceRepresentation()
                return False
        _addSurface(segmentation, segmentId)
    if show:
        segmentation.CreateClosedSurfaceRepresentation()  # of what has none yet
    else:
        segmentation.RemoveClosedSurfaceRepresentation()
    return True


def surfacesDialog():
    """A ``qt.QProgressDialog`` with percent, what is being done, and Cancel."""
    return slicer.util.createProgressDialog(windowTitle=_("Surfaces"), windowModality=qt.Qt.WindowModal)


def _told(name: str, number: int, count: int, began: float) -> str:
    text = _("Making the surface of: {segment}").format(segment=name)
    if not number:
        return text
    left = (time.monotonic() - began) * (count - number) / number
    return _("{text}, {time} left").format(text=text, time=durationText(left))


def _addSurface(segmentation: slicer.vtkMRMLSegmentationNode, segmentId: str) -> None:
    """Give a segment the surface of its voxels, or of coarser ones; an empty segment stays without."""
    segments, converter = segmentation.GetSegmentation(), slicer.vtkSegmentationConverter
    segment, surfaceName = segments.GetSegment(segmentId), converter.GetSegmentationClosedSurfaceRepresentationName()
    voxels = slicer.vtkOrientedImageData()
    if segment.GetRepresentation(surfaceName) or not segmentation.GetBinaryLabelmapRepresentation(segmentId, voxels):
        return
    if voxels.IsEmpty():
        return
    alone, copy = slicer.vtkSegmentation(), slicer.vtkSegment()
    alone.SetSourceRepresentationName(converter.GetSegmentationBinaryLabelmapRepresentationName())
    alone.CopyConversionParameters(segments)
    copy.AddRepresentation(converter.GetSegmentationBinaryLabelmapRepresentationName(), _coarse(voxels))
    alone.AddSegment(copy, segmentId)
    if alone.CreateRepresentation(surfaceName):
        segment.AddRepresentation(surfaceName, copy.GetRepresentation(surfaceName))


def _coarse(voxels: slicer.vtkOrientedImageData) -> slicer.vtkOrientedImageData:
    """A label map on voxels of no less than 2 mm along its own axes, around the same space."""
    extent, spacing = voxels.GetExtent(), voxels.GetSpacing()
    wanted = [max(_SPACING, length) for length in spacing]
    counts = [last - first + 1 for first, last in zip(extent[::2], extent[1::2], strict=True)]
    ratios = [new / old for new, old in zip(wanted, spacing, strict=True)]
    # Both grids begin at the same corner; the middle of the first voxel is half a voxel farther in.
    first = [index + (ratio - 1) / 2 for index, ratio in zip(extent[::2], ratios, strict=True)]
    matrix = vtk.vtkMatrix4x4()
    voxels.GetImageToWorldMatrix(matrix)
    grid, result = slicer.vtkOrientedImageData(), slicer.vtkOrientedImageData()
    grid.CopyDirections(voxels)
    grid.SetSpacing(wanted)
    grid.SetOrigin(matrix.MultiplyPoint((*first, 1))[:3])
    grid.SetExtent([n for count, ratio in zip(counts, ratios, strict=True) for n in (0, math.ceil(count / ratio) - 1)])
    grid.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
    slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(voxels, grid, result)
    return result
