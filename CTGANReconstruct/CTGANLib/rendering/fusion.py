"""Several co-registered volumes as one: averages, Laplacian pyramids, and weights that are learned from the volumes.

What is fused are volumes in HU on one grid; a picture of the result is rendered as that of any other. For a
reconstruction with its uncertainty, the weights are those of the inverse variance.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ..errors import UserError
from ..imaging.resampling import resample_parallel
from ..imaging.volumes import Volume

METHODS = ("average", "pyramid", "learned")

_LEVELS = 4
_STEPS, _PATCH, _BATCH, _RATE = 150, 24, 2, 5e-3
_SCALE = 500.0  # HU


def fuse(volumes: list[Volume], method: str = "pyramid", seed: int = 0) -> Volume:
    """One volume of several.

    Args:
        volumes: co-registered, in HU; the others are brought to the grid of the first.
        method: ``average``; ``pyramid``: at each place and scale the detail of the volume that has most of it (Burt and
            Adelson, IEEE Trans. Commun. 1983); ``learned``: weights of a small network that learns, from these volumes
            alone, to keep the gradients and the values of all of them.
        seed: of what is learned.

    Raises:
        UserError: there are fewer than two volumes, they do not overlap, or there is no such method.
    """
    if method not in METHODS:
        raise UserError(f"There is no fusion {method}.", f"Choose one of {', '.join(METHODS)}.")
    stack = torch.from_numpy(np.stack(_on_one_grid(volumes)))
    if method == "average":
        fused = stack.mean(0)
    elif method == "pyramid":
        fused = _pyramid(stack)
    else:
        fused = _learned(stack, seed)
    return Volume(fused.numpy().astype(np.float32), volumes[0].grid)


def fuse_by_certainty(volumes: list[Volume], deviations: list[Volume]) -> Volume:
    """The mean of volumes weighted with the inverse variance of each, of deviations in HU on the same grids.

    Raises:
        UserError: there are not as many deviations as volumes, or see :func:`fuse`.
    """
    if len(volumes) != len(deviations):
        raise UserError(f"There are {len(volumes)} volumes and {len(deviations)} deviations.", "Give one for each.")
    values = np.stack(_on_one_grid(volumes))
    weights = 1 / np.maximum(np.stack(_on_one_grid(deviations, [volumes[0].grid])), 1.0) ** 2
    return Volume(((values * weights).sum(0) / weights.sum(0)).astype(np.float32), volumes[0].grid)


def _on_one_grid(volumes: list[Volume], grids=()) -> list[np.ndarray]:
    if len(volumes) < 2:
        raise UserError("There is only one volume.", "Choose two or more that are registered to each other.")
    grid = grids[0] if grids else volumes[0].grid
    arrays = []
    for volume in volumes:
        inside = (np.abs(volume.grid.to_ijk(grid.center) - (np.array(volume.grid.shape[::-1]) - 1) / 2) * 2).max()
        if inside > max(volume.grid.shape):
            raise UserError("The volumes do not overlap.", "Register them to each other first.")
        same = volume.grid.shape == grid.shape and np.allclose(volume.grid.ijk_to_ras, grid.ijk_to_ras)
        arrays.append(np.asarray(volume.array if same else resample_parallel(volume, grid).array, np.float32))
    return arrays


def _pyramid(stack: torch.Tensor) -> torch.Tensor:
    """Details by the largest magnitude, the coarsest level by the mean."""
    level, details = stack[:, None], []
    for _ in range(_LEVELS):
        if min(level.shape[2:]) < 4:
            break
        smaller = F.avg_pool3d(level, 2, ceil_mode=True)
        details.append(level - _enlarged(smaller, level))
        level = smaller
    fused = level.mean(0, keepdim=True)
    for detail in reversed(details):
        chosen = detail.abs().argmax(0, keepdim=True)
        fused = _enlarged(fused, detail) + detail.gather(0, chosen)
    return fused[0, 0]


def _enlarged(small: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return F.interpolate(small, size=like.shape[2:], mode="trilinear", align_corners=False)


def _learned(stack: torch.Tensor, seed: int) -> torch.Tensor:
    """Weights by a network that sees each volume alone, so that any number of them can be fused."""
    torch.manual_seed(seed)
    network = nn.Sequential(
        nn.Conv3d(1, 8, 3, padding=1), nn.LeakyReLU(0.1), nn.Conv3d(8, 8, 3, padding=1), nn.LeakyReLU(0.1),
        nn.Conv3d(8, 1, 1),
    )  # fmt: skip
    scaled = stack[:, None] / _SCALE
    descent = torch.optim.Adam(network.parameters(), lr=_RATE)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(_STEPS):
        patches = torch.stack([_patch(scaled, generator) for _ in range(_BATCH)], 1)  # [volumes, batch, 1, ...]
        fused = _weighted(network, patches)
        wanted = [_largest([_gradient(one, axis) for one in patches]) for axis in (-1, -2, -3)]
        loss = sum(
            (_gradient(fused, axis) - want).abs().mean() for axis, want in zip((-1, -2, -3), wanted, strict=True)
        )
        loss = loss + 0.2 * (fused - patches.mean(0)).abs().mean()
        descent.zero_grad()
        loss.backward()
        descent.step()
    with torch.inference_mode():
        return _weighted(network, scaled[:, None])[0, 0] * _SCALE


def _weighted(network: nn.Module, volumes: torch.Tensor) -> torch.Tensor:
    shares = torch.stack([network(volume) for volume in volumes]).softmax(0)
    return (shares * volumes).sum(0)


def _patch(volumes: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    sides = [min(_PATCH, size) for size in volumes.shape[2:]]
    starts = [
        int(torch.randint(size - side + 1, (), generator=generator))
        for size, side in zip(volumes.shape[2:], sides, strict=True)
    ]
    return volumes[(..., *(slice(start, start + side) for start, side in zip(starts, sides, strict=True)))]


def _gradient(volume: torch.Tensor, axis: int) -> torch.Tensor:
    return torch.diff(volume, dim=axis)


def _largest(gradients: list[torch.Tensor]) -> torch.Tensor:
    stacked = torch.stack(gradients)
    return stacked.gather(0, stacked.abs().argmax(0, keepdim=True))[0]
