"""Generators of pictures from noise, and the networks that judge them.

A generator keeps the window of its values and the size of its pixels, so that its pictures are in HU and mm again.
"""

from itertools import pairwise

import torch
from torch import nn

SIZES = (64, 128, 256, 512)
"""Sides of the pictures, in pixels."""
LARGEST_CONNECTED = 128
"""Of a fully connected network: at 256 one layer alone would have 67 million weights."""
_MOST = 8
_HIDDEN = (256, 512, 1024)
_SLOPE = 0.2


class SliceGenerator(nn.Module):
    """What all generators share: noise and class in, a picture between −1 and 1 out, and the way back to HU.

    The arguments are tuples of one whole number each, as a bundle keeps them.

    Args:
        size: pixels along a side, 64, 128, 256 or 512.
        width: channels at the full size; they double at each half of it, up to eight times as many.
        latent: numbers of noise.
        classes: how many kinds of pictures it makes; 0 where it knows none.

    Attributes:
        window: values that are −1 and 1 in its pictures.
        spacing: between rows and columns, and between the slices that it has learned from, mm.
    """

    def __init__(
        self,
        size: tuple[int, ...] = (64,),
        width: tuple[int, ...] = (32,),
        latent: tuple[int, ...] = (128,),
        classes: tuple[int, ...] = (0,),
    ) -> None:
        super().__init__()
        self.arguments = {"size": size, "width": width, "latent": latent, "classes": classes}
        self.size, self.latent, self.classes = size[0], latent[0], classes[0]
        self.register_buffer("window", torch.tensor([-1000.0, 400.0]))
        self.register_buffer("spacing", torch.ones(2))
        self.embedding = nn.Embedding(self.classes, self.latent) if self.classes else None

    def noise(self, seeds: list[int]) -> torch.Tensor:
        """Normal noise [n, latent], a row for each seed."""
        return torch.stack([torch.randn(self.latent, generator=torch.Generator().manual_seed(n)) for n in seeds])

    def scaled(self, hu: torch.Tensor) -> torch.Tensor:
        """Values to between −1 and 1; what lies outside of the window is clipped."""
        low, high = self.window
        return ((hu - low) / (high - low)).clip(0, 1) * 2 - 1

    def unscaled(self, picture: torch.Tensor) -> torch.Tensor:
        """The inverse of :meth:`scaled` within the window."""
        low, high = self.window
        return (picture + 1) / 2 * (high - low) + low

    def forward(self, noise: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Pictures [n, 1, size, size] between −1 and 1 of noise [n, latent] and numbers of classes [n]."""
        if self.embedding is not None:
            # The noise is as long as it was, so that one class is as varied as the others.
            noise = noise + self.embedding(labels)
        return self.layers(noise)


class ConvolutionalGenerator(SliceGenerator):
    """Convolutions with batch normalization from 4×4 up: DCGAN, A. Radford et al., ICLR 2016.

    Each enlarges by repeated pixels and a convolution: transposed ones leave a checkered texture (A. Odena et al.,
    Distill 2016).
    """

    def __init__(self, size=(64,), width=(32,), latent=(128,), classes=(0,)) -> None:
        super().__init__(size, width, latent, classes)
        channels = [*_channels(self.size, width[0])[::-1], width[0]]
        layers = [nn.Unflatten(1, (self.latent, 1, 1)), nn.ConvTranspose2d(self.latent, channels[0], 4, bias=False)]
        for before, after in pairwise(channels):
            layers += [nn.BatchNorm2d(before), nn.ReLU(inplace=True)]
            layers += [nn.Upsample(scale_factor=2), nn.Conv2d(before, after, 3, padding=1, bias=False)]
        layers += [nn.BatchNorm2d(channels[-1]), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels[-1], 1, 3, padding=1), nn.Tanh())
        self.apply(_initialize)


class FullyConnectedGenerator(SliceGenerator):
    """Layers of 256, 512 and 1024 neurons: I. Goodfellow et al., NeurIPS 2014. ``width`` is not used."""

    def __init__(self, size=(64,), width=(32,), latent=(128,), classes=(0,)) -> None:
        super().__init__(size, width, latent, classes)
        layers, before = [], self.latent
        for neurons in _HIDDEN:
            layers += [nn.Linear(before, neurons), nn.BatchNorm1d(neurons), nn.LeakyReLU(_SLOPE, inplace=True)]
            before = neurons
        shape = (1, self.size, self.size)
        self.layers = nn.Sequential(*layers, nn.Linear(before, self.size**2), nn.Unflatten(1, shape), nn.Tanh())


GENERATORS = {network.__name__: network for network in (ConvolutionalGenerator, FullyConnectedGenerator)}


class Judge(nn.Module):
    """Tells real pictures from made ones; where there are classes, as pictures of their class.

    The class enters as in T. Miyato and M. Koyama, ICLR 2018 (projection).

    Args:
        layers: pictures [n, 1, size, size] to features [n, features].
        features: how many.
        classes: 0 where there are none.
        compares: whether it sees how much the pictures of a set differ, so that made ones have to differ as much as
            real ones (T. Karras et al., ICLR 2018). Not for a critic whose answers are each picture's own.
    """

    def __init__(self, layers: nn.Module, features: int, classes: int, compares: bool) -> None:
        super().__init__()
        self.compares = compares
        self.layers, self.answer = layers, nn.Linear(features + compares, 1)
        self.embedding = nn.Embedding(classes, features) if classes else None

    def forward(self, pictures: torch.Tensor, labels: torch.Tensor, sets: int = 1) -> torch.Tensor:
        """Logits, or a critic's values, [n]: higher is more real. ``pictures`` are so many sets of the same size."""
        found = self.layers(pictures)
        spreads = [part.std(0, correction=0).mean().expand(len(part), 1) for part in found.chunk(sets)]
        seen = torch.cat([found, torch.cat(spreads)], 1) if self.compares else found
        values = self.answer(seen)[:, 0]
        return values if self.embedding is None else values + (found * self.embedding(labels)).sum(1)


def convolutional_judge(size: int, width: int, classes: int, compares: bool) -> Judge:
    """The generator's mirror image: strided convolutions down to 4×4. Without batch normalization, which a gradient
    penalty does not allow."""
    layers, before = [], 1
    channels = _channels(size, width)
    for after in channels:
        layers += [nn.Conv2d(before, after, 4, 2, 1), nn.LeakyReLU(_SLOPE, inplace=True)]
        before = after
    return Judge(nn.Sequential(*layers, nn.Flatten()), before * 16, classes, compares)


def fully_connected_judge(size: int, classes: int, compares: bool) -> Judge:
    """The mirror image of the fully connected generator."""
    layers, before = [nn.Flatten()], size**2
    for neurons in _HIDDEN[::-1]:
        layers += [nn.Linear(before, neurons), nn.LeakyReLU(_SLOPE, inplace=True)]
        before = neurons
    return Judge(nn.Sequential(*layers), before, classes, compares)


def _channels(size: int, width: int) -> list[int]:
    """Channels from half the size down to 4×4."""
    return [width * min(2**level, _MOST) for level in range(size.bit_length() - 3)]


def _initialize(module: nn.Module) -> None:
    """The small weights of DCGAN."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
