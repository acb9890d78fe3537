"""What labeling a CT takes of the memory, asked before the start."""

from ..device import free_memory_mb
from ..errors import UserError
from .network import STRIDE

SMALLEST_WINDOW = 48
# Bytes: of what the hungriest of the networks holds for each voxel of a window; and for each voxel of the CT at the
# task's spacing, of its HU and indices, and of one class in float16, once for all and once where tissue is.
_A_WINDOW_VOXEL, _A_VOXEL, _A_CLASS = 700, 24, 4
# Of the free memory, so much is left to others.
_LEFT = 0.1


def needed_mb(voxels: int, classes: int, window: int) -> float:
    """MB for a CT of so many voxels at the task's spacing, seen in cubes of ``window`` voxels a side."""
    return (voxels * (_A_VOXEL + _A_CLASS * classes) + window**3 * _A_WINDOW_VOXEL) / 1e6


def fitting_window(voxels: int, classes: int, window: int) -> int:
    """The side of the largest windows, up to ``window``, for which the memory suffices.

    Raises:
        UserError: it does not suffice for the smallest ones.
    """
    free = free_memory_mb()
    if free is None:
        return window
    room = free * (1 - _LEFT)
    while needed_mb(voxels, classes, window) > room and window > SMALLEST_WINDOW:
        window = smaller(window)
    if (needed := needed_mb(voxels, classes, window)) > room:
        raise UserError(
            f"Segmenting this CT takes {needed / 1e3:.1f} GB of memory, and {room / 1e3:.1f} GB are free.",
            "Close other programs, or crop the CT.",
        )
    return window


def smaller(window: int) -> int:
    """The next smaller window."""
    return max(window // 2 // STRIDE * STRIDE, SMALLEST_WINDOW)
