"""The project's segmenter as a frozen network that gradients pass through, and the loss of what it sees."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ..models.store import find_model
from .network import definitions, outputs
from .segmenter import TASK, learned

_CROP = 40


class _OnHU(nn.Module):
    """HU [batch, 1, k, j, i] to a network's logits.

    Args:
        network: of a segmenter.
        window: HU that it knows as −1 and 1.
    """

    def __init__(self, network: nn.Module, window: tuple[float, float]) -> None:
        super().__init__()
        self.network, self._window = network, window

    def forward(self, hu: torch.Tensor) -> torch.Tensor:
        low, high = self._window
        image = ((hu - low) / (high - low)).clip(0, 1) * 2 - 1
        return outputs(self.network, image.to(memory_format=torch.channels_last_3d))[0]


def frozen_segmenter(name: str, device: str) -> tuple[nn.Module, float]:
    """A segmentation model of the store, HU [batch, 1, k, j, i] to logits, and the side of the voxels it sees, mm.

    Raises:
        UserError: there is no such model, or it is for another task.
    """
    model = find_model(name)
    network = model.load(TASK, definitions())
    task, _ = learned(model)
    network = network.to(device, memory_format=torch.channels_last_3d)
    return _OnHU(network, task.window), task.spacing


class SegmentationLoss:
    """How differently a frozen segmenter sees two volumes, in the same random part of both.

    The gradient goes through the segmenter, whose weights stay as they are.

    Args:
        network: HU [batch, 1, k, j, i] to logits [batch, classes, k, j, i].
        voxel: side of the voxels that it sees, mm.
        spacing: of the volumes' voxels along i, j, k, mm.
    """

    def __init__(self, network: nn.Module, voxel: float, spacing: tuple[float, float, float]) -> None:
        self._network, self._voxel, self._spacing = network.eval().requires_grad_(False), voxel, spacing[::-1]

    def __call__(self, made: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """Mean squared difference of the classes' probabilities in volumes in HU [batch, 1, k, j, i], upright."""
        place = self._part(made.shape[2:])
        seen, true = (self._probabilities(volume[(..., *place)]) for volume in (made, real))
        return F.mse_loss(seen, true.detach()) * seen.shape[1]

    def _probabilities(self, hu: torch.Tensor) -> torch.Tensor:
        return self._network(F.interpolate(hu, (_CROP,) * 3, mode="trilinear")).float().softmax(1)

    def _part(self, sizes: torch.Size) -> tuple[slice, ...]:
        """A random part of about 40³ of the segmenter's voxels."""
        place = []
        for size, spacing in zip(sizes, self._spacing, strict=True):
            length = int(np.clip(round(_CROP * self._voxel / spacing), 1, size))
            first = int(torch.randint(0, size - length + 1, ()))
            place.append(slice(first, first + length))
        return tuple(place)
