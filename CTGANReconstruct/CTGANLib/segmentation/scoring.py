"""How well classes agree with sets of possible labels, where these say whether a voxel is of a label or not."""

from collections.abc import Iterator

import numpy as np
import SimpleITK as sitk

from ..evaluation.metrics import dice
from ..imaging import masks
from .labels import BODY, Label
from .tasks import Task

_EDGE_HU = 1500


def structures(task: Task) -> dict[str, tuple[Label, ...]]:
    """What is scored, by name: each label that is offered but the rest of the body, and the unions."""
    return {**{label.name: (label,) for label in task.offered if label != BODY}, **task.unions}


def compared(classes: np.ndarray, sets: np.ndarray, task: Task) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Name, predicted and true mask of each structure that the sets tell anything of.

    Where it is unknown whether a voxel belongs to a structure, it belongs to neither mask. Passed over are structures
    of which more is unknown than known, and those that are neither there nor predicted.

    Args:
        classes: predicted [k, j, i].
        sets: of possible classes [k, j, i].
    """
    for name, labels in structures(task).items():
        bits = task.bits(*labels)
        true = (sets & ~np.uint16(bits)) == 0
        known = true | ((sets & np.uint16(bits)) == 0)
        if np.count_nonzero(~known) > np.count_nonzero(true):
            continue
        predicted = np.isin(classes, [task.labels.index(label) + 1 for label in labels]) & known
        if true.any() or predicted.any():
            yield name, predicted, true


def overlaps(classes: np.ndarray, sets: np.ndarray, task: Task) -> dict[str, float]:
    """The Dice overlap of each structure; see :func:`compared`."""
    return {name: dice(predicted, true) for name, predicted, true in compared(classes, sets, task)}


def surface_scores(predicted: np.ndarray, true: np.ndarray, spacing: float) -> tuple[float, float]:
    """Surface Dice at a tolerance of one voxel, and the 95th percentile of the Hausdorff distance in mm.

    MONAI's definitions (``compute_surface_dice``, ``compute_hausdorff_distance``), on voxels of the surfaces; its own
    code needs SciPy, which we do not install. Where one of both masks is empty, 0 and not a number.

    Args:
        predicted, true: masks [k, j, i].
        spacing: of the voxels, mm.
    """
    if not predicted.any() or not true.any():
        return 0.0, float("nan")
    around = masks.box(predicted | true, margin=1)
    one, other = (_surface(mask[around]) for mask in (predicted, true))
    there, back = (_distances(b)[a] * spacing for a, b in ((one, other), (other, one)))
    within = np.count_nonzero(there <= spacing) + np.count_nonzero(back <= spacing)
    distance = max(np.percentile(there, 95), np.percentile(back, 95))
    return float(within / (len(there) + len(back))), float(distance)


def _surface(mask: np.ndarray) -> np.ndarray:
    """The voxels of a mask that touch its outside by a face."""
    image = sitk.GetImageFromArray(np.pad(mask, 1).astype(np.uint8))
    inner = sitk.BinaryErode(image, [1] * 3, sitk.sitkCross)
    return sitk.GetArrayFromImage(image - inner)[1:-1, 1:-1, 1:-1] > 0


def _distances(surface: np.ndarray) -> np.ndarray:
    """The distance of each voxel to the nearest one of a surface, in voxels."""
    image = sitk.GetImageFromArray(surface.astype(np.uint8))
    distances = sitk.SignedMaurerDistanceMap(image, squaredDistance=False, useImageSpacing=False)
    return np.maximum(sitk.GetArrayFromImage(distances), 0)


def outlined(hu: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """A CT with bright borders around the structures of a class map, int16 HU [k, j, i]."""
    contours = sitk.GetArrayFromImage(sitk.LabelContour(sitk.GetImageFromArray(classes.astype(np.uint8))))
    return np.where(contours > 0, _EDGE_HU, hu).astype(np.int16)
