"""What a coarse result does not yet explain of the radiographs: one unrolled step of data consistency.

Source: unrolled reconstruction, such as J. Adler and O. Öktem, IEEE TMI 37(6), 2018.
"""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch

from ..imaging.attenuation import hu_to_attenuation, unit_to_hu
from ..imaging.geometry import Acquisition, Grid
from ..imaging.projection import ConeBeamProjector
from ..imaging.standardize import STANDARD_SIZE, STANDARD_SPACING

# Rotations are rounded to this many digits, 0.01 mm at the detector: cameras come in single precision, and the
# projector is fastest where the detector is exactly parallel to the grid.
_DIGITS = 5


def unexplained(unit: torch.Tensor, pictures: torch.Tensor, cameras: torch.Tensor) -> torch.Tensor:
    """What is left of radiographs when the projections of a CT, at their best gain and offset, are taken from them.

    Args:
        unit: CT in units of the HU window [batch, 1, n, n, n], the standard cube.
        pictures: standardized radiographs [batch, views, rows, columns].
        cameras: pinhole matrices (see ``network.camera_matrix``) [batch, views, 3, 4].

    Returns:
        [batch, views, rows, columns].
    """
    attenuation = hu_to_attenuation(unit_to_hu(unit.float()))
    size, shape = unit.shape[-1], tuple(pictures.shape[-2:])
    projectors = [_projector(size, shape, views) for views in _keys(cameras)]
    projected = torch.cat([project(one[None]) for project, one in zip(projectors, attenuation, strict=True)])
    measured, projected = pictures.float().flatten(2), projected.flatten(2)
    deviation = projected - projected.mean(2, keepdim=True)
    gain = (deviation * measured).sum(2, keepdim=True) / deviation.square().sum(2, keepdim=True).clip(1e-6)
    left = measured - measured.mean(2, keepdim=True) - gain * deviation
    return left.unflatten(2, shape)


def _keys(cameras: torch.Tensor) -> list[tuple]:
    """The cameras of each patient as plain numbers."""
    return [tuple(tuple(view.flatten().tolist()) for view in views) for views in cameras.double().cpu()]


@lru_cache(maxsize=8)
def _projector(size: int, shape: tuple[int, int], views: tuple) -> ConeBeamProjector:
    """The projector of the standard cube onto pictures whose coordinates run from −1 to 1."""
    grid = Grid.centered((size,) * 3, STANDARD_SPACING * STANDARD_SIZE / size)
    acquisitions = []
    for numbers in views:
        matrix = np.reshape(numbers, (3, 4))
        for axis, count in enumerate(shape[::-1]):
            matrix[axis] = (count * (matrix[axis] + matrix[2]) - matrix[2]) / 2
        acquisition = Acquisition.from_projection_matrix(matrix, shape)
        rotation = tuple(map(tuple, np.round(acquisition.rotation, _DIGITS).tolist()))
        acquisitions.append(replace(acquisition, rotation=rotation))
    return ConeBeamProjector(grid, acquisitions)
