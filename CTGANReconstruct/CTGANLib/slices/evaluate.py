"""How like slices of patients unseen in training those of models are, beside the training slices themselves."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import UserError
from ..evaluation.features import Features, RandomFeatures, standardized
from ..evaluation.generation import (
    Estimate,
    density_coverage,
    frechet_distance,
    hu_histogram_distance,
    kid,
    mmd,
    nearest,
    pairwise_ms_ssim,
    precision_recall,
    ratio,
)
from ..evaluation.neighbors import shown_samples, told_distance
from ..evaluation.scores import Show
from ..evaluation.sheets import Sheets
from ..events import Progress, silent
from ..imaging.montage import as_read
from ..segmentation.features import SegmenterFeatures
from .preparation import SliceDataset
from .settings import BRIGHTNESS, CT
from .synthesize import Synthesizer

TRAINING, HELD_OUT = "training slices", "real slices held out from training"
"""What rows call the real slices that the models have learned from: the figures that a model can hope for."""
_MOST, _LEAST_MADE = 1000, 500
_THUMBNAIL = 32
_BRIGHTNESS_BINS = np.linspace(*BRIGHTNESS, 251)


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
        predictors: the models by name; all of one kind, size, window and field, and of the same classes.
        cases: name and prepared file of each test patient (see ``slices.preparation``).
        training: prepared files of the training patients, for the same figures of real slices; may be empty. A single
            slice counts as none.
        progress: is told of each part.
        show: there is no truth of a generated slice; sheets get slices beside the nearest training slices instead.

    Returns:
        A row for each method (the models' names, ``training slices``):
        ``kid``, ``mmd``: each with ``_ci95``, half its bootstrap interval over patients or, of made slices, over these;
        ``minus_kid``, higher is better; ``kid_ratio`` to that of the training slices, with ``_ci95`` over patients that
        are the same ones above and below; ``fid``; ``precision``, ``recall``, ``density``, ``coverage``. Features are
        those of a random network, with mean 0 and deviation 1 over the test slices, else those that differ most between
        any patients would outweigh all others; of CT slices the same follow, with ``organ_`` before their names, by
        what the project's segmenter sees. ``ms_ssim`` of pairs; ``hu_distance``.
        ``nearest_hu``, ``nearest_least_hu``: median and least difference in HU from the nearest training slice, for
        training slices that of another patient; of the models also ``held_out_nearest_hu`` and
        ``held_out_nearest_least_hu``, the same of the test slices. Of radiographs, whose values are no HU, these names
        have ``brightness`` instead of ``hu``.

    Raises:
        UserError: the models differ in what they make.
    """
    first = _alike(predictors)
    test = _read(list(cases.values()))
    real = _read(training) if len(SliceDataset(training)) > 1 else None
    progress(0.0, "Looking at the test patients")
    judges = [_Judge(prefix, network, test) for prefix, network in _networks(first).items()]
    rows, held_out = [], {}
    if real:
        apart = _nearest(_Slices(test.values), real)  # their patients are others, whatever their numbers
        held_out = {f"held_out_{name}": value for name, value in _memory(apart[1], first).items()}
    methods = {**predictors, **({TRAINING: None} if real else {})}
    for number, (method, predictor) in enumerate(methods.items()):
        progress(number / len(methods), f"Scoring {method}")
        slices = real if predictor is None else _Slices(_made(predictor, list(cases.values())))
        rows.append({"case": "all", "method": method})
        for judge in judges:
            rows[-1] |= judge.scores(slices)
        rows[-1] |= {"minus_kid": -rows[-1]["kid"], **_values(slices, test, first)}
        if real:
            near = _nearest(slices, real)
            rows[-1] |= {**_memory(near[1], first), **(held_out if predictor else {})}
            if predictor and isinstance(show, Sheets):
                _show_pairs(show, method, slices, real, near, predictor)
    if real and isinstance(show, Sheets):
        _show_pairs(show, HELD_OUT, test, real, apart, first)
    if real:
        for judge in judges:
            judge.add_ratios(rows)
    progress(1.0, "Scored")
    return rows


