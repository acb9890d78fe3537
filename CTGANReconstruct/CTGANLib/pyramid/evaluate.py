"""Scores of pyramids: how well they remake what they learned from, how varied samples are, and whether they copy."""

import math
from pathlib import Path

import numpy as np
import torch
from monai.metrics import SSIMMetric

from ..evaluation.features import Features, RandomFeatures, standardized
from ..evaluation.generation import frechet_distance_of_planes, hu_histogram_distance, kid, pairwise_ms_ssim
from ..evaluation.scores import TRUTH, Show
from ..evaluation.sheets import Sheets
from ..events import Progress, part, silent
from ..imaging.volumes import Volume
from ..segmentation.features import SegmenterFeatures
from .pairs import show_pairs
from .patches import Match, matches
from .preparation import on_field
from .previews import isotropic
from .scales import HU_MAX, HU_MIN, resized, to_hu, to_unit
from .synthesize import Synthesizer

ENLARGED = "next scale, enlarged"
"""What stands beside the models: the truth at the last scale but one, interpolated."""
HELD_OUT = "real patients held out"
"""What stands beside the samples: what volumes look like that are new indeed."""
SAMPLES = 8
_WINDOW, _PAIRS = 7, 20


def evaluate(
    predictors: dict[str, Synthesizer],
    cases: dict[str, Path],
    training: list[Path],
    progress: Progress = silent,
    show: Show | None = None,
) -> list[dict]:
    """Score pyramids on the volumes that they learned from, and their samples beside those and other patients.

    A model of the store says what it has learned from. Where it does not, or none of that is there, it is taken to have
    learned from all that trains.

    Args:
        predictors: the models by name.
        cases: name and prepared file of each case that trains or is held out.
        training: prepared files of those that train.
        progress: is told of each case.
        show: is given each case's volumes in isotropic voxels, for pictures; sheets also get patches beside the
            nearest training patches.

    Returns:
        A row for each volume learned from and method (the models' names and ``ENLARGED``) with ``mse``, ``psnr`` and
        ``ssim`` of the reconstruction (see :func:`fidelity`). Then a row with the scores of :func:`novelty` for each
        model's samples (see :func:`samples_of`), and one for ``HELD_OUT`` on the field of the first model.
    """
    learned = {method: _learned(predictor, cases, training) for method, predictor in predictors.items()}
    others = [path for name, path in cases.items() if not any(name in own for own in learned.values())]
    sheets = show if isinstance(show, Sheets) else None
    sampled = _sampled(predictors, learned, others, part(progress, 0, 0.3), sheets)
    return _remade(predictors, learned, part(progress, 0.3, 0.7), show) + sampled


def _learned(predictor: Synthesizer, cases: dict[str, Path], training: list[Path]) -> dict[str, Path]:
    """The cases that a pyramid has learned from."""
    named = {name: path for name, path in cases.items() if name in predictor.learned_from}
    return named or {name: path for name, path in cases.items() if path in training}


def _sampled(
    predictors: dict[str, Synthesizer],
    learned: dict[str, dict[str, Path]],
    others: list[Path],
    progress: Progress,
    sheets: Sheets | None,
) -> list[dict]:
    """The rows of samples and of patients held out."""
    rows = []
    for number, (method, predictor) in enumerate(predictors.items()):
        progress(number / len(predictors), f"Sampling {method}")
        truths = [on_field_of(predictor, np.load(path)) for path in learned[method].values()]
        own = matches(truths, truths, within=True)
        new = {samples_of(method): [volume.array for volume in predictor.volumes(SAMPLES, seed=0)]}
        if others and not number:
            new[HELD_OUT] = [on_field_of(predictor, np.load(path)) for path in others]
        for name, volumes in new.items():
            near = matches(volumes, truths, within=False)
            scores = novelty(np.stack(volumes), truths, predictor.spacing[:2], near, own)
            rows.append({"case": "all", "method": name, **scores})
            if sheets:
                show_pairs(sheets, name, near, volumes, truths)
        if sheets:
            show_pairs(sheets, f"training volumes of {method} among themselves", own, truths, truths)
    return rows


def _remade(
    predictors: dict[str, Synthesizer], learned: dict[str, dict[str, Path]], progress: Progress, show: Show | None
) -> list[dict]:
    """The rows of reconstructions."""
    rows = []
    for number, (method, predictor) in enumerate(predictors.items()):
        own = part(progress, number / len(predictors), 1 / len(predictors))
        remade = [predictor.reconstruction(n) for n in range(len(predictor.network.fixed_noise))]
        sample = next(predictor.volumes(1, seed=0))
        for place, (name, path) in enumerate(learned[method].items()):
            own(place / len(learned[method]), f"Scoring {name}")
            truth = on_field_of(predictor, np.load(path))
            plain = _enlarged(predictor, truth)
            # A model does not say which of its volumes is which.
            best = min(remade, key=lambda volume: float(np.mean((volume.array.astype(np.float32) - truth) ** 2)))
            made = {method: best.array, ENLARGED: plain}
            scored = [{"case": name, "method": key, **fidelity(hu, truth)} for key, hu in made.items()]
            rows += scored
            if show:
                volumes = {TRUTH: truth, method: best.array, samples_of(method): sample.array, ENLARGED: plain}
                cubes = {key: isotropic(Volume(hu, best.grid), best).array for key, hu in volumes.items()}
                show(name, cubes, scored)
    return rows


