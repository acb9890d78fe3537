"""Other anatomies out of a known one: smooth random displacements."""

import torch
from torch.nn import functional as F

STRETCH = 0.15
"""Largest change of a volume's size along each axis."""
_KNOTS = (4, 5, 5)  # of independent displacements, about every 80 mm


def warped(volume: torch.Tensor, spacing: tuple[float, float, float], deviation: float, seed: int) -> torch.Tensor:
    """A volume [1, 1, k, j, i] stretched along each axis and displaced smoothly; its border goes on outside.

    Args:
        volume: of any values.
        spacing: of its voxels along i, j, k, mm.
        deviation: standard deviation of the displacement, mm.
        seed: the same one gives the same displacements for any number of voxels.
    """
    generator = torch.Generator().manual_seed(seed)
    stretch = 1 + STRETCH * (2 * torch.rand(3, generator=generator) - 1)
    knots = torch.randn(1, 3, *_KNOTS, generator=generator) * deviation
    shape = volume.shape[2:]
    half_extent = torch.tensor([size * float(step) / 2 for size, step in zip(shape[::-1], spacing, strict=True)])
    moved = F.interpolate(knots / half_extent[:, None, None, None], shape, mode="trilinear", align_corners=True)
    axes = [(2 * torch.arange(size) + 1) / size - 1 for size in shape]
    places = torch.stack(torch.meshgrid(*axes, indexing="ij")[::-1], -1) * stretch
    grid = (places + moved[0].movedim(0, -1))[None].to(volume.device)
    return F.grid_sample(volume.float(), grid, align_corners=False, padding_mode="border")
