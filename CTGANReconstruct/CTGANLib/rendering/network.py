"""The networks that make pictures from what is seen of a volume, and the one that judges them.

They follow Berger et al., A Generative Model for Volume Rendering (IEEE TVCG 2019): encoders of viewpoint, opacity and
color function, a generator with skips, a conditional discriminator. Other than there, colors come from the ray-caster,
or from the color function and from patients like the one that is shown.
"""

import torch
from torch import nn
from torch.nn import functional as F

from .atlas import Atlas
from .blocks import SLOPE, ConditionEncoder, Trunk, twice
from .camera import View
from .conditions import Conditions
from .functions import TransferFunctions
from .raycast import CHANNELS
from .surfaces import CHANNELS as SURFACES

_BINS = 32  # of HU, that what a pixel shows is put together from
_LEAST_OPACITY = 1e-3
_VISIBLE, _ALIKE = 1e-2, 0.1  # opacity below which a patient tells no color, and difference that counts little
_LEAST_COSINE = 1e-3


class CastGenerator(nn.Module):
    """From what the ray-caster sees (``raycast.CHANNELS``) to a picture of the same size.

    It works at half the size, on pixels by fours.

    Args:
        channels: of the trunk, at a half, a quarter and an eighth of the picture's size.
    """

    FACTOR = 1

    def __init__(self, channels: tuple[int, int, int] = (24, 40, 64)) -> None:
        super().__init__()
        self.arguments = {"channels": list(channels)}
        self.encoder = ConditionEncoder(64)
        self.trunk = Trunk(4 * len(CHANNELS), tuple(channels), 64)
        self.head = nn.Conv2d(channels[0], 4 * 4, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, passes: torch.Tensor, conditions: Conditions) -> torch.Tensor:
        """Color times opacity, and opacity, [batch, 4, n, n], of [batch, 5, n, n]; n is a multiple of 8."""
        x = self.trunk(F.pixel_unshuffle(passes, 2), self.encoder(conditions))
        return passes[:, :4] + F.pixel_shuffle(self.head(F.leaky_relu(x, SLOPE)), 2)


