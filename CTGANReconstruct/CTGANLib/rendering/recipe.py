"""How the picture generators learn: L1 beside a conditional adversarial loss, on pictures that VTK has rendered."""

import copy
import math
from dataclasses import dataclass

import numpy as np
import torch
from monai.losses import PatchAdversarialLoss
from torch import nn
from torch.utils.data import Dataset

from ..errors import UserError
from ..imaging.geometry import Grid
from ..imaging.volumes import Volume
from ..training.players import Player
from ..training.settings import TrainingSettings
from .colors import as_bytes, over
from .conditions import Conditions
from .network import CastGenerator, Discriminator, OpacityGenerator
from .pictures import SIZES, Picture

RAYCAST, OPACITY = "raycast", "opacity"
GENERATORS = {RAYCAST: CastGenerator, OPACITY: OpacityGenerator}
LOSSES = {"lsgan": "least_squares", "bce": "bce"}

_ALPHA_WEIGHT = 0.5
_LOOKED_AT = 48  # pictures a validation scores
_SHOWN = 4


@dataclass(frozen=True)
class RenderingSettings(TrainingSettings):
    """The settings of a run.

    Attributes:
        source: how the network sees the volume: ``raycast``, by the ray-caster, or ``opacity``, by VTK's own opacity
            pass at a quarter of the size.
        pictures: rendered of each CT, where the data are CTs.
        size: of these pictures, pixels of a side, 256 or 512.
        crop: pixels of a side of the parts that a step sees; 0 takes whole pictures.
        adversarial: ``lsgan`` or ``bce``.
        adversarial_weight: of the adversarial loss beside the L1 loss.
        adversarial_from: share of the steps after which the discriminator takes part.
    """

    steps: int = 6000
    batch_size: int = 4
    learning_rate: float = 1e-3
    source: str = RAYCAST
    pictures: int = 40
    size: int = 256
    crop: int = 128
    adversarial: str = "lsgan"
    adversarial_weight: float = 1 / 150
    adversarial_from: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check("pictures", 1)
        self.check("crop", 0)
        self.check("adversarial_weight", 0)
        self.check("adversarial_from", 0, 1)
        for name, choices in (("source", GENERATORS), ("adversarial", LOSSES), ("size", SIZES)):
            if getattr(self, name) not in choices:
                known = ", ".join(map(str, choices))
                raise UserError(f"The setting {name} cannot be {getattr(self, name)}.", f"Choose one of {known}.")
        if self.crop % 16:
            raise UserError(f"The setting crop cannot be {self.crop}.", "Choose a multiple of 16.")


@dataclass
class _Batch:
    """What the players see; pictures are color times opacity, and opacity, [batch, 4, rows, columns].

    ``predicted`` is the generator's answer, for the discriminator.
    """

    passes: torch.Tensor
    conditions: Conditions
    truth: torch.Tensor
    background: torch.Tensor
    predicted: torch.Tensor | None = None


