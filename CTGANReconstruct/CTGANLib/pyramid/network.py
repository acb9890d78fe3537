"""The pyramid generator: one small network a scale, each adding what the coarser ones cannot show.

T. R. Shaham et al., SinGAN, ICCV 2019; here in 3D, or in 2D with slices as channels.
"""

import math
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from ..events import Progress, silent
from ..training.precision import Conv3d
from .scales import Shape, resized
from .warping import warped

_SLOPE = 0.2
_MICROMETER = 1e-3
_HALF = 2
_BEGINNING = 0.005
"""Standard deviation of the last layer's weights, with which a scale changes hardly anything."""


class PyramidGenerator(nn.Module):
    """Noise to a volume in [0, 1], scale by scale.

    The coarsest scale makes a volume of noise alone; every other one adds to the enlarged result of the one before it
    a residual that it makes of that result plus noise. From few volumes nobody learns how anatomies differ, and noise
    at the coarsest scale makes none. So, where ``deformation`` is not 0, a new volume begins there with a smooth random
    displacement of one that was learned from.

    Attributes:
        shapes: voxels (k, j, i) of each scale, the coarsest first.
        spacing: of the finest scale's voxels along i, j, k, mm.
        trained: how many scales have learned.
        amplitudes: of each scale's noise.
        reaches: what each scale's answer is multiplied by, about twice the error that it has to mend, so that all
            learn at the same rate however small that is.
        fixed_noise: [volumes, 1, k, j, i] (in 2D [volumes, k, j, i]): what the coarsest scale makes each training
            volume of; the noise of all others is zero then.
    """

    def __init__(
        self,
        shapes: Sequence[int],
        spacing: Sequence[int],
        dimensions: Sequence[int] = (3,),
        volumes: Sequence[int] = (1,),
        widths: Sequence[int] = (8, 64, 4),
        deformation: Sequence[int] = (0,),
    ) -> None:
        """Make a generator that has learned nothing.

        Args:
            shapes: of all scales, one after the other.
            spacing: of the finest scale's voxels along i, j, k, µm.
            dimensions: 3, or 2 for slices as channels.
            volumes: how many it learns from.
            widths: channels at full and at half size, and layers at half size, of each scale's network.
            deformation: standard deviation of the displacements, mm, that new volumes begin with; 0 for noise.
        """
        super().__init__()
        self.arguments = {
            "shapes": list(shapes),
            "spacing": list(spacing),
            "dimensions": list(dimensions),
            "volumes": list(volumes),
            "widths": list(widths),
            "deformation": list(deformation),
        }
        self.shapes: list[Shape] = [tuple(shapes[n : n + 3]) for n in range(0, len(shapes), 3)]
        self.spacing = tuple(_MICROMETER * value for value in spacing)
        (self.dimensions,), (self.deformation,) = dimensions, deformation
        channels = 1 if self.dimensions == 3 else self.shapes[0][0]
        self.scales = nn.ModuleList(_Scale(self.dimensions, channels, *widths) for _ in self.shapes)
        # Numbers of half precision, as which bundles keep them.
        noise = torch.randn(volumes[0], *self._seen(self.shapes[0])).half().float()
        self.register_buffer("fixed_noise", noise)
        self.register_buffer("amplitudes", torch.ones(len(self.shapes)))
        self.register_buffer("reaches", torch.ones(len(self.shapes)))
        self.register_buffer("progress", torch.zeros(1))

    @property
    def trained(self) -> int:
        return int(self.progress.item())

    def folded(self, volume: torch.Tensor) -> torch.Tensor:
        """[batch, 1, k, j, i] as the scales see it."""
        return volume if self.dimensions == 3 else volume[:, 0]

    def unfolded(self, volume: torch.Tensor) -> torch.Tensor:
        """The other way."""
        return volume if self.dimensions == 3 else volume[:, None]

    def noise(self, shape: Shape, seed: int) -> torch.Tensor:
        """Noise of a scale [1, ...], on the CPU; the same for the same seed on any device."""
        return torch.randn(1, *self._seen(shape), generator=torch.Generator().manual_seed(seed))

    def forward(self, number: int, *inputs: tuple[torch.Tensor | None, torch.Tensor | None]) -> list[torch.Tensor]:
        """:meth:`refine` of several inputs at once, as training in several processes needs it."""
        return [self.refine(number, *pair) for pair in inputs]

    def refine(self, number: int, coarser: torch.Tensor | None, noise: torch.Tensor | None) -> torch.Tensor:
        """What a scale makes of the coarser result, enlarged to its size, and of noise of amplitude 1, [batch, ...].

        ``coarser`` is None at the coarsest scale, ``noise`` where there is to be none. The result is not clipped yet.
        """
        scale = self.scales[number]
        if coarser is None:
            return self.reaches[number] * scale(noise)
        seen = coarser if noise is None else coarser + self.amplitudes[number] * noise
        return coarser + self.reaches[number] * scale(seen)

    def reconstruct(self, volumes: torch.Tensor, until: int) -> torch.Tensor:
        """The training volumes of these numbers as the scales before ``until`` make them, in [0, 1], [batch, ...]."""
        result = None
        for number, shape in enumerate(self.shapes[:until]):
            coarser = None if result is None else resized(result, shape)
            result = self.refine(number, coarser, self.fixed_noise[volumes] if number == 0 else None).clip(0, 1)
        return result

    def displaced(self, coarsest: torch.Tensor, seeds: Sequence[int]) -> torch.Tensor:
        """Volumes of the coarsest scale [batch, ...] as other anatomies."""
        sides = zip(self.spacing, self.shapes[-1][::-1], self.shapes[0][::-1], strict=True)
        spacing = tuple(step * fine / coarse for step, fine, coarse in sides)
        volumes = self.unfolded(coarsest).split(1)
        moved = [warped(volume, spacing, self.deformation, seed) for volume, seed in zip(volumes, seeds, strict=True)]
        return self.folded(torch.cat(moved))

    def sample(
        self,
        seed: int,
        shapes: Sequence[Shape],
        start: int = 0,
        begun: torch.Tensor | None = None,
        progress: Progress = silent,
    ) -> torch.Tensor:
        """A new volume in [0, 1], [1, ...].

        Args:
            seed: of the noise.
            shapes: voxels of each scale, as many as are to work.
            start: the first scale whose noise is random.
            begun: what the scale before ``start`` made, of any size.
            progress: called after each scale; their voxels tell how long they take.
        """
        result, voxels = begun, [math.prod(shape) for shape in shapes]
        if start == 0 and self.deformation:
            learned = torch.tensor([seed % len(self.fixed_noise)], device=self.fixed_noise.device)
            result, start = self.displaced(self.reconstruct(learned, 1), [seed]), 1
            result = resized(result, shapes[0])
        for number in range(start, len(shapes)):
            noise = self.noise(shapes[number], hash((seed, number)) % 2**63).to(self.fixed_noise)
            coarser = None if number == 0 else resized(result, shapes[number])
            result = self.refine(number, coarser, noise).clip(0, 1)
            progress(sum(voxels[: number + 1]) / sum(voxels), f"scale {number}")
        return result

    def _seen(self, shape: Shape) -> tuple[int, ...]:
        return (1, *shape) if self.dimensions == 3 else shape


