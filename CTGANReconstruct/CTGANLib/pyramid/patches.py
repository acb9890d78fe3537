"""Whether parts of volumes are copies: the distance to the nearest part of others, wherever it lies."""

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional as F

_SIZE = (4, 12, 12)
_COUNT, _AT_A_TIME = 256, 32
# Patches with less structure, HU standard deviation, such as air, are alike everywhere.
_STRUCTURE = 150.0


def nearest_patches(
    volumes: Sequence[np.ndarray],
    others: Sequence[np.ndarray],
    within: bool,
    size: tuple[int, int, int] = _SIZE,
    count: int = _COUNT,
    seed: int = 0,
) -> np.ndarray:
    """RMS difference in HU of random patches with structure to the nearest patch of ``others``, at every place.

    Args:
        volumes: HU [k, j, i]; the patches are spread over all of them.
        others: HU [k, j, i].
        within: ``others`` are the same volumes; places that overlap with a patch of their own are passed over.
        size: of a patch in voxels (k, j, i), less where a volume is smaller.
        count: of the patches.
        seed: of their choice.

    Returns:
        [patches] float64, none where nothing has structure; infinite where there is no other place.
    """
    size = tuple(min(side, *(volume.shape[axis] for volume in (*volumes, *others))) for axis, side in enumerate(size))
    random = np.random.default_rng(seed)
    distances = []
    for number, volume in enumerate(volumes):
        patches, places = _structured(volume, size, -(-count // len(volumes)), random)
        for first in range(0, len(patches), _AT_A_TIME):
            some = slice(first, first + _AT_A_TIME)
            best = np.full(len(patches[some]), np.inf)
            for other_number, other in enumerate(others):
                squares = _squares(patches[some], other)
                if within and other_number == number:
                    _forbid(squares, places[some], size)
                best = np.minimum(best, squares.flatten(1).amin(1).numpy())
            distances.append(np.sqrt(best.clip(0)))
    return np.concatenate([np.empty(0), *distances])


def _structured(volume: np.ndarray, size: tuple, count: int, random: np.random.Generator):
    """Patches [n, *size] of a volume with structure in them, and their places [n, 3]."""
    windows = np.lib.stride_tricks.sliding_window_view(volume, size)
    places = np.stack(np.unravel_index(random.permutation(int(np.prod(windows.shape[:3]))), windows.shape[:3]), 1)
    chosen: list[np.ndarray] = []
    for place in places:
        if windows[tuple(place)].std() > _STRUCTURE:
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
