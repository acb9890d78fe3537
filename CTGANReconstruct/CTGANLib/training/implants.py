"""What bodies may hold beside anatomy: tubes, leads and nodules."""

import torch

from .augmentation import uniform

_POINTS_ALONG = 400
_MOST_TUBES, _MOST_NODULES = 2, 3
_IN_LUNG = -700.0


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
