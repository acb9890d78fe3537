"""A fast ray-caster in torch: emission and absorption on a coarse grid, differentiable in the transfer functions.

Samples lie where a ray crosses the slices of the axis that the camera looks along most, so that two-dimensional
interpolation suffices (Joseph's way, as the project's projector). Between two samples the transfer functions are
integrated beforehand (Engel et al., High-Quality Pre-Integrated Volume Rendering, Graphics Hardware 2001), by the
differences of their antiderivatives, since a coarse grid steps over thin tissues.
"""

import itertools
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from ..imaging.geometry import Grid
from ..imaging.volumes import Volume
from .camera import Camera, diagonal
from .functions import LEAST_HU, MOST_HU, TransferFunctions

CHANNELS = ("red", "green", "blue", "opacity", "depth")
"""Of :func:`cast`; colors come times opacity, depth as ``vtk_renderer.Passes`` has it."""
LONGEST = 192
"""Voxels along the longest side of a coarse grid."""

_GROUP = 16  # slices at a time; rays that have ended, or miss these, are left out of the next ones
_PARTS = 2  # of the way between two slices, since what lies behind an opaque surface has no part in its color
_OPAQUE = 6.0  # optical thickness that nothing is seen through
_THIN = 1e-6  # extinction a mm below which a segment has no color of its own


class CoarseVolume:
    """A CT as the ray-caster sees it.

    Attributes:
        grid: nearly isotropic, along the axes of the CT.
        hu: int16 [k, j, i].
        whole: the grid of the CT itself, around which viewpoints are.
    """

    def __init__(self, hu: np.ndarray, grid: Grid, whole: Grid, device: str | torch.device = "cpu") -> None:
        self.grid, self.hu, self.whole, self.device = grid, hu, whole, torch.device(device)
        self._levels = torch.from_numpy(hu.astype(np.float32)).to(self.device) - LEAST_HU
        self._normals: dict[int, list[torch.Tensor]] = {}
        self._turned: dict[int, torch.Tensor] = {}
        self._ranges: dict[int, torch.Tensor] = {}

    @classmethod
    def of(cls, volume: Volume, device: str | torch.device = "cpu", longest: int = LONGEST) -> "CoarseVolume":
        """A CT in HU on the coarse grid.

        It is interpolated without smoothing, since means of thin bones would fall below what functions show.
        """
        grid = coarse_grid(volume.grid, longest)
        values = torch.from_numpy(np.ascontiguousarray(volume.array, np.float32))[None, None]
        hu = F.interpolate(values, size=grid.shape, mode="trilinear", align_corners=True)[0, 0].numpy()
        hu = hu.clip(LEAST_HU, MOST_HU)
        return cls(np.rint(hu).astype(np.int16), grid, volume.grid, device)

    def slices(self, axis: int) -> torch.Tensor:
        """HU − ``LEAST_HU`` as slices across an axis (0, 1, 2: i, j, k), [n, 1, rows, columns]."""
        if axis not in self._turned:
            self._turned[axis] = _across(self._levels, axis).contiguous()[:, None]
        return self._turned[axis]

    def ranges(self, axis: int) -> torch.Tensor:
        """The lowest and the highest value of each of :meth:`slices`, [n, 2]."""
        if axis not in self._ranges:
            values = self.slices(axis).flatten(1)
            self._ranges[axis] = torch.stack([values.amin(1), values.amax(1)], 1).cpu()
        return self._ranges[axis]

    def lit(self, sight: np.ndarray, axis: int, power: float | None, some: torch.Tensor) -> torch.Tensor:
        """The light that a lamp along the line of sight (RAS) gives to some slices across an axis, [n, 1 or 2, ...].

        Diffuse and, with a specular ``power``, specular light of Blinn's model, on both sides of surfaces.
        """
        along = self.grid.directions.T @ sight
        # Of x, y and z in voxels' directions, each a picture of its own: three products are faster than one of vectors.
        diffuse = sum(float(along[n]) * normal[some] for n, normal in enumerate(self._normals_across(axis))).abs_()
        return torch.stack([diffuse] if power is None else [diffuse, _power(diffuse, power)], 1)

    def _normals_across(self, axis: int) -> list[torch.Tensor]:
        """The unit gradient along i, j and k as slices across an axis."""
        if not self._normals:
            gradient = torch.stack(torch.gradient(self._levels, spacing=self.grid.spacing[::-1].tolist())[::-1])
            self._normals[2] = list(F.normalize(gradient, dim=0, eps=1e-3))
        if axis not in self._normals:
            self._normals[axis] = [_across(each, axis).contiguous() for each in self._normals[2]]
        return self._normals[axis]


