"""What both generators and the discriminator are built of."""

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from .conditions import SAMPLES, Conditions

LATENT = 32
"""Numbers that an opacity or color function is told by."""
SLOPE = 0.1
"""Of leaky rectifiers."""


class FunctionEncoder(nn.Module):
    """A function of 256 samples to its latent numbers: one-dimensional convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        widths = (channels, 16, 32, 32)
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Conv1d(before, after, 5, 4, 2), nn.LeakyReLU(SLOPE)]
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
        self.view = nn.Sequential(nn.Linear(5, LATENT), nn.LeakyReLU(SLOPE), nn.Linear(LATENT, LATENT))
        self.light = nn.Linear(5, LATENT)
        self.merge = nn.Sequential(nn.LeakyReLU(SLOPE), nn.Linear(4 * LATENT, width), nn.LeakyReLU(SLOPE))

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
        return x + self.second(F.leaky_relu(self.first(x) * (1 + scale) + shift, SLOPE))


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
        half = self.middle(F.leaky_relu(self.down_half(full), SLOPE), told)
        x = F.leaky_relu(self.down_quarter(half), SLOPE)
        for block in self.coarse:
            x = block(x, told)
        x = self.middle_end(half + twice(self.up_half(x)), told)
        return self.fine_end(full + twice(self.up_full(x)), told)


def twice(x: torch.Tensor) -> torch.Tensor:
    """Maps at twice the size."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
