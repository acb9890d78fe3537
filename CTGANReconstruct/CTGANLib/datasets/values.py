"""What the values of a volume say: Hounsfield units, or what else they look like."""

import numpy as np

from ..errors import UserError
from ..imaging.volumes import check_hu

# Voxels looked at along each axis: enough to tell, few enough to be quick.
_SAMPLES = 80
# Where most soft tissue stands, from fat to contrast-filled organs, in HU.
_SOFT_TISSUE = (-160.0, 160.0)
# Air in and around the patient, in HU, and the least share of it.
_AIR, _LEAST_AIR = (-1150.0, -700.0), 0.02


def sampled(array: np.ndarray) -> np.ndarray:
    """An even choice of the voxels of [k, j, i], at most 80 along each axis, as float32."""
    steps = (slice(None, None, -(-size // _SAMPLES)) for size in array.shape)
    return array[tuple(steps)].astype(np.float32)


def not_hounsfield(array: np.ndarray) -> str:
    """Why values cannot be Hounsfield units and what they look like, in a sentence; empty if they can be."""
    try:
        check_hu(array, "It")
    except UserError as error:
        return f"{error.message} {_likeness(array)}".strip()
    return ""


def _likeness(array: np.ndarray) -> str:
    values, low, high = sampled(array), float(array.min()), float(array.max())
    if not np.isfinite((low, high)).all() or low == high:
        return ""
    whole = bool((values == np.round(values)).all())
    if low >= 0 and whole and len(np.unique(values)) <= 128 and (values == 0).mean() > 0.3:
        return "It looks like a label map."
    if low >= -1.001 and high <= 1.001:
        return "They look as if scaled to fractions."
    if low >= 0 and high <= 255:
        return "They look like the gray values of a picture."
    if low >= 0 and high > 60_000:
        return "Negative values seem to have been stored without their sign."
    if low >= 0 and abs(_peak(values - 1024)) < 160 and (values < 300).mean() > 0.02:
        return "They look like Hounsfield units plus 1024."
    return "They look like MR or another modality."


def implausible_values(array: np.ndarray) -> str:
    """What is missing in a CT whose values are not quite Hounsfield units, in a sentence; else empty."""
    values = sampled(array)
    if ((values > _AIR[0]) & (values < _AIR[1])).mean() < _LEAST_AIR:
        return "There is no air near -1000 HU in it: its values seem shifted."
    peak = _peak(values)
    if _SOFT_TISSUE[0] <= peak <= _SOFT_TISSUE[1]:
        return ""
    return f"Most tissue in it stands at {peak:.0f} HU instead of between -100 and 100: its values seem shifted."


def _peak(values: np.ndarray) -> float:
    """The most frequent value, to 20 HU, above those of air and lung."""
    counts, edges = np.histogram(values, bins=np.arange(-300.0, 3001.0, 20.0))
    return float(edges[counts.argmax()] + 10)
