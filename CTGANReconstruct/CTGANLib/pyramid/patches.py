"""Whether parts of volumes are copies: the distance to the nearest part of others, wherever it lies."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.nn import functional as F

PATCH = (4, 12, 12)
"""Voxels (k, j, i) of a patch."""
_COUNT, _AT_A_TIME = 256, 32
# Alike everywhere are patches with less structure in their slices, HU standard deviation, such as air and what lies
# above the ends of a CT, and those that are air for more than half, such as skin at the border of the body.
_STRUCTURE, _AIR, _MOST_AIR = 150.0, -950.0, 0.5


@dataclass(frozen=True)
class Match:
    """A patch and the nearest one of other volumes.

    Attributes:
        distance: RMS difference in HU; infinite where there is no other place.
        volume, place: number of the patch's volume, and its first voxel (k, j, i) there.
        other, other_place: the same of the nearest one.
    """

    distance: float
    volume: int
    place: tuple[int, int, int]
    other: int
    other_place: tuple[int, int, int]


def matches(
    volumes: Sequence[np.ndarray],
    others: Sequence[np.ndarray],
    within: bool,
    size: tuple[int, int, int] = PATCH,
    count: int = _COUNT,
    seed: int = 0,
) -> list[Match]:
    """Random patches with structure and the nearest patch of ``others``, at every place.

    Args:
        volumes: HU [k, j, i]; the patches are spread over all of them.
        others: HU [k, j, i].
        within: ``others`` are the same volumes; places that overlap with a patch of their own are passed over.
        size: of a patch in voxels (k, j, i), less where a volume is smaller.
        count: of the patches.
        seed: of their choice.

    Returns:
        One a patch, none where nothing has structure.
    """
    size = tuple(min(side, *(volume.shape[axis] for volume in (*volumes, *others))) for axis, side in enumerate(size))
    random = np.random.default_rng(seed)
    found: list[Match] = []
    for number, volume in enumerate(volumes):
        patches, places = _structured(volume, size, -(-count // len(volumes)), random)
        for first in range(0, len(patches), _AT_A_TIME):
            some = slice(first, first + _AT_A_TIME)
            best = [Match(np.inf, number, tuple(place), 0, (0, 0, 0)) for place in places[some].tolist()]
            for other_number, other in enumerate(others):
                squares = _squares(patches[some], other)
                if within and other_number == number:
                    _forbid(squares, places[some], size)
                best = [_nearer(match, square, other_number) for match, square in zip(best, squares, strict=True)]
            found += best
    return found


def _nearer(match: Match, squares: torch.Tensor, other: int) -> Match:
    """A match, or a nearer one among the squared differences at the places [k, j, i] of another volume."""
    flat = int(squares.argmin())
    distance = float(np.sqrt(max(float(squares.flatten()[flat]), 0.0)))
    if distance >= match.distance:
        return match
    place = tuple(int(n) for n in np.unravel_index(flat, squares.shape))
    return replace(match, distance=distance, other=other, other_place=place)


def _structured(volume: np.ndarray, size: tuple, count: int, random: np.random.Generator):
    """Patches [n, *size] of a volume with structure in them, and their places [n, 3]."""
    windows = np.lib.stride_tricks.sliding_window_view(volume, size)
    places = np.stack(np.unravel_index(random.permutation(int(np.prod(windows.shape[:3]))), windows.shape[:3]), 1)
    chosen: list[np.ndarray] = []
    for place in places:
        patch = windows[tuple(place)]
        if patch.std(axis=(1, 2)).mean() > _STRUCTURE and (patch < _AIR).mean() <= _MOST_AIR:
            chosen.append(place)
        if len(chosen) == count:
            break
    patches = [windows[tuple(place)] for place in chosen]
    return np.array(patches, np.float32).reshape(-1, *size), np.array(chosen).reshape(-1, 3)


def _squares(patches: np.ndarray, volume: np.ndarray) -> torch.Tensor:
    """Mean squared difference of patches to every place of a volume, [n, places k, j, i]."""
    queries = torch.from_numpy(patches)[:, None]
    image = torch.from_numpy(volume.astype(np.float32))[None, None]
    voxels = queries[0].numel()
    of_places = F.avg_pool3d(image**2, patches.shape[1:], stride=1)[0]
    products = F.conv3d(image, queries)[0] / voxels
    return of_places - 2 * products + queries.square().mean((1, 2, 3, 4))[:, None, None, None]


def _forbid(squares: torch.Tensor, places: np.ndarray, size: tuple) -> None:
    for square, place in zip(squares, places, strict=True):
        square[tuple(slice(max(p - s + 1, 0), p + s) for p, s in zip(place, size, strict=True))] = torch.inf
