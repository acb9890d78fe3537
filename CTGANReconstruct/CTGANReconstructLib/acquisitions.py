"""How a radiograph was taken, drawn in 3D: the source, the outline of the detector, and the beam between them."""

import json

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import numpy_to_vtk

from .scene import placeBeside

_ROLE = "CTGAN.AcquisitionModel"
_ATTRIBUTE = "CTGAN.Acquisition"
_SOURCE_RADIUS = 15.0


def showAcquisition(radiograph: slicer.vtkMRMLScalarVolumeNode) -> list[slicer.vtkMRMLModelNode]:
    """Draw how a radiograph was taken, as models beside it. Those of an earlier call are changed.

    Raises:
        ValueError: the radiograph does not say how it was taken.
    """
    count = radiograph.GetNumberOfNodeReferences(_ROLE)
    models = drawAcquisition(
        json.loads(radiograph.GetAttribute(_ATTRIBUTE) or "{}"),
        [radiograph.GetNthNodeReference(_ROLE, number) for number in range(count)],
        radiograph.GetName(),
    )
    for number, model in enumerate(models):
        radiograph.SetNthNodeReferenceID(_ROLE, number, model.GetID())
        placeBeside(model, radiograph)
    return models


def drawAcquisition(
    acquisition: dict, models: list[slicer.vtkMRMLModelNode | None], name: str, temporary: bool = False
) -> list[slicer.vtkMRMLModelNode]:
    """Draw an acquisition with given models or, where there are none, new ones.

    Args:
        acquisition: see ``Acquisition.to_dict`` of CTGANLib.
        models: those of an earlier call.
        name: begins the names of new ones.
        temporary: whether new ones are neither listed in Slicer's modules nor saved.

    Raises:
        ValueError: these are not the data of an acquisition.
    """
    from CTGANLib.imaging.geometry import Acquisition

    taken = Acquisition.from_dict(acquisition)
    corners = _corners(taken)
    parts = (
        (_("source"), _sphere(taken.source), (1.0, 0.75, 0.2), 1.0),
        (_("detector"), _outline(corners), (0.3, 0.75, 1.0), 1.0),
        (_("beam"), _pyramid(taken.source, corners), (1.0, 0.9, 0.5), 0.12),
    )
    drawn = []
    for number, (part, surface, color, opacity) in enumerate(parts):
        model = models[number] if number < len(models) else None
        if model is None:
            model = _newModel(f"{name}: {part}", temporary)
            display = model.GetDisplayNode()
            display.SetColor(color)
            display.SetOpacity(opacity)
            display.SetLineWidth(3)
            display.SetBackfaceCulling(False)
        model.SetAndObservePolyData(surface)
        drawn.append(model)
    return drawn


def _newModel(name: str, temporary: bool) -> slicer.vtkMRMLModelNode:
    model = slicer.vtkMRMLModelNode()
    model.SetName(slicer.mrmlScene.GenerateUniqueName(name))
    model.SetHideFromEditors(temporary)  # Slicer looks at it as the node is added
    model = slicer.mrmlScene.AddNode(model)
    model.CreateDefaultDisplayNodes()
    for node in (model, model.GetDisplayNode()):
        node.SetSaveWithScene(not temporary)
    return model


def _corners(acquisition) -> np.ndarray:
    """RAS of the detector's four corners [4, 3], at the outer edges of its pixels, one after the other."""
    rows, columns = acquisition.detector_shape
    i, j = np.array([-0.5, columns - 0.5, columns - 0.5, -0.5]), np.array([-0.5, -0.5, rows - 0.5, rows - 0.5])
    matrix = acquisition.ijk_to_ras
    return np.outer(i, matrix[:3, 0]) + np.outer(j, matrix[:3, 1]) + matrix[:3, 3]


def _sphere(center: np.ndarray) -> vtk.vtkPolyData:
    sphere = vtk.vtkSphereSource()
    sphere.SetCenter(*center)
    sphere.SetRadius(_SOURCE_RADIUS)
    sphere.Update()
    return sphere.GetOutput()


def _outline(corners: np.ndarray) -> vtk.vtkPolyData:
    outline = _points(corners)
    outline.SetLines(_cells([(0, 1, 2, 3, 0)]))
    return outline


def _pyramid(source: np.ndarray, corners: np.ndarray) -> vtk.vtkPolyData:
    pyramid = _points(np.vstack([source, corners]))
    pyramid.SetPolys(_cells([(0, 1, 2), (0, 2, 3), (0, 3, 4), (0, 4, 1)]))
    return pyramid


def _points(coordinates: np.ndarray) -> vtk.vtkPolyData:
    points = vtk.vtkPoints()
    points.SetData(numpy_to_vtk(coordinates, deep=True))
    data = vtk.vtkPolyData()
    data.SetPoints(points)
    return data


def _cells(cells: list[tuple[int, ...]]) -> vtk.vtkCellArray:
    array = vtk.vtkCellArray()
    for cell in cells:
        array.InsertNextCell(len(cell), cell)
    return array
