"""The scales of a pyramid, the resampling between them, and the scale of the values.

Tensors here are as the networks see them: [batch, 1, k, j, i] in 3D, [batch, k, j, i] in 2D, where slices are channels.
"""

import math

import torch
from torch.nn import functional as F

from ..errors import UserError

HU_MIN, HU_MAX = -1000.0, 1000.0

Shape = tuple[int, int, int]


def scale_shapes(slices: int, size: int, coarsest: int, factor: float, dimensions: int) -> list[Shape]:
    """Voxels (k, j, i) of each scale, the coarsest first.

    Args:
        slices, size: voxels of the finest scale along k, and along j and i.
        coarsest: voxels of the coarsest scale along j and i, or a few more, as the factor gives it.
        factor: between neighboring scales.
        dimensions: 2 keeps all slices at every scale.

    Raises:
        UserError: the coarsest scale is not the smallest.
    """
    if coarsest > size:
        raise UserError(f"The coarsest scale, {coarsest}, is larger than the finest, {size}.", "Choose a smaller one.")
    count = round(math.log(size / coarsest) / math.log(factor)) + 1
    sizes = [round(size / factor ** (count - 1 - number)) for number in range(count)]
    # Half a slice more, so that no scale loses one by rounding down.
    depths = [math.floor((slices + 0.5) * side / size) if dimensions == 3 else slices for side in sizes]
    return [(max(depth, 1), side, side) for depth, side in zip(depths, sizes, strict=True)]


def resized(volume: torch.Tensor, shape: Shape) -> torch.Tensor:
    """A volume brought to another number of voxels that cover the same space, cubic, and smoothed where it shrinks.

    Args:
        volume: see the module; slices that are channels keep their number.
        shape: voxels (k, j, i).
    """
    in_plane = volume.flatten(1, 2) if volume.ndim == 5 else volume
    if in_plane.shape[2:] != shape[1:]:
        in_plane = F.interpolate(in_plane, shape[1:], mode="bicubic", antialias=True)
    if volume.ndim == 4:
        return in_plane
    stack = in_plane.unflatten(1, volume.shape[1:3])
    if stack.shape[2] != shape[0]:
        # Along k alone, as a picture with rows of slices.
        rows = F.interpolate(stack.flatten(3), (shape[0], shape[1] * shape[2]), mode="bicubic", antialias=True)
        stack = rows.unflatten(3, shape[1:])
    return stack


def to_unit(hu: torch.Tensor) -> torch.Tensor:
    """HU [−1000, 1000] to [0, 1], clipped."""
    return (hu.clip(HU_MIN, HU_MAX) - HU_MIN) / (HU_MAX - HU_MIN)


def to_hu(unit: torch.Tensor) -> torch.Tensor:
    """[0, 1] back to HU; values outside are kept, so that gradients are too."""
    return unit * (HU_MAX - HU_MIN) + HU_MIN
