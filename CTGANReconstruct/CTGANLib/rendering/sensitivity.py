"""How much the picture would change if the transfer functions did: gradients, on the axis of HU and on the picture.

As Berger et al. (IEEE TVCG 2019) show it: where on the axis the picture, or a region of it, depends on the functions,
and where on the picture a range of HU matters. The gradient passes through the network and the ray-caster.
"""

from dataclasses import dataclass

import numpy as np
import torch

from ..errors import UserError
from .camera import Camera, View
from .coarse import CoarseVolume
from .conditions import Conditions
from .functions import LEAST_HU, MOST_HU, SAMPLES_HU, TransferFunctions
from .raycast import Tables, cast
from .recipe import RAYCAST
from .render import NeuralRenderer, check_size

Region = tuple[int, int, int, int]
"""Of a picture: first and last row, first and last column, the last ones not included."""


@dataclass(frozen=True)
class AxisSensitivity:
    """What the brightness of the picture, or of its region, changes by.

    Attributes:
        hu: of the 256 samples of the functions.
        opacity: mean change of a pixel's channels per unit of opacity at each sample [256].
        color: per unit of red, green and blue [256, 3].
    """

    hu: np.ndarray
    opacity: np.ndarray
    color: np.ndarray


def on_axis(
    renderer: NeuralRenderer,
    volume: CoarseVolume,
    camera: Camera,
    functions: TransferFunctions,
    size: int = 256,
    region: Region | None = None,
) -> AxisSensitivity:
    """Where on the axis of HU the picture depends on the functions.

    Args:
        renderer: that sees the volume by the ray-caster.
        volume, camera, functions: of the picture.
        size: of the picture, pixels of a side.
        region: of it; default: all.

    Raises:
        UserError: the region holds no pixel, or the model sees an opacity pass.
    """
    check_size(size)
    # Means over a region are the same at half the size, and need a quarter of the memory.
    rows, columns = (slice(side.start // 2, -(-side.stop // 2)) for side in _region(region, size))
    opacity, color = (torch.tensor(values, dtype=torch.float32) for values in _samples(functions))
    opacity.requires_grad_(True)
    color.requires_grad_(True)
    with torch.enable_grad():
        picture = _picture(renderer, volume, camera, functions, opacity, color, size // 2)
        picture[:, rows, columns].mean().backward()
    return AxisSensitivity(SAMPLES_HU, opacity.grad.numpy(), color.grad.numpy())


def on_picture(
    renderer: NeuralRenderer,
    volume: CoarseVolume,
    camera: Camera,
    functions: TransferFunctions,
    hu: tuple[float, float],
    size: int = 256,
    change: float = 0.02,
) -> np.ndarray:
    """Where on the picture a range of HU matters.

    Args:
        renderer, volume, camera, functions, size: as for :func:`on_axis`.
        hu: lowest and highest of the range.
        change: of the opacity in the range, by which the derivative is taken.

    Returns:
        Absolute change of the channels per unit of opacity, float32 [size, size].

    Raises:
        UserError: the range holds none of the functions' samples, or the model sees an opacity pass.
    """
    check_size(size)
    inside = (hu[0] <= SAMPLES_HU) & (hu[1] >= SAMPLES_HU)
    if not inside.any():
        raise UserError(f"There is no HU from {hu[0]:g} to {hu[1]:g}.", f"Choose within {LEAST_HU} and {MOST_HU}.")
    opacity, color = (torch.tensor(values, dtype=torch.float32) for values in _samples(functions))
    direction = torch.from_numpy(inside.astype(np.float32))
    # A derivative along one direction: two pictures are cheaper than a gradient of every pixel.
    low = (opacity - change / 2 * direction).clamp(0, 1)
    high = (opacity + change / 2 * direction).clamp(0, 1)
    width = float((high - low).max().clamp(min=1e-6))
    with torch.inference_mode():
        pictures = [_picture(renderer, volume, camera, functions, each, color, size) for each in (low, high)]
    return ((pictures[1] - pictures[0]).abs().mean(0) / width).cpu().numpy()


def _picture(renderer, volume, camera, functions, opacity, color, size: int) -> torch.Tensor:
    """The picture [4, size, size] of functions by their samples."""
    if renderer.source != RAYCAST:
        raise UserError("This model sees an opacity pass.", "Choose a model that sees the volume itself.")
    device = renderer.device
    table = Tables.of(functions, device)
    weights = _weights().to(device)
    told = Conditions.of([View.of(camera, volume.whole)], [functions]).to(device)
    told = Conditions(told.view, opacity.to(device)[None, None], told.color, told.lab, told.light)
    tables = Tables(weights @ opacity.to(device), weights @ color.to(device), table.light, table.unit_distance)
    passes = cast(volume, camera, tables, size // renderer.factor)
    return renderer.network(passes[None], told)[0]


def _samples(functions: TransferFunctions) -> tuple[np.ndarray, np.ndarray]:
    sampled = functions.sampled()
    return sampled.opacity[:, 1], sampled.color[:, 1:]


def _weights() -> torch.Tensor:
    """Linear interpolation from the samples to every HU, [4096, 256]."""
    hu = np.arange(LEAST_HU, MOST_HU + 1)
    return torch.from_numpy(
        np.stack([np.interp(hu, SAMPLES_HU, unit) for unit in np.eye(len(SAMPLES_HU))], 1).astype(np.float32)
    )


def _region(region: Region | None, size: int) -> tuple[slice, slice]:
    top, bottom, left, right = region or (0, size, 0, size)
    if not (0 <= top < bottom <= size and 0 <= left < right <= size):
        raise UserError("The region holds no pixel of the picture.", f"Choose rows and columns within 0 and {size}.")
    return slice(top, bottom), slice(left, right)
