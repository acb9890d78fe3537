"""How near a reconstruction is to the true CT. Every metric says what it compares.

Volumes are HU arrays [k, j, i] on the same grid. Definitions of the biplanar literature: X2CT-GAN, CVPR 2019.
"""

import numpy as np
import torch
from monai.metrics import SSIMMetric

from ..imaging.attenuation import HU_MIN

_RANGE = 2500.0


def psnr_x2ct(predicted: np.ndarray, true: np.ndarray) -> float:
    """PSNR in dB as the literature gives it: integers 0 to 2500 (HU + 1024), but a peak of 4095."""
    return _psnr(predicted, true, 4095.0)


def psnr_true(predicted: np.ndarray, true: np.ndarray) -> float:
    """PSNR in dB of the same integers with the peak they can have, 2500: 4.286 dB below :func:`psnr_x2ct`."""
    return _psnr(predicted, true, _RANGE)


def _psnr(predicted: np.ndarray, true: np.ndarray, peak: float) -> float:
    error = np.mean((_integers(predicted) - _integers(true)) ** 2)
    return float(10 * np.log10(peak**2 / error)) if error > 0 else float("inf")


def _integers(hu: np.ndarray) -> np.ndarray:
    return np.trunc(np.clip(hu.astype(np.float64) - HU_MIN, 0, _RANGE))


def ssim_x2ct(predicted: np.ndarray, true: np.ndarray) -> float:
    """SSIM of the literature: 7×7 uniform window on the slices across each axis, range 1 on [0, 1], averaged."""
    metric = SSIMMetric(spatial_dims=2, data_range=1.0, kernel_type="uniform", win_size=7)
    first, second = _unit(predicted), _unit(true)
    slices = [(first.movedim(n, 0)[:, None], second.movedim(n, 0)[:, None]) for n in range(3)]
    return float(np.mean([metric(*pair).mean() for pair in slices]))


def ssim_3d(predicted: np.ndarray, true: np.ndarray) -> float:
    """SSIM with MONAI's 3D Gaussian window (11 voxels, sigma 1.5), range 1 on [0, 1]."""
    metric = SSIMMetric(spatial_dims=3, data_range=1.0)
    return float(metric(_unit(predicted)[None, None], _unit(true)[None, None]).mean())


def _unit(hu: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.clip((hu.astype(np.float32) - HU_MIN) / _RANGE, 0, 1))


def mae_hu(predicted: np.ndarray, true: np.ndarray, inside: np.ndarray) -> float:
    """Mean absolute error in HU over the voxels ``inside``, such as the body."""
    return float(np.abs(predicted.astype(np.float64) - true)[inside].mean())


def dice(predicted: np.ndarray, true: np.ndarray) -> float:
    """Dice overlap of two masks; 1 if both are empty."""
    total = np.count_nonzero(predicted) + np.count_nonzero(true)
    return 2 * np.count_nonzero(predicted & true) / total if total else 1.0


def reprojection_error(projected: np.ndarray, measured: np.ndarray, seen: np.ndarray) -> dict[str, float]:
    """How well a reconstruction explains a radiograph, over the pixels ``seen``.

    Radiographs come without gain and offset, so both are fitted first.

    Returns:
        ``nrmse``: root mean square residual over the measured range; ``ncc``: normalized cross-correlation.
    """
    x, y = projected[seen].astype(np.float64), measured[seen].astype(np.float64)
    gain, offset = np.polyfit(x, y, 1) if np.ptp(x) > 0 else (0.0, y.mean())
    residual = np.sqrt(np.mean((gain * x + offset - y) ** 2))
    ncc = np.corrcoef(x, y)[0, 1] if np.ptp(x) > 0 and np.ptp(y) > 0 else 0.0
    return {"nrmse": float(residual / max(np.ptp(y), 1e-9)), "ncc": float(ncc)}


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman's rank correlation of two sets of values, equal ones with their mean rank; 0 where one is constant."""
    if not np.ptp(first) or not np.ptp(second):
        return 0.0
    return float(np.corrcoef(_ranks(first), _ranks(second))[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (counts.cumsum() - (counts - 1) / 2)[places.ravel()]


def coverage(error: np.ndarray, deviation: np.ndarray) -> float:
    """Share of errors that are no larger than the deviation given for each: of normal ones 0.683 within one standard
    deviation, 0.954 within two."""
    return float((np.abs(error) <= deviation).mean())
