"""Colors: CIELAB, and pictures over a background."""

import numpy as np

BACKGROUND = (0.311, 0.340, 0.430)
"""That of TFGAN's data sets."""

_TO_XYZ = np.array([[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]])
_WHITE = np.array([0.95047, 1.0, 1.08883])  # D65
_LINEAR_BELOW = 0.008856


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIELAB (D65, 2°) of sRGB colors within 0 and 1, [..., 3]."""
    linear = np.where(rgb > 0.04045, ((np.maximum(rgb, 0) + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    xyz = linear @ _TO_XYZ.T / _WHITE
    root = np.where(xyz > _LINEAR_BELOW, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    x, y, z = np.moveaxis(root, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)


def over(rgba: np.ndarray, background: tuple[float, float, float]) -> np.ndarray:
    """A picture whose colors come times opacity, [..., 4] within 0 and 1, over a background, [..., 3]."""
    return rgba[..., :3] + (1 - rgba[..., 3:]) * np.asarray(background, rgba.dtype)


def as_bytes(rgb: np.ndarray) -> np.ndarray:
    """Values within 0 and 1 as uint8."""
    return (rgb.clip(0, 1) * 255).round().astype(np.uint8)
