"""3D views as the backend knows them: their cameras (RAS, mm) and backgrounds."""

import slicer
import vtk

View = slicer.vtkMRMLViewNode | slicer.vtkMRMLCameraNode | vtk.vtkCamera
"""A 3D view, which stands for its camera and its background, or a camera."""


def firstView() -> slicer.vtkMRMLViewNode | None:
    """The first 3D view of the scene."""
    return next(iter(slicer.util.getNodesByClass("vtkMRMLViewNode")), None)


def cameraOf(view: View | None) -> slicer.vtkMRMLCameraNode | vtk.vtkCamera | None:
    """The camera of a view; None for a view that has none yet."""
    if view is not None and view.IsA("vtkMRMLViewNode"):
        return slicer.modules.cameras.logic().GetViewActiveCameraNode(view)
    return view


def cameraFields(camera: slicer.vtkMRMLCameraNode | vtk.vtkCamera) -> dict:
    """A camera in the terms of CTGANLib's ``Camera``."""
    return {
        "position": list(camera.GetPosition()),
        "focal_point": list(camera.GetFocalPoint()),
        "view_up": list(camera.GetViewUp()),
        "view_angle": camera.GetViewAngle(),
        "parallel_scale": camera.GetParallelScale() if camera.GetParallelProjection() else None,
    }


def backgroundOf(view: View | None) -> list[float]:
    """Red, green and blue at the lower and then at the upper edge of a view; nothing where there is no view."""
    if view is None or not view.IsA("vtkMRMLViewNode"):
        return []
    return [*view.GetBackgroundColor(), *view.GetBackgroundColor2()]
