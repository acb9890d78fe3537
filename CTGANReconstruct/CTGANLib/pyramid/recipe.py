"""How a pyramid learns: one scale after the other, each against a discriminator, the finished ones frozen."""

import bisect
import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from ..imaging.geometry import Grid
from ..imaging.volumes import Volume
from ..segmentation.frozen import SegmentationLoss, frozen_segmenter
from ..training.clipping import as_clipped
from ..training.players import Player
from .adversaries import ADVERSARIES
from .losses import ProjectionLoss
from .network import Discriminator, PyramidGenerator
from .preparation import PyramidVolumes
from .previews import sheet
from .scales import Shape, resized, to_hu, to_unit
from .settings import PyramidSettings

WIDTHS = {2: (64, 128, 4), 3: (8, 64, 4)}
_JUDGE_WIDTH = {2: 64, 3: 16}
# In plane: what the discriminator sees at a time, and the voxels around it that the generator sees besides.
_WINDOW, _MARGIN = 48, 12
_WARM_UP = 10
# The largest error of a place is several times the mean one.
_REACH = 2.0
# The segmenter has not learned to see voxels larger than this many times its own.
_COARSE_FOR_SEGMENTER = 2.0
_SHOWN_SAMPLES = 4
# Of what lies beyond the window, where there is no reconstruction loss.
_EXCESS_WEIGHT = 10.0


@dataclass
class _Batch:
    """Numbers of volumes and seeds of their noise; ``made`` and ``real`` are parts for the discriminator."""

    volumes: torch.Tensor
    seeds: list[int]
    made: torch.Tensor | None = None
    real: torch.Tensor | None = None


