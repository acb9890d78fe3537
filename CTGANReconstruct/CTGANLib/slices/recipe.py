"""How slice GANs learn: a generator against a discriminator or a critic."""

import copy
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.utils.data import Dataset

from ..errors import UserError
from ..evaluation.features import RandomFeatures, standardized
from ..evaluation.generation import density_coverage, kid, told_apart
from ..imaging.montage import as_read, montage
from ..training.players import Player
from . import losses as parts
from .differentiable_augmentation import augment
from .network import (
    ConvolutionalGenerator,
    FullyConnectedGenerator,
    Judge,
    SliceGenerator,
    convolutional_judge,
    fully_connected_judge,
)
from .preparation import SliceDataset
from .settings import CT, SlicesSettings
from .synthesize import Synthesizer

DISCRIMINATOR, CRITIC = "discriminator", "critic"
_MOST_VALIDATED, _MADE, _SHOWN = 200, 200, 16


@dataclass
class _Batch:
    """What the players see: real pictures between −1 and 1 and the numbers of their classes, noise, and what the
    generator has made of it, for its judge."""

    real: torch.Tensor
    labels: torch.Tensor
    noise: torch.Tensor
    made: torch.Tensor | None = None


class SlicesRecipe:
    """Trains on prepared slices (float32 [batch, 2, size, size]: values and class); see ``training.players.Recipe``.

    Raises:
        UserError: there is no slice of a class.
    """

    def __init__(self, settings: SlicesSettings, data: SliceDataset, device: str) -> None:
        for number, name in enumerate(settings.class_names):
            if number not in data.labels:
                advice = "Check the label maps or, of radiographs, the names of the folders."
                raise UserError(f"There is nothing to learn of the class {name}.", advice)
        self.settings, self.device = settings, torch.device(device)
        torch.manual_seed(settings.seed)
        connected = settings.method == "fully-connected"
        network = FullyConnectedGenerator if connected else ConvolutionalGenerator
        classes = len(settings.class_names)
        generator = network((settings.size,), (settings.width,), (settings.latent,), (classes,))
        generator.window.copy_(torch.tensor(settings.window))
        generator.spacing.copy_(torch.tensor(settings.spacing))
        generator.to(self.device)
        self.average = copy.deepcopy(generator).requires_grad_(False)
        self._judged_by = CRITIC if settings.method.startswith("wgan") else DISCRIMINATOR
        compares = self._judged_by == DISCRIMINATOR
        judge = (
            fully_connected_judge(settings.size, classes, compares)
            if connected
            else convolutional_judge(settings.size, settings.width, classes, compares)
        ).to(self.device)
        for trained in (generator, judge):
            trained.to(memory_format=torch.channels_last)
        # A critic's values have no floor, and neither has the loss of a generator that is judged by them.
        floor = settings.balance if self._judged_by == DISCRIMINATOR else -math.inf
        self.players = {
            "generator": self._player(generator, -math.inf),
            self._judged_by: self._player(judge, floor),
        }
        self._features = RandomFeatures(settings.window)

    def examples(self, items: torch.Tensor, seeds: list[int]) -> _Batch:
        """Real pictures, and noise for as many made ones of the same classes."""
        generator = self.players["generator"].network
        return _Batch(generator.scaled(items[:, :1]), items[:, 1, 0, 0].long(), generator.noise(seeds).to(self.device))

    def losses(self, player: str, network: nn.Module, batch: _Batch, number: int) -> dict[str, torch.Tensor]:
        """Of the generator, which sits out four of five steps against a critic, and of its judge."""
        if player != "generator":
            return {player: self._judge_loss(network, batch, number)}
        if self._judged_by == CRITIC and number % parts.CRITIC_STEPS:
            return {}
        with self._precision():
            made = network(batch.noise, batch.labels)
            batch.made = made.detach()
            judged = self.players[self._judged_by].network(self._changed(made), batch.labels).float()
        return {"adversarial": -judged.mean() if self._judged_by == CRITIC else parts.fooling_loss(judged)}

    def validate(self, data: Dataset) -> tuple[dict[str, float], dict]:
        """How like pictures held out those of the average generator are, and whether its judge tells them apart.

        ``minus_kid`` is the kernel distance (see ``evaluation.generation``), negative; ``coverage`` the share of
        real pictures with a made one near; of the discriminator or critic see ``evaluation.generation.told_apart``.
        """
        # One picture counts twice, as a distance takes two; without it the first weights would be the best ones.
        places = np.linspace(0, len(data) - 1, min(max(len(data), 2), _MOST_VALIDATED)).round().astype(int)
        items = torch.stack([data[int(place)] for place in places]).to(self.device)
        real, labels = items[:, :1], items[:, 1, 0, 0].long()
        synthesizer = Synthesizer(self.average, str(self.device))
        chosen = np.resize(np.arange(len(labels)), max(_MADE, _SHOWN))
        made = synthesizer.pictures(range(len(chosen)), labels[chosen].tolist())
        told, reference = self._features(made), self._features(real[:, 0].cpu().numpy())
        reference, told = standardized(reference, told)
        scores = {"minus_kid": -kid(told, reference).value, "coverage": density_coverage(told, reference)[1]}
        scores |= self._told_apart(real, labels, torch.from_numpy(made)[:, None].to(self.device), labels[chosen])
        shown = made[:_SHOWN]
        volumes = {
            "prediction": synthesizer.stack(shown),
            "truth": synthesizer.stack(np.resize(real[:, 0].cpu().numpy(), shown.shape)),
            "sheet": montage(as_read(shown) if self.settings.kind == CT else shown, self.settings.window),
        }
        return scores, volumes

    def _player(self, network: nn.Module, floor: float) -> Player:
        weights = network.parameters()
        optimizers = {
            "wgan": lambda: torch.optim.RMSprop(weights),
            "wgan-gp": lambda: torch.optim.Adam(weights, betas=(0.0, 0.9)),
        }
        make = optimizers.get(self.settings.method, lambda: torch.optim.Adam(weights, betas=(0.5, 0.999)))
        return Player(network, make(), self._rate, floor=floor, clip=10.0)

    def _rate(self, number: int) -> float:
        """Constant, but for the last quarter, in which it falls to nothing."""
        return self.settings.learning_rate * min(1.0, 4 * (1 - number / self.settings.steps))

    def _changed(self, pictures: torch.Tensor) -> torch.Tensor:
        return augment(pictures) if self.settings.augment else pictures

    def _judge_loss(self, network: nn.Module, batch: _Batch, number: int) -> torch.Tensor:
        generator = self.players["generator"].network
        if batch.made is None:  # the generator sat this step out
            with torch.no_grad(), self._precision():
                batch.made = generator(batch.noise, batch.labels)
        real, made = self._changed(batch.real), self._changed(batch.made.float())
        if self._judged_by == CRITIC:
            return self._critic_loss(network, real, made, batch.labels)
        held = number % parts.PENALTY_EVERY == 0
        # One pass for both, as several processes need it.
        with self._precision(not held):
            values = network(torch.cat([made, real.requires_grad_(held)]), torch.cat([batch.labels] * 2), 2)
        of_made, of_real = values.float().chunk(2)
        loss = parts.discriminator_loss(of_real, of_made, self.settings.soft_labels)
        return loss + parts.real_penalty(of_real, real) if held else loss

    def _critic_loss(
        self, network: nn.Module, real: torch.Tensor, made: torch.Tensor, labels: torch.Tensor
    ) -> torch.Tensor:
        pictures = [made, real]
        if self.settings.method == "wgan":
            parts.clip_weights(network)
        else:
            pictures.append(parts.between(real, made))
        values = network(torch.cat(pictures), torch.cat([labels] * len(pictures))).split(len(real))
        loss = values[0].mean() - values[1].mean()
        return loss + parts.gradient_penalty(values[2], pictures[2]) if len(values) > 2 else loss

    def _precision(self, half: bool = True) -> torch.autocast:
        """Twice as fast. A slope's own gradient needs whole precision."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=half and self._judged_by == DISCRIMINATOR)

    @torch.no_grad()
    def _told_apart(
        self, real: torch.Tensor, labels: torch.Tensor, made: torch.Tensor, made_labels: torch.Tensor
    ) -> dict[str, float]:
        judge: Judge = self.players[self._judged_by].network.eval()
        scale: SliceGenerator = self.average
        answers = [judge(scale.scaled(hu), kind).cpu() for hu, kind in ((real, labels), (made, made_labels))]
        judge.train()
        return told_apart(*answers, border=None if self._judged_by == CRITIC else 0.0)
