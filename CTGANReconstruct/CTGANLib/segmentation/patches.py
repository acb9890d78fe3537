"""Patches of labeled CTs: drawn where the labels are, deformed and recolored."""

from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from monai.networks.layers import GaussianFilter
from torch.nn import functional as F
from torch.utils.data import Dataset

from ..training.augmentation import recolor, uniform
from ..training.implants import grow_nodules, is_lung
from .preparation import LOWEST_HU
from .tasks import Task

# Of each label, so many of its voxels are known as middles of patches.
_PLACES = 4000
# A patch is cut so much larger, that turned and scaled it still shows what is there.
_ROOM = 1.25
_FOREGROUND = 0.75  # share of the patches that have a label in the middle
_BLURRED, _BLUR = 0.3, 1.5  # share of the patches that are blurred, and the largest sigma in voxels
_NOISE = 40.0  # largest standard deviation, HU
_TRIED = 64  # places among which one in the lungs is looked for
_GROWN = 0.8  # share of the patches with nodules of our own
# Share of the patches with contrast medium, its largest effect in HU, and where soft tissue ends.
_CONTRASTED, _CONTRAST, _SOFT_HU = 0.5, 400.0, (-20.0, 160.0)


class LabeledVolume:
    """A prepared pair, read where it is looked at.

    Attributes:
        values: int16 [2, k, j, i]: HU and sets of possible labels; see ``preparation``.
    """

    def __init__(self, file: Path) -> None:
        self.values = np.load(file, mmap_mode="r")

    @property
    def hu(self) -> np.ndarray:
        return self.values[0]

    @property
    def sets(self) -> np.ndarray:
        """uint16 [k, j, i]."""
        return self.values[1].view(np.uint16)

    @cached_property
    def places(self) -> list[np.ndarray]:
        """For each set with one label that there is, the background excepted, some of its voxels [n, 3]."""
        sets = self.sets
        found = []
        for value in np.unique(sets):
            if value > 1 and value & (value - 1) == 0:
                flat = np.flatnonzero(sets == value)
                flat = flat[:: max(1, len(flat) // _PLACES)]
                found.append(np.stack(np.unravel_index(flat, sets.shape), -1))
        return found


class LabeledVolumes(Dataset):
    """Prepared pairs; what is an item of it is read from disk when it is used."""

    def __init__(self, files: list[Path]) -> None:
        self.volumes = [LabeledVolume(file) for file in files]

    def __len__(self) -> int:
        return len(self.volumes)

    def __getitem__(self, index: int) -> LabeledVolume:
        return self.volumes[index]


def patch(volume: LabeledVolume, task: Task, size: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """A patch drawn by torch's random numbers, deformed and recolored.

    Returns:
        HU [1, 1, size, size, size], and the sets of possible labels (int32) of the same shape.
    """
    room = int(size * _ROOM)
    hu, sets = (torch.from_numpy(cut).to(device)[None, None] for cut in _cut(volume, _middle(volume, task), room))
    grid = F.affine_grid(_affine(size / room, device)[None], [1, 1, size, size, size], align_corners=False)
    hu = F.grid_sample(hu, grid, align_corners=False, padding_mode="border")
    sets = F.grid_sample(sets, grid, mode="nearest", align_corners=False, padding_mode="border").int()
    if task.mirrored and torch.rand(()) < 0.5:
        hu, sets = hu.flip(-1), sets.flip(-1)
    if task.grown and torch.rand(()) < _GROWN:
        hu[0, 0], grown = grow_nodules(hu[0, 0], task.spacing)
        sets = sets.masked_fill(grown, task.bits(task.grown))
    return _seen_otherwise(hu, _blood(sets, task)), sets


def _middle(volume: LabeledVolume, task: Task) -> np.ndarray:
    """The middle of a patch: mostly a voxel of one of the labels, each as often as the others; else anywhere, or
    anywhere in the lungs where nodules are to grow."""
    if volume.places and torch.rand(()) < _FOREGROUND:
        places = volume.places[int(torch.randint(len(volume.places), ()))]
        return places[int(torch.randint(len(places), ()))]
    tried = torch.stack([torch.randint(size, (_TRIED,)) for size in volume.hu.shape], 1).numpy()
    aerated = [place for place in tried if task.grown and is_lung(volume.hu[tuple(place)])]
    return (aerated or tried)[0]


def _cut(volume: LabeledVolume, middle: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """HU and sets of a cube, float32; air and background where the volume ends, or nearly so moved into it."""
    cube = np.full((size,) * 3, LOWEST_HU, np.float32), np.ones((size,) * 3, np.float32)
    first = []
    for place, length in zip(middle, volume.hu.shape, strict=True):
        start = int(place) - size // 2
        # Not much beyond the ends, but not always up to them.
        first.append(min(max(start, -size // 8), max(length - size + size // 8, -size // 8)))
    low = [max(start, 0) for start in first]
    high = [min(start + size, length) for start, length in zip(first, volume.hu.shape, strict=True)]
    here = tuple(slice(a - start, b - start) for a, b, start in zip(low, high, first, strict=True))
    there = tuple(map(slice, low, high))
    cube[0][here], cube[1][here] = volume.hu[there], volume.sets[there]
    return cube


def _affine(share: float, device: torch.device) -> torch.Tensor:
    """Rotation by up to 10° about each axis and scaling by 0.85 to 1.15, of the middle ``share`` of a cube [3, 4]."""
    angles = uniform(-0.17, 0.17, 3)
    generator = torch.zeros(3, 3)
    for axis, (row, column) in enumerate(((1, 2), (0, 2), (0, 1))):
        generator[row, column], generator[column, row] = angles[axis], -angles[axis]
    matrix = torch.matrix_exp(generator) * uniform(0.92, 1.08, 1) * uniform(0.93, 1.07, 3, 1)
    return torch.cat([matrix * share, torch.zeros(3, 1)], 1).to(device)


def _blood(sets: torch.Tensor, task: Task) -> torch.Tensor:
    """Where contrast medium may go with the blood, of the shape of the sets."""
    return (sets & task.bits(*task.blood) > 0) & (sets & task.bits(*task.dense) == 0)


def _seen_otherwise(hu: torch.Tensor, blood: torch.Tensor) -> torch.Tensor:
    """Other scanners, doses and kernels; and smooth ones, since reconstructions from radiographs are smooth."""
    hu = recolor(hu)
    if torch.rand(()) < _CONTRASTED:
        hu = hu + _contrast(hu, blood)
    if torch.rand(()) < _BLURRED:
        blur = GaussianFilter(3, float(uniform(0.5, _BLUR, 1))).to(hu.device)
        return blur(hu - LOWEST_HU) + LOWEST_HU  # it takes for 0 what is beyond the border
    return hu + torch.randn_like(hu) * uniform(0, _NOISE, 1).to(hu.device)


def _contrast(hu: torch.Tensor, blood: torch.Tensor) -> torch.Tensor:
    """What contrast medium adds to all blood or to soft tissue here and there, HU: what is dense is not always bone."""
    regions = F.interpolate(3 * torch.randn(1, 1, 5, 5, 5), hu.shape[2:], mode="trilinear").to(hu.device).sigmoid()
    if blood.any() and torch.rand(()) < 0.5:
        regions = blood * (1 - 0.3 * regions)
    low, high = _SOFT_HU
    soft = ((hu - low) / 40).clip(0, 1) * (hu < high)
    return float(uniform(50, _CONTRAST, 1)) * regions * soft
