"""What a network is told beside the low-resolution passes: viewpoint, transfer functions and light, as tensors."""

from dataclasses import dataclass, fields

import numpy as np
import torch

from .camera import View
from .colors import lab
from .functions import SAMPLES_HU, TransferFunctions

_LAB_SCALE = 100.0


@dataclass(frozen=True)
class Conditions:
    """Of several pictures, float32.

    Attributes:
        view: see ``View.encoded`` [batch, 5].
        opacity: at ``SAMPLES_HU`` [batch, 1, 256].
        color: red, green, blue there [batch, 3, 256].
        lab: the same in CIELAB, hundredths.
        light: shade (0 or 1), ambient, diffuse, specular, tenths of the specular power [batch, 5].
    """

    view: torch.Tensor
    opacity: torch.Tensor
    color: torch.Tensor
    lab: torch.Tensor
    light: torch.Tensor

    @classmethod
    def of(cls, views: list[View], functions: list[TransferFunctions]) -> "Conditions":
        """Of viewpoints and their functions."""
        sampled = [one.sampled() for one in functions]
        color = np.stack([one.color[:, 1:] for one in sampled])
        light = [[one.shade, one.ambient, one.diffuse, one.specular, one.specular_power / 10] for one in functions]
        arrays = (
            np.stack([view.encoded for view in views]),
            np.stack([one.opacity[None, :, 1] for one in sampled]),
            color.transpose(0, 2, 1),
            lab(color).transpose(0, 2, 1) / _LAB_SCALE,
            np.array(light, float),
        )
        return cls(*(torch.from_numpy(np.ascontiguousarray(array, np.float32)) for array in arrays))

    def to(self, device: torch.device | str) -> "Conditions":
        """The same on a device."""
        return Conditions(*(getattr(self, field.name).to(device) for field in fields(self)))

    def __len__(self) -> int:
        return len(self.view)


SAMPLES = len(SAMPLES_HU)
