"""The truth that networks learn: VTK's ray-casting on the CPU, without a display."""

import ctypes
import os
from dataclasses import replace
from functools import cache

import numpy as np
import torch
import vtk
from vtk.util.numpy_support import numpy_to_vtk

from ..errors import UserError
from ..imaging.volumes import Volume
from .camera import Camera, diagonal
from .functions import LEAST_HU, MOST_HU, TransferFunctions
from .surfaces import surfaces

_DEPTH_STEPS = 60000
_FINEST = 10  # samples a voxel
# The depth pass sees no more voxels along any side.
_MOST_DEPTH_VOXELS = 256
# Of what is transparent, in the depth pass: VTK leaves out more than it should of volumes of two values.
_LEAST_OPACITY = 1e-4
_VISIBLE = 0.05  # opacity above which a depth is no longer that of what is transparent
_FIXED_POINT = 32767  # that stands for 1 in the ray-caster's own picture


class VtkRenderer:
    """Renders one volume again and again.

    Args:
        volume: CT in HU.
        sample_distance: mm between the samples of a ray; default: a tenth of the smallest voxel side, which is
            Slicer's quality *Maximum*. Steep functions show grain where it is longer.
        threads: of the CPU; default: all.

    Raises:
        UserError: VTK has no way to draw here.
    """

    def __init__(self, volume: Volume, sample_distance: float | None = None, threads: int | None = None) -> None:
        self._grid = volume.grid
        step = sample_distance or float(volume.grid.spacing.min()) / _FINEST
        hu = np.clip(volume.array, LEAST_HU, MOST_HU)
        self._hu = np.rint(hu).astype(np.int16) if hu.dtype.kind == "f" else hu.astype(np.int16)
        self._picture = _Stage(volume.grid, self._hu, step, threads)
        self._threads, self._depth = threads, None

    def rgba(self, camera: Camera, functions: TransferFunctions, size: int) -> np.ndarray:
        """A square picture: red, green, blue, each times opacity, and opacity, uint8 [size, size, 4]."""
        stage = self._picture
        colors = vtk.vtkColorTransferFunction()
        for point in functions.color:
            colors.AddRGBPoint(*point)
        stage.show(functions, colors, 0)
        stage.property.SetShade(functions.shade)
        stage.property.SetAmbient(functions.ambient)
        stage.property.SetDiffuse(functions.diffuse)
        stage.property.SetSpecular(functions.specular)
        stage.property.SetSpecularPower(functions.specular_power)
        return (np.minimum(stage.shot(camera, size), 1) * 255).round().astype(np.uint8)

    def depth(self, camera: Camera, functions: TransferFunctions, size: int) -> np.ndarray:
        """The mean place of what is seen.

        It runs from 0 where the line of sight enters the sphere around the volume to 1 where it leaves it, float32
        [size, size]; 0 where nothing, or next to nothing, is seen.

        VTK has no such pass on the CPU. A volume of two values serves for it, of which the first, the place along the
        line of sight, gives the color and the second, the HU, the opacity.
        """
        step = max(1, -(-max(self._grid.shape) // _MOST_DEPTH_VOXELS))
        grid = self._grid.coarser(step) if step > 1 else self._grid
        place = _places(grid, camera, self._grid)
        hu = self._hu if step == 1 else _every(self._hu, step, grid.shape)
        values = np.stack([(place * _DEPTH_STEPS).astype(np.uint16), (hu - LEAST_HU).astype(np.uint16)], -1)
        stage = _Stage(grid, values, float(grid.spacing.min()) / 2, self._threads)
        ramp = vtk.vtkColorTransferFunction()
        ramp.AddRGBPoint(0, 0, 0, 0)
        ramp.AddRGBPoint(_DEPTH_STEPS, 1, 1, 1)
        stage.property.IndependentComponentsOff()
        opacity = np.column_stack([functions.opacity[:, 0], functions.opacity[:, 1].clip(_LEAST_OPACITY)])
        stage.show(replace(functions, opacity=opacity), ramp, -LEAST_HU)
        rgba = stage.shot(camera, size)
        return np.where(rgba[..., 3] > _VISIBLE, rgba[..., 0] / rgba[..., 3].clip(_VISIBLE), 0).clip(0, 1)

    def surfaces(self, camera: Camera, functions: TransferFunctions, size: int) -> torch.Tensor:
        """What the opacity and depth passes of ``size`` tell, see ``surfaces.surfaces``."""
        opacity = self.rgba(camera, functions, size)[..., 3].astype(np.float32) / 255
        return surfaces(opacity, self.depth(camera, functions, size), camera, self._grid)


class _Stage:
    """A volume in VTK's scene.

    Attributes:
        property: of the volume.
    """

    def __init__(self, grid, values: np.ndarray, step: float, threads: int | None) -> None:
        self._values = np.ascontiguousarray(values)  # VTK shows this memory
        image = vtk.vtkImageData()
        image.SetDimensions(*grid.shape[::-1])
        image.SetSpacing(*grid.spacing)
        components = values.shape[3] if values.ndim == 4 else 1
        image.GetPointData().SetScalars(numpy_to_vtk(self._values.reshape(-1, components)))
        self._mapper = mapper = vtk.vtkFixedPointVolumeRayCastMapper()
        mapper.SetInputData(image)
        mapper.AutoAdjustSampleDistancesOff()
        mapper.LockSampleDistanceToInputSpacingOff()
        mapper.SetSampleDistance(step)
        mapper.SetInteractiveSampleDistance(step)
        mapper.SetImageSampleDistance(1.0)
        if threads:
            mapper.SetNumberOfThreads(threads)
        self.property = vtk.vtkVolumeProperty()
        self.property.SetInterpolationTypeToLinear()
        volume = vtk.vtkVolume()
        volume.SetMapper(mapper)
        volume.SetProperty(self.property)
        volume.SetUserMatrix(_placing(grid))
        self._renderer = vtk.vtkRenderer()
        self._renderer.SetBackground(0, 0, 0)
        self._renderer.SetBackgroundAlpha(0)
        self._renderer.AddVolume(volume)
        self._renderer.AddLight(_lamp())

    def show(self, functions: TransferFunctions, colors: vtk.vtkColorTransferFunction, offset: float) -> None:
        """Take opacities, for values that are HU + ``offset``, and colors, for those of the first component."""
        opacity = vtk.vtkPiecewiseFunction()
        opacity.AllowDuplicateScalarsOn()
        for hu, value in functions.opacity:
            opacity.AddPoint(hu + offset, value)
        self.property.SetColor(colors)
        self.property.SetScalarOpacity(opacity)
        self.property.SetScalarOpacityUnitDistance(functions.unit_distance)

    def shot(self, camera: Camera, size: int) -> np.ndarray:
        """A picture, float32 [size, size, 4], 1 at full; color comes times opacity."""
        window = _window()
        window.SetSize(size, size)
        seen = self._renderer.GetActiveCamera()
        seen.SetPosition(*camera.position)
        seen.SetFocalPoint(*camera.focal_point)
        seen.SetViewUp(*camera.axes[1])
        seen.SetViewAngle(camera.view_angle)
        seen.SetParallelProjection(camera.parallel_scale is not None)
        seen.SetParallelScale(camera.parallel_scale or 1.0)
        window.AddRenderer(self._renderer)
        self._renderer.ResetCameraClippingRange()
        image = self._mapper.GetRayCastImage()
        if image.GetImage():
            image.ClearImage()  # of the last picture, which stays where the camera does not see the volume
        window.Render()
        window.RemoveRenderer(self._renderer)
        return _pixels(image, size)


def _pixels(image: vtk.vtkFixedPointRayCastImage, size: int) -> np.ndarray:
    """The picture as the ray-caster leaves it, float32 [size, size, 4].

    To show it, VTK stretches the part that the volume covers by a pixel, which blurs it: in a picture of 256 pixels
    edges move by up to half a pixel, and in one of 64 pixels as far in mm as four times that.
    """
    picture = np.zeros((size, size, 4), np.float32)
    if image.GetImage() and tuple(image.GetImageViewportSize()) == (size, size):
        stride, lines = image.GetImageMemorySize()
        columns, rows = image.GetImageInUseSize()
        left, low = image.GetImageOrigin()
        # VTK gives a pointer as text: _ADDRESS_p_void.
        address = int(image.GetImage().split("_")[1], 16)
        numbers = (ctypes.c_uint16 * (lines * stride * 4)).from_address(address)
        part = np.frombuffer(numbers, np.uint16).reshape(lines, stride, 4)[:rows, :columns]
        picture[low : low + rows, left : left + columns] = part.astype(np.float32) / _FIXED_POINT
    return picture[::-1].copy()  # VTK's first row is the lowest


@cache
def _window() -> vtk.vtkRenderWindow:
    """One for all volumes, since making one takes a second."""
    quiet = vtk.vtkObject.GetGlobalWarningDisplay()
    # VTK looks for a display first, and warns before it goes on without.
    if "DISPLAY" not in os.environ:
        vtk.vtkObject.GlobalWarningDisplayOff()
    window = vtk.vtkRenderWindow()
    vtk.vtkObject.SetGlobalWarningDisplay(quiet)
    window.SetOffScreenRendering(True)
    window.SetAlphaBitPlanes(True)
    window.SetMultiSamples(0)
    if not window.SupportsOpenGL():
        raise UserError("VTK cannot draw on this machine.", "Install Mesa (libegl1 and libgl1-mesa-dri).")
    return window


def _lamp() -> vtk.vtkLight:
    """A white lamp at the camera. VTK's own gives no ambient light on the CPU, other than on the GPU."""
    lamp = vtk.vtkLight()
    lamp.SetLightTypeToHeadlight()
    lamp.SetAmbientColor(1.0, 1.0, 1.0)
    return lamp


def _placing(grid) -> vtk.vtkMatrix4x4:
    """From an image at VTK's origin, with its spacing, to RAS."""
    matrix = vtk.vtkMatrix4x4()
    origin = grid.to_ras(np.zeros(3))
    for row in range(3):
        for column in range(3):
            matrix.SetElement(row, column, float(grid.directions[row, column]))
        matrix.SetElement(row, 3, float(origin[row]))
    return matrix


def _places(grid, camera: Camera, whole) -> np.ndarray:
    """How far each voxel is along the line of sight: 0 to 1 through the sphere around the whole volume, [k, j, i]."""
    sight, radius = camera.direction, diagonal(whole) / 2
    steps = grid.ijk_to_ras[:3, :3].T @ sight
    axes = [np.arange(size) * step for size, step in zip(grid.shape, steps[::-1], strict=True)]
    along = axes[0][:, None, None] + axes[1][:, None] + axes[2]
    start = float((grid.to_ras(np.zeros(3)) - whole.center) @ sight)
    return ((along + start + radius) / (2 * radius)).clip(0, 1).astype(np.float32)


def _every(hu: np.ndarray, step: int, shape: tuple[int, int, int]) -> np.ndarray:
    """Means of ``step``³ voxels."""
    parts = hu[tuple(slice(size * step) for size in shape)].astype(np.float32)
    k, j, i = shape
    return parts.reshape(k, step, j, step, i, step).mean((1, 3, 5)).round().astype(np.int16)
