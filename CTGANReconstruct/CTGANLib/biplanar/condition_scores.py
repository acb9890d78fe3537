"""What input that is not ideal costs: reconstructions from spoiled radiographs, scored against the true CT."""

from pathlib import Path

import numpy as np
import torch

from ..evaluation.metrics import psnr_true
from ..events import Progress, silent
from .conditions import CONDITIONS, usual_pair
from .evaluate import Truth, read_field
from .reconstruct import Reconstructor

_REACH = 8
"""Voxels of 2.5 mm."""


def score_conditions(
    predictors: dict[str, Reconstructor], cases: dict[str, Path], progress: Progress = silent
) -> list[dict]:
    """Score models on prepared CTs under each of ``conditions.CONDITIONS``.

    Args:
        predictors: the models by name.
        cases: name and prepared file of each case.
        progress: is told of each reconstruction.

    Returns:
        A row for each ``case``, ``method`` and ``condition``: ``psnr_true`` (dB); ``psnr_moved`` and
        ``lung_dice_moved``, the same and the lungs' overlap once the result was moved to where it fits best, since
        where the place of the patient is not told it cannot be right; ``ncc`` of re-projections and input, mean over
        the views that were given; and ``warned``, 1 if the user was told something before or with the result and 0 if
        not.
    """
    rows = []
    runs = len(cases) * len(CONDITIONS) * len(predictors)
    for case, path in cases.items():
        field = read_field(path)
        truth = Truth(field, usual_pair(field))
        for condition, make in CONDITIONS.items():
            for method, predictor in predictors.items():
                progress(len(rows) / runs, f"Scoring {case}: {condition}")
                given = make(field, predictor.mean_hu)
                result = predictor(given.pa, given.lateral)
                scores = _scores(result.volume.array, truth)
                scores["ncc"] = float(np.mean([errors["ncc"] for errors in result.consistency]))
                scores["warned"] = float(bool(given.warnings or result.warnings))
                rows.append({"case": case, "method": method, "condition": condition, **scores})
    return rows


def _scores(hu: np.ndarray, truth: Truth) -> dict[str, float]:
    true = truth.volume.array
    moved = moved_to_fit(hu, true)
    return {
        "psnr_true": psnr_true(hu, true),
        "psnr_moved": psnr_true(moved, true),
        "lung_dice_moved": truth.lung_dice(truth.segment(moved)),
    }


def moved_to_fit(hu: np.ndarray, true: np.ndarray) -> np.ndarray:
    """A volume moved by whole voxels, up to 20 mm along each axis, to where it correlates best with another of the
    same shape; its border goes on."""
    whole, part = (torch.fft.rfftn(torch.from_numpy(one.astype(np.float32)) + 1024.0) for one in (true, hu))
    product = torch.fft.irfftn(whole * part.conj(), true.shape).numpy()
    near = np.arange(-_REACH, _REACH + 1)
    place = np.unravel_index(product[np.ix_(near, near, near)].argmax(), (len(near),) * 3)
    for axis, step in enumerate(near[list(place)]):
        hu = np.take(hu, (np.arange(hu.shape[axis]) - step).clip(0, hu.shape[axis] - 1), axis=axis)
    return hu
