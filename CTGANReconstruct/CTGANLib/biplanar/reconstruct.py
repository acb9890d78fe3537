"""Two radiographs in, a CT out, with the proof: the CT projected again beside what was measured."""

import time
from dataclasses import dataclass, replace

import numpy as np
import torch

from ..evaluation.metrics import reprojection_error
from ..events import Progress, silent
from ..imaging.attenuation import HU_MAX, HU_MIN, unit_to_hu
from ..imaging.geometry import Acquisition, Grid
from ..imaging.pairs import check_pair
from ..imaging.projection import project
from ..imaging.radiographs import Radiograph
from ..imaging.standardize import STANDARD_SIZE, STANDARD_SPACING
from ..imaging.volumes import Volume
from ..models.bundle import Model
from .dual_path import DualPathGenerator
from .network import BiplanarGenerator, camera_matrix, channels_last
from .radiographs import VIEWS, on_standard_detector, reach, standardize_radiographs
from .refine import NONE, refine

NETWORKS = {"BiplanarGenerator": BiplanarGenerator, "DualPathGenerator": DualPathGenerator}


@dataclass(frozen=True)
class Reconstruction:
    """What two radiographs gave.

    Attributes:
        volume: int16 HU [128, 128, 128] at 2.5 mm around the isocenter, patient RAS.
        inputs: both radiographs on the standard detector, as the generator saw them.
        reprojections: the volume projected onto the same detectors, line integrals.
        consistency: for each view ``ncc`` and ``nrmse`` of re-projection and input (see ``reprojection_error``).
        consistency_before: the same of what the generator made, before the refinement.
        refinement: how that went, ``full``, ``cautious`` or ``none`` (see ``refine``); None if it was not asked for.
        model_seconds: time of the generator.
        refine_seconds: time of the refinement.
    """

    volume: Volume
    inputs: tuple[Radiograph, Radiograph]
    reprojections: tuple[Radiograph, Radiograph]
    consistency: tuple[dict[str, float], dict[str, float]]
    consistency_before: tuple[dict[str, float], dict[str, float]]
    refinement: str | None
    model_seconds: float
    refine_seconds: float


class Reconstructor:
    """A generator ready for any number of patients.

    Args:
        network: the trained generator.
        device: of torch.
        refine: whether to make each CT fit its radiographs better than the generator did.
    """

    def __init__(
        self, network: BiplanarGenerator | DualPathGenerator, device: str = "cpu", refine: bool = True
    ) -> None:
        self._device, self._refine = torch.device(device), refine
        self._network = channels_last(network.eval().to(self._device))

    @classmethod
    def from_model(cls, model: Model, device: str = "cpu", refine: bool = True) -> "Reconstructor":
        """A model of the store.

        Raises:
            UserError: the model is damaged or for another task.
        """
        return cls(model.load("biplanar", NETWORKS), device, refine)

    @property
    def mean_hu(self) -> np.ndarray:
        """The mean training volume in HU [128, 128, 128], the baseline of every reconstruction."""
        return unit_to_hu(self._network.mean_volume[0, 0].cpu().numpy())

    def __call__(self, pa: Radiograph, lateral: Radiograph, progress: Progress = silent) -> Reconstruction:
        """Reconstruct a CT.

        Args:
            pa: frontal radiograph (PA or AP).
            lateral: lateral radiograph (left or right).
            progress: is told of each step.

        Raises:
            UserError: the two do not belong together.
        """
        check_pair(pa, lateral)
        center = pa.acquisition.isocenter
        inputs = tuple(on_standard_detector(radiograph) for radiograph in (pa, lateral))
        progress(0.1, "Reconstructing")
        start = time.perf_counter()
        hu = self._generate(inputs, center)
        seconds = time.perf_counter() - start
        volume = Volume(hu, Grid.centered((STANDARD_SIZE,) * 3, STANDARD_SPACING, center))
        progress(0.7, "Projecting the reconstruction")
        pictured = tuple(reach(radiograph) for radiograph in (pa, lateral))
        reprojections = reproject(volume, inputs)
        consistency = before = reprojection_errors(volume, inputs, reprojections, pictured)
        refinement, refine_seconds = None, 0.0
        if self._refine:
            progress(0.8, "Refining")
            start = time.perf_counter()
            refined, refinement = refine(volume, inputs, pictured)
            refine_seconds = time.perf_counter() - start
            again = reproject(refined, inputs)
            after = reprojection_errors(refined, inputs, again, pictured)
            if _mean_ncc(after) > _mean_ncc(before):
                volume, reprojections, consistency = refined, again, after
            else:
                refinement = NONE
        return Reconstruction(
            volume,
            inputs,
            reprojections,
            consistency,
            before,
            refinement,
            round(seconds, 3),
            round(refine_seconds, 3),
        )

    @torch.inference_mode()
    def _generate(self, inputs: tuple[Radiograph, ...], center: tuple[float, float, float]) -> np.ndarray:
        pictures = torch.from_numpy(np.stack([radiograph.array for radiograph in inputs]))[None]
        cameras = np.stack([camera_matrix(_as_learned(r.acquisition), center) for r in inputs])[None]
        unit = self._network(
            standardize_radiographs(pictures.to(self._device)),
            torch.as_tensor(cameras, dtype=torch.float32, device=self._device),
        )
        return unit_to_hu(unit[0, 0]).clip(HU_MIN, HU_MAX).round().short().cpu().numpy()


