"""Resampling between grids with parallel axes: one matrix an axis, several times faster than for any direction."""

from functools import lru_cache

import numpy as np
import SimpleITK as sitk

from .attenuation import HU_MIN
from .geometry import Grid
from .volumes import Volume, smoothing_variance

# Voxels by which axes that count as parallel may drift apart over a whole volume.
_DRIFT = 0.01
# Voxels at once, few enough for a CPU's cache, and rows of a matrix at once: few enough to pass over most zeros, and
# for products too small for threads of their own, which would wait for each other where other processes work too.
_VOXELS, _ROWS = 1 << 20, 8
_NEGLIGIBLE, _EDGE = 1e-5, 1e-6


def resample_parallel(volume: Volume, grid: Grid, outside: float = HU_MIN) -> Volume:
    """:meth:`Volume.resample`, linear, to float32 rounding; grids that are not parallel take that road."""
    axes = _parallel_axes(volume.grid, grid)
    if axes is None:
        return volume.resample(grid, outside)
    order = [axis for axis, _, _ in axes]
    ranges, matrices = [], []
    for target, (source, step, start) in enumerate(axes):
        positions = start + step * np.arange(grid.shape[::-1][target])
        size, old = volume.grid.shape[::-1][source], float(volume.grid.spacing[source])
        inside = np.flatnonzero((positions > -0.5 - _EDGE) & (positions < size - 0.5 - _EDGE))  # as ITK
        if not len(inside):
            return Volume(np.full(grid.shape, outside, np.float32), grid)
        ranges.append(slice(int(inside[0]), int(inside[-1]) + 1))
        matrices.append(_matrix(positions[inside], size, old, float(grid.spacing.min())))
    # The source's axes k, j, i in the order of the target's: a view, without a copy.
    array = volume.array.transpose([2 - axis for axis in order[::-1]])
    values = _apply(array, *matrices)
    result = np.full(grid.shape, outside, np.float32)
    result[tuple(ranges[::-1])] = values
    return Volume(result, grid)


def grid_part(grid: Grid, box: tuple[slice, slice, slice]) -> Grid:
    """The grid of ``array[box]``, a box [k, j, i] of an array on the grid."""
    indices = [range(size)[side] for size, side in zip(grid.shape, box, strict=True)]
    shift = np.eye(4)
    shift[:3, 3] = [places.start for places in indices[::-1]]
    return Grid(tuple(map(len, indices)), grid.ijk_to_ras @ shift)


def _parallel_axes(source: Grid, target: Grid) -> list[tuple[int, float, float]] | None:
    """For i, j, k of the target: the source's axis along it, and its index there as step and start; None if turned."""
    matrix = np.linalg.inv(source.ijk_to_ras) @ target.ijk_to_ras
    along = np.abs(matrix[:3, :3]).argmax(axis=0)
    rest = matrix[:3, :3].copy()
    rest[along, range(3)] = 0
    if len(set(along)) < 3 or (np.abs(rest) @ target.shape[::-1]).max() > _DRIFT:
        return None
    return [(int(axis), float(matrix[axis, n]), float(matrix[axis, 3])) for n, axis in enumerate(along)]


def _matrix(positions: np.ndarray, size: int, old: float, new: float) -> np.ndarray:
    """Smoothing for the new spacing and linear interpolation at positions, [positions, size] float32."""
    before = np.clip(np.floor(positions).astype(int), 0, max(size - 2, 0))
    weight = np.clip(positions - before, 0, 1).astype(np.float32)[:, None]
    smoothing = _smoothing(size, old, smoothing_variance(old, new))
    matrix = (1 - weight) * smoothing[before] + weight * smoothing[np.minimum(before + 1, size - 1)]
    matrix[np.abs(matrix) < _NEGLIGIBLE] = 0
    return matrix


@lru_cache(maxsize=4)
def _smoothing(size: int, spacing: float, variance: float) -> np.ndarray:
    """ITK's recursive Gaussian as a matrix [size, size]: its answers to impulses."""
    if not variance:
        return np.eye(size, dtype=np.float32)
    impulses = sitk.GetImageFromArray(np.eye(size, dtype=np.float32))
    impulses.SetSpacing((spacing, 1.0))
    return sitk.GetArrayFromImage(sitk.RecursiveGaussian(impulses, float(np.sqrt(variance)), direction=0)).T


def _apply(array: np.ndarray, along_i: np.ndarray, along_j: np.ndarray, along_k: np.ndarray) -> np.ndarray:
    """The matrices' product with [k, j, i] along its axes; float32 numbers only for a few slices at once."""
    plane = np.empty((len(array), len(along_j), len(along_i)), np.float32)
    parts_i, parts_j = _parts(along_i), _parts(along_j)
    step = max(1, _VOXELS // (array.shape[1] * array.shape[2]))
    for first in range(0, len(array), step):
        slices = np.ascontiguousarray(array[first : first + step], np.float32)
        rows = np.empty((len(slices), len(along_j), slices.shape[2]), np.float32)
        for here, seen, weights in parts_j:
            np.matmul(weights, slices[:, seen], out=rows[:, here])
        for here, seen, weights in parts_i:
            plane[first : first + step, :, here] = rows[:, :, seen] @ weights.T
    result = np.empty((len(along_k), *plane.shape[1:]), np.float32)
    for here, seen, weights in _parts(along_k):
        np.matmul(weights, plane[seen].swapaxes(0, 1), out=result[here].swapaxes(0, 1))
    return result


def _parts(matrix: np.ndarray) -> list[tuple[slice, slice, np.ndarray]]:
    """A matrix around a diagonal as blocks of rows, each with the columns that are not zero."""
    parts = []
    for first in range(0, len(matrix), _ROWS):
        here = slice(first, min(first + _ROWS, len(matrix)))
        columns = np.flatnonzero(matrix[here].any(axis=0))
        seen = slice(int(columns[0]), int(columns[-1]) + 1)
        parts.append((here, seen, np.ascontiguousarray(matrix[here, seen])))
    return parts
