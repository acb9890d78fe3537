"""What a picture of a radiograph shows besides the patient: closed collimator blades, black or white frames, labels.

None of it is attenuation. Here it is found, and replaced by what lies beside it.
"""

import numpy as np
import SimpleITK as sitk

# All as shares of the range of gray values or of the longer side.
_FLAT, _EXTREME = 0.05, 0.06
_STEP, _STEP_WIDTH = 0.12, 0.012
_STRAIGHT, _STEEPEST, _LEAST_LENGTH = 0.006, 0.06, 0.4
_LABEL_CONTRAST, _LABEL_BRIGHTNESS, _STROKE = 0.3, 0.75, 0.02
_RIM = 0.01
# Pixels.
_BLENDED = 2


def exposed(array: np.ndarray) -> np.ndarray:
    """Where a picture was exposed: [rows, columns], False beyond the edges of a collimation or frame.

    Beyond such an edge the picture is all black or all white, and the edge is a straight step, nearly parallel to the
    picture's side. Air beside the patient is black too, but skin is no straight step; it counts as exposed.

    Args:
        array: [rows, columns], of either polarity.
    """
    picture = without_labels(_unit(array))
    flat = _flat(picture)
    seen = np.ones(array.shape, bool)
    for side in range(4):
        # Each side in turn is the upper one of a turned view of the same pixels.
        _close_blade(np.rot90(picture, side), np.rot90(flat, side), np.rot90(seen, side))
    # A picture that is nearly all blade is misunderstood.
    return seen if seen.mean() > 0.25 else np.ones(array.shape, bool)


def without_labels(array: np.ndarray) -> np.ndarray:
    """A picture without burnt-in letters, arrows and lines: thin and brighter than nearly all around them.

    Args:
        array: [rows, columns], bone white.
    """
    width = max(3, round(_STROKE * max(array.shape)))
    image = sitk.GetImageFromArray(np.ascontiguousarray(array, np.float32))
    opened = sitk.GetArrayFromImage(sitk.GrayscaleMorphologicalOpening(image, [width // 2] * 2, sitk.sitkBox))
    low, high = np.percentile(array, [0.5, 99.5])
    contrast = (array - opened) / max(high - low, 1e-6)
    label = (contrast > _LABEL_CONTRAST) & (array > low + _LABEL_BRIGHTNESS * (high - low))
    # With the blurred rim of the letters.
    rim = sitk.BinaryDilate(sitk.GetImageFromArray(label.astype(np.uint8)), [max(1, width // 6)] * 2, sitk.sitkBox)
    return np.where(sitk.GetArrayFromImage(rim) > 0, opened, array)


def filled(array: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """A picture whose unseen pixels, and those of its own border, continue the nearest seen ones in row and column.

    The rim of a blade is half shaded, and many pictures have a thin frame.
    """
    image = sitk.GetImageFromArray(seen.astype(np.uint8))
    rim = max(1, round(_RIM * max(seen.shape)))
    # Beyond the picture nothing is seen.
    eroded = sitk.BinaryErode(image, [rim, rim], sitk.sitkBox, 0, 1, False)
    result, kept = array, sitk.GetArrayFromImage(eroded) > 0
    for _ in range(2 if kept.any() else 0):
        result, kept = _continued(result, kept)
        result, kept = result.T, kept.T
    return np.ascontiguousarray(result)


def _unit(array: np.ndarray) -> np.ndarray:
    low, high = np.percentile(array, [0.05, 99.95])
    return ((array - low) / max(high - low, 1e-6)).clip(0, 1).astype(np.float32)


def _flat(picture: np.ndarray) -> np.ndarray:
    """Pixels among equals, all black or all white."""
    image = sitk.GetImageFromArray(picture)
    spread = sitk.GrayscaleDilate(image, [1, 1], sitk.sitkBox) - sitk.GrayscaleErode(image, [1, 1], sitk.sitkBox)
    extreme = (picture < _EXTREME) | (picture > 1 - _EXTREME)
    flat = (sitk.GetArrayFromImage(spread) < _FLAT) & extreme
    # Scaling a picture blends its outermost pixels with whatever was beside them.
    for edge in (slice(None, _BLENDED), slice(-_BLENDED, None)):
        flat[edge], flat[:, edge] = True, True
    return flat


def _close_blade(picture: np.ndarray, flat: np.ndarray, seen: np.ndarray) -> None:
    """Mark in ``seen`` what lies above a straight step between flat pixels at the upper side and the rest."""
    rows, columns = picture.shape
    size = max(rows, columns)
    depth = np.where(flat.all(axis=0), 0, flat.argmin(axis=0))
    reach = max(2, round(_STEP_WIDTH * size))
    across = np.arange(columns)
    before = picture[np.maximum(depth - 1, 0), across]
    beyond = picture[np.minimum(depth + reach, rows - 1), across]
    step = np.flatnonzero((depth > _BLENDED) & (depth < rows / 2) & (np.abs(beyond - before) > _STEP))
    if len(step) < _LEAST_LENGTH * columns:
        return
    # Theil and Sen's line, on some of the columns.
    some = step[:: max(1, len(step) // 100)]
    gaps = some[:, None] - some[None]
    far = gaps > columns / 10
    if not far.any():
        return
    slope = float(np.median((depth[some][:, None] - depth[some][None])[far] / gaps[far]))
    height = float(np.median(depth[step] - slope * step))
    on_line = np.abs(depth[step] - slope * step - height) <= max(1.5, _STRAIGHT * size)
    if abs(slope) < _STEEPEST and on_line.sum() > _LEAST_LENGTH * columns:
        seen[np.arange(rows)[:, None] < slope * across + height] = False


def _continued(array: np.ndarray, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each column with its first and last kept pixel continued to its ends."""
    rows = len(array)
    first, last = kept.argmax(axis=0), rows - 1 - kept[::-1].argmax(axis=0)
    source = np.arange(rows)[:, None].clip(first, last)
    any_kept = kept.any(axis=0)
    result = np.where(any_kept, np.take_along_axis(array, source, axis=0), array)
    return result, kept | any_kept
