"""What a reconstruction is held to beside its voxels: its projections, and what a segmenter sees in it."""

from dataclasses import replace

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ..imaging.attenuation import hu_to_attenuation
from ..imaging.geometry import Acquisition, Grid, View
from ..imaging.projection import ConeBeamProjector
from .scales import resized, to_hu

_DETECTOR = 96
_FIELD = 1.25
_AXES = (2, 3, 4)
_CROP = 40


class ProjectionLoss:
    """Mean absolute difference of the projections of two volumes: frontal and lateral DRR (in units of the largest line
    integral), and the mean and maximum along k, j and i.

    Args:
        grid: of the volumes, upright and centered on the isocenter.
    """

    def __init__(self, grid: Grid) -> None:
        # The detector sees all of the volume, which lies closer to it than 1.25 times.
        side = _FIELD * float((grid.spacing * grid.shape[::-1]).max())
        standard = Acquisition(detector_shape=(_DETECTOR,) * 2, pixel_spacing=(side / _DETECTOR,) * 2)
        self._projector = ConeBeamProjector(grid, [replace(standard, view=view) for view in (View.PA, View.LLAT)])

    def __call__(self, made: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """Of volumes [batch, 1, k, j, i] in [0, 1]."""
        drr, true = (self._projector(hu_to_attenuation(to_hu(volume))) for volume in (made, real))
        terms = [(drr - true).abs().mean() / true.max().clip(1e-6)]
        for axis in _AXES:
            terms.append((made.mean(axis) - real.mean(axis)).abs().mean())
            terms.append((made.amax(axis) - real.amax(axis)).abs().mean())
        return torch.stack(terms).mean()


class SegmentationLoss:
    """How differently a frozen segmenter sees two volumes, in the same random part of both.

    The gradient goes through the segmenter, whose weights stay as they are.

    Args:
        network: HU [batch, 1, k, j, i] to logits [batch, classes, k, j, i].
        voxel: side of the voxels that it sees, mm.
        spacing: of the volumes' voxels along i, j, k, mm.
    """

    def __init__(self, network: nn.Module, voxel: float, spacing: tuple[float, float, float]) -> None:
        self._network, self._voxel, self._spacing = network.eval().requires_grad_(False), voxel, spacing[::-1]

    def __call__(self, made: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """Mean squared difference of the classes' probabilities in volumes [batch, 1, k, j, i] in [0, 1]."""
        place, shape = self._part(made.shape[2:])
        seen, true = (self._probabilities(resized(volume[(..., *place)], shape)) for volume in (made, real))
        return F.mse_loss(seen, true.detach()) * seen.shape[1]

    def _probabilities(self, unit: torch.Tensor) -> torch.Tensor:
        return self._network(to_hu(unit)).float().softmax(1)

    def _part(self, sizes: torch.Size) -> tuple[tuple[slice, ...], tuple[int, int, int]]:
        """A random part of about 40³ of the segmenter's voxels: its place, and their number."""
        place, shape = [], []
        for size, spacing in zip(sizes, self._spacing, strict=True):
            length = int(np.clip(round(_CROP * self._voxel / spacing), 1, size))
            first = int(torch.randint(0, size - length + 1, ()))
            place.append(slice(first, first + length))
            shape.append(_CROP)
        return tuple(place), tuple(shape)
