"""How the biplanar generator learns: projecting on the fly, half resolution first, then full, then with the GAN."""

import copy
import math
from dataclasses import dataclass

import torch
from monai.losses import PatchAdversarialLoss
from torch import nn
from torch.nn import functional as F
from torch.utils.data import Dataset

from ..imaging.attenuation import hu_to_attenuation, hu_to_unit, unit_to_hu
from ..imaging.geometry import Acquisition, Grid
from ..imaging.projection import ConeBeamProjector
from ..imaging.standardize import FIELD_SIZE, STANDARD_SIZE, STANDARD_SPACING, standard_cube
from ..training.augmentation import deform, recolor, restyle, uniform
from .network import BiplanarGenerator, camera_matrix, channels_last, discriminator, lift
from .radiographs import VIEWS, standardize_radiographs


@dataclass(frozen=True)
class BiplanarSettings:
    """The settings of a run.

    Attributes:
        steps: optimizer steps of the generator in all.
        batch_size: patients a step.
        full_from: share of the steps after which training goes on at 128³ instead of 64³.
        adversarial_from: share of the steps after which the discriminator takes part.
        learning_rate: at its height; it warms up and falls as a cosine.
        projection_weight, adversarial_weight: of these losses beside the reconstruction loss.
        seed: of everything random.
    """

    steps: int = 1200
    batch_size: int = 2
    full_from: float = 0.75
    adversarial_from: float = 0.9
    learning_rate: float = 6e-4
    projection_weight: float = 0.1
    adversarial_weight: float = 0.002
    seed: int = 0


