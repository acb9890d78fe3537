"""How like slices of patients unseen in training those of models are, beside the training slices themselves."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..evaluation.features import RandomFeatures, standardized
from ..evaluation.generation import (
    density_coverage,
    hu_histogram_distance,
    kid,
    mmd,
    nearest,
    pairwise_ms_ssim,
    precision_recall,
)
from ..evaluation.scores import Show
from ..events import Progress, silent
from .preparation import SliceDataset
from .synthesize import Synthesizer

TRAINING = "training slices"
"""What rows call the real slices that the models have learned from: the figures that a model can hope for."""
_MOST, _LEAST_MADE = 1000, 200
_THUMBNAIL = 32


@dataclass(frozen=True)
class _Slices:
    """Pictures [n, size, size] and, of real ones, the number of each one's patient."""

    values: np.ndarray
    groups: np.ndarray | None = None


def evaluate(
    predictors: dict[str, Synthesizer],
    cases: dict[str, Path],
    training: list[Path],
    progress: Progress = silent,
    show: Show | None = None,
) -> list[dict]:
    """Compare generated slices with those of test patients, and so the training slices, at most 1000 of each.

    Args:
        predictors: the models by name; all of one size and window.
        cases: name and prepared file of each test patient (see ``slices.preparation``).
        training: prepared files of the training patients, for the same figures of real slices; may be empty.
        progress: is told of each part.
        show: is not called: there is no truth of a generated slice.

    Returns:
        A row for each method (the models' names, ``training slices``):
        ``kid``, ``mmd``: each with ``_ci95``, half its bootstrap interval over patients or, of made slices, over these;
        ``minus_kid``, higher is better; ``kid_ratio`` to that of the training slices. Features have mean 0 and
        deviation 1 over the test slices, else those that differ most between any patients would outweigh all others.
        ``precision``, ``recall``, ``density``, ``coverage``; ``ms_ssim`` of pairs; ``hu_distance``.
        ``nearest_hu``, ``nearest_least_hu``: median and least difference in HU from the nearest training slice, for
        training slices that of another patient.
    """
    test = _read(list(cases.values()))
    real = _read(training) if training else None
    window = next(iter(predictors.values())).window
    network = RandomFeatures(window)
    progress(0.0, "Looking at the test patients")
    described = network(test.values)
    rows = []
    methods = {**predictors, **({TRAINING: None} if real else {})}
    for number, (method, predictor) in enumerate(methods.items()):
        progress(number / len(methods), f"Scoring {method}")
        slices = real if predictor is None else _Slices(_made(predictor, list(cases.values())))
        rows.append({"case": "all", "method": method, **_score(slices, test, described, network, window)})
        if real:
            rows[-1] |= _memory(slices, real)
    _add_ratio(rows)
    progress(1.0, "Scored")
    return rows


def _read(files: list[Path]) -> _Slices:
    """At most so many slices, evenly chosen over all patients."""
    dataset = SliceDataset(files)
    places = np.linspace(0, len(dataset) - 1, min(len(dataset), _MOST)).round().astype(int)
    return _Slices(np.stack([dataset[place][0].numpy() for place in places]), dataset.groups[places])


def _made(predictor: Synthesizer, files: list[Path]) -> np.ndarray:
    """As many slices as there are real ones, of their classes."""
    dataset = SliceDataset(files)
    places = np.linspace(0, len(dataset) - 1, min(max(len(dataset), _LEAST_MADE), _MOST)).round().astype(int)
    return predictor.pictures(range(len(places)), dataset.labels[places].tolist())


def _score(
    slices: _Slices, test: _Slices, described: np.ndarray, network: RandomFeatures, window: tuple[float, float]
) -> dict[str, float]:
    reference, found = standardized(described, network(slices.values))
    groups = (slices.groups, test.groups)
    scores: dict[str, float] = {}
    for name, distance in (("kid", kid), ("mmd", mmd)):
        estimate = distance(found, reference, groups)
        scores |= {name: estimate.value, f"{name}_ci95": estimate.half_width}
    scores["minus_kid"] = -scores["kid"]
    scores["precision"], scores["recall"] = precision_recall(found, reference)
    scores["density"], scores["coverage"] = density_coverage(found, reference)
    alike = pairwise_ms_ssim(slices.values, window)
    scores |= {"ms_ssim": alike.value, "ms_ssim_ci95": alike.half_width}
    scores["hu_distance"] = hu_histogram_distance(slices.values.clip(*window), test.values.clip(*window))
    return scores


def _memory(slices: _Slices, training: _Slices) -> dict[str, float]:
    """How near slices are to training slices, in HU of pictures of 32 pixels a side."""
    _, distances = nearest(_small(slices.values), _small(training.values), slices.groups, training.groups)
    distances = distances[np.isfinite(distances)]
    if not len(distances):  # one training patient alone has no other one
        return {}
    return {"nearest_hu": float(np.median(distances)), "nearest_least_hu": float(distances.min())}


def _small(values: np.ndarray) -> np.ndarray:
    factor = values.shape[-1] // _THUMBNAIL
    return values.reshape(len(values), _THUMBNAIL, factor, _THUMBNAIL, factor).mean((2, 4))


def _add_ratio(rows: list[dict]) -> None:
    """The kernel distance over that of the training slices, where that is above zero."""
    reference = next((row["kid"] for row in rows if row["method"] == TRAINING), 0.0)
    for row in rows:
        if reference > 0:
            row["kid_ratio"] = row["kid"] / reference
