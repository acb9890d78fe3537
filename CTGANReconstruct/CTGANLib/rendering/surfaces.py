"""What an opacity and a depth pass tell of the surfaces that a picture shows: where they are and how they are lit."""

import numpy as np
import torch
from torch.nn import functional as F

from ..imaging.geometry import Grid
from .camera import Camera, diagonal

CHANNELS = ("opacity", "thickness", "depth", "left", "front", "up", "facing")
"""Of :func:`surfaces`."""

_OPAQUE = 6.0  # optical thickness that stands for 1
_VISIBLE = 0.02  # opacity from which on a depth counts


def surfaces(opacity: np.ndarray, depth: np.ndarray, camera: Camera, grid: Grid) -> torch.Tensor:
    """What passes tell of the surfaces.

    Args:
        opacity, depth: see ``vtk_renderer.VtkRenderer``, within 0 and 1, [n, n].
        camera: of both.
        grid: of the volume that they show.

    Returns:
        float32 [7, n, n], see ``CHANNELS``: the opacity, its optical thickness, the depth, the place in diagonals of
        the volume from its middle along the patient's axes, and the cosine between the surface's normal and the ray (1
        toward the camera); all but the first two are 0 where the depth is not known.
    """
    begin, directions = camera.rays(len(opacity))
    sight, length = camera.direction, diagonal(grid)
    near = float((grid.center - np.asarray(camera.position)) @ sight) - length / 2
    steps = directions / (directions @ sight)[..., None]
    places = (begin + (near + depth * length)[..., None] * steps - grid.center) / length
    places = torch.from_numpy(places.astype(np.float32)).permute(2, 0, 1)
    down, across = (_slope(places, axis) for axis in (1, 2))
    normal = F.normalize(torch.linalg.cross(across, down, dim=0), dim=0, eps=1e-12)
    ray = torch.from_numpy(directions.astype(np.float32)).permute(2, 0, 1)
    facing = (normal * ray).sum(0).abs()
    opacity = torch.from_numpy(opacity.astype(np.float32))
    seen = ((opacity > _VISIBLE) & torch.from_numpy(depth > 0)).float()
    thickness = -torch.log1p(-opacity.clamp(max=0.9999)) / _OPAQUE
    left_front_up = places * torch.tensor([-1.0, 1, 1])[:, None, None]
    distance = torch.from_numpy(depth.astype(np.float32))
    known = torch.cat([distance[None], left_front_up, facing[None]]) * seen
    return torch.cat([torch.stack([opacity, thickness.clamp(max=1)]), known])


def _slope(places: torch.Tensor, axis: int) -> torch.Tensor:
    """Differences [3, n, n] to the nearer neighbor on both sides, so that they do not reach across edges."""
    steps = places.diff(dim=axis)
    ends = [steps.narrow(axis, at, 1) for at in (0, steps.shape[axis] - 1)]
    before, after = torch.cat([ends[0], steps], axis), torch.cat([steps, ends[1]], axis)
    return torch.where(before.norm(dim=0) < after.norm(dim=0), before, after)
