"""Anatomies between those of two patients: one CT drawn toward the shape of another."""

from functools import lru_cache

import numpy as np
import SimpleITK as sitk
import torch
from torch.nn import functional as F

# Registered on voxels so many times as wide, within tissue's window: shape matters, not detail.
_COARSER = 4
_WINDOW = (-1000.0, 400.0)
_ITERATIONS = 60
_SMOOTHING = 1.5
# Pairs of patients whose displacement is kept; each takes 0.8 MB.
_PAIRS = 512


def displacement_toward(hu: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Where each point of one CT is found in another: ``hu`` read there has the shape of ``other``.

    Diffeomorphic demons (T. Vercauteren et al., NeuroImage 45(1), 2009) at a quarter of the resolution, by SimpleITK,
    on the CPU; a pair of patients is registered once a process.

    Args:
        hu, other: [1, k, j, i] in HU on the same cubic grid.

    Returns:
        [3, k/4, j/4, i/4], displacements along i, j and k where the whole grid spans −1 to 1.
    """
    fixed, moving = (F.avg_pool3d(volume[None].float().cpu(), _COARSER)[0, 0] for volume in (other, hu))
    shape = tuple(fixed.shape)
    field = _register(*(v.clip(*_WINDOW).round().short().numpy().tobytes() for v in (fixed, moving)), shape)
    return torch.from_numpy(field).to(hu.device)


@lru_cache(maxsize=_PAIRS)
def _register(fixed: bytes, moving: bytes, shape: tuple[int, int, int]) -> np.ndarray:
    images = [
        sitk.GetImageFromArray(np.frombuffer(data, np.int16).reshape(shape).astype(np.float32))
        for data in (fixed, moving)
    ]
    demons = sitk.DiffeomorphicDemonsRegistrationFilter()
    demons.SetNumberOfIterations(_ITERATIONS)
    demons.SetStandardDeviations(_SMOOTHING)
    voxels = sitk.GetArrayFromImage(demons.Execute(*images))
    return np.moveaxis(voxels * (2 / np.array(shape[::-1])), -1, 0).astype(np.float32)