class RenderingRecipe:
    """Trains a generator on :class:`~.pictures.Pictures`; see ``training.players.Recipe``."""

    def __init__(self, settings: RenderingSettings, data: Dataset, device: str) -> None:
        self.settings, self.device = settings, torch.device(device)
        torch.manual_seed(settings.seed)
        generator = GENERATORS[settings.source]().to(self.device, memory_format=torch.channels_last)
        judge = Discriminator().to(self.device, memory_format=torch.channels_last)
        self.average = copy.deepcopy(generator).requires_grad_(False)
        self.players = {
            "generator": Player(generator, torch.optim.Adam(generator.parameters(), betas=(0.9, 0.99)), self._rate),
            "discriminator": Player(
                judge, torch.optim.Adam(judge.parameters(), betas=(0.5, 0.999)), lambda number: 2e-4, floor=0.05
            ),
        }
        self._adversarial_loss = PatchAdversarialLoss(criterion=LOSSES[settings.adversarial])

    def examples(self, items: list[Picture], seeds: list[int]) -> _Batch:
        """Parts of pictures, before random backgrounds."""
        passes, truths, backgrounds = [], [], []
        for picture, seed in zip(items, seeds, strict=True):
            random = np.random.default_rng(seed)
            seen, truth = passes_of(picture, self.settings.source), _truth(picture)
            seen, truth = self._cropped(seen, truth, random)
            passes.append(seen)
            truths.append(truth)
            backgrounds.append(torch.from_numpy(random.random(3, np.float32)))
        conditions = Conditions.of([p.shot.view for p in items], [p.shot.functions for p in items])
        tensors = (torch.stack(each).to(self.device) for each in (passes, truths, backgrounds))
        seen, truth, background = tensors
        return _Batch(seen, conditions.to(self.device), truth, background[..., None, None])

    def losses(self, player: str, network: nn.Module, batch: _Batch, number: int) -> dict[str, torch.Tensor]:
        """Of the generator: L1 over a background and of the opacity, and, later on, adversarial."""
        adversarial = (
            self.settings.adversarial_weight > 0 and number >= self.settings.adversarial_from * self.settings.steps
        )
        if player == "discriminator":
            return self._discriminator_losses(network, batch) if adversarial else {}
        predicted = network(batch.passes, batch.conditions)
        batch.predicted = predicted.detach()
        error = predicted - batch.truth
        # The background's part in the error of what is before it.
        losses = {
            "l1": (error[:, :3] - error[:, 3:] * batch.background).abs().mean(),
            "opacity": _ALPHA_WEIGHT * error[:, 3].abs().mean(),
        }
        if adversarial:
            judged = self.players["discriminator"].network(predicted, batch.conditions)
            loss = self._adversarial_loss(judged, target_is_real=True, for_discriminator=False)
            losses["adversarial"] = self.settings.adversarial_weight * loss
        return losses

    @torch.inference_mode()
    def validate(self, data: Dataset) -> tuple[dict[str, float], dict]:
        """``psnr`` (dB) of the average generator and ``rmse``, means over pictures held out."""
        errors, shown = [], []
        step = max(1, len(data) // _LOOKED_AT)
        for index in range(0, len(data), step):
            picture = data[index]
            passes = passes_of(picture, self.settings.source)[None].to(self.device)
            conditions = Conditions.of([picture.shot.view], [picture.shot.functions]).to(self.device)
            predicted = self.average(passes, conditions)[0].clamp(0, 1).cpu().permute(1, 2, 0).numpy()
            true = picture.rgba.astype(np.float32) / 255
            pair = [over(rgba, picture.shot.background) for rgba in (predicted, true)]
            errors.append(float(np.mean((pair[0] - pair[1]) ** 2)))
            if len(shown) < _SHOWN:
                shown.append([as_bytes(rgb).mean(-1).astype(np.uint8) for rgb in pair])
        scores = {"psnr": float(np.mean([-10 * math.log10(max(e, 1e-10)) for e in errors]))}
        predictions, truths = (np.stack(side) for side in zip(*shown, strict=True))
        sheet = np.concatenate([np.concatenate(list(side), 1) for side in (predictions, truths)])
        looked_at = {"prediction": _stack(predictions), "truth": _stack(truths), "sheet": sheet}
        return {**scores, "rmse": float(np.mean(np.sqrt(errors)))}, looked_at

    def _cropped(self, passes: torch.Tensor, truth: torch.Tensor, random: np.random.Generator):
        size, crop = truth.shape[-1], self.settings.crop
        if not crop or crop >= size:
            return passes, truth
        factor = size // passes.shape[-1]
        row, column = (int(n) for n in random.integers(0, (size - crop) // factor + 1, 2))
        small = slice(row, row + crop // factor), slice(column, column + crop // factor)
        large = tuple(slice(side.start * factor, side.start * factor + crop) for side in small)
        return passes[:, small[0], small[1]], truth[:, large[0], large[1]]

    def _rate(self, number: int) -> float:
        """The generator's learning rate: it warms up and falls as a cosine."""
        warm_up = min(1.0, (number + 1) / 50)
        return self.settings.learning_rate * warm_up * 0.5 * (1 + math.cos(math.pi * number / self.settings.steps))

    def _discriminator_losses(self, network: nn.Module, batch: _Batch) -> dict[str, torch.Tensor]:
        real = self._adversarial_loss(network(batch.truth, batch.conditions), True, True)
        fake = self._adversarial_loss(network(batch.predicted, batch.conditions), False, True)
        return {"discriminator": 0.5 * (real + fake)}


def passes_of(picture: Picture, source: str) -> torch.Tensor:
    """What a network of that source sees of a picture, float32 [channels, rows, columns]."""
    if source == RAYCAST:
        return torch.from_numpy(picture.cast.astype(np.float32))
    return torch.from_numpy(picture.opacity.astype(np.float32)[None] / 255)


def _truth(picture: Picture) -> torch.Tensor:
    return torch.from_numpy(picture.rgba.astype(np.float32) / 255).permute(2, 0, 1)


def _stack(pictures: np.ndarray) -> Volume:
    """Gray pictures [n, rows, columns] as the slices of a volume that Slicer shows upright."""
    matrix = np.diag([-1.0, -1.0, 1.0, 1.0])
    return Volume(pictures, Grid(pictures.shape, matrix))