def samples_of(method: str) -> str:
    """What rows call the samples of a model."""
    return f"{method}, samples"


def on_field_of(predictor: Synthesizer, hu: np.ndarray) -> np.ndarray:
    """A prepared CT (see ``preparation``) on the field and in the voxels of a pyramid, float32 HU [k, j, i] in
    [−1000, 1000]."""
    sides = zip(predictor.shape, predictor.spacing[::-1], strict=True)
    field = tuple(round(size * spacing) for size, spacing in sides)
    return on_field(hu, field, predictor.shape)[0, 0].clip(HU_MIN, HU_MAX).numpy()


def fidelity(made: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """``mse``, ``psnr`` (10 log10(1/MSE), dB) and ``ssim`` (7×7×7 uniform window, fewer where the volume has fewer
    slices) of HU [−1000, 1000] as [0, 1], over the whole volume."""
    first, second = (to_unit(torch.from_numpy(hu.astype(np.float32)))[None, None] for hu in (made, truth))
    mse = float((first.double() - second.double()).square().mean())
    window = tuple(min(_WINDOW, size - 1 + size % 2) for size in made.shape)
    metric = SSIMMetric(3, 1.0, "uniform", win_size=window)
    psnr = float(10 * np.log10(1 / mse)) if mse else float("inf")
    return {"mse": mse, "psnr": psnr, "ssim": float(metric(first, second).mean())}


def novelty(
    samples: np.ndarray,
    training: list[np.ndarray],
    spacing: tuple[float, float],
    near: list[Match],
    own: list[Match],
) -> dict[str, float]:
    """How varied samples are, and how near they come to what was learned from.

    Args:
        samples: HU [n, k, j, i].
        training: HU [k, j, i].
        spacing: of the voxels along i and j, mm.
        near: patches of the samples and the nearest training patches.
        own: patches of the training volumes and the nearest others that do not overlap with them.

    Returns:
        ``ms_ssim`` of pairs of samples, on axial slices (1: all alike); ``histogram_hu`` (distance of the HU to the
        training volumes'); ``kid`` of axial slices with ``kid_ci95`` and ``fid_planes`` to the training volumes, by the
        features of a random network; ``organ_kid`` with ``organ_kid_ci95``, the same distance by what the project's
        segmenter sees in the slices; and of patches with structure in them, as RMS difference in HU to the nearest
        training patch at any place: ``patch_hu`` and ``patch_least_hu``, median and least over the samples, and the
        same of training patches to the others that do not overlap with them, ``own_patch_hu`` and
        ``own_patch_least_hu``.
    """
    training_set, features = np.stack(training), RandomFeatures((HU_MIN, HU_MAX))
    of_samples, of_training = (np.array([match.distance for match in found]) for found in (near, own))
    return {
        "ms_ssim": likeness(samples),
        "histogram_hu": hu_histogram_distance(samples, training_set),
        **_distance("kid", samples, training_set, features),
        **_distance("organ_kid", samples, training_set, SegmenterFeatures(spacing)),
        "fid_planes": frechet_distance_of_planes(samples, training_set, features),
        "patch_hu": float(np.median(of_samples)) if near else math.nan,
        "own_patch_hu": float(np.median(of_training)) if own else math.nan,
        "patch_least_hu": float(of_samples.min(initial=math.inf)),
        "own_patch_least_hu": float(of_training.min(initial=math.inf)),
    }


def _distance(name: str, samples: np.ndarray, training: np.ndarray, features: Features) -> dict[str, float]:
    """The kernel distance of the axial slices of volumes [n, k, j, i], with its interval over volumes."""
    reference, found = standardized(*(features(np.concatenate(list(hu))) for hu in (training, samples)))
    numbers = tuple(np.repeat(np.arange(len(hu)), hu.shape[1]) for hu in (samples, training))
    distance = kid(found, reference, numbers)
    return {name: distance.value, f"{name}_ci95": distance.half_width}


def likeness(volumes: np.ndarray) -> float:
    """Mean MS-SSIM of pairs of volumes, HU [n, k, j, i], on three axial slices of each (1: all alike); not a number of
    one volume alone."""
    if len(volumes) < 2:
        return math.nan
    levels = [volumes.shape[1] * n // 4 for n in (1, 2, 3)]
    return float(np.mean([pairwise_ms_ssim(volumes[:, at], (HU_MIN, HU_MAX), _PAIRS).value for at in levels]))


def _enlarged(predictor: Synthesizer, truth: np.ndarray) -> np.ndarray:
    shapes = predictor.network.shapes
    unit = to_unit(torch.from_numpy(truth))[None, None]
    coarser = resized(unit, shapes[max(predictor.network.trained - 2, 0)])
    return to_hu(resized(coarser, predictor.shape))[0, 0].clip(HU_MIN, HU_MAX).numpy()
