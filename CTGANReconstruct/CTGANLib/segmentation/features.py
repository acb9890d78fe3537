"""What the project's own segmenter sees in slices, as numbers by which generated and real ones are compared.

Beside the random features of ``evaluation.features``, these come from a network that has learned what organs look like.
"""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ..errors import UserError
from ..models.store import find_model
from .network import STRIDE, definitions, seg_res_net
from .segmenter import TASK, learned

SEGMENTER = "ChestSegmentation"
_BATCH = 16
_ENCODER = "encoder."


class SegmenterFeatures:
    """Means and standard deviations of what the segmenter's encoder answers to axial slices, at all of its levels.

    A slice is looked at as an endlessly tall body of that cross-section, which a slice alone allows: along the patient
    each 3D kernel then does what the sum of its slices does in 2D.

    Args:
        spacing: of the pixels along i and j, mm.
        name: of a segmentation model of the store, a SegResNet.

    Raises:
        UserError: there is no such model, or it is of another network.
    """

    def __init__(self, spacing: tuple[float, float], name: str = SEGMENTER) -> None:
        model = find_model(name)
        network = model.load(TASK, definitions())
        if not hasattr(network, "encoder"):
            raise UserError(f"The features of {name} cannot be used.", "Choose a model of the network SegResNet.")
        task, _ = learned(model)
        self._window = task.window
        self._zoom = tuple(step / task.spacing for step in spacing[::-1])
        self._encoder = _flat(network)
        self.name = f"encoder of {name}"

    def __call__(self, hu: np.ndarray) -> np.ndarray:
        """Features float64 [n, features] of pictures [n, rows, columns] in HU."""
        return np.concatenate([self._describe(hu[start : start + _BATCH]) for start in range(0, len(hu), _BATCH)])

    @torch.no_grad()
    def _describe(self, hu: np.ndarray) -> np.ndarray:
        low, high = self._window
        sides = [STRIDE * math.ceil(n * zoom / STRIDE) for n, zoom in zip(hu.shape[1:], self._zoom, strict=True)]
        picture = F.interpolate(
            torch.from_numpy(hu.astype(np.float32))[:, None], sides, mode="bilinear", antialias=True
        )
        levels = self._encoder(((picture - low) / (high - low)).clip(0, 1) * 2 - 1)
        found = [part for level in levels for part in (level.mean((2, 3)), level.std((2, 3)))]
        return torch.cat(found, 1).numpy().astype(np.float64)


def _flat(network: nn.Module) -> nn.Module:
    """The encoder of a SegResNet for pictures, with each kernel summed along k."""
    (classes,), (filters,) = network.arguments["classes"], network.arguments["filters"]
    encoder = seg_res_net(classes, filters, dimensions=2).encoder
    weights = {name.removeprefix(_ENCODER): value for name, value in network.state_dict().items() if _ENCODER in name}
    encoder.load_state_dict({name: value.sum(2) if value.ndim == 5 else value for name, value in weights.items()})
    return encoder.eval()
