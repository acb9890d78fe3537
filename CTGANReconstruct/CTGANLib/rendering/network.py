"""The networks that make pictures from low-resolution passes, and the one that judges them.

They follow Berger et al., A Generative Model for Volume Rendering (IEEE TVCG 2019): encoders of viewpoint, opacity and
color function, a generator with skips, a conditional discriminator. Other than there, nothing of one volume is learned:
the colors come from the color function itself or from the ray-caster.
"""

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from .conditions import SAMPLES, Conditions
from .raycast import CHANNELS

LATENT = 32
"""Numbers that an opacity or color function is told by."""

_SLOPE = 0.1
_BINS = 32  # of HU, that what a pixel shows is put together from
_LEAST_OPACITY = 1e-3


class FunctionEncoder(nn.Module):
    """A function of 256 samples to its latent numbers: one-dimensional convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        widths = (channels, 16, 32, 32)
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Conv1d(before, after, 5, 4, 2), nn.LeakyReLU(_SLOPE)]
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(widths[-1] * SAMPLES // 64, LATENT))

    def forward(self, function: torch.Tensor) -> torch.Tensor:
        return self.layers(function)


class ConditionEncoder(nn.Module):
    """Viewpoint, transfer functions and light to one vector.

    Args:
        width: of the vector.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.opacity, self.color = FunctionEncoder(1), FunctionEncoder(3)
        self.view = nn.Sequential(nn.Linear(5, LATENT), nn.LeakyReLU(_SLOPE), nn.Linear(LATENT, LATENT))
        self.light = nn.Linear(5, LATENT)
        self.merge = nn.Sequential(nn.LeakyReLU(_SLOPE), nn.Linear(4 * LATENT, width), nn.LeakyReLU(_SLOPE))

    def latent(self, conditions: Conditions) -> torch.Tensor:
        """What is known of the transfer functions, [batch, 64]."""
        return torch.cat([self.opacity(conditions.opacity), self.color(conditions.lab)], 1)

    def forward(self, conditions: Conditions) -> torch.Tensor:
        told = [self.latent(conditions), self.view(conditions.view), self.light(conditions.light)]
        return self.merge(torch.cat(told, 1))


