"""How the biplanar generators learn: projecting on the fly, half resolution first, then full, then with the GAN."""

import copy
import math
from dataclasses import dataclass

import numpy as np
import torch
from monai.losses import PatchAdversarialLoss
from torch import nn
from torch.nn import functional as F
from torch.utils.data import Dataset

from ..errors import UserError
from ..evaluation.metrics import psnr_true
from ..imaging.attenuation import HU_MAX, HU_MIN, hu_to_attenuation, hu_to_unit, unit_to_hu
from ..imaging.geometry import Acquisition, Grid
from ..imaging.projection import ConeBeamProjector
from ..imaging.standardize import FIELD_SIZE, STANDARD_SIZE, STANDARD_SPACING, standard_cube
from ..imaging.volumes import Volume
from ..models.store import find_model
from ..segmentation.frozen import SegmentationLoss, frozen_segmenter
from ..training.augmentation import deform, recolor, restyle, uniform
from ..training.blending import displacement_toward
from ..training.clipping import as_clipped
from ..training.implants import implant
from ..training.players import Player
from ..training.settings import TrainingSettings
from .cameras import varied_acquisitions
from .dual_path import DualPathGenerator
from .losses import projection_loss, reconstruction_loss, similarity_loss
from .network import BiplanarGenerator, camera_matrix, channels_last, discriminator, lift
from .radiographs import VIEWS, standardize_radiographs

# Brings the detail of a CT, some 0.1 of the HU window, to the size of the other channels.
_DETAIL_GAIN = 8.0

# Share of the examples with the default cameras, and of those with plain line integrals, by chance: trained on varied
# ones alone, a generator pays with accuracy on good input (README, "Which part of the training brings what").
_AS_THEY_ARE = 0.5

GENERATORS = {"geometry-aware": BiplanarGenerator, "dual-path": DualPathGenerator}


@dataclass(frozen=True)
class BiplanarSettings(TrainingSettings):
    """The settings of a run.

    Attributes:
        generator: ``geometry-aware``, or its rival in the manner of the literature, ``dual-path``.
        full_from: share of the steps after which training goes on at 128³ instead of 64³.
        adversarial_from: share of the steps after which the discriminator takes part.
        projection_weight, similarity_weight, adversarial_weight: of these losses beside the reconstruction loss.
        segmentation_weight: likewise, of what a segmenter sees in the CT at 128³, and should see in it.
        segmenter: that segmenter, a model of the store.
        start_from: a model of the store or its folder to go on from, with its mean volume; empty to begin anew.
        deform, blend, recolor, implant, restyle: the augmentations: smooth deformation, shapes between two patients,
            other HU of the tissues, tubes and nodules, other radiography systems (half of the examples).
        vary_geometry: whether views, angles and distances are random, in half of the examples, as a generator that is
            told the cameras may learn. (Another one, ``dual-path``, learns the default acquisition better without.)
    """

    generator: str = "geometry-aware"
    full_from: float = 0.75
    adversarial_from: float = 0.9
    projection_weight: float = 0.1
    similarity_weight: float = 0.1
    adversarial_weight: float = 0.002
    segmentation_weight: float = 0.0
    segmenter: str = "ChestSegmentation"
    deform: bool = True
    blend: bool = True
    recolor: bool = True
    implant: bool = True
    restyle: bool = True
    vary_geometry: bool = True
    start_from: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        for share in ("full_from", "adversarial_from"):
            self.check(share, 0, 1)
        for loss in ("projection", "similarity", "adversarial", "segmentation"):
            self.check(f"{loss}_weight", 0)


@dataclass
class _Batch:
    """What the players see of some patients; ``predicted`` is the generator's answer, for the discriminator."""

    radiographs: torch.Tensor
    cameras: torch.Tensor
    acquisitions: list[list[Acquisition]]
    hu: torch.Tensor
    predicted: torch.Tensor | None = None