@dataclass(frozen=True)
class Tables:
    """Transfer functions for the ray-caster, as tensors that gradients flow through.

    Attributes:
        opacity: of ``unit_distance`` mm, at each HU from ``LEAST_HU`` to ``MOST_HU`` [4096].
        color: red, green, blue there [4096, 3].
        light: shade, ambient, diffuse, specular, specular power; None where surfaces are not lit.
        unit_distance: mm.
    """

    opacity: torch.Tensor
    color: torch.Tensor
    light: tuple[float, float, float, float] | None
    unit_distance: float

    @classmethod
    def of(cls, functions: TransferFunctions, device: str | torch.device = "cpu") -> "Tables":
        hu = np.arange(LEAST_HU, MOST_HU + 1)
        opacity, color = (
            torch.from_numpy(values.astype(np.float32)).to(device)
            for values in (functions.opacity_at(hu), functions.color_at(hu))
        )
        light = (functions.ambient, functions.diffuse, functions.specular, functions.specular_power)
        return cls(opacity, color, light if functions.shade else None, functions.unit_distance)

    def rates(self) -> torch.Tensor:
        """Extinction a mm, and emission a mm in each color, [4096, 4]."""
        thickness = -torch.log1p(-self.opacity.clamp(max=0.9999)) / self.unit_distance
        return torch.cat([thickness[:, None], thickness[:, None] * self.color], 1)


def cast(volume: CoarseVolume, camera: Camera, tables: Tables, size: int) -> torch.Tensor:
    """What a camera sees.

    Args:
        volume: the CT.
        camera: from where.
        tables: transfer functions.
        size: pixels of a side.

    Returns:
        float32 [5, size, size], see ``CHANNELS``, within 0 and 1.
    """
    begin, directions = camera.rays(size)
    inverse = np.linalg.inv(volume.grid.ijk_to_ras)[:3, :3]
    forward = camera.direction @ inverse.T
    axis = int(np.abs(forward).argmax())
    rays = _Rays(volume, begin, directions, inverse, axis, forward[axis] > 0, camera.direction)
    slices, ranges = volume.slices(axis), volume.ranges(axis)
    table, shown = _antiderivatives(tables.rates()), _shown(tables.opacity)
    radius = diagonal(volume.whole) / 2
    near = float((volume.whole.center - begin[0, 0]) @ camera.direction) - radius
    count = volume.grid.shape[2 - axis]
    order = torch.arange(count) if forward[axis] > 0 else torch.arange(count).flip(0)
    passed = table.new_zeros(size * size)
    seen = table.new_zeros(size * size, 4)  # colors and depth, each by its weight
    active = _pixels_seen(volume.grid, camera, size).to(volume.device)
    for first in range(0, count - 1, _GROUP):
        some = order[first : first + _GROUP + 1]
        low, high = ranges[some, 0].min(), ranges[some, 1].max()
        if shown[int(high) + 1] == shown[int(low)]:
            continue  # all that lies here is transparent
        crossed = rays.cross(some, active)
        here, crossed = active[crossed.hits], crossed.only_hits()
        if not len(here):
            continue
        some = some.to(volume.device)
        values = [slices[some]]
        if tables.light:
            _, _, specular, power = tables.light
            values.append(volume.lit(camera.direction, axis, power if specular else None, some))
        thickness, values = _integrate(torch.cat(values, 1), crossed, table, tables.light, passed[here])
        depth = (values[:, 3:4] - near * values[:, 4:]) / (2 * radius)
        seen = seen.index_add(0, here, torch.cat([values[:, :3], depth], 1))
        passed = passed.index_add(0, here, thickness)
        active = active[passed[active] < _OPAQUE]
    opacity = -torch.expm1(-passed)[:, None]
    channels = torch.cat([seen[:, :3], opacity, seen[:, 3:] / opacity.clamp(min=1e-3)], 1)
    return channels.T.reshape(len(CHANNELS), size, size).clamp(0, 1)


def _pixels_seen(grid: Grid, camera: Camera, size: int) -> torch.Tensor:
    """Indices of the pixels of a picture in the box around a volume."""
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


def _shown(opacity: torch.Tensor) -> list[int]:
    """How many HU below each one are to be looked at, [4097]: those with any opacity, or all where opacities change."""
    shown = torch.ones_like(opacity) if opacity.requires_grad else opacity > 0
    return [0, *(shown > 0).cumsum(0).tolist()]


def _antiderivatives(rates: torch.Tensor) -> torch.Tensor:
    """The rates' sums below each HU and the rates themselves, [4096, 8]."""
    sums = rates.double().cumsum(0).float() - rates / 2
    return torch.cat([sums, rates], 1)


@dataclass(frozen=True)
class _Crossed:
    """Where rays cross some slices, front to back.

    Attributes:
        points: for ``grid_sample`` [slices, rays, 2].
        inside: whether they are within the volume and before the camera [slices, rays].
        distance: mm along the line of sight [slices, rays].
        length: mm between two slices [rays].
    """

    points: torch.Tensor
    inside: torch.Tensor
    distance: torch.Tensor
    length: torch.Tensor

    @property
    def hits(self) -> torch.Tensor:
        """Rays that are within the volume anywhere."""
        return self.inside.any(0)

    def only_hits(self) -> "_Crossed":
        hits = self.hits
        if bool(hits.all()):
            return self
        return _Crossed(self.points[:, hits], self.inside[:, hits], self.distance[:, hits], self.length[hits])


