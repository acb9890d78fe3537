"""What generated and real pictures are compared by: numbers that describe a picture, from a network of our own.

The network is a VGG with random weights that never change. It needs no file and no license, favors no data set, and
tells generated pictures from real ones well where the networks that learned photographs do not fit: M. F. Naeem et al.,
"Reliable Fidelity and Diversity Metrics for Generative Models", ICML 2020, section 5.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional as F

Features = Callable[[np.ndarray], np.ndarray]
"""From pictures [n, rows, columns] in HU to features [n, features]."""

_SIZE = 128
_CHANNELS = (16, 32, 64, 128)
_SEED = 20200713
_BATCH = 64
_FURTHEST = 10.0


class RandomFeatures:
    """Means and standard deviations of the answers of a random VGG at four scales: 480 numbers a picture.

    Args:
        window: the values (HU) that are brought to −1 and 1; what lies outside is clipped.
    """

    name = "random VGG, 480 features"

    def __init__(self, window: tuple[float, float]) -> None:
        self._window = window
        # The legacy generator is the one whose numbers numpy promises to keep.
        random = np.random.RandomState(_SEED)
        self._weights, before = [], 1
        for channels in _CHANNELS:
            for inputs in (before, channels):
                weight = random.standard_normal((channels, inputs, 3, 3)) * np.sqrt(2 / (9 * inputs))
                self._weights.append(torch.from_numpy(weight.astype(np.float32)))
            before = channels

    def __call__(self, hu: np.ndarray) -> np.ndarray:
        """Features float64 [n, 480] of pictures [n, rows, columns] of any size."""
        return np.concatenate([self._describe(hu[start : start + _BATCH]) for start in range(0, len(hu), _BATCH)])

    @torch.no_grad()
    def _describe(self, hu: np.ndarray) -> np.ndarray:
        low, high = self._window
        picture = torch.from_numpy(hu.astype(np.float32))[:, None]
        picture = F.interpolate(picture, (_SIZE, _SIZE), mode="bilinear", antialias=True)
        answer = ((picture - low) / (high - low)).clip(0, 1) * 2 - 1
        found = []
        for number, weight in enumerate(self._weights):
            answer = F.relu(F.conv2d(F.pad(answer, (1, 1, 1, 1), mode="replicate"), weight))
            if number % 2:
                found += [answer.mean((2, 3)), answer.std((2, 3))]
                answer = F.avg_pool2d(answer, 2)
        return torch.cat(found, 1).numpy().astype(np.float64)


def standardized(reference: np.ndarray, *others: np.ndarray) -> list[np.ndarray]:
    """Sets of features [n, features] with those of a reference set, given first, at mean 0 and deviation 1.

    What is ten deviations away or more counts as ten, so that a feature that hardly varies does not decide alone.
    """
    mean, deviation = reference.mean(0), reference.std(0)
    deviation = np.where(deviation > 1e-9, deviation, 1.0)
    return [((rows - mean) / deviation).clip(-_FURTHEST, _FURTHEST) for rows in (reference, *others)]