class _Judge:
    """Compares slices with those of the test patients by the features of one network.

    Args:
        prefix: of the scores' names.
        network: that describes slices.
        test: slices of the test patients.
    """

    def __init__(self, prefix: str, network: Features, test: _Slices) -> None:
        self._prefix, self._network, self._groups = prefix, network, test.groups
        self._test, self._distances = network(test.values), []

    def scores(self, slices: _Slices) -> dict[str, float]:
        """All but the ratio."""
        reference, found = standardized(self._test, self._network(slices.values))
        groups = (slices.groups, self._groups)
        self._distances.append(kid(found, reference, groups))
        scores = {**_told("kid", self._distances[-1]), **_told("mmd", mmd(found, reference, groups))}
        scores["fid"] = frechet_distance(found, reference)
        scores["precision"], scores["recall"] = precision_recall(found, reference, groups)
        scores["density"], scores["coverage"] = density_coverage(found, reference, groups)
        return {self._prefix + name: value for name, value in scores.items()}

    def add_ratios(self, rows: list[dict]) -> None:
        """Put into rows, in the order of :meth:`scores`, their ``kid`` over that of the last one."""
        if self._distances[-1].value > 0:
            for row, distance in zip(rows, self._distances, strict=True):
                row |= _told(f"{self._prefix}kid_ratio", ratio(distance, self._distances[-1]))


def _alike(predictors: dict[str, Synthesizer]) -> Synthesizer:
    """The first model, which all others are like."""
    first, *others = predictors.values()
    for other in others:
        if _makes(other) != _makes(first):
            raise UserError(
                "These models make slices of different kinds, sizes, windows or classes.", "Score each by itself."
            )
    return first


def _makes(maker: Synthesizer) -> tuple:
    return maker.kind, maker.network.size, float(maker.network.spacing[0]), maker.window, maker.class_names


def _networks(maker: Synthesizer) -> dict[str, Features]:
    """The networks that describe a maker's slices, by the prefix of their scores."""
    networks: dict[str, Features] = {"": RandomFeatures(maker.window)}
    if maker.kind == CT:
        pixel = float(maker.network.spacing[0])
        networks["organ_"] = SegmenterFeatures((pixel, pixel))
    return networks


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


def _values(slices: _Slices, test: _Slices, maker: Synthesizer) -> dict[str, float]:
    """What is said of slices without features."""
    scores = _told("ms_ssim", pairwise_ms_ssim(slices.values, maker.window))
    both = [pictures.values.clip(*maker.window) for pictures in (slices, test)]
    if maker.kind == CT:
        return scores | {"hu_distance": hu_histogram_distance(*both)}
    return scores | {"brightness_distance": hu_histogram_distance(*both, _BRIGHTNESS_BINS)}


def _told(name: str, estimate: Estimate) -> dict[str, float]:
    return {name: estimate.value, f"{name}_ci95": estimate.half_width}


def _nearest(slices: _Slices, training: _Slices) -> tuple[np.ndarray, np.ndarray]:
    """The number of each slice's nearest training slice, and their distance in the pictures' unit; both are seen as
    pictures of 32 pixels a side."""
    return nearest(_small(slices.values), _small(training.values), slices.groups, training.groups)


def _memory(distances: np.ndarray, maker: Synthesizer) -> dict[str, float]:
    """How near slices are to training slices."""
    distances = distances[np.isfinite(distances)]
    if not len(distances):  # one training patient alone has no other one
        return {}
    unit = "hu" if maker.kind == CT else "brightness"
    return {f"nearest_{unit}": float(np.median(distances)), f"nearest_least_{unit}": float(distances.min())}


def _show_pairs(
    sheets: Sheets,
    name: str,
    slices: _Slices,
    training: _Slices,
    near: tuple[np.ndarray, np.ndarray],
    maker: Synthesizer,
) -> None:
    """Draw slices above the training slices that are nearest to them."""
    index, distances = near
    low, high = maker.window
    pairs = []
    for number in shown_samples(distances):
        two = np.stack([slices.values[number], training.values[index[number]]])
        above, below = ((as_read(two) if maker.kind == CT else two) - low) / (high - low)
        told = told_distance(distances[number]) if maker.kind == CT else f"{distances[number]:.1%} of the brightness"
        pairs.append((told, above, below))
    sheets.add_pairs(f"{name}; distances of slices averaged to {_THUMBNAIL} x {_THUMBNAIL} pixels", pairs)


def _small(values: np.ndarray) -> np.ndarray:
    factor = values.shape[-1] // _THUMBNAIL
    return values.reshape(len(values), _THUMBNAIL, factor, _THUMBNAIL, factor).mean((2, 4))
