"""How the picture generators learn: L1 beside a conditional adversarial loss, on pictures that VTK has rendered."""

import copy
import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from monai.losses import PatchAdversarialLoss, SSIMLoss
from torch import nn
from torch.utils.data import Dataset

from ..errors import UserError
from ..imaging.geometry import Grid
from ..imaging.volumes import Volume
from ..training.players import Player
from ..training.settings import TrainingSettings
from .camera import View
from .colors import as_bytes, over
from .conditions import Conditions
from .network import CastGenerator, Discriminator, OpacityGenerator
from .pictures import SIZES, Picture, read_coarse, read_info
from .raycast import CHANNELS
from .surfaces import CHANNELS as SURFACES

RAYCAST, OPACITY = "raycast", "opacity"
GENERATORS = {RAYCAST: CastGenerator, OPACITY: OpacityGenerator}
LOSSES = {"lsgan": "least_squares", "bce": "bce"}

_ALPHA_WEIGHT = 0.5
_TINY = 1e-8
_LOOKED_AT = 48  # pictures a validation scores
_SHOWN = 4


@dataclass(frozen=True)
class RenderingSettings(TrainingSettings):
    """The settings of a run.

    Attributes:
        source: how the network sees the volume: ``raycast``, by the ray-caster, or ``opacity``, by VTK's own opacity
            and depth passes at half the size.
        patients: of the volumes that the network knows, where it sees these passes.
        pictures: rendered of each CT, where the data are CTs.
        size: of these pictures, pixels of a side, 256 or 512.
        crop: pixels of a side of the parts that a step sees; 0 takes whole pictures.
        similarity_weight: of 1 − SSIM beside the L1 loss.
        adversarial: ``lsgan`` or ``bce``.
        adversarial_weight: of the adversarial loss beside the L1 loss.
        adversarial_from: share of the steps after which the discriminator takes part.
    """

    steps: int = 6000
    batch_size: int = 4
    learning_rate: float = 1e-3
    source: str = RAYCAST
    patients: int = 6
    pictures: int = 40
    size: int = 256
    crop: int = 128
    similarity_weight: float = 0.1
    adversarial: str = "lsgan"
    adversarial_weight: float = 1 / 150
    adversarial_from: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check("patients", 1)
        self.check("pictures", 1)
        self.check("crop", 0)
        self.check("similarity_weight", 0)
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
        generator = self._generator(data).to(self.device, memory_format=torch.channels_last)
        judge = Discriminator().to(self.device, memory_format=torch.channels_last)
        self.average = copy.deepcopy(generator).requires_grad_(False)
        self.players = {
            "generator": Player(generator, torch.optim.Adam(generator.parameters(), betas=(0.9, 0.99)), self._rate),
            "discriminator": Player(
                judge, torch.optim.Adam(judge.parameters(), betas=(0.5, 0.999)), lambda number: 2e-4, floor=0.05
            ),
        }
        self._adversarial_loss = PatchAdversarialLoss(criterion=LOSSES[settings.adversarial])
        self._similarity_loss = SSIMLoss(spatial_dims=2, data_range=1.0)
        self._patients: dict[tuple[str, View], torch.Tensor] = {}

    def examples(self, items: list[Picture], seeds: list[int]) -> _Batch:
        """Parts of pictures, before random backgrounds, with the channels of their colors in a random order."""
        passes, truths, backgrounds, functions = [], [], [], []
        for picture, seed in zip(items, seeds, strict=True):
            random = np.random.default_rng(seed)
            order = random.permutation(3)
            seen, truth = self._cropped(self._passes_of(picture), _truth(picture), random)
            colored = seen[self._plain :].unflatten(0, (-1, len(CHANNELS)))
            colored[:, :3] = colored[:, order]
            passes.append(seen)
            truths.append(truth[[*order, 3]])
            backgrounds.append(torch.from_numpy(random.random(3, np.float32)))
            color = picture.shot.functions.color[:, [0, *(1 + order)]]
            functions.append(replace(picture.shot.functions, color=color))
        conditions = Conditions.of([p.shot.view for p in items], functions)
        tensors = (torch.stack(each).to(self.device) for each in (passes, truths, backgrounds))
        seen, truth, background = tensors
        return _Batch(seen, conditions.to(self.device), truth, background[..., None, None])

    def losses(self, player: str, network: nn.Module, batch: _Batch, number: int) -> dict[str, torch.Tensor]:
        """Of the generator: L1 and similarity over a background, L1 of the opacity, and, later on, adversarial.

        Where colors have to be guessed, RMSE beside: of several colors that may be, their mean errs least.
        """
        adversarial = (
            self.settings.adversarial_weight > 0 and number >= self.settings.adversarial_from * self.settings.steps
        )
        if player == "discriminator":
            return self._discriminator_losses(network, batch) if adversarial else {}
        predicted = network(batch.passes, batch.conditions)
        batch.predicted = predicted.detach()
        made, true = (rgba[:, :3] + (1 - rgba[:, 3:]) * batch.background for rgba in (predicted, batch.truth))
        losses = {
            "l1": (made - true).abs().mean(),
            "opacity": _ALPHA_WEIGHT * (predicted[:, 3] - batch.truth[:, 3]).abs().mean(),
        }
        if self.settings.source == OPACITY:
            losses["rmse"] = ((made - true) ** 2).mean((1, 2, 3)).add(_TINY).sqrt().mean()
        if self.settings.similarity_weight:
            gray = (picture.mean(1, keepdim=True) for picture in (made, true))
            losses["similarity"] = self.settings.similarity_weight * self._similarity_loss(*gray)
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
            passes = self._passes_of(picture)[None].to(self.device)
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

    def _generator(self, data: Dataset) -> nn.Module:
        """A new network, which knows some of the volumes of the data where it sees opacity and depth."""
        if self.settings.source == RAYCAST:
            return CastGenerator()
        files = data.files
        chosen = np.unique(np.linspace(0, len(files) - 1, self.settings.patients).round().astype(int))
        self._known = [read_info(files[number])["name"] for number in chosen]
        generator = OpacityGenerator((len(chosen),))
        generator.atlas.fill([read_coarse(files[number]) for number in chosen])
        return generator

    @property
    def _plain(self) -> int:
        """How many of the channels that the network sees have no color, before those that have."""
        return 0 if self.settings.source == RAYCAST else len(SURFACES)

    def _passes_of(self, picture: Picture) -> torch.Tensor:
        """What the network sees of a picture, float32 [channels, rows, columns]."""
        if self.settings.source == RAYCAST:
            return torch.from_numpy(picture.cast.astype(np.float32))
        surfaces, key = picture.surfaces, (picture.volume, picture.shot.view)
        if key not in self._patients:
            seen = self.average.patients(surfaces.to(self.device), picture.shot.view, picture.shot.functions)
            # Of a patient that it knows it has to learn from the others.
            others = torch.tensor([name != picture.volume for name in self._known], device=self.device)
            self._patients[key] = (seen * others[:, None, None, None]).half().cpu()
        return self.average.passes(surfaces, self._patients[key].float())

    def _cropped(self, passes: torch.Tensor, truth: torch.Tensor, random: np.random.Generator):
        size, crop = truth.shape[-1], self.settings.crop
        if not crop or crop >= size:
            return passes, truth
        factor = size // passes.shape[-1]
        row, column = (int(n) for n in random.integers(0, (size - crop) // factor + 1, 2))
        small = slice(row, row + crop // factor), slice(column, column + crop // factor)
        large = tuple(slice(side.start * factor, side.start * factor + crop) for side in small)
        return passes[:, small[0], small[1]].contiguous(), truth[:, large[0], large[1]]

    def _rate(self, number: int) -> float:
        """The generator's learning rate: it warms up and falls as a cosine."""
        warm_up = min(1.0, (number + 1) / 50)
        return self.settings.learning_rate * warm_up * 0.5 * (1 + math.cos(math.pi * number / self.settings.steps))

    def _discriminator_losses(self, network: nn.Module, batch: _Batch) -> dict[str, torch.Tensor]:
        real = self._adversarial_loss(network(batch.truth, batch.conditions), True, True)
        fake = self._adversarial_loss(network(batch.predicted, batch.conditions), False, True)
        return {"discriminator": 0.5 * (real + fake)}


def _truth(picture: Picture) -> torch.Tensor:
    return torch.from_numpy(picture.rgba.astype(np.float32) / 255).permute(2, 0, 1)


def _stack(pictures: np.ndarray) -> Volume:
    """Gray pictures [n, rows, columns] as the slices of a volume that Slicer shows upright."""
    matrix = np.diag([-1.0, -1.0, 1.0, 1.0])
    return Volume(pictures, Grid(pictures.shape, matrix))
