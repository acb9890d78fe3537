"""Rules that a network may break: organs in one piece, without holes, and none of a few voxels."""

import numpy as np
import SimpleITK as sitk

from ..imaging import masks
from .tasks import Task


def clean(classes: np.ndarray, task: Task) -> np.ndarray:
    """A class map [k, j, i] on voxels of the task's spacing by the task's rules.

    Of labels in one piece only the largest part stays, with what is a voxel apart from it; of others no small ones.
    What goes becomes the rest of the body where that is a label, else background. Holes in a label become part of it.
    """
    rest = task.rest
    result = classes.copy()
    least = round(task.least_ml * 1000 / task.spacing**3)
    for number, label in enumerate(task.labels, 1):
        if number == rest:
            continue
        mask = result == number
        if not mask.any():
            continue
        box = masks.box(mask, margin=2)
        inside = mask[box]
        kept = _largest(inside) if label in task.single else masks.without_small(inside, least)
        result[box][inside & ~kept] = rest
        holes = sitk.GetArrayFromImage(sitk.BinaryFillhole(sitk.GetImageFromArray(kept.astype(np.uint8)))) > 0
        result[box][holes & ~kept & np.isin(result[box], (0, rest))] = number
    return result


def _largest(mask: np.ndarray) -> np.ndarray:
    return masks.largest_part(masks.dilate(mask, (1, 1, 1))) & mask
