"""Patches of samples beside the training patches that they are nearest to, in their surroundings, for reports."""

from collections.abc import Sequence

import numpy as np

from ..evaluation.neighbors import shown_samples, told_distance
from ..evaluation.sheets import WINDOW, Sheets
from ..imaging.montage import as_read
from .patches import PATCH, Match

_AROUND = 12  # voxels that are shown on each side of a patch


def show_pairs(
    sheets: Sheets, title: str, found: list[Match], volumes: Sequence[np.ndarray], others: Sequence[np.ndarray]
) -> None:
    """Draw patches, framed, above the nearest ones of other volumes.

    Args:
        sheets: draw them.
        title: what is compared with what.
        found: the patches and their nearest ones.
        volumes, others: HU [k, j, i], as they were given to :func:`~CTGANLib.pyramid.patches.matches`.
    """
    pairs = []
    for number in shown_samples(np.array([match.distance for match in found])):
        match = found[number]
        level = _level(volumes[match.volume], match.place)
        above = _framed(volumes[match.volume], match.place, level)
        below = _framed(others[match.other], match.other_place, level)
        pairs.append((told_distance(match.distance), above, below))
    size = " x ".join(map(str, PATCH[::-1]))
    sheets.add_pairs(f"{title}; distances of patches of {size} voxels, framed", pairs)


def _sizes(hu: np.ndarray) -> list[int]:
    """Of a patch along k, j, i, less where a volume is smaller."""
    return [min(side, size) for side, size in zip(PATCH, hu.shape, strict=True)]


def _level(hu: np.ndarray, place: tuple[int, int, int]) -> int:
    """Which slice of a patch shows most."""
    patch = hu[tuple(slice(first, first + size) for first, size in zip(place, _sizes(hu), strict=True))]
    return int(patch.std(axis=(1, 2)).argmax())


def _framed(hu: np.ndarray, place: tuple[int, int, int], level: int) -> np.ndarray:
    """A slice of a patch as it is read, with a white frame around it and what lies there; from 0 to 1."""
    below, row, column = place
    _, rows, columns = _sizes(hu)
    share = (hu[below + level].astype(np.float32) - WINDOW[0]) / (WINDOW[1] - WINDOW[0])
    # Padded, so that there is as much to see around patches at the border.
    around = np.pad(share, _AROUND).clip(0, 1)
    part = around[row : row + rows + 2 * _AROUND, column : column + columns + 2 * _AROUND]
    first, last_row, last_column = _AROUND - 1, _AROUND + rows, _AROUND + columns
    part[[first, last_row], first : last_column + 1] = 1
    part[first : last_row + 1, [first, last_column]] = 1
    return as_read(part[None])[0]
