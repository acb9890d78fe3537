"""From line integrals to what a detector receives and a reader sees: Beer-Lambert, scatter, noise, and the film look.

A film's picture is bright where little radiation came, as bone is: like the line integral it grows with attenuation.
"""

import numpy as np
import SimpleITK as sitk

# Scattered radiation spreads widely; measured kernels behind a chest are some centimeters broad.
_SCATTER_WIDTH = 40.0
_LEAST_TRANSMISSION = 1e-6
# A ray that lost less than 10 % passed beside the patient.
_BESIDE = 0.1


def transmission(line_integral: np.ndarray) -> np.ndarray:
    """The share I / I0 of the radiation that arrives, by Beer-Lambert: exp(−p)."""
    return np.exp(-line_integral)


def line_integral(transmitted: np.ndarray) -> np.ndarray:
    """p = −ln(I / I0), the inverse of :func:`transmission`; no radiation at all counts as a millionth."""
    return -np.log(np.maximum(transmitted, _LEAST_TRANSMISSION))


def expose(
    line_integral: np.ndarray,
    pixel_spacing: tuple[float, float],
    *,
    scatter: float = 0.0,
    photons: float | None = None,
    seed: int = 0,
) -> np.ndarray:
    """What a detector measures behind the patient, as a share of the unattenuated radiation.

    Args:
        line_integral: p [rows, columns].
        pixel_spacing: between rows and between columns, mm.
        scatter: scattered over primary radiation; behind a chest with a grid about 0.5, without one 1 and more.
        photons: unattenuated photons a pixel, for Poisson noise; a chest film has some thousands. None: no noise.
        seed: of the noise.

    Returns:
        I / I0 [rows, columns] float32, plus the scatter where there is some.

    Raises:
        ValueError: a negative scatter, or no photons at all.
    """
    if scatter < 0 or (photons is not None and photons <= 0):
        raise ValueError("The share of scatter must not be below zero, and the number of photons must be above it.")
    intensity = transmission(line_integral)
    if scatter > 0:
        spread = sitk.GetImageFromArray(intensity.astype(np.float32))
        spread.SetSpacing((float(pixel_spacing[1]), float(pixel_spacing[0])))
        spread = sitk.SmoothingRecursiveGaussian(spread, _SCATTER_WIDTH)
        intensity = intensity + scatter * sitk.GetArrayFromImage(spread)
    if photons is not None:
        intensity = np.random.default_rng(seed).poisson(intensity * photons) / photons
    return intensity.astype(np.float32)


def film(line_integral: np.ndarray) -> np.ndarray:
    """The look of a chest film, 0 (black, as without patient) to 1 (white).

    The characteristic curve of film over the logarithm of the exposure is a sigmoid. As an automatic exposure does,
    it is laid over what lies behind the patient, from the most transparent lung to the mediastinum, so that the lungs
    keep their contrast.

    Args:
        line_integral: p [rows, columns].
    """
    behind = line_integral[line_integral > _BESIDE]
    low, high = np.percentile(behind if behind.size else line_integral, [2, 90])
    # At ±2.2 the sigmoid has 10 % and 90 %: toe and shoulder stay for air and for metal.
    curve = _sigmoid(4.4 * (line_integral - (low + high) / 2) / max(high - low, 1e-6))
    base = _sigmoid(-2.2 * (low + high) / max(high - low, 1e-6))
    return ((curve - base) / (1.0 - base)).clip(0.0, 1.0).astype(np.float32)


def _sigmoid(steps: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-steps))
