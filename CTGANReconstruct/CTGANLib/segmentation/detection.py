"""What a nodule detector sees in lungs, as a judge of synthetic volumes: it should be what it sees in real ones."""

from collections.abc import Callable

import numpy as np

from ..datasets.nodules import nodules_of
from ..errors import UserError
from ..events import Progress, part, silent
from ..imaging import masks
from ..imaging.resampling import grid_part
from ..imaging.volumes import Volume
from ..models.bundle import Model
from .labels import LEFT_LUNG, RIGHT_LUNG
from .rules import segment_by_rules
from .segmenter import Segmenter, learned
from .tasks import NODULE_TASK

DENSE = "denser than -400 HU"
"""What stands beside the detectors: all that is denser inside the closed lungs."""
_DENSE_HU, _CLOSING, _MARGIN = -400, 10.0, 10.0  # the latter in mm

Detector = Callable[[Volume, Progress], Volume]
"""From a CT in HU to a label map, 0 where there is no nodule."""


def nodule_detector(model: Model, device: str = "cpu") -> Segmenter:
    """The detector of a model of the task ``nodule``.

    Raises:
        UserError: it is of another task, foreign, or damaged.
    """
    segmenter = Segmenter.from_model(model, device)
    if learned(model)[0].name != NODULE_TASK.name:
        raise UserError(f"The model {model.name} finds no nodules.", "Choose one that was trained with task=nodule.")
    return segmenter


def seen_in_lungs(ct: Volume, detectors: dict[str, Detector], progress: Progress = silent) -> dict[str, Volume]:
    """What each detector, and ``DENSE``, calls a nodule in the box around the lungs, bool on the CT's grid.

    Raises:
        UserError: there are no lungs.
    """
    labels = segment_by_rules(ct).array
    both = [labels == label.value for label in (RIGHT_LUNG, LEFT_LUNG)]
    radius = tuple(max(1, round(_CLOSING / step)) for step in ct.grid.spacing)
    inside = np.any([masks.closed(lung, radius) for lung in both], axis=0)
    box = masks.box(inside, round(_MARGIN / float(ct.grid.spacing.min())))
    inner, found = Volume(ct.array[box], grid_part(ct.grid, box)), {}
    for number, (name, detector) in enumerate(detectors.items()):
        found[name] = np.zeros(ct.grid.shape, bool)
        found[name][box] = detector(inner, part(progress, number / len(detectors), 1 / len(detectors))).array > 0
    found[DENSE] = inside & (ct.array > _DENSE_HU)
    return {name: Volume(mask, ct.grid) for name, mask in found.items()}


def candidates(seen: Volume, ct: Volume) -> dict[str, float]:
    """How many connected parts there are (``candidates``), their volume in all (``ml``), and the medians of their
    diameters (``diameter_mm``, as balls) and of the voxels' values (``hu``); not a number where there are none."""
    diameters = [nodule.diameter for nodule in nodules_of(seen)]
    return {
        "candidates": float(len(diameters)),
        "ml": float(np.count_nonzero(seen.array) * np.prod(seen.grid.spacing) / 1000),
        "diameter_mm": float(np.median(diameters)) if diameters else float("nan"),
        "hu": float(np.median(ct.array[seen.array])) if diameters else float("nan"),
    }
