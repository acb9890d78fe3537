"""What bodies may hold beside anatomy: tubes, leads and nodules."""

import math

import torch
from torch.nn import functional as F

from .augmentation import uniform

_POINTS_ALONG = 400
_MOST_TUBES, _MOST_NODULES = 2, 3
_IN_LUNG = -700.0
# Of nodules that are learned by themselves: at most so many in a patch, their radius in mm, by how much of it they are
# uneven, where lungs are looked for, and the HU below which there was lung before.
_MOST_GROWN, _RADIUS, _UNEVEN, _LUNG_HU, _AERATED = 3, (2.0, 15.0), 0.3, (-930.0, -600.0), -400.0
# HU of solid, part-solid and ground-glass nodules, each as often as it stands here.
_DENSITY = ((-50.0, 150.0), (-50.0, 150.0), (-400.0, -50.0), (-650.0, -400.0))


def implant(hu: torch.Tensor, spacing: float) -> torch.Tensor:
    """Up to two tubes or leads of 2 to 5 mm (300 to 2500 HU) and up to three nodules of 3 to 15 mm radius in the lungs.

    Args:
        hu: [batch, 1, k, j, i] on a cubic grid.
        spacing: of the grid, mm.
    """
    changed = hu.clone()
    for volume in changed[:, 0]:
        for _ in range(int(torch.randint(0, _MOST_TUBES + 1, ()))):
            _lay_tube(volume)
        for _ in range(int(torch.randint(0, _MOST_NODULES + 1, ()))):
            _grow_nodule(volume, float(uniform(3, 15, 1)) / spacing)
    return changed


def _lay_tube(volume: torch.Tensor) -> None:
    """One voxel or two thick along a Bézier curve of second order through the middle of the volume."""
    size = volume.shape[0]
    ends = uniform(0.25, 0.75, 3, 3, device=volume.device) * size
    t = torch.linspace(0, 1, _POINTS_ALONG, device=volume.device)[:, None]
    curve = ((1 - t) ** 2 * ends[0] + 2 * t * (1 - t) * ends[1] + t**2 * ends[2]).long()
    value, width = uniform(300, 2500, 1, device=volume.device), int(torch.randint(1, 3, ()))
    for k in range(width):
        for j in range(width):
            place = (curve + torch.tensor([k, j, 0], device=volume.device)).unbind(1)
            volume[place] = torch.maximum(volume[place], value)


def _grow_nodule(volume: torch.Tensor, radius: float) -> None:
    """A soft ball at a random place in the lungs; none where that place is not in a lung."""
    size, reach = volume.shape[0], int(radius) + 2
    center = torch.randint(reach, size - reach, (32, 3), device=volume.device)
    aerated = volume[center.unbind(1)]
    found = ((aerated < _IN_LUNG) & (aerated > -1000)).nonzero()
    if not len(found):
        return
    k, j, i = center[found[0, 0]].tolist()
    box = volume[k - reach : k + reach + 1, j - reach : j + reach + 1, i - reach : i + reach + 1]
    axis = torch.arange(-reach, reach + 1, device=volume.device) ** 2
    distance = (axis[:, None, None] + axis[:, None] + axis).sqrt()
    density = uniform(-100, 150, 1, device=volume.device)
    box += ((radius + 0.5 - distance).clip(0, 1)) * (density - box).clip(0)


def grow_nodules(hu: torch.Tensor, spacing: float) -> tuple[torch.Tensor, torch.Tensor]:
    """One to three uneven nodules of 2 to 15 mm radius in the lungs, solid, part-solid or of ground glass.

    Small ones are as frequent as large ones on a logarithmic scale. Where a nodule reaches beyond the lung it is not
    told from what is there.

    Args:
        hu: [k, j, i] on a cubic grid.
        spacing: of the grid, mm.

    Returns:
        HU with the nodules, and where they are, bool; without lung in sight nothing is changed.
    """
    changed, grown = hu.clone(), torch.zeros_like(hu, dtype=torch.bool)
    near, far = (F.avg_pool3d(hu[None, None], size, 1, size // 2, count_include_pad=False)[0, 0] for size in (3, 7))
    lung = (is_lung(hu) & is_lung(near) & (far > _LUNG_HU[0])).nonzero()  # and no couch in the air of the room
    if not len(lung):
        return changed, grown
    for _ in range(int(torch.randint(1, _MOST_GROWN + 1, ()))):
        center = lung[int(torch.randint(len(lung), ()))]
        radius = float(torch.exp(uniform(*map(math.log, _RADIUS), 1))) / spacing
        share = _uneven_ball(hu, center, radius)
        density = uniform(*_DENSITY[int(torch.randint(len(_DENSITY), ()))], 1, device=hu.device)
        changed += share * (density - changed).clip(0)
        grown |= (share > 0.5) & (hu < _AERATED)
    return changed, grown


def is_lung(hu: torch.Tensor) -> torch.Tensor:
    """Where values, HU, are those of the tissue of a lung."""
    low, high = _LUNG_HU
    return (hu > low) & (hu < high)


def _uneven_ball(hu: torch.Tensor, center: torch.Tensor, radius: float) -> torch.Tensor:
    """How much of each voxel of a grid a ball with dents and bumps fills, radius in voxels."""
    axes = [torch.arange(size, device=hu.device) - place for size, place in zip(hu.shape, center, strict=True)]
    k, j, i = (axis**2 for axis in axes)
    distance = (k[:, None, None] + j[:, None] + i).sqrt()
    knots = [max(2, int(size / radius)) for size in hu.shape]  # as far apart as the radius
    bumps = F.interpolate(torch.randn(1, 1, *knots), hu.shape, mode="trilinear")[0, 0].to(hu.device)
    return (radius * (1 + _UNEVEN * bumps) + 0.5 - distance).clip(0, 1)
