"""Scores of picture generators on volumes unseen in training, beside the ray-caster alone."""

import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from ..evaluation.scores import Show
from ..events import Progress, silent
from .colors import over
from .metrics import picture_scores
from .pictures import Picture, Pictures, read_coarse
from .raycast import CoarseVolume
from .recipe import RAYCAST, passes_of
from .render import NeuralRenderer

RAYCAST_ALONE = "ray-caster alone"
"""The baseline: what the ray-caster sees at half the size, enlarged."""


def evaluate(
    predictors: dict[str, NeuralRenderer],
    cases: dict[str, Path],
    training: list[Path],
    progress: Progress = silent,
    show: Show | None = None,
) -> list[dict]:
    """Score models on pictures that VTK has rendered, each before its own background.

    Args:
        predictors: the models by name.
        cases: the name and the ``pictures.json`` of each volume.
        training: is not needed.
        progress: is told of each volume.
        show: is not called; see ``sheets`` for pictures.

    Returns:
        A row for each picture and method (the models' names, ``ray-caster alone``): the scores of ``picture_scores``,
        and ``seconds`` of a frame, ray-caster and network; of a model that sees an opacity pass without the pass.
    """
    rows = []
    for number, (name, path) in enumerate(cases.items()):
        progress(number / len(cases), f"Scoring {name}")
        pictures, coarse = Pictures([path]), None
        for place in range(len(pictures)):
            picture = pictures[place]
            true = over(picture.rgba / 255, picture.shot.background)
            found = {RAYCAST_ALONE: (enlarged(picture), 0.0)}
            for method, predictor in predictors.items():
                if predictor.source == RAYCAST and coarse is None:
                    coarse = read_coarse(path, predictor.device)
                found[method] = made(predictor, picture, coarse)
            for method, (rgba, seconds) in found.items():
                scores = picture_scores(over(rgba.astype(float), picture.shot.background), true)
                rows.append({"case": name, "method": method, "picture": place, **scores, "seconds": seconds})
    return rows


def enlarged(picture: Picture) -> np.ndarray:
    """The ray-caster's colors and opacity at the size of the picture, [rows, columns, 4]."""
    seen = torch.from_numpy(picture.cast[None, :4].astype(np.float32))
    large = F.interpolate(seen, size=picture.rgba.shape[:2], mode="bilinear", align_corners=False)
    return large[0].permute(1, 2, 0).numpy()


def made(predictor: NeuralRenderer, picture: Picture, coarse: CoarseVolume | None) -> tuple[np.ndarray, float]:
    """A model's picture [rows, columns, 4], and the seconds it took.

    Args:
        predictor: the model.
        picture: what it is to show, with the opacity pass for models that need one.
        coarse: the volume, for those that see it themselves.
    """
    shot, start = picture.shot, time.perf_counter()
    if predictor.source == RAYCAST:
        result = predictor.render(coarse, shot.view.camera(coarse.whole), shot.functions, len(picture.rgba))
        return result.rgba, result.seconds
    rgba = predictor.from_passes(passes_of(picture, predictor.source), shot.view, shot.functions)
    return rgba, time.perf_counter() - start
