"""Radiographs in, a CT out, with the proof: the CT projected again beside what was measured."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from ..errors import UserError
from ..events import Progress, part, silent
from ..imaging.attenuation import HU_MAX, HU_MIN, unit_to_hu
from ..imaging.geometry import Grid
from ..imaging.pairs import check_pair
from ..imaging.projection import project
from ..imaging.radiographs import Radiograph
from ..imaging.standardize import STANDARD_SIZE, STANDARD_SPACING, with_clear_air
from ..imaging.volumes import Volume
from ..models.bundle import TEXTURE, Model
from .dual_path import DualPathGenerator
from .network import BiplanarGenerator, camera_matrix, channels_last
from .radiographs import VIEWS, on_standard_detector, reach, standardize_radiographs
from .refine import NONE, refine
from .reprojection import reproject, reprojection_errors
from .uncertainty import expected_error

Generator = BiplanarGenerator | DualPathGenerator
NETWORKS = {"BiplanarGenerator": BiplanarGenerator, "DualPathGenerator": DualPathGenerator}

# Below this correlation something does not fit: plain pairs of test patients have 0.95 and more, real ones 0.86 and
# more, inverted pictures 0.84 (Testing/benchmarks/robustness.py and radiographs.py).
_LOW_NCC = 0.9
# Of each view: its name, that of the other one, and the direction that only the other one shows.
_ONE_VIEW = {
    "pa": ("frontal", "lateral", "from front to back"),
    "lateral": ("lateral", "frontal", "from left to right"),
}


@dataclass(frozen=True)
class Reconstruction:
    """What one or two radiographs gave.

    Attributes:
        volume: int16 HU [128, 128, 128] at 2.5 mm around the isocenter, patient RAS.
        views: of the radiographs that were given: ``pa``, ``lateral``. What follows has one entry for each.
        inputs: the radiographs on the standard detector, as the generator saw them.
        reprojections: the volume projected onto the same detectors, line integrals.
        consistency: for each view ``ncc`` and ``nrmse`` of re-projection and input (see ``reprojection_error``).
        consistency_before: the same of what the generator made, before the refinement.
        refinement: how that went, ``full``, ``cautious`` or ``none`` (see ``refine``); None if it was not asked for.
        uncertainty: float32 HU on the volume's grid, one standard deviation of the error to be expected (see
            ``uncertainty``); None if it was not asked for.
        warnings: what the user should know about this result, a sentence or two each.
        model_seconds: time of the generator.
        refine_seconds: time of the refinement.
    """

    volume: Volume
    views: tuple[str, ...]
    inputs: tuple[Radiograph, ...]
    reprojections: tuple[Radiograph, ...]
    consistency: tuple[dict[str, float], ...]
    consistency_before: tuple[dict[str, float], ...]
    refinement: str | None
    uncertainty: Volume | None
    warnings: list[str]
    model_seconds: float
    refine_seconds: float


class Reconstructor:
    """A generator ready for any number of patients.

    Args:
        network: the trained generator.
        device: of torch.
        refine: whether to make each CT fit its radiographs better than the generator did, and to clear the air around
            the body.
        uncertainty: whether to tell the error to be expected at each voxel; takes the time of all ``others``.
        others: with ``uncertainty``, further generators: the CT is the mean of what ``network`` and these make.
        sharp: with ``uncertainty``, a generator that makes the CT in place of that mean.
    """

    def __init__(
        self,
        network: Generator,
        device: str = "cpu",
        refine: bool = True,
        uncertainty: bool = False,
        others: Sequence[Generator] = (),
        sharp: Generator | None = None,
    ) -> None:
        self._device, self._refine, self._uncertainty = torch.device(device), refine, uncertainty
        self._network = self._ready(network)
        self._others = [self._ready(other) for other in others]
        self._sharp = self._ready(sharp) if sharp else None

    @classmethod
    def from_model(
        cls,
        model: Model,
        device: str = "cpu",
        refine: bool = True,
        sharpness: float = 0.0,
        uncertainty: bool = False,
    ) -> "Reconstructor":
        """A model of the store.

        Args:
            model: the bundle.
            device: of torch.
            refine: see :class:`Reconstructor`.
            sharpness: between the model's main weights (0), which come nearest to the truth, and its texture weights
                (1), which look most real: (1 − sharpness) · main + sharpness · texture (X. Wang et al., ESRGAN, 2018).
            uncertainty: see :class:`Reconstructor`; the model's snapshots are the other generators.

        Raises:
            UserError: the model is damaged, for another task, or has no texture weights where they are needed.
        """
        network = model.load("biplanar", NETWORKS)
        sharp = _sharpened(model, network, sharpness) if sharpness else None
        if not uncertainty:
            return cls(sharp or network, device, refine)
        others = [model.load("biplanar", NETWORKS, name) for name in model.snapshots]
        return cls(network, device, refine, True, others, sharp)

    @property
    def mean_hu(self) -> np.ndarray:
        """The mean training volume in HU [128, 128, 128], the baseline of every reconstruction."""
        return unit_to_hu(self._network.mean_volume[0, 0].cpu().numpy())

    def __call__(
        self, pa: Radiograph | None, lateral: Radiograph | None, progress: Progress = silent
    ) -> Reconstruction:
        """Reconstruct a CT.

        Args:
            pa: frontal radiograph (PA or AP). Without it, the generator is shown that of the mean patient.
            lateral: lateral radiograph (left or right), likewise. One of both is needed.
            progress: is told of each step.

        Raises:
            UserError: there is no radiograph, or the two do not belong together.
        """
        given = {name: radiograph for name, radiograph in (("pa", pa), ("lateral", lateral)) if radiograph is not None}
        if not given:
            raise UserError("There is no radiograph.", "Give a frontal or a lateral one, or both.")
        if len(given) == 2:
            check_pair(pa, lateral)
        inputs = tuple(on_standard_detector(radiograph) for radiograph in given.values())
        pictured = tuple(reach(radiograph) for radiograph in given.values())
        center = inputs[0].acquisition.isocenter
        start = time.perf_counter()
        hu, variance, added = self._generate(self._pair(inputs), center, part(progress, 0.1, 0.6))
        seconds = time.perf_counter() - start
        volume = Volume(_integers(hu), Grid.centered((STANDARD_SIZE,) * 3, STANDARD_SPACING, center))
        progress(0.7, "Projecting the reconstruction")
        reprojections = reproject(volume, inputs)
        consistency = before = reprojection_errors(volume, inputs, reprojections, pictured)
        refinement, refine_seconds = None, 0.0
        if self._refine:
            progress(0.8, "Refining")
            start = time.perf_counter()
            refined, refinement = refine(volume, inputs, pictured)
            refined = with_clear_air(refined)
            refine_seconds = time.perf_counter() - start
            again = reproject(refined, inputs)
            after = reprojection_errors(refined, inputs, again, pictured)
            if _mean_ncc(after) > _mean_ncc(before):
                volume, reprojections, consistency = refined, again, after
            else:
                refinement = NONE
        return Reconstruction(
            volume,
            tuple(given),
            inputs,
            reprojections,
            consistency,
            before,
            refinement,
            expected_error(volume, variance, added, tuple(given)) if self._uncertainty else None,
            self._warnings(dict(zip(given, consistency, strict=True))),
            round(seconds, 3),
            round(refine_seconds, 3),
        )

    def _ready(self, network: Generator) -> Generator:
        return channels_last(network.eval().to(self._device))

    def _pair(self, given: tuple[Radiograph, ...]) -> tuple[Radiograph, ...]:
        """Frontal and lateral radiograph, one of the mean patient where it is missing."""
        if len(given) == 2:
            return given
        known = given[0].acquisition
        mean = Volume(self.mean_hu, Grid.centered((STANDARD_SIZE,) * 3, STANDARD_SPACING, known.isocenter))
        frontal, lateral = VIEWS
        if known.view.is_frontal:
            return given[0], project(mean, replace(known, view=lateral))
        return project(mean, replace(known, view=frontal)), given[0]

    def _generate(
        self, pair: tuple[Radiograph, ...], center: tuple[float, float, float], progress: Progress
    ) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
        """HU [k, j, i]; the variance of the ensemble, HU², if there is one; and what ``sharp`` adds to its mean, HU.

        The members work one after another, so that the memory is that of one.
        """
        pictures = torch.from_numpy(np.stack([radiograph.array for radiograph in pair]))[None]
        pictures = standardize_radiographs(pictures.to(self._device))
        cameras = np.stack([camera_matrix(radiograph.acquisition, center) for radiograph in pair])
        cameras = torch.as_tensor(cameras[None], dtype=torch.float32, device=self._device)
        count = 1 + len(self._others)
        progress(0.0, "Reconstructing")
        mean, squares = _run(self._network, pictures, cameras), 0.0
        for number, other in enumerate(self._others, 2):  # B. P. Welford, Technometrics 4(3), 1962
            progress((number - 1) / count, f"Reconstructing: member {number} of {count}")
            step = _run(other, pictures, cameras) - mean
            mean += step / number
            squares += step**2 * ((number - 1) / number)
        variance = squares / len(self._others) if self._others else None
        if self._sharp is None:
            return mean, variance, None
        sharp = _run(self._sharp, pictures, cameras)
        return sharp, variance, sharp - mean

    def _warnings(self, consistency: dict[str, dict[str, float]]) -> list[str]:
        warnings = []
        if len(consistency) == 1:
            known, missing, direction = _ONE_VIEW[next(iter(consistency))]
            warnings.append(
                f"There is only a {known} radiograph; the {missing} one is taken to be that of a mean patient. "
                f"Where things lie {direction} is a guess."
            )
        for view, errors in consistency.items():
            if not errors["ncc"] >= _LOW_NCC:
                warnings.append(
                    f"The CT does not explain the {_ONE_VIEW[view][0]} radiograph: their correlation is "
                    f"{errors['ncc']:.2f}, usual are {_LOW_NCC} and more. Check that the picture is of this view and "
                    "patient, not inverted, turned or cropped, and the distances; or the patient is unlike those whom "
                    "the model knows."
                )
        if self._uncertainty and not self._others:
            warnings.append(
                "The model has no snapshots: the uncertainty is the error that is usual in such tissue, whatever this "
                "patient's radiographs leave open."
            )
        return warnings


def _sharpened(model: Model, network: Generator, sharpness: float) -> Generator:
    """A network between the model's main weights, those of ``network``, and its texture weights."""
    if not 0 <= sharpness <= 1:
        raise UserError(f"The sharpness is {sharpness:g}.", "Give a number between 0 and 1.")
    if not model.has_texture:
        raise UserError(
            f"The model {model.name} has no texture weights.", "Leave the sharpness at 0, or choose another model."
        )
    sharp = model.load("biplanar", NETWORKS, TEXTURE)
    for weights, main in zip(sharp.state_dict().values(), network.state_dict().values(), strict=True):
        weights.lerp_(main, 1 - sharpness)
    return sharp


@torch.inference_mode()
def _run(network: Generator, pictures: torch.Tensor, cameras: torch.Tensor) -> np.ndarray:
    """HU [k, j, i] of one generator, float32."""
    return unit_to_hu(network(pictures, cameras)[0, 0]).clip(HU_MIN, HU_MAX).float().cpu().numpy()


def _integers(hu: np.ndarray) -> np.ndarray:
    return hu.round().astype(np.int16)


def _mean_ncc(consistency: tuple[dict[str, float], ...]) -> float:
    return float(np.mean([errors["ncc"] for errors in consistency]))