class OpacityGenerator(nn.Module):
    """From an opacity and a depth pass, and what other patients look like there, to a picture of twice the size.

    Of each pixel it says which of the patients it looks like, of which HU what is seen there consists, to which the
    color function gives colors, and how it is lit, beginning with the angle at which its surface is seen.

    Args:
        patients: how many the atlas has; a tuple, as all numbers of a bundle's network.
        channels: of the trunk, at half, a quarter and an eighth of the passes' size.
    """

    FACTOR = 2

    def __init__(self, patients: tuple[int] = (6,), channels: tuple[int, int, int] = (48, 80, 112)) -> None:
        super().__init__()
        self.arguments = {"patients": list(patients), "channels": list(channels)}
        self.atlas = Atlas(*patients)
        self.encoder = ConditionEncoder(96)
        features = 12
        self.compare = nn.Sequential(
            nn.Conv2d(len(CHANNELS) + 4, features, 3, padding=1), nn.LeakyReLU(SLOPE),
            nn.Conv2d(features, features, 3, padding=1), nn.LeakyReLU(SLOPE),
            nn.Conv2d(features, features + 1, 3, padding=1),
        )  # fmt: skip
        # The surfaces by fours, the patients' mean color, depth and features, and how far they differ.
        self.trunk = Trunk(4 * len(SURFACES) + 3 + 1 + features + 1, tuple(channels), 96)
        # At the passes' size: the share of each bin of HU, how strong the light is, its shine, and how much of the
        # color is that of the patients.
        self.color = nn.Conv2d(channels[0], 4 * (_BINS + 3), 3, padding=1)
        # At the picture's.
        self.fine = nn.Conv2d(channels[0], 16 * 4, 3, padding=1)
        for layer in (self.color, self.fine):
            nn.init.zeros_(layer.bias)
            nn.init.normal_(layer.weight, std=1e-3)

    @torch.inference_mode()
    def patients(self, surfaces: torch.Tensor, view: View, functions: TransferFunctions) -> torch.Tensor:
        """What patients look like where ``surfaces.surfaces`` [7, n, n] are, [patients, 5, n / 2, n / 2]."""
        return self.atlas.seen(F.avg_pool2d(surfaces[None, 0], 2)[0], view, functions)

    @staticmethod
    def passes(surfaces: torch.Tensor, patients: torch.Tensor) -> torch.Tensor:
        """Both as the network is given them, [7 + 5 patients, n, n]."""
        return torch.cat([surfaces, patients.flatten(0, 1).repeat_interleave(2, 1).repeat_interleave(2, 2)])

    def forward(self, passes: torch.Tensor, conditions: Conditions) -> torch.Tensor:
        """Color times opacity, and opacity, [batch, 4, 2n, 2n], of :meth:`passes` [batch, 7 + 5 patients, n, n].

        n is a multiple of 8.
        """
        surfaces, patients = passes.split([len(SURFACES), passes.shape[1] - len(SURFACES)], 1)
        known = self._known(F.avg_pool2d(surfaces, 2), F.avg_pool2d(patients, 2).unflatten(1, (-1, len(CHANNELS))))
        x = self.trunk(torch.cat([F.pixel_unshuffle(surfaces, 2), known], 1), self.encoder(conditions))
        x = F.leaky_relu(x, SLOPE)
        shares, light, likeness = F.pixel_shuffle(self.color(x), 2).split([_BINS, 2, 1], 1)
        mixed = _lit(_mixed(shares, conditions), light, surfaces[:, -1:], conditions.light)
        color = torch.lerp(mixed, twice(known[:, :3]), likeness.sigmoid())
        detail, opacity = F.pixel_shuffle(self.fine(x), 4).split([3, 1], 1)
        opacity = twice(surfaces[:, :1]) + opacity
        return torch.cat([(twice(color) + detail) * opacity, opacity], 1)

    def _known(self, surfaces: torch.Tensor, patients: torch.Tensor) -> torch.Tensor:
        """What the patients tell: color, depth, features, and how far their colors differ, [batch, channels, n, n]."""
        opacity, depth = (surfaces[:, None, SURFACES.index(name)][:, :, None] for name in ("opacity", "depth"))
        colors, theirs, deep = patients.split([3, 1, 1], 2)
        colors = (colors / theirs.clamp(min=_VISIBLE)).clamp(0, 1)
        apart, behind = theirs - opacity, deep - depth
        seen = torch.cat([colors, theirs, deep, apart, behind, opacity.expand_as(theirs), depth.expand_as(deep)], 2)
        compared = self.compare(seen.flatten(0, 1)).unflatten(0, seen.shape[:2])
        unlike = (apart.abs() + behind.abs()) / _ALIKE
        weights = (compared[:, :, :1] + (theirs + _VISIBLE).log() - unlike).softmax(1)
        color = (weights * colors).sum(1)
        spread = (weights * (colors - color[:, None]) ** 2).sum((1, 2))[:, None]
        told = (weights * torch.cat([deep, compared[:, :, 1:]], 2)).sum(1)
        return torch.cat([color, told, (spread + 1e-6).sqrt()], 1)


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


def _lit(color: torch.Tensor, change: torch.Tensor, facing: torch.Tensor, light: torch.Tensor) -> torch.Tensor:
    """Colors under a lamp at the camera, for the cosines at which surfaces are seen, and what changes their light."""
    shade, ambient, diffuse, specular, power = light[..., None, None, None].unbind(1)
    shine = facing.clamp(min=_LEAST_COSINE) ** (10 * power)
    strength, gloss = (torch.cat([facing, shine], 1) + change).clamp(0, 1).chunk(2, 1)
    return torch.lerp(color, color * (ambient + diffuse * strength) + specular * gloss, shade).clamp(max=1)
