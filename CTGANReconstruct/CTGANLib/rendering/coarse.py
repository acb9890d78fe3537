"""A CT as the ray-caster sees it: on a grid of a bounded size, as slices across any axis."""

import numpy as np
import torch
from torch.nn import functional as F

from ..imaging.geometry import Grid
from ..imaging.volumes import Volume
from .functions import LEAST_HU, MOST_HU

LONGEST = 256
"""Voxels along the longest side of a coarse grid."""
GROUP = 16
"""Slices that the ray-caster takes at a time."""
TILE = 8
"""Voxels along the sides of the tiles whose lowest and highest values are known."""

_UNIT = 32767  # that stands for 1 in normals


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
        """The lowest and the highest value of the tiles of each group of :meth:`slices`, [groups, 2, rows, columns].

        Group ``g`` reaches from slice g · ``GROUP`` to the first one of the next group, a tile from voxel
        t · ``TILE`` to the first one of the next tile, so that all between their voxels is known.
        """
        if axis not in self._ranges:
            values = self.slices(axis)[:, 0]
            highest, lowest = _highest(values), -_highest(-values)
            self._ranges[axis] = torch.stack([lowest, highest], 1)
        return self._ranges[axis]

    def lit(self, sight: np.ndarray, axis: int, power: float | None, some: torch.Tensor) -> torch.Tensor:
        """The light that a lamp along the line of sight (RAS) gives to some slices across an axis, [n, 1 or 2, ...].

        Diffuse and, with a specular ``power``, specular light of Blinn's model, on both sides of surfaces. As in VTK,
        it is that of voxels, between which light is interpolated.
        """
        along = self.grid.directions.T @ sight / _UNIT
        # Of x, y and z in voxels' directions, each a picture of its own: three products are faster than one of vectors.
        diffuse = sum(normal[some] * float(along[n]) for n, normal in enumerate(self._normals_across(axis))).abs_()
        return torch.stack([diffuse] if power is None else [diffuse, _power(diffuse, power)], 1)

    def _normals_across(self, axis: int) -> list[torch.Tensor]:
        """The unit gradient along i, j and k as slices across an axis, int16."""
        if not self._normals:
            gradient = torch.stack(torch.gradient(self._levels, spacing=self.grid.spacing[::-1].tolist())[::-1])
            normals = (F.normalize(gradient, dim=0, eps=1e-3) * _UNIT).round().short()
            self._normals[2] = list(normals)
        if axis not in self._normals:
            self._normals[axis] = [_across(each, axis).contiguous() for each in self._normals[2]]
        return self._normals[axis]


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


def _highest(slices: torch.Tensor) -> torch.Tensor:
    """The highest value of each group's tiles, [groups, rows, columns]."""
    for axis, step in ((0, GROUP), (1, TILE), (2, TILE)):
        size = slices.shape[axis]
        starts = range(0, max(1, size - 1), step)
        slices = torch.stack([slices.narrow(axis, n, min(step + 1, size - n)).amax(axis) for n in starts], axis)
    return slices


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