class _Scale(nn.Module):
    """Residual [batch, channels, (k), j, i] of the same; most layers work at half the size in plane, where they cost a
    quarter and see twice as far.

    Args:
        dimensions: 2 or 3.
        channels: of input and output.
        fine, coarse: channels at full and half size.
        layers: at half size.
    """

    def __init__(self, dimensions: int, channels: int, fine: int, coarse: int, layers: int) -> None:
        super().__init__()
        convolution = (nn.Conv2d, Conv3d)[dimensions - 2]
        stride = (1,) * (dimensions - 2) + (_HALF, _HALF)
        self.enter = convolution(channels, fine, 3, padding=1)
        self.down = convolution(fine, coarse, 3, stride, padding=1)
        self.body = nn.ModuleList(convolution(coarse, coarse, 3, padding=1) for _ in range(layers))
        self.up = convolution(coarse, fine * _HALF**2, 1)
        self.join = convolution(2 * fine, fine, 3, padding=1)
        self.leave = convolution(fine, channels, 3, padding=1)
        for layer in self.modules():
            if isinstance(layer, convolution):
                # Without it (torch's own start is a third as large) learning takes ten times as long.
                nn.init.kaiming_normal_(layer.weight, _SLOPE)
                nn.init.zeros_(layer.bias)
        nn.init.normal_(self.leave.weight, std=_BEGINNING)
        fast_order(self, dimensions)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        rows, columns = image.shape[-2:]
        # Even sides, so that the half size is exact.
        padded = F.pad(image, (0, columns % 2, 0, rows % 2) + (0, 0) * (image.ndim - 4), mode="replicate")
        full = _bend(self.enter(padded))
        half = _bend(self.down(full))
        for layer in self.body:
            half = half + _bend(layer(half))
        wide = _larger(self.up(half))
        residual = self.leave(_bend(self.join(torch.cat([full, wide], 1))))
        return residual[..., :rows, :columns].float()


class Discriminator(nn.Sequential):
    """Judges each place of a volume [batch, channels, (k), j, i] by the 11 voxels around it.

    Args:
        dimensions: 2 or 3.
        channels: of the volume.
        width: of the layers.
    """

    def __init__(self, dimensions: int, channels: int, width: int) -> None:
        convolution = (nn.Conv2d, Conv3d)[dimensions - 2]
        layers: list[nn.Module] = []
        for number in range(5):
            layers += [
                convolution(channels if number == 0 else width, 1 if number == 4 else width, 3, padding=1),
                nn.LeakyReLU(_SLOPE),
            ]
        super().__init__(*layers[:-1])
        fast_order(self, dimensions)


def fast_order(network: nn.Module, dimensions: int) -> None:
    """Bring the weights into the memory order in which convolutions are fast."""
    network.to(memory_format=torch.channels_last if dimensions == 2 else torch.channels_last_3d)


def _bend(values: torch.Tensor) -> torch.Tensor:
    return F.leaky_relu(values, _SLOPE)


def _larger(values: torch.Tensor) -> torch.Tensor:
    """Twice as many rows and columns, out of a fourth of the channels."""
    if values.ndim == 4:
        return F.pixel_shuffle(values, _HALF)
    return F.pixel_shuffle(values.transpose(1, 2).flatten(0, 1), _HALF).unflatten(0, (len(values), -1)).transpose(1, 2)