class PyramidRecipe:
    """Trains a pyramid on prepared CTs; see ``training.players.Recipe``.

    A step's number tells its scale. A scale has steps in inverse proportion to its side: coarse ones are cheap, and all
    that follows builds on them. Where a scale begins, it takes over the weights of the one before, and the noise
    amplitude is measured. There is no running average: the learning rate falls to nothing within every scale.

    Raises:
        UserError: a volume is empty, or there is no segmenter of that name.
    """

    def __init__(self, settings: PyramidSettings, data: PyramidVolumes, device: str) -> None:
        self.settings, self.device, self._shapes = settings, torch.device(device), settings.shapes
        field, shape = data.field(), self._shapes[-1]
        spacing = [round(1000 * length / count) for length, count in zip(field[::-1], shape[::-1], strict=True)]
        hu = data.on_field(field, shape)
        torch.manual_seed(settings.seed)
        sides = [side for each in self._shapes for side in each]
        widths = WIDTHS[settings.dimensions]
        self.average = generator = PyramidGenerator(
            sides, spacing, (settings.dimensions,), (len(hu),), widths, (settings.deformation,)
        ).to(self.device)
        real = generator.folded(to_unit(hu).to(self.device))
        self._reals = [resized(real, each).clip(0, 1) for each in self._shapes]
        channels = self._reals[0].shape[1]
        judge = Discriminator(settings.dimensions, channels, _JUDGE_WIDTH[settings.dimensions]).to(self.device)
        self.players = {
            name: Player(
                network,
                torch.optim.Adam(network.parameters(), betas=(momentum, 0.99)),
                self._rate,
                floor=-math.inf,
                clip=10.0,
            )
            for name, network, momentum in (("generator", generator, 0.9), ("discriminator", judge, 0.5))
        }
        self._starts = _starts(self._shapes, settings.steps)
        self._adversary = ADVERSARIES[settings.adversary]
        self._projections = [ProjectionLoss(Grid.centered(each, self._spacing(each))) for each in self._shapes]
        self._segmentations = self._segmentation_losses(device) if settings.segmentation_weight else {}
        self._coarser: tuple[int, torch.Tensor] | None = None

    def scale(self, number: int) -> int:
        """The scale that learns at a step."""
        return bisect.bisect_right(self._starts, number) - 1

    def examples(self, items: torch.Tensor, seeds: list[int]) -> _Batch:
        """The numbers of volumes, and the seeds of the noise for the samples that go with them."""
        return _Batch(items, seeds)

    def losses(self, player: str, network: nn.Module, batch: _Batch, number: int) -> dict[str, torch.Tensor]:
        """Of the generator: adversarial, and of its reconstructions those that are switched on. Each carries the size
        of its scale in its name, since scales are not to be compared."""
        scale = self.scale(number)
        if player == "discriminator":
            losses = self._discriminator_losses(network, batch, scale)
        else:
            if number == self._starts[scale]:
                self._begin(scale)
            losses = self._generator_losses(network, batch, scale)
            self.average.progress.fill_(scale + 1)
        return {f"{name} {self._shapes[scale][-1]}": value for name, value in losses.items()}

    @torch.no_grad()
    def validate(self, data: object) -> tuple[dict[str, float], dict]:
        """``psnr`` (dB) of the first training volume as the scales so far make it, how well the discriminator tells it
        from samples (see ``evaluation.generation.told_apart``), and a sheet of them."""
        generator, scale = self.average, self.average.trained - 1
        with self._precision():
            made = generator.reconstruct(torch.zeros(1, dtype=torch.long, device=self.device), scale + 1)
            samples = [generator.sample(seed, self._shapes[: scale + 1]) for seed in range(_SHOWN_SAMPLES)]
        error = F.mse_loss(made, self._reals[scale][:1])
        shown = [self._volume(unit) for unit in (self._reals[-1][:1], made, *samples)]
        volumes = {"truth": shown[0], "prediction": shown[1], "sheet": sheet(shown)}
        scores = {"psnr": float(-10 * torch.log10(error))}
        if self.settings.adversarial_weight:
            scores |= self._told_apart(self._reals[scale][:1], torch.cat(samples))
        return scores, volumes

    @torch.no_grad()
    def told_apart(self, real: torch.Tensor, made: torch.Tensor) -> dict[str, float]:
        """How well the discriminator tells volumes of the scale that it has last seen; see ``Adversary.told_apart``.

        Args:
            real, made: HU [n, 1, k, j, i].
        """
        return self._told_apart(*(self.average.folded(to_unit(hu).to(self.device)) for hu in (real, made)))

    def _told_apart(self, real: torch.Tensor, made: torch.Tensor) -> dict[str, float]:
        judge = self.players["discriminator"].network
        with self._precision():
            answers = [judge(volumes).float() for volumes in (real, made)]
        return self._adversary.told_apart(*answers)

    def _rate(self, number: int) -> float:
        """It warms up and falls as a cosine within each scale."""
        scale = self.scale(number)
        first, last = [*self._starts, self.settings.steps][scale : scale + 2]
        share = (number - first) / (last - first)
        warm_up = min(1.0, (number - first + 1) / _WARM_UP)
        return self.settings.learning_rate * warm_up * (1 + math.cos(math.pi * share)) / 2

    @torch.no_grad()
    def _begin(self, scale: int) -> None:
        """Take over the weights of the scale before, and measure what this one has to mend."""
        network, real = self.average, self._reals[scale]
        coarser = self._reconstructed_coarser(scale)
        error = (real if coarser is None else coarser - real).square().mean().sqrt()
        # As bundles keep them.
        network.reaches[scale] = (_REACH * error).half().float()
        if scale > 0:
            network.scales[scale].load_state_dict(network.scales[scale - 1].state_dict())
            network.amplitudes[scale] = (self.settings.noise * error).half().float()

    @torch.no_grad()
    def _reconstructed_coarser(self, scale: int) -> torch.Tensor | None:
        """All training volumes as the finished scales make them, enlarged to this one."""
        if scale == 0:
            return None
        if self._coarser is None or self._coarser[0] != scale:
            everything = torch.arange(len(self._reals[0]), device=self.device)
            with self._precision():
                made = self.average.reconstruct(everything, scale)
            self._coarser = scale, resized(made, self._shapes[scale])
        return self._coarser[1]

    def _generator_losses(self, network: nn.Module, batch: _Batch, scale: int) -> dict[str, torch.Tensor]:
        settings, real = self.settings, self._reals[scale][batch.volumes]
        coarser = self._reconstructed_coarser(scale)
        fixed = self.average.fixed_noise[batch.volumes] if scale == 0 else None
        inputs = [(None if coarser is None else coarser[batch.volumes], fixed)]
        displaced = scale == 0 and settings.deformation > 0
        seen, inner = _window(self._shapes[scale])
        if settings.adversarial_weight and not displaced:
            inputs.append(tuple(None if values is None else values[seen] for values in self._random(batch, scale)))
        with self._precision():
            made, *sampled = network(scale, *inputs)
        losses = {}
        if settings.reconstruction_weight:
            losses["reconstruction"] = settings.reconstruction_weight * F.mse_loss(as_clipped(made, real), real)
        else:  # nothing else draws back what is clipped, which has no gradient
            excess = [F.mse_loss(values, values.detach().clip(0, 1)) for values in (made, *sampled)]
            losses["excess"] = _EXCESS_WEIGHT * sum(excess)
        made, *sampled = (values.clip(0, 1) for values in (made, *sampled))
        if settings.adversarial_weight and displaced:
            sampled = [self.average.displaced(made, batch.seeds)[seen]]
        if sampled:
            batch.made, batch.real = sampled[0][inner].detach(), real[seen][inner]
            with self._precision():
                answers = self.players["discriminator"].network(sampled[0][inner]).float()
            losses["adversarial"] = settings.adversarial_weight * self._adversary.generator(answers)
        volume, true = (self.average.unfolded(values) for values in (made, real))
        if settings.projection_weight:
            losses["projection"] = settings.projection_weight * self._projections[scale](volume, true)
        if scale in self._segmentations:
            misfit = self._segmentations[scale](to_hu(volume), to_hu(true))
            losses["segmentation"] = settings.segmentation_weight * misfit
        return losses

    def _segmentation_losses(self, device: str) -> dict[int, SegmentationLoss]:
        """By the scales that are fine enough for the segmenter."""
        network, voxel = frozen_segmenter(self.settings.segmenter, device)
        spacings = [self._spacing(shape) for shape in self._shapes]
        return {
            number: SegmentationLoss(network, voxel, spacing)
            for number, spacing in enumerate(spacings)
            if spacing[0] < _COARSE_FOR_SEGMENTER * voxel
        }

    def _discriminator_losses(self, network: nn.Module, batch: _Batch, scale: int) -> dict[str, torch.Tensor]:
        if batch.made is None:
            return {}
        with self._precision():
            return {"discriminator": self._adversary.judge(network, batch.real, batch.made)}

    @torch.no_grad()
    def _random(self, batch: _Batch, scale: int) -> tuple[torch.Tensor | None, torch.Tensor]:
        """Samples of the finished scales, enlarged to this one, and noise for it."""
        coarser, shape = None, self._shapes[scale]
        if scale > 0:
            with self._precision():
                made = [self.average.sample(seed, self._shapes[:scale]) for seed in batch.seeds]
            coarser = resized(torch.cat(made), shape)
        return coarser, torch.cat([self.average.noise(shape, seed) for seed in batch.seeds]).to(self.device)

    def _precision(self) -> torch.autocast:
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    def _volume(self, unit: torch.Tensor) -> Volume:
        hu = to_hu(self.average.unfolded(unit)[0, 0]).round().short().cpu().numpy()
        return Volume(hu, Grid.centered(hu.shape, self._spacing(hu.shape)))

    def _spacing(self, shape: Shape) -> tuple[float, float, float]:
        """Of a scale's voxels along i, j, k, mm."""
        finest = self._shapes[-1]
        return tuple(s * n / m for s, n, m in zip(self.average.spacing, finest[::-1], shape[::-1], strict=True))


def _starts(shapes: list[Shape], steps: int) -> list[int]:
    """The step that each scale begins with, at least one after that of the scale before."""
    weights = [1 / shape[-1] for shape in shapes]
    spare = steps - len(shapes)
    return [number + int(spare * sum(weights[:number]) / sum(weights)) for number in range(len(shapes))]


def _window(shape: Shape) -> tuple[tuple, tuple]:
    """A random part in plane that the generator sees, and the part of that which the discriminator sees."""
    seen, inner = [...], [...]
    for size in shape[1:]:
        length = min(size, _WINDOW)
        first = int(torch.randint(0, size - length + 1, ()))
        start, end = max(first - _MARGIN, 0), min(first + length + _MARGIN, size)
        seen.append(slice(start, end))
        inner.append(slice(first - start, first - start + length))
    return tuple(seen), tuple(inner)
