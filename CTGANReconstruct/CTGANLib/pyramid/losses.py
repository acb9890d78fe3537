"""What a reconstruction is held to beside its voxels: its projections."""

from dataclasses import replace

import torch

from ..imaging.attenuation import hu_to_attenuation
from ..imaging.geometry import Acquisition, Grid, View
from ..imaging.projection import ConeBeamProjector
from .scales import to_hu

_DETECTOR = 96
_FIELD = 1.25
_AXES = (2, 3, 4)


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