class Block(nn.Module):
    """Two convolutions and a skip; the conditions scale and shift what is between them."""

    def __init__(self, channels: int, told: int) -> None:
        super().__init__()
        self.first, self.second = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))
        self.tell = nn.Linear(told, 2 * channels)
        nn.init.zeros_(self.tell.weight)
        nn.init.zeros_(self.tell.bias)

    def forward(self, x: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        scale, shift = self.tell(told)[..., None, None].chunk(2, 1)
        return x + self.second(F.leaky_relu(self.first(x) * (1 + scale) + shift, _SLOPE))


class Trunk(nn.Module):
    """Down to a quarter and back again, with skips: what both generators share.

    Args:
        inputs: channels of the passes.
        channels: at full, half and quarter size.
        told: width of the conditions' vector.
    """

    def __init__(self, inputs: int, channels: tuple[int, int, int], told: int) -> None:
        super().__init__()
        full, half, quarter = channels
        self.stem = nn.Conv2d(inputs, full, 3, padding=1)
        self.down_half = nn.Conv2d(full, half, 3, 2, 1)
        self.down_quarter = nn.Conv2d(half, quarter, 3, 2, 1)
        self.up_half, self.up_full = nn.Conv2d(quarter, half, 1), nn.Conv2d(half, full, 1)
        self.fine, self.fine_end = Block(full, told), Block(full, told)
        self.middle, self.middle_end = Block(half, told), Block(half, told)
        self.coarse = nn.ModuleList(Block(quarter, told) for _ in range(3))

    def forward(self, passes: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        full = self.fine(self.stem(passes), told)
        half = self.middle(F.leaky_relu(self.down_half(full), _SLOPE), told)
        x = F.leaky_relu(self.down_quarter(half), _SLOPE)
        for block in self.coarse:
            x = block(x, told)
        x = self.middle_end(half + _twice(self.up_half(x)), told)
        return self.fine_end(full + _twice(self.up_full(x)), told)


class CastGenerator(nn.Module):
    """From what the ray-caster sees (``raycast.CHANNELS``) to a picture of twice the size.

    Args:
        channels: of the trunk, at full, half and quarter size of the ray-caster's picture.
    """

    FACTOR = 2

    def __init__(self, channels: tuple[int, int, int] = (32, 48, 64)) -> None:
        super().__init__()
        self.arguments = {"channels": list(channels)}
        self.encoder = ConditionEncoder(64)
        self.trunk = Trunk(len(CHANNELS), tuple(channels), 64)
        self.head = nn.Conv2d(channels[0], 4 * self.FACTOR**2, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, passes: torch.Tensor, conditions: Conditions) -> torch.Tensor:
        """Color times opacity, and opacity, [batch, 4, 2n, 2n], of [batch, 5, n, n]; n is a multiple of 4."""
        change = self.head(F.leaky_relu(self.trunk(passes, self.encoder(conditions)), _SLOPE))
        return _twice(passes[:, :4]) + F.pixel_shuffle(change, self.FACTOR)


class OpacityGenerator(nn.Module):
    """From an opacity pass to a picture of four times the size.

    For each pixel it says of which HU what is seen there consists; the color function gives these their colors.

    Args:
        channels: of the trunk, at full, half and quarter size of the opacity pass.
    """

    FACTOR = 4

    def __init__(self, channels: tuple[int, int, int] = (64, 96, 160)) -> None:
        super().__init__()
        self.arguments = {"channels": list(channels)}
        self.encoder = ConditionEncoder(128)
        self.trunk = Trunk(1, tuple(channels), 128)
        # At twice the size of the pass: the share of each bin of HU, how strong the light is, and its shine.
        self.color = nn.Conv2d(channels[0], 4 * (_BINS + 2), 3, padding=1)
        self.opacity = nn.Conv2d(channels[0], self.FACTOR**2, 3, padding=1)
        for layer in (self.color, self.opacity):
            nn.init.zeros_(layer.bias)
            nn.init.normal_(layer.weight, std=1e-3)

    def forward(self, passes: torch.Tensor, conditions: Conditions) -> torch.Tensor:
        """Color times opacity, and opacity, [batch, 4, 4n, 4n], of [batch, 1, n, n]; n is a multiple of 4."""
        x = F.leaky_relu(self.trunk(passes, self.encoder(conditions)), _SLOPE)
        opacity = _twice(_twice(passes)) + F.pixel_shuffle(self.opacity(x), self.FACTOR)
        shares, shine = F.pixel_shuffle(self.color(x), 2).split([_BINS, 2], 1)
        color = _twice(_lit(_mixed(shares, conditions), shine, conditions.light))
        return torch.cat([color * opacity, opacity], 1)


class Discriminator(nn.Module):
    """Judges patches of pictures, [batch, 4, rows, columns], for their conditions."""

    def __init__(self, channels: tuple[int, int, int] = (32, 64, 96)) -> None:
        super().__init__()
        self.encoder = ConditionEncoder(channels[-1])
        layers: list[nn.Module] = []
        before = 4
        for after in channels:
            layers += [nn.Conv2d(before, after, 4, 2, 1), nn.LeakyReLU(0.2)]
            before = after
        self.layers = nn.Sequential(*layers)
        self.judge = nn.Conv2d(before, 1, 3, padding=1)

    def forward(self, picture: torch.Tensor, conditions: Conditions) -> torch.Tensor:
        """How real each patch looks, and how well it fits the conditions, [batch, 1, rows / 8, columns / 8]."""
        x = self.layers(picture * 2 - 1)
        # Projection, as Miyato and Koyama, cGANs with Projection Discriminator, ICLR 2018.
        fits = (x * self.encoder(conditions)[..., None, None]).mean(1, keepdim=True)
        return self.judge(x) + fits


GENERATORS = {"CastGenerator": CastGenerator, "OpacityGenerator": OpacityGenerator}


def _mixed(shares: torch.Tensor, conditions: Conditions) -> torch.Tensor:
    """The colors [batch, 3, rows, columns] of pixels that show shares of bins of HU, logits beside the opacities."""
    opacity, color = (values.unflatten(-1, (_BINS, -1)) for values in (conditions.opacity, conditions.color))
    seen = opacity + _LEAST_OPACITY
    bins = (color * seen).sum(-1) / seen.sum(-1)
    weights = (shares + seen.mean(-1)[:, 0, :, None, None].log()).softmax(1)
    return torch.einsum("bnyx,bcn->bcyx", weights, bins)


def _lit(color: torch.Tensor, shine: torch.Tensor, light: torch.Tensor) -> torch.Tensor:
    shade, ambient, diffuse, specular, _ = light[..., None, None, None].unbind(1)
    strength, gloss = shine.sigmoid().chunk(2, 1)
    lit = color * (ambient + diffuse * strength) + specular * gloss
    return torch.lerp(color, lit, shade).clamp(max=1)


def _twice(x: torch.Tensor) -> torch.Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
