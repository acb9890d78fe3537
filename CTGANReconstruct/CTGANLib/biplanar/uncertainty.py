"""How large the error of a reconstruction may be, voxel by voxel.

Two things tell it. The error that is usual where a CT looks so: large at edges and between lung and tissue, small in
air. And the spread of an ensemble, networks of several trainings or of several moments of one (snapshots: G. Huang et
al., ICLR 2017; deep ensembles: B. Lakshminarayanan et al., NeurIPS 2017): large where this patient's radiographs leave
much open. Alone, the spread is many times too small, as the members share training patients and a bias. Their squares
are added, each in its own weight.
"""

import numpy as np
import torch
from torch.nn import functional as F

from ..imaging.volumes import Volume

# The usual error in HU of the shipped model, as measured on deformed training patients and on those of whom the scan
# is partial: by HU, and more where HU vary.
_HU = (-1024.0, -1000.0, -900.0, -700.0, -400.0, -200.0, 0.0, 200.0, 1500.0)
_ERROR = (3.0, 25.0, 70.0, 200.0, 350.0, 80.0, 70.0, 100.0, 150.0)
_ERROR_AT_EDGES, _ERROR_MAX = 0.5, 420.0

# How much each part counts, and the usual error where it is alone: the most likely values for normally distributed
# errors of the same patients, see Testing/benchmarks/uncertainty.py.
_USUAL_ALONE, _USUAL, _SPREAD = 1.6, 1.1, 4.2
# By how much errors grow where there is only one view (geometric mean over five of those patients).
_ONE_VIEW = {"pa": 1.3, "lateral": 1.7}
# Voxels over which they are averaged: an edge may be some way off.
_AROUND_USUAL, _AROUND_SPREAD = 3, 7


def usual_error(hu: torch.Tensor) -> torch.Tensor:
    """The size of the generator's error in HU that is usual for its result [1, 1, k, j, i]."""
    mean = averaged(hu, 5)
    variation = (averaged(hu**2, 5) - mean**2).clip(min=0).sqrt()
    by_value = torch.from_numpy(np.interp(hu.numpy(), _HU, _ERROR).astype(np.float32))
    return (by_value + _ERROR_AT_EDGES * variation).clip(max=_ERROR_MAX)


def expected_error(
    volume: Volume,
    variance: np.ndarray | None = None,
    added: np.ndarray | None = None,
    views: tuple[str, ...] = ("pa", "lateral"),
) -> Volume:
    """One standard deviation of the error to be expected at each voxel.

    Args:
        volume: the reconstruction in HU, 128³ voxels of 2.5 mm.
        variance: of the ensemble's members at each voxel, HU² [k, j, i]; None where there is no ensemble.
        added: by how much the reconstruction differs from the ensemble's mean, HU [k, j, i]: further error, where it
            was sharpened.
        views: that it was made from.

    Returns:
        HU, float32, on the same grid.
    """
    usual, spread = parts(volume.array, variance)
    square = (_USUAL_ALONE * usual) ** 2 if spread is None else (_USUAL * usual) ** 2 + (_SPREAD * spread) ** 2
    if len(views) == 1:
        square = square * _ONE_VIEW[views[0]] ** 2
    if added is not None:
        square = square + added**2
    return Volume(np.sqrt(square).astype(np.float32), volume.grid)


def parts(hu: np.ndarray, variance: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
    """The usual error and the ensemble's spread, if there is one, before they are weighed, HU [k, j, i]."""
    usual = averaged(usual_error(_batch(hu)), _AROUND_USUAL)[0, 0].numpy()
    if variance is None:
        return usual, None
    return usual, averaged(_batch(variance), _AROUND_SPREAD)[0, 0].clip(min=0).sqrt().numpy()


def averaged(values: torch.Tensor, size: int) -> torch.Tensor:
    """The mean of [1, 1, k, j, i] over a cube of ``size`` voxels around each."""
    return F.avg_pool3d(values, size, 1, size // 2, count_include_pad=False)


def _batch(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array.astype(np.float32))[None, None]
