"""Scores of picture generators on volumes unseen in training, beside the ray-caster alone."""

import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from ..evaluation.scores import Show
from ..events import Progress, silent
from .coarse import CoarseVolume
from .colors import over
from .metrics import picture_scores
from .pictures import Picture, Pictures, read_coarse
from .recipe import OPACITY, RAYCAST
from .render import NeuralRenderer

RAYCAST_ALONE = "ray-caster alone"
"""The baseline: what the network starts from."""
HALF = "truth at half the size, enlarged"
"""Beside networks that are given passes of that size: what is known if the colors are given too."""


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
        A row for each picture and method (the models' names, ``RAYCAST_ALONE``, and ``HALF`` where a model sees an
        opacity pass): the scores of ``picture_scores``, and ``seconds`` of a frame, ray-caster and network; of a model
        that sees an opacity pass without the passes.
    """
    rows = []
    for number, (name, path) in enumerate(cases.items()):
        progress(number / len(cases), f"Scoring {name}")
        pictures, coarse = Pictures([path]), None
        for place in range(len(pictures)):
            picture = pictures[place]
            true = over(picture.rgba / 255, picture.shot.background)
            found = {RAYCAST_ALONE: (cast_alone(picture), 0.0)}
            if any(predictor.source == OPACITY for predictor in predictors.values()):
                found[HALF] = (half(picture), 0.0)
            for method, predictor in predictors.items():
                if predictor.source == RAYCAST and coarse is None:
                    coarse = read_coarse(path, predictor.device)
                found[method] = made(predictor, picture, coarse)
            for method, (rgba, seconds) in found.items():
                scores = picture_scores(over(rgba.astype(float), picture.shot.background), true)
                rows.append({"case": name, "method": method, "picture": place, **scores, "seconds": seconds})
    return rows


def cast_alone(picture: Picture) -> np.ndarray:
    """The ray-caster's colors and opacity, [rows, columns, 4]."""
    return picture.cast[:4].astype(np.float32).transpose(1, 2, 0)


def half(picture: Picture) -> np.ndarray:
    """Means of 2 by 2 pixels of the true picture, enlarged again, [rows, columns, 4]."""
    true = torch.from_numpy(picture.rgba.astype(np.float32) / 255).permute(2, 0, 1)[None]
    large = F.interpolate(F.avg_pool2d(true, 2), scale_factor=2, mode="bilinear")
    return large[0].permute(1, 2, 0).numpy()


def made(predictor: NeuralRenderer, picture: Picture, coarse: CoarseVolume | None) -> tuple[np.ndarray, float]:
    """A model's picture [rows, columns, 4], and the seconds it took.

    Args:
        predictor: the model.
        picture: what it is to show, with the passes for models that need them.
        coarse: the volume, for those that see it themselves.
    """
    shot, start = picture.shot, time.perf_counter()
    if predictor.source == RAYCAST:
        result = predictor.render(coarse, shot.view.camera(coarse.whole), shot.functions, len(picture.rgba))
        return result.rgba, result.seconds
    rgba = predictor.from_surfaces(picture.surfaces, shot.view, shot.functions)
    return rgba, time.perf_counter() - start
