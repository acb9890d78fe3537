"""How near a picture is to the true one, as TFGAN measured it, with MS-SSIM and PSNR beside.

Pictures are RGB within 0 and 1, [rows, columns, 3], over the same background. Definitions: Berger et al., A Generative
Model for Volume Rendering, IEEE TVCG 2019, and its code.
"""

from itertools import pairwise

import numpy as np
import torch
from monai.metrics import MultiScaleSSIMMetric, SSIMMetric

from .colors import as_bytes, lab

_BINS = (8, 12, 12)
_LAB_RANGE = ((0.0, 100.0), (-86.185, 98.254), (-107.863, 94.482))
_GRAY = np.array([0.299, 0.587, 0.114])
# Of the five scales of Wang et al. (2003) small pictures have room for the first ones only.
_SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_WINDOW = 11
_ENOUGH, _SHORTER = 1e-9, 1e-12


def picture_scores(predicted: np.ndarray, true: np.ndarray) -> dict[str, float]:
    """How near a picture comes to the true one.

    Args:
        predicted, true: RGB within 0 and 1, [rows, columns, 3].

    Returns:
        ``rmse``, the root of the mean squared difference over pixels and channels; ``relative_l2``, the norm of the
        difference over that of the true picture; ``ssim`` of the gray values, whose data range is 1 (Wang et al., IEEE
        TIP 2004, Gaussian window of 11 pixels); ``ms_ssim``, the same over several scales (Wang et al., Asilomar 2003);
        ``psnr`` in dB with the peak 1; and ``emd``, see :func:`emd`.
    """
    error = float(np.mean((predicted - true) ** 2))
    gray, true_gray = (torch.from_numpy((image @ _GRAY)[None, None]).float() for image in (predicted, true))
    return {
        "rmse": error**0.5,
        "relative_l2": float(np.linalg.norm(predicted - true) / max(float(np.linalg.norm(true)), 1e-9)),
        "ssim": float(SSIMMetric(spatial_dims=2, data_range=1.0)(gray, true_gray).mean()),
        "ms_ssim": float(_ms_ssim(min(true.shape[:2]))(gray, true_gray).mean()),
        "psnr": float(10 * np.log10(1 / error)) if error > 0 else float("inf"),
        "emd": emd(predicted, true),
    }


def emd(predicted: np.ndarray, true: np.ndarray) -> float:
    """Earth mover's distance between the color histograms, 8×12×12 bins of CIELAB (Rubner et al., IJCV 2000).

    The ground distance is that between the bins' indices, over the largest there is; each histogram has the mass 1.
    """
    first, second = histogram(predicted), histogram(true)
    # What both have stays where it is, since the ground distance is a metric.
    more, less = first - np.minimum(first, second), second - np.minimum(first, second)
    give, take = np.flatnonzero(more), np.flatnonzero(less)
    if not len(give):
        return 0.0
    places = np.stack(np.unravel_index(np.arange(first.size), _BINS), -1).astype(float)
    distance = np.linalg.norm(places[give][:, None] - places[take][None], axis=-1)
    farthest = np.linalg.norm(np.array(_BINS) - 1)
    return transport(more[give], less[take], distance / farthest)


def histogram(rgb: np.ndarray) -> np.ndarray:
    """Share of the pixels of each color, [1152]."""
    colors = lab(as_bytes(rgb).reshape(-1, 3) / 255)
    counts, _ = np.histogramdd(colors, bins=_BINS, range=_LAB_RANGE)
    return counts.ravel() / len(colors)


def transport(give: np.ndarray, take: np.ndarray, cost: np.ndarray) -> float:
    """The least cost of moving the masses ``give`` [n] to ``take`` [m], of equal sums, at ``cost`` [n, m] a unit.

    Exact: shortest augmenting paths by Bellman and Ford over the whole matrix at once.
    """
    give, take, flow = give.copy(), take.copy(), np.zeros_like(cost)
    while give.max() > _ENOUGH and take.max() > _ENOUGH:
        path = _shortest_path(give, take, flow, cost)
        turns = [(source, passed) for (source, _), (_, passed) in pairwise(path)]
        amount = min([take[path[0][1]], give[path[-1][0]], *[flow[turn] for turn in turns]])
        for step in path:
            flow[step] += amount
        for turn in turns:
            flow[turn] -= amount
        take[path[0][1]] -= amount
        give[path[-1][0]] -= amount
    return float((flow * cost).sum())


def _shortest_path(give: np.ndarray, take: np.ndarray, flow: np.ndarray, cost: np.ndarray) -> list[tuple[int, int]]:
    """Moves (from, to), the last one first, from what has something left to what still takes."""
    # Back from a place that took something: only as much as went there.
    returned = np.where(flow > _ENOUGH, -cost, np.inf)
    away, before = np.where(give > _ENOUGH, 0.0, np.inf), np.full(len(give), -1)
    there, origin = np.full(len(take), np.inf), np.full(len(take), -1)
    while True:
        # Only what is truly shorter counts, or equal ways would lead in circles.
        found = (away[:, None] + cost).min(0)
        nearer = found < there - _SHORTER
        origin[nearer] = (away[:, None] + cost[:, nearer]).argmin(0)
        there[nearer] = found[nearer]
        found = (there + returned).min(1)
        nearer = found < away - _SHORTER
        if not nearer.any():
            break
        before[nearer] = (there + returned[nearer]).argmin(1)
        away[nearer] = found[nearer]
    target = int(np.where(take > _ENOUGH, there, np.inf).argmin())
    path = [(int(origin[target]), target)]
    while before[path[-1][0]] >= 0:
        passed = int(before[path[-1][0]])
        path.append((int(origin[passed]), passed))
    return path


def _ms_ssim(side: int) -> MultiScaleSSIMMetric:
    count = max(n for n in range(1, len(_SCALES) + 1) if n == 1 or side // 2 ** (n - 1) > _WINDOW)
    weights = tuple(np.array(_SCALES[:count]) / sum(_SCALES[:count]))
    return MultiScaleSSIMMetric(spatial_dims=2, data_range=1.0, kernel_size=_WINDOW, weights=weights)
