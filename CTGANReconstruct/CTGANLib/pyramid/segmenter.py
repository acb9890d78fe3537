"""The project's segmenter as a frozen network that gradients pass through."""

import torch
from torch import nn

from ..errors import UserError
from ..models.store import find_model
from ..segmentation.network import definitions, outputs
from ..segmentation.segmenter import TASK
from ..segmentation.tasks import find_task


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
    try:
        settings = model.metadata["ctgan"]["settings"]
        task = find_task(str(settings["task"]), str(settings["labels"]))
    except KeyError as error:
        raise UserError(f"The model {name} does not say what it has learned.", "Import it again.") from error
    network = network.to(device, memory_format=torch.channels_last_3d)
    return _OnHU(network, task.window), task.spacing
