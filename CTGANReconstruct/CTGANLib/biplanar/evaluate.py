"""Scores of biplanar models on patients unseen in training, beside what is known without the radiographs."""

from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from ..errors import UserError
from ..evaluation.metrics import (
    coverage,
    dice,
    mae_hu,
    psnr_true,
    psnr_x2ct,
    rank_correlation,
    ssim_3d,
    ssim_x2ct,
)
from ..evaluation.scores import MEAN_VOLUME, NEAREST_VOLUME, TRUTH, Show
from ..evaluation.specificity import Specificity
from ..events import Progress, silent
from ..imaging.attenuation import HU_MIN
from ..imaging.geometry import Acquisition, Grid
from ..imaging.projection import project
from ..imaging.radiographs import Radiograph
from ..imaging.standardize import FIELD_SIZE, STANDARD_SIZE, STANDARD_SPACING, standard_cube
from ..imaging.volumes import Volume
from ..segmentation.labels import BONE, LEFT_LUNG, RIGHT_LUNG, Label
from ..segmentation.segment import segment, structure, volumes_ml
from .radiographs import VIEWS, standardize_radiographs
from .reconstruct import Reconstructor
from .reprojection import reproject, reprojection_errors


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
        ``bone_dice``, ``nrmse`` and ``ncc`` of the re-projections (mean of both views), ``volumes`` (see
        :meth:`Truth.score`), ``truth_ncc``, ``other_ncc`` and ``correlations`` (see
        :class:`~CTGANLib.evaluation.specificity.Specificity`), ``seconds`` and, where the model says how sure it is,
        ``uncertainty_rank``, ``coverage_1sd`` and ``coverage_2sd`` (see :meth:`Truth.score_uncertainty`).
    """
    mean_hu = next(iter(predictors.values())).mean_hu
    pictures = []
    for number, path in enumerate(training, 1):
        progress(0.0, f"Projecting training patient {number} of {len(training)}")
        pictures.append(_thumbnail(_radiographs(read_field(path))))
    rows, specificity = [], Specificity(mean_hu)
    for number, (name, path) in enumerate(cases.items()):
        progress(number / len(cases), f"Scoring {name}")
        field = read_field(path)
        truth = Truth(field, _radiographs(field))
        volumes, seconds, sureness = {}, {}, {}
        for method, predictor in predictors.items():
            result = predictor(*truth.radiographs)
            volumes[method], seconds[method] = result.volume.array, result.model_seconds + result.refine_seconds
            if result.uncertainty is not None:
                sureness[method] = truth.score_uncertainty(result.volume.array, result.uncertainty.array)
        volumes[MEAN_VOLUME] = mean_hu
        if training:
            own = _thumbnail(truth.radiographs)
            nearest = int(np.argmin([float(((own - other) ** 2).mean()) for other in pictures]))
            volumes[NEAREST_VOLUME] = standard_cube(np.load(training[nearest]))
        scored = [
            {"case": name, "method": method, **truth.score(hu), **sureness.get(method, {})}
            for method, hu in volumes.items()
        ]
        specificity.add(name, truth.volume.array, volumes, scored)
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

    def score(self, hu: np.ndarray) -> dict:
        """Every metric of one reconstruction, HU [128, 128, 128].

        ``volumes`` holds, by the name of each structure, ``ml`` in the reconstruction, ``true_ml``, and the error,
        signed, as ``error_ml`` and ``error_percent`` (``None`` of what the true CT does not hold).
        """
        volume, true = Volume(hu, self.volume.grid), self.volume.array
        labels = self.segment(hu)
        errors = reprojection_errors(volume, self.radiographs, reproject(volume, self.radiographs))
        return {
            "psnr_x2ct": psnr_x2ct(hu, true),
            "psnr_true": psnr_true(hu, true),
            "ssim_x2ct": ssim_x2ct(hu, true),
            "ssim": ssim_3d(hu, true),
            "mae_hu": mae_hu(hu, true, true > HU_MIN),
            "lung_dice": self.lung_dice(labels),
            "bone_dice": self._overlap(labels, BONE),
            "nrmse": float(np.mean([error["nrmse"] for error in errors])),
            "ncc": float(np.mean([error["ncc"] for error in errors])),
            "volumes": _compared(volumes_ml(labels), volumes_ml(self._labels)),
        }

    def score_uncertainty(self, hu: np.ndarray, deviation: np.ndarray) -> dict[str, float]:
        """Whether the standard deviations given for the errors of a reconstruction, HU [128, 128, 128], are right.

        ``uncertainty_rank`` is Spearman's rank correlation of deviation and absolute error, ``coverage_1sd`` and
        ``coverage_2sd`` the share of errors within one and two of them, all in the body.
        """
        inside = self.volume.array > HU_MIN
        error = np.abs(hu.astype(np.float32) - self.volume.array)[inside]
        return {
            "uncertainty_rank": rank_correlation(deviation[inside], error),
            "coverage_1sd": coverage(error, deviation[inside]),
            "coverage_2sd": coverage(error, 2 * deviation[inside]),
        }

    def lung_dice(self, labels: Volume) -> float:
        """Mean Dice overlap of the right and the left lung with the true ones."""
        return (self._overlap(labels, RIGHT_LUNG) + self._overlap(labels, LEFT_LUNG)) / 2

    def segment(self, hu: np.ndarray) -> Volume:
        """The label map of a reconstruction, empty where it shows no body, as one of a network that knows little
        may."""
        try:
            return segment(Volume(hu, self.volume.grid))
        except UserError:
            return Volume(np.zeros(self.volume.grid.shape, np.uint8), self.volume.grid)

    def _overlap(self, labels: Volume, label: Label) -> float:
        return dice(structure(labels, label), structure(self._labels, label))


def _compared(found: dict[str, float], true: dict[str, float]) -> dict[str, dict[str, float | None]]:
    """Volumes of structures beside the true ones, ml."""
    compared = {}
    for name, true_ml in true.items():
        error = round(found[name] - true_ml, 1)
        percent = round(100 * error / true_ml, 2) if true_ml else None
        compared[name] = {"ml": found[name], "true_ml": true_ml, "error_ml": error, "error_percent": percent}
    return compared


def read_field(path: Path) -> Volume:
    """A prepared CT: what the radiographs see of the patient, HU [160, 160, 160] around the isocenter."""
    return Volume(np.load(path), Grid.centered((FIELD_SIZE,) * 3, STANDARD_SPACING))


def _radiographs(field: Volume) -> tuple[Radiograph, ...]:
    return tuple(project(field, Acquisition(view)) for view in VIEWS)


def _thumbnail(radiographs: tuple[Radiograph, ...]) -> torch.Tensor:
    """Standardized pictures [1, 2, 64, 64], by which patients are compared; small, since those of all are kept."""
    pictures = standardize_radiographs(torch.from_numpy(np.stack([r.array for r in radiographs]))[None])
    return F.adaptive_avg_pool2d(pictures, 64)
