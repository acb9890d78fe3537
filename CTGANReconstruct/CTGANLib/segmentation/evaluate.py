"""Scores of segmenters on patients unseen in training, by structure, beside the answer that all is background."""

import time
from pathlib import Path

import numpy as np

from ..errors import UserError
from ..evaluation.metrics import dice
from ..evaluation.scores import ALL_BACKGROUND, TRUTH, Show
from ..events import Progress, silent
from .patches import LabeledVolume
from .recipe import certain
from .scoring import compared, outlined, surface_scores
from .segmenter import Segmenter
from .tasks import Task


def evaluate(
    predictors: dict[str, Segmenter],
    cases: dict[str, Path],
    training: list[Path],
    progress: Progress = silent,
    show: Show | None = None,
) -> list[dict]:
    """Score models on prepared pairs, at the spacing of their task. Memory holds one case at a time.

    Args:
        predictors: the models by name.
        cases: name and prepared file of each case.
        training: is not needed.
        progress: is told of each case.
        show: is given each case's CT with borders around what is known and what is predicted, for pictures.

    Returns:
        A row for each case and method (the models' names, ``all background``): ``dice``, the mean over the labels that
        the case is known to have, ``seconds``, and for each structure ``dice NAME``, ``surface_dice NAME`` (tolerance
        of one voxel) and ``hd95_mm NAME`` (not a number where nothing is predicted).

    Raises:
        UserError: the models are for different tasks.
    """
    tasks = {predictor.task.name: predictor.task for predictor in predictors.values()}
    if len(tasks) > 1:
        raise UserError(f"These models are for different tasks: {', '.join(tasks)}.", "Compare models of one task.")
    task = next(iter(tasks.values()))
    rows = []
    for number, (name, path) in enumerate(cases.items()):
        progress(number / len(cases), f"Scoring {name}")
        pair = LabeledVolume(path)
        hu = np.asarray(pair.hu, np.float32)
        found = {}
        for method, predictor in predictors.items():
            began = time.monotonic()
            found[method] = predictor.classes(hu), time.monotonic() - began
        found[ALL_BACKGROUND] = np.zeros(hu.shape, np.uint8), 0.0
        scored = [
            {"case": name, "method": method, **scores(classes, pair.sets, task), "seconds": seconds}
            for method, (classes, seconds) in found.items()
        ]
        rows += scored
        if show:
            drawn = {method: outlined(pair.hu, classes) for method, (classes, _) in found.items()}
            show(name, {TRUTH: outlined(pair.hu, certain(pair.sets)), **drawn}, scored)
    return rows


def scores(classes: np.ndarray, sets: np.ndarray, task: Task) -> dict[str, float]:
    """The scores of one class map [k, j, i] against sets of possible labels; see :func:`evaluate`."""
    row: dict[str, float] = {"dice": float("nan")}
    single = []
    for name, predicted, true in compared(classes, sets, task):
        overlap = dice(predicted, true)
        surface, distance = surface_scores(predicted, true, task.spacing)
        row |= {f"dice {name}": overlap, f"surface_dice {name}": surface, f"hd95_mm {name}": distance}
        single += [] if name in task.unions else [overlap]
    return row | {"dice": float(np.mean(single))} if single else row
