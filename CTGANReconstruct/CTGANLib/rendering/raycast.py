"""A fast ray-caster in torch: emission and absorption on a coarse grid, differentiable in the transfer functions.

Samples lie where a ray crosses the slices of the axis that the camera looks along most, so that two-dimensional
interpolation suffices (Joseph's way, as the project's projector). Between two samples the transfer functions are
integrated beforehand (Engel et al., High-Quality Pre-Integrated Volume Rendering, Graphics Hardware 2001), by the
differences of their antiderivatives, since a coarse grid steps over thin tissues. What is opaque within one step is
cut off at the depth to which it is seen.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from .camera import Camera, diagonal
from .coarse import GROUP, CoarseVolume
from .functions import LEAST_HU, MOST_HU, TransferFunctions
from .rays import Rays, pixels_seen

CHANNELS = ("red", "green", "blue", "opacity", "depth")
"""Of :func:`cast`; colors come times opacity, depth is that of ``VtkRenderer.depth``."""

_OPAQUE = 6.0  # optical thickness that nothing is seen through
_THIN = 1e-6  # extinction below which a segment has no color of its own
_THICK = 0.2  # optical thickness of a segment above which its front hides its back
_INVISIBLE = 1e-4  # optical thickness of a group of slices that is left out


@dataclass(frozen=True)
class Tables:
    """Transfer functions for the ray-caster, as tensors that gradients flow through.

    Attributes:
        opacity: of ``unit_distance`` mm, at each HU from ``LEAST_HU`` to ``MOST_HU`` [4096].
        color: red, green, blue there [4096, 3].
        light: ambient, diffuse, specular, specular power; None where surfaces are not lit.
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

    @property
    def changing(self) -> bool:
        """Whether gradients are asked for, so that what is transparent counts too."""
        return self.opacity.requires_grad or self.color.requires_grad

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
    rays, scene = Rays(volume, camera, size), _Scene(volume, camera, tables)
    radius = diagonal(volume.whole) / 2
    near = float((volume.whole.center - np.asarray(camera.position)) @ camera.direction) - radius
    shown = scene.shown(rays.axis)
    passed = scene.table.new_zeros(size * size)
    seen = scene.table.new_zeros(size * size, 4)  # colors and depth, each by its weight
    active = pixels_seen(volume.grid, camera, size).to(volume.device)
    groups = range(len(shown))
    for group in groups if rays.ascending else reversed(groups):
        if not bool(shown[group].any()):
            continue  # all that lies here is transparent
        first, last = group * GROUP, min((group + 1) * GROUP, volume.grid.shape[2 - rays.axis] - 1)
        order = torch.arange(first, last + 1, device=volume.device)
        order = order if rays.ascending else order.flip(0)
        here = active[rays.meet(shown[group], order[:: GROUP // 2].to(seen), active)]
        found = scene.look(rays, order, here, passed) if len(here) else None
        if found is None:
            continue
        here, thickness, values = found
        depth = (values[:, 3:4] - near * values[:, 4:]) / (2 * radius)
        seen = seen.index_add(0, here, torch.cat([values[:, :3], depth], 1))
        passed = passed.index_add(0, here, thickness)
        active = active[passed[active] < _OPAQUE]
    opacity = -torch.expm1(-passed)[:, None]
    channels = torch.cat([seen[:, :3], opacity, seen[:, 3:] / opacity.clamp(min=1e-3)], 1)
    return channels.T.reshape(len(CHANNELS), size, size).clamp(0, 1)


class _Scene:
    """A volume under transfer functions and a lamp at the camera.

    Attributes:
        table: extinction, and emission in each color, summed over the levels below each one, [4097, 4].
    """

    def __init__(self, volume: CoarseVolume, camera: Camera, tables: Tables) -> None:
        self._volume, self._camera, self._tables = volume, camera, tables
        self.table = F.pad(tables.rates().double().cumsum(0).float(), (0, 0, 1, 0))
        self._extinction = self.table[:, 0].contiguous()

    def shown(self, axis: int) -> torch.Tensor:
        """Which tiles, and those around them, hold anything that is not transparent, [groups, rows, columns]."""
        low, high = self._volume.ranges(axis).long().unbind(1)
        if self._tables.changing:
            return torch.ones_like(low, dtype=torch.bool)
        below = F.pad((self._tables.opacity > 0).cumsum(0), (1, 0))
        some = (below[high + 1] > below[low]).float()
        return F.max_pool2d(some[:, None], 3, 1, 1)[:, 0] > 0

    def look(self, rays: Rays, order: torch.Tensor, here: torch.Tensor, passed: torch.Tensor):
        """What some rays see of a group of slices.

        Args:
            rays: of the picture.
            order: numbers of the slices, front to back.
            here: numbers of the rays.
            passed: optical thickness before, of all rays.

        Returns:
            Which rays see anything, its optical thickness, and weighted sums: colors, distance along the sight, and 1,
            [rays, 5]; None where no ray does.
        """
        places = order.to(passed)
        level = _sampled(self._volume.slices(rays.axis)[order], rays.points(places, here))[:, 0].add_(0.5).int()
        low, high = torch.minimum(level[:-1], level[1:]), torch.maximum(level[:-1], level[1:]).add_(1)
        mean = (_picked(self._extinction, high) - _picked(self._extinction, low)) / (high - low)
        thickness = mean * rays.lengths(places, here)
        total = thickness.sum(0)
        kept = (total > (-1.0 if self._tables.changing else _INVISIBLE)).nonzero()[:, 0]
        if not len(kept):
            return None
        if len(kept) < len(here):
            here, level, thickness = here[kept], level.index_select(1, kept), thickness.index_select(1, kept)
        color = self._colors(rays, order, here, level, thickness)
        along = thickness.cumsum(0)
        weight = torch.exp(thickness - along - passed[here]) * -torch.expm1(-thickness)
        distance = rays.distances((places[1:] + places[:-1]) / 2, here)
        rgb = torch.einsum("sn,snc->nc", weight, color)
        return here, along[-1], torch.cat([rgb, (weight * distance).sum(0)[:, None], weight.sum(0)[:, None]], 1)

    def _colors(self, rays: Rays, order, here, level: torch.Tensor, thickness: torch.Tensor) -> torch.Tensor:
        """Of the segments between samples [segments, rays, 3]."""
        front = level[:-1]
        back, share = self._seen(front, level[1:], thickness)
        low, high = torch.minimum(front, back), torch.maximum(front, back) + 1
        sums = F.embedding(high, self.table) - F.embedding(low, self.table)
        color = sums[..., 1:] / sums[..., :1].clamp(min=_THIN)
        if not self._tables.light:
            return color
        ambient, diffuse, specular, power = self._tables.light
        lit = self._volume.lit(self._camera.direction, rays.axis, power if specular else None, order)
        light = _sampled(lit, rays.points(order.to(thickness), here))
        shades = torch.lerp(light[:-1], light[1:], share)[..., None].unbind(1)
        color = color * shades[0].mul(diffuse).add_(ambient)
        if specular:
            color = color.add_(shades[1], alpha=specular)
        return color.clamp(max=1)

    @torch.no_grad()
    def _seen(self, front: torch.Tensor, back: torch.Tensor, thickness: torch.Tensor):
        """Up to which level a segment is seen, and at which share of the way the middle of what is seen lies.

        Where a segment is thick, its front hides its back. Its mean is taken as if it were seen evenly to a depth: that
        for which the mean depth is the same as with absorption.
        """
        share = thickness.new_tensor(0.5)
        thick = (thickness > _THICK).reshape(-1).nonzero()[:, 0]
        if self._tables.changing or not len(thick):  # the depth is no smooth function
            return back, share
        start, end, total = (values.reshape(-1)[thick] for values in (front, back, thickness))
        passing = torch.exp(-total)
        depth = 2 * (1 - (1 + total) * passing) / (1 - passing) / total
        first, last = self._extinction[start], self._extinction[end]
        found = torch.searchsorted(self._extinction, torch.lerp(first, last, depth)).int()
        found = torch.minimum(torch.maximum(found, torch.minimum(start, end)), torch.maximum(start, end))
        middle = torch.where(start == end, depth, (found - start) / (end - start)) / 2
        share = torch.full_like(thickness, 0.5).reshape(-1).index_copy_(0, thick, middle)
        back = back.reshape(-1).clone().index_copy_(0, thick, found)
        return back.reshape(front.shape), share.reshape(front.shape)[:, None]


def _sampled(slices: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Values [n, channels, rays] of slices [n, channels, rows, columns]."""
    return F.grid_sample(slices, points[:, None], align_corners=True, padding_mode="border")[:, :, 0]


def _picked(table: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Entries of a table [n] at places of any shape."""
    return table.index_select(0, places.reshape(-1)).reshape(places.shape)
