"""What a predicted CT is held to: the voxels, their structure, and the line integrals through them."""

import torch
from monai.losses import SSIMLoss

from ..imaging.attenuation import hu_to_attenuation, unit_to_hu
from ..imaging.geometry import Acquisition, Grid
from ..imaging.projection import ConeBeamProjector
from ..imaging.standardize import STANDARD_SIZE, STANDARD_SPACING


def reconstruction_loss(predicted: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Charbonnier and squared error of unit HU volumes, the body weighted three times the air around it."""
    weight = 1 + 2 * (target > 0.02)
    error = predicted - target
    charbonnier = torch.sqrt(error**2 + 1e-4) - 1e-2
    return (weight * (charbonnier + 5 * error**2)).mean() / 2


def similarity_loss(predicted: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """1 − SSIM (7×7 uniform window) of every fourth slice across one random axis of unit HU volumes."""
    axis, first = int(torch.randint(2, 5, ())), int(torch.randint(0, 4, ()))
    slices = [volume.movedim(axis, 1).flatten(0, 1)[first::4] for volume in (predicted, target)]
    return SSIMLoss(spatial_dims=2, data_range=1.0, kernel_type="uniform", win_size=7)(*slices)


def projection_loss(
    predicted: torch.Tensor, target: torch.Tensor, acquisitions: list[list[Acquisition]]
) -> torch.Tensor:
    """Mean absolute difference of the line integrals of prediction and truth from each patient's input cameras."""
    size = predicted.shape[-1]
    grid = Grid.centered((size,) * 3, STANDARD_SPACING * STANDARD_SIZE / size)
    difference = hu_to_attenuation(unit_to_hu(predicted)) - hu_to_attenuation(unit_to_hu(target))
    misfits = [ConeBeamProjector(grid, a)(d[None]).abs().mean() for a, d in zip(acquisitions, difference, strict=True)]
    return torch.stack(misfits).mean()
