"""The rays of an acquisition and their way through the slabs of a grid. All in float64 on the CPU."""

from dataclasses import dataclass

import numpy as np
import torch

from .geometry import Acquisition, Grid


@dataclass(frozen=True)
class RayBundle:
    """Rays that cross the slabs of one axis.

    At slab position s (an index) a ray is at ``start + s · slope`` in the slab.

    Attributes:
        axis: 0, 1 or 2 for slabs along i, j or k.
        pixels: their indices in the flattened picture.
        start, slope: [rays, 2], voxel index along the faster and the slower of the two other axes.
        length: [rays], mm of a ray in one slab.
    """

    axis: int
    pixels: torch.Tensor
    start: torch.Tensor
    slope: torch.Tensor
    length: torch.Tensor

    def drift(self, spacing: np.ndarray) -> float:
        """Root mean square of the way across in mm from one slab to the next; ``spacing`` in mm along i, j, k."""
        across = torch.as_tensor(np.delete(spacing, self.axis))
        return float((self.slope.detach() * across).square().sum(-1).mean().sqrt())


@dataclass(frozen=True)
class SeparableRays:
    """All rays of a picture whose rows and columns each run along one axis of the grid.

    Attributes:
        axis: 0, 1 or 2 for slabs along i, j or k.
        slow, fast: [2, pixels], start and slope of the rays, as :class:`RayBundle` has them, along the slower and
            the faster of the two other axes in memory.
        rows_are_slow: whether the picture's rows follow one another along the slower axis.
        pixels, length: as :class:`RayBundle` has them.
    """

    axis: int
    slow: torch.Tensor
    fast: torch.Tensor
    rows_are_slow: bool
    pixels: torch.Tensor
    length: torch.Tensor

    def drift(self, spacing: np.ndarray) -> float:
        """Root mean square of the way across in mm from one slab to the next; ``spacing`` in mm along i, j, k."""
        fast, slow = np.delete(spacing, self.axis)
        return float(((self.fast[1] * fast).square().mean() + (self.slow[1] * slow).square().mean()).sqrt())


def camera_rays(acquisition: Acquisition) -> np.ndarray:
    """Origin and direction of the rays, linear in the pixel: [origin or direction, (1, row, column), RAS] in mm."""
    matrix = acquisition.ijk_to_ras
    pixel = np.stack([matrix[:3, 3], matrix[:3, 1], matrix[:3, 0]])
    if acquisition.parallel:
        return np.stack([pixel, [acquisition.beam_direction, np.zeros(3), np.zeros(3)]])
    source = np.stack([acquisition.source, np.zeros(3), np.zeros(3)])
    return np.stack([source, pixel - source])


def move_rays(rays: torch.Tensor, pose: torch.Tensor, isocenter: torch.Tensor) -> torch.Tensor:
    """Rays of :func:`camera_rays` after a rigid movement of source and detector, differentiable in ``pose``.

    Args:
        pose: rotation vector about the isocenter (radians), then translation (mm), both along R, A and S.
        isocenter: RAS, mm.
    """
    x, y, z, *shift = pose
    zero = torch.zeros_like(x)
    rotation = torch.linalg.matrix_exp(torch.stack([zero, -z, y, z, zero, -x, -y, x, zero]).view(3, 3))
    nowhere = torch.zeros_like(rays[1, 1:])  # only the constant term of the origin is a point
    center = torch.cat([isocenter[None], nowhere])
    origin = (rays[0] - center) @ rotation.T + center + torch.cat([torch.stack(shift)[None], nowhere])
    return torch.stack([origin, rays[1] @ rotation.T])


def check_in_front(rays: torch.Tensor, beam: torch.Tensor, grid: Grid) -> None:
    """Check that a point source has the whole volume before it.

    Args:
        rays: as :func:`camera_rays` says, of a cone beam.
        beam: direction of the central ray.
        grid: the voxels.

    Raises:
        ValueError: the source lies inside the volume or beside it.
    """
    corners = np.stack(np.meshgrid(*[(0, n - 1) for n in grid.shape[::-1]]), -1).reshape(-1, 3)
    if ((torch.as_tensor(grid.to_ras(corners)) - rays[0, 0]) @ beam).min() <= 0:
        raise ValueError("The source must lie outside the volume.")


def rays_in_voxels(rays: torch.Tensor, grid: Grid) -> torch.Tensor:
    """The same rays [origin or direction, (1, row, column), (i, j, k)] in voxel indices."""
    matrix = torch.as_tensor(np.linalg.inv(grid.ijk_to_ras))
    origin, direction = rays @ matrix[:3, :3].T
    point = torch.nn.functional.pad(matrix[None, :3, 3], (0, 0, 0, 2))  # only the origin's constant term is a point
    return torch.stack([origin + point, direction])


def bundles(rays: torch.Tensor, grid: Grid, detector_shape: tuple[int, int]) -> list[RayBundle]:
    """The rays sorted by the axis of the grid along which each crosses most slabs.

    Args:
        rays: as :func:`camera_rays` says; gradients flow through.
        grid: the voxels.
        detector_shape: (rows, columns).
    """
    pixels = _pixels(detector_shape).flatten(0, 1)
    origin, direction = pixels @ rays_in_voxels(rays, grid)
    length = (pixels @ rays[1]).norm(dim=-1)
    dominant = direction.detach().abs().argmax(-1)
    found = []
    for axis in dominant.unique().tolist():
        chosen = (dominant == axis).nonzero()[:, 0]
        across = [other for other in range(3) if other != axis]
        along = direction[chosen, axis, None]
        slope = direction[chosen][:, across] / along
        start = origin[chosen][:, across] - slope * origin[chosen, axis, None]
        found.append(RayBundle(axis, chosen, start, slope, length[chosen] / along[:, 0].abs()))
    return found


def separate(rays: torch.Tensor, grid: Grid, detector_shape: tuple[int, int]) -> SeparableRays | None:
    """The rays by rows and columns, or None if the detector is not parallel to two axes of the grid."""
    voxels = rays_in_voxels(rays, grid)
    pixels = _pixels(detector_shape)
    # Of the change from row to row and from column to column, only one component each is not zero.
    change = (voxels[:, 1:].abs() * torch.tensor([[n] for n in detector_shape])).sum(0)
    row_axis, column_axis = change.argmax(-1).tolist()
    change[0, row_axis] = change[1, column_axis] = 0
    axis = 3 - row_axis - column_axis
    middle = pixels[detector_shape[0] // 2, detector_shape[1] // 2] @ voxels[1]
    if row_axis == column_axis or change.max() > 1e-6 * middle.norm() or middle.abs().argmax() != axis:
        return None
    along = voxels[1, 0, axis]

    def line(pixels: torch.Tensor, across: int) -> torch.Tensor:
        origin, direction = pixels @ voxels
        slope = direction[:, across] / along
        return torch.stack([origin[:, across] - slope * voxels[0, 0, axis], slope])

    rows, columns = line(pixels[:, 0], row_axis), line(pixels[0], column_axis)
    length = (pixels @ rays[1]).norm(dim=-1).flatten() / along.abs()
    slow, fast = (rows, columns) if row_axis > column_axis else (columns, rows)
    return SeparableRays(axis, slow, fast, row_axis > column_axis, torch.arange(len(length)), length)


def _pixels(detector_shape: tuple[int, int]) -> torch.Tensor:
    """(1, row, column) of every pixel: [rows, columns, 3]."""
    row, column = torch.meshgrid(*[torch.arange(n, dtype=torch.float64) for n in detector_shape], indexing="ij")
    return torch.stack([torch.ones_like(row), row, column], -1)
