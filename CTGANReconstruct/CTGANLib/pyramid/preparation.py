"""From CTs to what a pyramid learns from: the body without table on one field, in voxels of any shape."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from ..datasets.cases import TEST, TRAIN, Case
from ..datasets.inspection import NO_LUNGS, Findings, inspect
from ..datasets.preparation import PreparedData, prepare_data
from ..datasets.prepared_cache import Making
from ..errors import UserError
from ..events import Progress, silent
from ..imaging import masks
from ..imaging.geometry import Grid
from ..imaging.resampling import grid_part, resample_parallel
from ..imaging.standardize import find_body, upright, without_table
from ..imaging.volumes import Volume, read_any_volume
from .scales import HU_MIN, Shape, resized

_VERSION = 1
_MILLIMETER = 1.0
Field = tuple[int, int, int]
"""Extent along k, j, i in mm."""


def prepare_volumes(
    coarsest: Shape,
    data: str | Path,
    cache: str | Path,
    progress: Progress = silent,
    roles: tuple[str, ...] = (TRAIN, TEST),
) -> PreparedData:
    """Find the cases of a data set and prepare those that train or test; see ``prepare_data``.

    A prepared file is the box around the body, int16 HU [k, j, i] in voxels of 1 mm along S, A, R, air outside the
    body. A pyramid holds nobody out, so cases for validation are passed over.

    Args:
        coarsest: voxels of the coarsest scale (k, j, i); smaller CTs are left out.
        data, cache, progress, roles: see ``prepare_data``.
    """
    making = Making(f"pyramid {_VERSION} {coarsest}", partial(_body, coarsest))
    return prepare_data(data, cache, progress, tuple(role for role in roles if role in (TRAIN, TEST)), making)


def _body(coarsest: Shape, case: Case) -> tuple[Findings, np.ndarray | None]:
    found, _ = inspect(case)
    if found.fault:
        return found, None
    if found.doubt == NO_LUNGS:
        found = replace(found, doubt="")
    volume = read_any_volume(case.path, case.slices)
    if fault := too_small(volume.grid, coarsest):
        return replace(found, fault=fault), None
    return found, body_box(volume)


def too_small(grid: Grid, coarsest: Shape) -> str:
    """A sentence where a CT has fewer voxels than the coarsest scale along S, A or R; empty where it has not."""
    along = np.abs(grid.directions).argmax(axis=0)
    voxels = [int(np.take(grid.shape[::-1], np.flatnonzero(along == axis)).sum()) for axis in (2, 1, 0)]
    if all(have >= need for have, need in zip(voxels, coarsest, strict=True)):
        return ""
    own, least = (" x ".join(map(str, reversed(sizes))) for sizes in (voxels, coarsest))
    return f"Its {own} voxels are fewer than the {least} of the coarsest scale."


def body_box(volume: Volume) -> np.ndarray:
    """The box around the body of a CT, int16 HU in voxels of 1 mm along S, A, R, air outside the body.

    Raises:
        UserError: there is no body in it.
    """
    body, _ = find_body(volume)
    box = grid_part(body.grid, masks.box(body.array))
    grid = upright(box, _MILLIMETER)
    hu = resample_parallel(without_table(volume, body), grid, HU_MIN).array
    return np.rint(hu).astype(np.int16)


class PyramidVolumes(Dataset):
    """Prepared CTs by number: an item is its own number, since a pyramid keeps all its volumes at hand.

    Args:
        files: prepared ones.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = list(files)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.tensor(range(len(self.files))[index])

    def field(self) -> Field:
        """The smallest field, square in plane, that holds all of them."""
        sizes = np.array([np.load(file, mmap_mode="r").shape for file in self.files]).max(axis=0)
        side = int(max(sizes[1:]))
        return int(sizes[0]), side, side

    def on_field(self, field: Field, shape: Shape) -> torch.Tensor:
        """All of them in the middle of a field, float32 HU [n, 1, k, j, i] of the given number of voxels."""
        return torch.cat([on_field(np.load(file), field, shape) for file in self.files])


def on_field(hu: np.ndarray, field: Field, shape: Shape) -> torch.Tensor:
    """HU [k, j, i] in voxels of 1 mm in the middle of a field of air, cut where it is larger; [1, 1, k, j, i] float32.

    Raises:
        UserError: all values are the same.
    """
    placed = np.full(field, HU_MIN, np.float32)
    here, there = [], []
    for size, room in zip(hu.shape, field, strict=True):
        length = min(size, room)
        there.append(slice((size - length) // 2, (size - length) // 2 + length))
        here.append(slice((room - length) // 2, (room - length) // 2 + length))
    placed[tuple(here)] = hu[tuple(there)]
    if np.ptp(placed) == 0:
        raise UserError(f"A volume is empty: all its values are {placed.flat[0]:g}.", "Choose a CT.")
    return resized(torch.from_numpy(placed)[None, None], shape)
