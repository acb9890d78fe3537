"""Scores of a biplanar model on patients it has not seen, beside what is known without looking at the radiographs."""

from pathlib import Path

import numpy as np
import torch

from ..events import Progress, silent
from ..imaging.attenuation import HU_MIN
from ..imaging.geometry import Acquisition, Grid
from ..imaging.projection import project
from ..imaging.radiographs import Radiograph
from ..imaging.standardize import FIELD_SIZE, STANDARD_SIZE, STANDARD_SPACING, standard_cube
from ..imaging.volumes import Volume
from ..segmentation.labels import BONE, LABELS, LEFT_LUNG, RIGHT_LUNG
from ..segmentation.segment import segment, structure
from ..training.metrics import dice, mae_hu, psnr_true, psnr_x2ct, ssim_3d, ssim_x2ct
from .radiographs import VIEWS, standardize_radiographs
from .reconstruct import Reconstructor, reproject, reprojection_errors


def evaluate(
    reconstructor: Reconstructor,
    cases: dict[str, Path],
    training: list[Path],
    progress: Progress = silent,
) -> list[dict]:
    """Score the model and its baselines on prepared CTs (see ``training.preparation``).

    Args:
        reconstructor: the model.
        cases: name and prepared file of each case.
        training: prepared files of the training cases, for the nearest-training-volume baseline; may be empty.

    Returns:
        A row for each case and method (``ours``, ``mean volume``, ``nearest training volume``), with
        ``psnr_x2ct``, ``psnr_true`` (dB), ``ssim_x2ct``, ``ssim``, ``mae_hu`` (in the body), ``lung_dice``,
        ``bone_dice``, ``nrmse`` and ``ncc`` of the re-projections (mean of both views) and ``seconds``.
    """
    pictures = [_pictures(_radiographs(_field(path))) for path in training]
    rows = []
    for number, (name, path) in enumerate(cases.items()):
        progress(number / len(cases), f"Scoring {name}")
        field = _field(path)
        truth = Truth(field, _radiographs(field))
        result = reconstructor(*truth.radiographs)
        volumes = {"ours": result.volume.array, "mean volume": reconstructor.mean_hu}
        if training:
            own = _pictures(truth.radiographs)
            nearest = int(np.argmin([float(((own - other) ** 2).mean()) for other in pictures]))
            volumes["nearest training volume"] = standard_cube(np.load(training[nearest]))
        for method, hu in volumes.items():
            seconds = result.model_seconds if method == "ours" else 0.0
            rows.append({"case": name, "method": method, **truth.score(hu), "seconds": seconds})
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
        labels = segment(volume)
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


def _field(path: Path) -> Volume:
    return Volume(np.load(path), Grid.centered((FIELD_SIZE,) * 3, STANDARD_SPACING))


def _radiographs(field: Volume) -> tuple[Radiograph, ...]:
    return tuple(project(field, Acquisition(view)) for view in VIEWS)


def _pictures(radiographs: tuple[Radiograph, ...]) -> torch.Tensor:
    return standardize_radiographs(torch.from_numpy(np.stack([r.array for r in radiographs]))[None])