class _Rays:
    """The rays of a picture in voxels of a volume."""

    def __init__(self, volume: CoarseVolume, begin, directions, inverse, axis: int, ascending: bool, sight) -> None:
        place = (begin - volume.grid.to_ras(np.zeros(3))) @ inverse.T
        steps = directions @ inverse.T
        rows, columns = (n for n in (2, 1, 0) if n != axis)
        sizes = volume.grid.shape[::-1]
        speed = steps[..., axis]
        speed = np.where(np.abs(speed) < 1e-4, 1e-4 if ascending else -1e-4, speed)
        # Along the axis a ray runs from slice to slice: where it crosses one is linear in the slice's number.
        values = [-place[..., axis] / speed, 1 / speed, directions @ sight]
        for side in (columns, rows):
            scale = 2 / (sizes[side] - 1)
            values += [place[..., side] * scale - 1, steps[..., side] * scale]
        stacked = np.stack([np.broadcast_to(value, speed.shape).ravel() for value in values])
        self._values = torch.from_numpy(stacked.astype(np.float32)).to(volume.device)

    def cross(self, slices: torch.Tensor, rays: torch.Tensor) -> _Crossed:
        """Where some rays cross some slices."""
        start, pace, cosine, x, x_step, y, y_step = self._values[:, rays]
        way = start + slices.to(start)[:, None] * pace
        column, row = x + way * x_step, y + way * y_step
        inside = (column.abs() <= 1) & (row.abs() <= 1) & (way > 0)
        return _Crossed(torch.stack([column, row], -1), inside, way * cosine, pace.abs())


def _integrate(slices, crossed: _Crossed, table, light, passed) -> tuple[torch.Tensor, torch.Tensor]:
    """The optical thickness of some slices, and weighted sums: colors, distance along the sight, and 1, [rays, 5]."""
    samples = F.grid_sample(slices, crossed.points[:, None], align_corners=True, padding_mode="border")[:, :, 0]
    fine = _between(samples)
    level = fine[:, 0].round().clamp_(0, len(table) - 1)
    sums, rates = F.embedding(level.int(), table).split(4, -1)
    # One HU more than the samples are apart, so that equal ones are no case of their own.
    mean = (sums[1:] - sums[:-1]).abs() + (rates[1:] + rates[:-1]) / 2
    mean = mean / ((level[1:] - level[:-1]).abs() + 1)[..., None]
    within = (crossed.inside[:-1] & crossed.inside[1:]).repeat_interleave(_PARTS, 0)
    thickness = mean[..., 0] * (within * (crossed.length / _PARTS))
    color = mean[..., 1:] / mean[..., :1].clamp(min=_THIN)
    if light:
        ambient, diffuse, specular, _ = light
        shades = ((fine[:-1, 1:] + fine[1:, 1:]) / 2)[..., None].unbind(1)
        color = color * (ambient + diffuse * shades[0])
        if specular:
            color = color + specular * shades[1]
        color = color.clamp(max=1)
    along = thickness.cumsum(0)
    weight = torch.exp(thickness - along - passed) * -torch.expm1(-thickness)
    distance = _between(crossed.distance)
    middle = (distance[1:] + distance[:-1]) / 2
    rgb = torch.einsum("sn,snc->nc", weight, color)
    return along[-1], torch.cat([rgb, (weight * middle).sum(0)[:, None], weight.sum(0)[:, None]], 1)


def _power(values: torch.Tensor, power: float) -> torch.Tensor:
    """Values to a power, by products where it is a whole number: several times faster."""
    if power != int(power) or not 1 <= power <= 256:
        return values**power
    result, square, left = None, values, int(power)
    while left:
        if left % 2:
            result = square if result is None else result * square
        square, left = square * square, left // 2
    return result


def _between(samples: torch.Tensor) -> torch.Tensor:
    """Samples [n, ...] and, between each two, those that part the way into ``_PARTS``."""
    if _PARTS == 1:
        return samples
    shares = torch.arange(_PARTS, device=samples.device) / _PARTS
    shares = shares.reshape(_PARTS, *[1] * (samples.ndim - 1))
    parts = torch.lerp(samples[:-1, None], samples[1:, None], shares)
    return torch.cat([parts.flatten(0, 1), samples[-1:]])


def coarse_grid(grid: Grid, longest: int = LONGEST) -> Grid:
    """A nearly isotropic grid from the first to the last voxel center of another, ``longest`` voxels a side at most."""
    lengths = grid.spacing * (np.array(grid.shape[::-1]) - 1)
    spacing = max(float(lengths.max()) / (longest - 1), float(grid.spacing.min()))
    sizes = np.maximum(2, np.round(lengths / spacing).astype(int) + 1)
    matrix = grid.ijk_to_ras.copy()
    matrix[:3, :3] = grid.directions * (lengths / (sizes - 1))
    return Grid(tuple(int(n) for n in sizes[::-1]), matrix)


def _across(values: torch.Tensor, axis: int) -> torch.Tensor:
    """[k, j, i] with the axis (0, 1, 2: i, j, k) first and the others in their order."""
    return values.movedim(2 - axis, 0)
