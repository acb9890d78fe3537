"""Where the rays of a picture cross the slices of a volume."""

import itertools
import math

import numpy as np
import torch

from ..imaging.geometry import Grid
from .camera import Camera
from .coarse import TILE, CoarseVolume


class Rays:
    """The rays of a picture in voxels of a volume.

    Attributes:
        axis: of the volume, along which the camera looks most: 0, 1, 2 for i, j, k.
        ascending: whether rays meet its slices in their order.
    """

    def __init__(self, volume: CoarseVolume, camera: Camera, size: int) -> None:
        begin, directions = camera.rays(size)
        inverse = np.linalg.inv(volume.grid.ijk_to_ras)[:3, :3]
        forward = camera.direction @ inverse.T
        self.axis = axis = int(np.abs(forward).argmax())
        self.ascending = bool(forward[axis] > 0)
        place = (begin - volume.grid.to_ras(np.zeros(3))) @ inverse.T
        steps = directions @ inverse.T
        speed = steps[..., axis]
        speed = np.where(np.abs(speed) < 1e-4, 1e-4 if self.ascending else -1e-4, speed)
        # Along the axis a ray runs from slice to slice: where it crosses one is linear in the slice's number.
        start, pace = -place[..., axis] / speed, 1 / speed
        cosine = directions @ camera.direction
        values = [start * cosine, pace * cosine]
        rows, columns = (n for n in (2, 1, 0) if n != axis)
        sizes = volume.grid.shape[::-1]
        for side in (columns, rows):
            scale = 2 / (sizes[side] - 1)
            values += [(place[..., side] + start * steps[..., side]) * scale - 1, pace * steps[..., side] * scale]
        values += [np.abs(pace), *_inside(values[2:6], start, pace)]
        stacked = np.stack([np.broadcast_to(value, speed.shape).ravel() for value in values])
        self._values = torch.from_numpy(stacked.astype(np.float32)).to(volume.device)
        self._tiles = (sizes[columns] - 1) / TILE / 2, (sizes[rows] - 1) / TILE / 2

    def points(self, slices: torch.Tensor, rays: torch.Tensor) -> torch.Tensor:
        """Where some rays cross slices, by their numbers: for ``grid_sample``, [n, rays, 2]."""
        x, x_step, y, y_step = self._values[2:6, rays]
        points = x.new_empty(len(slices), len(rays), 2)
        for place, at, step in ((0, x, x_step), (1, y, y_step)):
            torch.addcmul(at, slices[:, None], step, out=points[..., place])
        return points

    def distances(self, slices: torch.Tensor, rays: torch.Tensor) -> torch.Tensor:
        """From the plane through the camera to slices or places between them, mm along the line of sight, [n, rays]."""
        start, pace = self._values[:2, rays]
        return torch.addcmul(start, slices[:, None], pace)

    def lengths(self, slices: torch.Tensor, rays: torch.Tensor) -> torch.Tensor:
        """Mm of the rays from each slice to the next one that lie in the volume, before the camera, [n − 1, rays]."""
        pace, first, last = self._values[6:, rays]
        low, high = torch.minimum(slices[:-1], slices[1:])[:, None], torch.maximum(slices[:-1], slices[1:])[:, None]
        return (torch.minimum(high, last) - torch.maximum(low, first)).clamp_(min=0).mul_(pace)

    def meet(self, tiles: torch.Tensor, slices: torch.Tensor, rays: torch.Tensor) -> torch.Tensor:
        """Which of some rays pass a tile of a mask [rows, columns] at any of some slices, [rays]."""
        x, x_step, y, y_step, _, first, last = self._values[2:, rays]
        rows, columns = tiles.shape
        column = ((torch.addcmul(x, slices[:, None], x_step) + 1) * self._tiles[0]).long().clamp_(0, columns - 1)
        row = ((torch.addcmul(y, slices[:, None], y_step) + 1) * self._tiles[1]).long().clamp_(0, rows - 1)
        passed = tiles.reshape(-1)[row * columns + column].any(0)
        return passed & (last > slices.min()) & (first < slices.max())


def _inside(places: list[np.ndarray], start: np.ndarray, pace: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Between which slices rays lie within the volume's sides and before the camera."""
    first, last = np.full(start.shape, -np.inf), np.full(start.shape, np.inf)
    for at, step in zip(places[::2], places[1::2], strict=True):
        step = np.where(np.abs(step) < 1e-9, 1e-9, step)
        ends = (-1 - at) / step, (1 - at) / step
        first, last = np.maximum(first, np.minimum(*ends)), np.minimum(last, np.maximum(*ends))
    camera = -start / pace
    return np.where(pace > 0, np.maximum(first, camera), first), np.where(pace > 0, last, np.minimum(last, camera))


def pixels_seen(grid: Grid, camera: Camera, size: int) -> torch.Tensor:
    """Numbers of the pixels of a picture that the box around a volume covers."""
    corners = grid.to_ras(list(itertools.product(*[(0, n - 1) for n in grid.shape[::-1]])))
    right, up, sight = camera.axes @ (corners - np.asarray(camera.position)).T
    if not camera.parallel_scale and sight.min() <= 0:
        return torch.arange(size * size)
    half = camera.parallel_scale or sight * math.tan(math.radians(camera.view_angle / 2))
    sides = []
    for place in (-up / half, right / half):
        low, high = np.floor((place.min() + 1) / 2 * size), np.ceil((place.max() + 1) / 2 * size)
        sides.append(slice(int(np.clip(low, 0, size)), int(np.clip(high, 0, size))))
    return torch.arange(size * size).reshape(size, size)[tuple(sides)].reshape(-1)