class BiplanarRecipe:
    """Trains a generator on prepared CTs (float32 HU [batch, 1, 160, 160, 160]); see ``training.players.Recipe``.

    Raises:
        UserError: there is no generator of that name, or the model to start from is of another one.
    """

    def __init__(self, settings: BiplanarSettings, data: Dataset, device: str) -> None:
        if settings.generator not in GENERATORS:
            raise UserError(f"There is no generator {settings.generator}.", f"Choose one of {', '.join(GENERATORS)}.")
        self.settings, self.device, self._data = settings, torch.device(device), data
        torch.manual_seed(settings.seed)
        generator = GENERATORS[settings.generator]()
        if settings.start_from:
            _start_from(generator, settings.start_from)
        else:
            generator.mean_volume.copy_(mean_volume(data))
        channels_last(generator.to(self.device))
        self.average = copy.deepcopy(generator).requires_grad_(False)
        judge = channels_last(discriminator().to(self.device))
        self.players = {
            "generator": Player(
                generator,
                torch.optim.AdamW(generator.parameters(), betas=(0.9, 0.99), weight_decay=1e-4),
                self._rate,
            ),
            "discriminator": Player(
                judge, torch.optim.Adam(judge.parameters(), betas=(0.5, 0.99)), lambda number: 5e-4, floor=0.05
            ),
        }
        self._adversarial_loss = PatchAdversarialLoss(criterion="least_squares")
        self._segmentation_loss = None
        if settings.segmentation_weight > 0:
            self._segmentation_loss = SegmentationLoss(
                *frozen_segmenter(settings.segmenter, device), (STANDARD_SPACING,) * 3
            )

    @torch.no_grad()
    def examples(self, items: torch.Tensor, seeds: list[int]) -> _Batch:
        """Augmented patients: standardized radiographs, their acquisitions and the true CT."""
        singles = []
        for hu, seed in zip(items, seeds, strict=True):
            torch.manual_seed(seed)
            singles.append(self._example(hu))
        radiographs, cameras, acquisitions, hu = zip(*singles, strict=True)
        return _Batch(torch.cat(radiographs), torch.stack(cameras), list(acquisitions), torch.cat(hu))

    def losses(self, player: str, network: nn.Module, batch: _Batch, number: int) -> dict[str, torch.Tensor]:
        """Of the generator: reconstruction, projection and, in the last part of training, adversarial."""
        share = number / self.settings.steps
        size = STANDARD_SIZE if share >= self.settings.full_from else STANDARD_SIZE // 2
        adversarial = share >= self.settings.adversarial_from and self.settings.adversarial_weight > 0
        if player == "discriminator":
            return self._discriminator_losses(network, batch, size) if adversarial else {}
        target = _target(batch.hu, size)
        predicted = self._predict(network, batch, target)
        batch.predicted = predicted.detach()
        losses = {"reconstruction": reconstruction_loss(predicted, target)}
        if self.settings.projection_weight > 0:
            misfit = projection_loss(predicted, target, batch.acquisitions)
            losses["projection"] = self.settings.projection_weight * misfit
        if self.settings.similarity_weight > 0:
            losses["similarity"] = self.settings.similarity_weight * similarity_loss(predicted, target)
        if self._segmentation_loss and size == STANDARD_SIZE:
            with torch.autocast(self.device.type, dtype=torch.bfloat16):
                misfit = self._segmentation_loss(unit_to_hu(predicted), unit_to_hu(target))
            losses["segmentation"] = self.settings.segmentation_weight * misfit
        if adversarial:
            patch = _Patch(batch, size)
            judged = self.players["discriminator"].network(patch.of(predicted))[-1]
            loss = self._adversarial_loss(judged, target_is_real=True, for_discriminator=False)
            losses["adversarial"] = self.settings.adversarial_weight * loss
        return losses

    def validate(self, data: Dataset) -> tuple[dict[str, float], dict[str, Volume]]:
        """``psnr_true`` (dB) of the average generator, mean over patients as they are, not augmented."""
        scores, volumes = [], {}
        for index in range(len(data)):
            predicted, true = self._reconstruct(data[index][None])
            scores.append(psnr_true(predicted, true))
            if not volumes:
                grid = Grid.centered((STANDARD_SIZE,) * 3, STANDARD_SPACING)
                volumes = {"prediction": Volume(predicted, grid), "truth": Volume(true, grid)}
        return {"psnr_true": float(np.mean(scores))}, volumes

    def _example(self, hu: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, list[Acquisition], torch.Tensor]:
        """An augmented patient, from [1, 160, 160, 160]: radiographs, cameras, acquisitions and CT."""
        switches = self.settings
        moved, restyled = (torch.rand(2) >= _AS_THEY_ARE).tolist()
        acquisitions = told = [Acquisition(view) for view in VIEWS]
        if switches.vary_geometry and moved:
            acquisitions, told = varied_acquisitions()
        restyled = restyled and switches.restyle
        toward = None
        if switches.blend:
            other = self._data[int(torch.randint(len(self._data), ()))].to(hu)
            toward = float(uniform(0, 1, 1)) * displacement_toward(hu, other)[None]
        amounts = {} if switches.deform else {"shift": 0.0, "elastic": 0.0, "affine": False}
        hu = hu[None]
        if switches.deform or switches.blend:
            hu = deform(hu, STANDARD_SPACING, **amounts, toward=toward)
        if switches.recolor:
            hu = recolor(hu)
        if switches.implant:
            hu = implant(hu, STANDARD_SPACING)
        pictures = _line_integrals(hu, acquisitions, float(uniform(60, 100, 1)) if restyled else None)
        if restyled:
            pictures = restyle(pictures)
        return standardize_radiographs(pictures), _cameras(told).to(hu.device), acquisitions, standard_cube(hu)

    def _rate(self, number: int) -> float:
        """The generator's learning rate: it warms up and falls as a cosine."""
        warm_up = min(1.0, (number + 1) / 50)
        return self.settings.learning_rate * warm_up * 0.5 * (1 + math.cos(math.pi * number / self.settings.steps))

    def _predict(self, network: nn.Module, batch: _Batch, target: torch.Tensor) -> torch.Tensor:
        """The generator's answer at the size of the target, as clipping to the window will show it."""
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            predicted = network(batch.radiographs, batch.cameras, target.shape[-1]).float()
        return as_clipped(predicted, target)

    def _discriminator_losses(self, network: nn.Module, batch: _Batch, size: int) -> dict[str, torch.Tensor]:
        target = _target(batch.hu, size)
        if batch.predicted is None:  # the batch was cut smaller in between, for want of memory
            with torch.no_grad():
                batch.predicted = self._predict(self.players["generator"].network, batch, target)
        patch = _Patch(batch, size)
        # One pass for both, as several processes need it.
        fake, real = network(torch.cat([patch.of(batch.predicted), patch.of(target)]))[-1].chunk(2)
        of_fake = self._adversarial_loss(fake, target_is_real=False, for_discriminator=True)
        of_real = self._adversarial_loss(real, target_is_real=True, for_discriminator=True)
        return {"discriminator": (of_fake + of_real) / 2}

    @torch.no_grad()
    def _reconstruct(self, hu: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Predicted and true HU [128, 128, 128], int16, from the default acquisitions."""
        hu = hu.to(self.device)
        acquisitions = [Acquisition(view) for view in VIEWS]
        radiographs = standardize_radiographs(_line_integrals(hu, acquisitions))
        cameras = _cameras(acquisitions)[None].to(self.device)
        unit = self.average.eval()(radiographs, cameras)
        predicted = unit_to_hu(unit[0, 0].float()).clip(HU_MIN, HU_MAX).round().short()
        return predicted.cpu().numpy(), standard_cube(hu)[0, 0].round().short().cpu().numpy()


def _start_from(generator: nn.Module, name: str) -> None:
    """Take over the weights of a model."""
    weights, own = find_model(name).weights(), generator.state_dict()
    anew = getattr(generator, "may_begin_anew", ())
    fitting = {key: value for key, value in own.items() if key in weights or not any(part in key for part in anew)}
    if any(key not in weights or weights[key].shape != value.shape for key, value in fitting.items()):
        raise UserError(f"The model {name} is not of this generator.", "Start from another model, or from none.")
    generator.load_state_dict(weights, strict=False)


def _line_integrals(hu: torch.Tensor, acquisitions: list[Acquisition], energy: float | None = None) -> torch.Tensor:
    field = Grid.centered((FIELD_SIZE,) * 3, STANDARD_SPACING)
    return ConeBeamProjector(field, acquisitions)(hu_to_attenuation(hu, energy))


def _cameras(acquisitions: list[Acquisition]) -> torch.Tensor:
    return torch.stack([torch.as_tensor(camera_matrix(a), dtype=torch.float32) for a in acquisitions])


def _target(hu: torch.Tensor, size: int) -> torch.Tensor:
    return F.adaptive_avg_pool3d(hu_to_unit(hu), size)


class _Patch:
    """Cuts one random patch for the discriminator, always the same: a CT, its detail, and both lifted radiographs."""

    def __init__(self, batch: _Batch, size: int, patch: int = 48) -> None:
        corner = torch.randint(0, size - patch + 1, (3,)).tolist()
        self._place = tuple(slice(start, start + patch) for start in corner)
        index = torch.stack(torch.meshgrid(*[torch.arange(s.start, s.stop) for s in self._place], indexing="ij"), -1)
        spacing = STANDARD_SPACING * STANDARD_SIZE / size
        points = ((index.flip(-1) - (size - 1) / 2) * spacing).to(batch.radiographs)
        self._condition = lift(batch.radiographs[:, :, None], batch.cameras, points)[:, :, 0]

    def of(self, volume: torch.Tensor) -> torch.Tensor:
        patch = volume[(..., *self._place)]
        detail = patch - F.avg_pool3d(patch, 5, 1, 2, count_include_pad=False)
        return torch.cat([2 * patch - 1, _DETAIL_GAIN * detail, self._condition], 1)


def mean_volume(data: Dataset) -> torch.Tensor:
    """Mean of the training CTs in units of the HU window, [1, 128, 128, 128], exact in half precision."""
    total = sum(hu_to_unit(standard_cube(data[index])) for index in range(len(data)))
    return (total / len(data)).half().float()
