"""Pictures in PNG as nodes that stand where they were seen from, and in the views."""

import tempfile
from pathlib import Path

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy


def readPNG(png: bytes) -> np.ndarray:
    """A picture in color, uint8 [rows, columns, 3], or in gray, [rows, columns]; the first row is the upper one."""
    reader = vtk.vtkPNGReader()
    with tempfile.TemporaryDirectory(prefix="CTGAN-", dir=slicer.app.temporaryPath) as folder:
        path = Path(folder) / "picture.png"
        path.write_bytes(png)
        reader.SetFileName(str(path))
        reader.Update()
    image = reader.GetOutput()
    columns, rows, _ = image.GetDimensions()
    pixels = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(rows, columns, -1)
    return np.squeeze(pixels[::-1]).copy()  # VTK's first row is the lowest


def pictureVolume(png: bytes, camera: dict) -> slicer.vtkMRMLVectorVolumeNode:
    """A picture as a volume of one slice, outside the scene.

    It stands in the plane through the camera's focal point, as large as what is seen there: i goes to the right of the
    picture, j down, and k along the line of sight.

    Args:
        png: a square picture in color.
        camera: see ``render_view.cameraFields``.
    """
    pixels = readPNG(png)
    node = slicer.vtkMRMLVectorVolumeNode()
    slicer.util.updateVolumeFromArray(node, np.ascontiguousarray(pixels[np.newaxis]))
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(_pixelsToRAS(camera, len(pixels))))
    return node


def showPicture(picture: slicer.vtkMRMLVectorVolumeNode, viewName: str = "Red") -> None:
    """Show a picture in a slice view as it is: turned neither by the patient's axes nor mirrored."""
    widget = slicer.app.layoutManager().sliceWidget(viewName)
    if widget is None:  # the user's layout has no such view
        return
    logic, sliceNode = widget.sliceLogic(), widget.mrmlSliceNode()
    logic.GetSliceCompositeNode().SetBackgroundVolumeID(picture.GetID())
    matrix = vtk.vtkMatrix4x4()
    picture.GetIJKToRASDirectionMatrix(matrix)
    right, down, sight = slicer.util.arrayFromVTKMatrix(matrix)[:3, :3].T
    toRAS = np.eye(4)
    toRAS[:3, :3] = np.stack([right, -down, -sight], axis=1)
    toRAS[:3, 3] = _center(picture)
    sliceNode.GetSliceToRAS().DeepCopy(slicer.util.vtkMatrixFromArray(toRAS))
    sliceNode.UpdateMatrices()
    logic.FitSliceToAll()


def _pixelsToRAS(camera: dict, size: int) -> np.ndarray:
    position, focalPoint = np.array(camera["position"]), np.array(camera["focal_point"])
    distance = np.linalg.norm(focalPoint - position)
    sight = (focalPoint - position) / distance
    right = np.cross(sight, camera["view_up"])
    right /= np.linalg.norm(right)
    down = np.cross(sight, right)
    height = 2 * (camera["parallel_scale"] or distance * np.tan(np.radians(camera["view_angle"]) / 2))
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([right, down, sight], axis=1) * height / size
    matrix[:3, 3] = focalPoint - matrix[:3, :2].sum(axis=1) * (size - 1) / 2
    return matrix


def _center(picture: slicer.vtkMRMLVectorVolumeNode) -> np.ndarray:
    bounds = np.zeros(6)
    picture.GetRASBounds(bounds)
    return bounds.reshape(3, 2).mean(axis=1)
