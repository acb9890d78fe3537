"""Scores of biplanar models on patients unseen in training, beside what is known without the radiographs."""

from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from ..errors import UserError
from ..evaluation.metrics import dice, mae_hu, psnr_true, psnr_x2ct, ssim_3d, ssim_x2ct
from ..evaluation.scores import MEAN_VOLUME, NEAREST_VOLUME, TRUTH, Show
from ..events import Progress, silent
from ..imaging.attenuation import HU_MIN
from ..imaging.geometry import Acquisition, Grid
from ..imaging.projection import project
from ..imaging.radiographs import Radiograph
from ..imaging.standardize import FIELD_SIZE, STANDARD_SIZE, STANDARD_SPACING, standard_cube
from ..imaging.volumes import Volume
from ..segmentation.labels import BONE, LABELS, LEFT_LUNG, RIGHT_LUNG
from ..segmentation.segment import segment, structure
from .radiographs import VIEWS, standardize_radiographs
from .reconstruct import Reconstructor, reproject, reprojection_errors


def evaluate(
    predictors: dict[str, Reconstructor],
    cases: dict[str, Path],
    training: list[Path],
    progress: Progress = silent,
    show: Show | None = None,
) -> list[dict]:
    """Score models and baselines on prepared CTs (see ``datasets.preparation``). Memory holds one case at a time.

    Args:
        predictors: the models by name. The mean volume, a baseline, is that of the first one's training.
        cases: name and prepared file of each case.
        training: prepared files of the training cases, for the nearest-training-volume baseline; may be empty.
        progress: is told of each case.
        show: is given each case's volumes in HU [128, 128, 128], for pictures.

    Returns:
        A row for each case and method (the models' names, ``mean volume``, ``nearest training volume``), with
        ``psnr_x2ct``, ``psnr_true`` (dB), ``ssim_x2ct``, ``ssim``, ``mae_hu`` (in the body), ``lung_dice``,
        ``bone_dice``, ``nrmse`` and ``ncc`` of the re-projections (mean of both views), ``truth_ncc`` and
        ``other_ncc`` (see :class:`_Specificity`) and ``seconds``.
    """
    mean_hu = next(iter(predictors.values())).mean_hu
    pictures = []
    for number, path in enumerate(training, 1):
        progress(0.0, f"Projecting training patient {number} of {len(training)}")
        pictures.append(_thumbnail(_radiographs(_field(path))))
    rows, specificity = [], _Specificity()
    for number, (name, path) in enumerate(cases.items()):
        progress(number / len(cases), f"Scoring {name}")
        field = _field(path)
        truth = Truth(field, _radiographs(field))
        volumes, seconds = {}, {}
        for method, predictor in predictors.items():
            result = predictor(*truth.radiographs)
            volumes[method], seconds[method] = result.volume.array, result.model_seconds + result.refine_seconds
        volumes[MEAN_VOLUME] = mean_hu
        if training:
            own = _thumbnail(truth.radiographs)
            nearest = int(np.argmin([float(((own - other) ** 2).mean()) for other in pictures]))
            volumes[NEAREST_VOLUME] = standard_cube(np.load(training[nearest]))
        scored = [{"case": name, "method": method, **truth.score(hu)} for method, hu in volumes.items()]
        specificity.add(truth.volume.array, volumes, scored)
        for row in scored:
            row["seconds"] = seconds.get(row["method"], 0.0)
        rows += scored
        if show:
            show(name, {TRUTH: truth.volume.array, **volumes}, scored)
    specificity.close()
    return rows


class Truth:
    """What is known of a test patient, and the scores of reconstructions against it.

    Args:
        field: the true CT in HU on the field of view [160, 160, 160], centered on the isocenter.
        radiographs: frontal and lateral, on the standard detector.
    """

    def __init__(self, field: Volume, radiographs: tuple[Radiograph, ...]) -> None:
        self.radiographs = radiographs
        grid = Grid.centered((STANDARD_SIZE,) * 3, STANDARD_SPACING, tuple(field.grid.center))
        self.volume = Volume(standard_cube(field.array), grid)
        self._labels = segment(self.volume)

    def score(self, hu: np.ndarray) -> dict[str, float]:
        """Every metric of one reconstruction, HU [128, 128, 128]."""
        volume, true = Volume(hu, self.volume.grid), self.volume.array
        labels = _segment(volume)
        errors = reprojection_errors(volume, self.radiographs, reproject(volume, self.radiographs))
        overlap = {label: dice(structure(labels, label), structure(self._labels, label)) for label in LABELS}
        return {
            "psnr_x2ct": psnr_x2ct(hu, true),
            "psnr_true": psnr_true(hu, true),
            "ssim_x2ct": ssim_x2ct(hu, true),
            "ssim": ssim_3d(hu, true),
            "mae_hu": mae_hu(hu, true, true > HU_MIN),
            "lung_dice": (overlap[RIGHT_LUNG] + overlap[LEFT_LUNG]) / 2,
            "bone_dice": overlap[BONE],
            "nrmse": float(np.mean([error["nrmse"] for error in errors])),
            "ncc": float(np.mean([error["ncc"] for error in errors])),
        }


class _Specificity:
    """Whether methods tell patients apart: a volume must be nearer to its own truth than to another patient's volume.

    Rows get ``truth_ncc``, the correlation with the truth, and ``other_ncc``, that with the same method's volume of
    the case before (for the first case: of the last; for one alone ``None``), so that few volumes are held.
    """

    def __init__(self) -> None:
        self._first: tuple[dict[str, np.ndarray], list[dict]] | None = None
        self._last: dict[str, np.ndarray] = {}

    def add(self, truth: np.ndarray, volumes: dict[str, np.ndarray], rows: list[dict]) -> None:
        """The HU volumes of a case by method, in the order of its rows."""
        for (method, hu), row in zip(volumes.items(), rows, strict=True):
            row["truth_ncc"] = _correlation(hu, truth)
            row["other_ncc"] = _correlation(hu, self._last[method]) if self._last else None
        self._first = self._first or (volumes, rows)
        self._last = volumes

    def close(self) -> None:
        """Complete the rows of the first case."""
        if self._first and self._first[0] is not self._last:
            for (method, hu), row in zip(self._first[0].items(), self._first[1], strict=True):
                row["other_ncc"] = _correlation(hu, self._last[method])


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Normalized cross-correlation; 0 where one of both is the same everywhere."""
    if not np.ptp(first) or not np.ptp(second):
        return 0.0
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])


def _field(path: Path) -> Volume:
    return Volume(np.load(path), Grid.centered((FIELD_SIZE,) * 3, STANDARD_SPACING))


def _radiographs(field: Volume) -> tuple[Radiograph, ...]:
    return tuple(project(field, Acquisition(view)) for view in VIEWS)


def _segment(volume: Volume) -> Volume:
    """The label map of a reconstruction, empty where it shows no body, as one of a network that knows little may."""
    try:
        return segment(volume)
    except UserError:
        return Volume(np.zeros(volume.grid.shape, np.uint8), volume.grid)


def _thumbnail(radiographs: tuple[Radiograph, ...]) -> torch.Tensor:
    """Standardized pictures [1, 2, 64, 64], by which patients are compared; small, since those of all are kept."""
    pictures = standardize_radiographs(torch.from_numpy(np.stack([r.array for r in radiographs]))[None])
    return F.adaptive_avg_pool2d(pictures, 64)