class BiplanarRecipe:
    """Trains a :class:`BiplanarGenerator` on prepared CTs (float32 HU [batch, 1, 160, 160, 160])."""

    def __init__(self, settings: BiplanarSettings, data: Dataset, device: str) -> None:
        self.settings, self.device = settings, torch.device(device)
        self.steps, self.batch_size = settings.steps, settings.batch_size
        torch.manual_seed(settings.seed)
        self.generator = BiplanarGenerator()
        self.generator.mean_volume.copy_(mean_volume(data))
        channels_last(self.generator.to(self.device))
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        self.discriminator = channels_last(discriminator().to(self.device))
        self.optimizer = torch.optim.AdamW(self.generator.parameters(), betas=(0.9, 0.99), weight_decay=1e-4)
        self.discriminator_optimizer = torch.optim.Adam(
            self.discriminator.parameters(), lr=2e-4, betas=(0.5, 0.99)
        )
        self.adversarial_loss = PatchAdversarialLoss(criterion="least_squares")

    def step(self, number: int, batch: torch.Tensor) -> dict[str, float]:
        """One step of the generator and, in the last part of training, one of the discriminator."""
        share = number / self.steps
        size = STANDARD_SIZE if share >= self.settings.full_from else STANDARD_SIZE // 2
        with torch.no_grad():
            radiographs, acquisitions, target = self._example(batch.to(self.device), size)
        cameras = torch.stack([torch.as_tensor(camera_matrix(a), dtype=torch.float32) for a in acquisitions])
        cameras = cameras.to(self.device).expand(len(batch), -1, -1, -1)
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            predicted = self.generator(radiographs, cameras, size).float()
        losses = {
            "reconstruction": reconstruction_loss(predicted, target),
            "projection": self.settings.projection_weight * projection_loss(predicted, target, acquisitions),
        }
        adversarial = share >= self.settings.adversarial_from
        if adversarial:
            judge = _PatchJudge(radiographs, cameras, size)
            losses["adversarial"] = self.settings.adversarial_weight * self.adversarial_loss(
                self.discriminator(judge(predicted)), target_is_real=True, for_discriminator=False
            )
        self._update_generator(number, sum(losses.values()))
        if adversarial:
            losses["discriminator"] = self._update_discriminator(judge(predicted.detach()), judge(target))
        return {name: float(value.detach()) for name, value in losses.items()}

    def state_dict(self) -> dict:
        return {name: getattr(self, name).state_dict() for name in self._parts}

    def load_state_dict(self, state: dict) -> None:
        for name in self._parts:
            getattr(self, name).load_state_dict(state[name])

    _parts = ("generator", "average", "discriminator", "optimizer", "discriminator_optimizer")

    def _example(self, hu: torch.Tensor, size: int) -> tuple[torch.Tensor, list[Acquisition], torch.Tensor]:
        """Standardized radiographs, their acquisitions and the true CT (HU window units) of augmented patients."""
        hu = recolor(deform(hu, STANDARD_SPACING))
        distance = float(uniform(1000, 2000, 1))
        isocenter = distance - float(uniform(150, 250, 1))
        acquisitions = [Acquisition(view, distance, isocenter) for view in VIEWS]
        field = Grid.centered((FIELD_SIZE,) * 3, STANDARD_SPACING)
        attenuation = hu_to_attenuation(hu)
        line_integrals = ConeBeamProjector(field, acquisitions)(attenuation)
        target = F.adaptive_avg_pool3d(hu_to_unit(standard_cube(hu)), size)
        return standardize_radiographs(restyle(line_integrals)), acquisitions, target

    def _update_generator(self, number: int, loss: torch.Tensor) -> None:
        warm_up = min(1.0, (number + 1) / 50)
        rate = self.settings.learning_rate * warm_up * 0.5 * (1 + math.cos(math.pi * number / self.steps))
        _descend(self.optimizer, self.generator, loss, rate)
        # The average forgets the beginning quickly, then spans about 200 steps.
        weight = 1 / min(number + 1, 200)
        with torch.no_grad():
            for kept, new in zip(self.average.parameters(), self.generator.parameters(), strict=True):
                kept.lerp_(new, weight)

    def _update_discriminator(self, fake: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        judged_fake, judged_real = self.discriminator(fake), self.discriminator(real)
        loss = self.adversarial_loss(judged_fake, target_is_real=False, for_discriminator=True)
        loss = (loss + self.adversarial_loss(judged_real, target_is_real=True, for_discriminator=True)) / 2
        _descend(self.discriminator_optimizer, self.discriminator, loss)
        return loss


class _PatchJudge:
    """Cuts one random patch for the discriminator, always the same: the CT beside both lifted radiographs."""

    def __init__(self, radiographs: torch.Tensor, cameras: torch.Tensor, size: int, patch: int = 48) -> None:
        corner = torch.randint(0, size - patch + 1, (3,)).tolist()
        self._place = tuple(slice(start, start + patch) for start in corner)
        index = torch.stack(torch.meshgrid(*[torch.arange(s.start, s.stop) for s in self._place], indexing="ij"), -1)
        spacing = STANDARD_SPACING * STANDARD_SIZE / size
        points = ((index.flip(-1) - (size - 1) / 2) * spacing).to(radiographs)
        self._condition = lift(radiographs[:, :, None], cameras, points)[:, :, 0]

    def __call__(self, volume: torch.Tensor) -> torch.Tensor:
        return torch.cat([2 * volume[(..., *self._place)] - 1, self._condition], 1)


def mean_volume(data: Dataset) -> torch.Tensor:
    """Mean of the training CTs in units of the HU window, [1, 128, 128, 128], exact in half precision."""
    total = sum(hu_to_unit(standard_cube(data[index])) for index in range(len(data)))
    return (total / len(data)).half().float()


def reconstruction_loss(predicted: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Charbonnier and squared error of unit HU volumes, the body weighted three times the air around it."""
    weight = 1 + 2 * (target > 0.02)
    error = predicted - target
    charbonnier = torch.sqrt(error**2 + 1e-4) - 1e-2
    return (weight * (charbonnier + 5 * error**2)).mean() / 2


def projection_loss(predicted: torch.Tensor, target: torch.Tensor, acquisitions: list[Acquisition]) -> torch.Tensor:
    """Mean absolute difference of the line integrals of prediction and truth from the input cameras."""
    size = predicted.shape[-1]
    grid = Grid.centered((size,) * 3, STANDARD_SPACING * STANDARD_SIZE / size)
    difference = hu_to_attenuation(unit_to_hu(predicted)) - hu_to_attenuation(unit_to_hu(target))
    return ConeBeamProjector(grid, acquisitions)(difference).abs().mean()


def _descend(
    optimizer: torch.optim.Optimizer, network: nn.Module, loss: torch.Tensor, rate: float | None = None
) -> None:
    if rate is not None:
        for group in optimizer.param_groups:
            group["lr"] = rate
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimizer.step()