def reproject(volume: Volume, radiographs: tuple[Radiograph, ...]) -> tuple[Radiograph, ...]:
    """A CT in HU projected onto the detectors of radiographs, line integrals."""
    return tuple(project(volume, radiograph.acquisition) for radiograph in radiographs)


def reprojection_errors(
    volume: Volume,
    measured: tuple[Radiograph, ...],
    projected: tuple[Radiograph, ...],
    pictured: tuple[np.ndarray, ...] | None = None,
) -> tuple[dict[str, float], ...]:
    """How well the projections of a CT fit the measured radiographs: ``ncc`` and ``nrmse`` of each view.

    Args:
        volume: the CT.
        measured, projected: the radiographs and those of the CT, on the same detectors.
        pictured: for each, the pixels [rows, columns] that the radiograph reaches; all, where None.
    """
    errors = []
    for again, radiograph, reached in zip(projected, measured, pictured or (True,) * len(measured), strict=True):
        seen = _seen(volume.grid, radiograph.acquisition)
        shown = seen & reached
        errors.append(reprojection_error(again.array, radiograph.array, shown if shown.any() else seen))
    return tuple(errors)


def _seen(grid: Grid, acquisition: Acquisition) -> np.ndarray:
    """The pixels [rows, columns] whose rays cross the middle plane of the grid within it.

    Outside, the radiograph shows parts of the patient that the reconstruction does not hold.
    """
    ijk_to_ras = acquisition.ijk_to_ras
    rows, columns = np.indices(acquisition.detector_shape)
    pixels = np.stack([columns, rows], -1) @ ijk_to_ras[:3, :2].T + ijk_to_ras[:3, 3]
    share = acquisition.source_to_isocenter_distance / acquisition.source_to_detector_distance
    crossing = grid.to_ijk(acquisition.source + share * (pixels - acquisition.source))
    return ((crossing >= -0.5) & (crossing <= np.asarray(grid.shape[::-1]) - 0.5)).all(axis=-1)


def _as_learned(acquisition: Acquisition) -> Acquisition:
    """AP as PA, and right lateral as left: the generator has learned from ``VIEWS`` alone.

    With the true camera of another view, which it has never seen, psnr_true of five training patients fell by 2.0 dB
    (AP) and 2.5 dB (RLAT); taken for the view it knows, whose picture differs by magnification only, by 0.4 and 0.5.
    """
    if acquisition.view in VIEWS or acquisition.rotation != Acquisition().rotation:
        return acquisition
    frontal, lateral = VIEWS
    return replace(acquisition, view=frontal if acquisition.view.is_frontal else lateral)


def _mean_ncc(consistency: tuple[dict[str, float], ...]) -> float:
    return float(np.mean([errors["ncc"] for errors in consistency]))
