"""Small pictures of CTs: the middle coronal and axial slice side by side, as a radiologist sees them."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..files import staged
from ..imaging.geometry import Grid
from ..imaging.images import write_image
from ..imaging.standardize import upright
from ..imaging.volumes import Volume
from .values import sampled

_SIZE = 128  # pixels of each of the two pictures
_LUNG_WINDOW = (-1350.0, 150.0)


def write_thumbnail(volume: Volume, path: Path, in_hu: bool = True) -> None:
    """Write a PNG of 256 x 128 pixels: coronal with the head up, axial with the front up; the patient's left is right.

    Args:
        volume: as it was read, whatever its directions.
        path: of the picture.
        in_hu: show the lung window; other values from their 1st to their 99th percentile.
    """
    box = upright(volume.grid, 1.0)
    low, high = _LUNG_WINDOW if in_hu else np.nanpercentile(sampled(volume.array), [1, 99])
    # Rows of the slices go toward S or A and columns to the patient's right; pictures the other way.
    planes = [_middle_slice(volume, box, axis, low)[::-1, ::-1] for axis in ("A", "S")]
    gray = (np.nan_to_num(np.hstack(planes), nan=low) - low) / max(high - low, 1e-6) * 255
    with staged(path) as temporary:
        write_image(sitk.GetImageFromArray(gray.clip(0, 255).astype(np.uint8)), temporary)


def _middle_slice(volume: Volume, box: Grid, across: str, outside: float) -> np.ndarray:
    """The middle slice of a box of 1 mm voxels, across the direction A or S, [128, 128]; the longest side fills it."""
    axis = "SAR".index(across)
    shape = tuple(1 if n == axis else 2 * _SIZE for n in range(3))
    # At double resolution and then halved, so that little is passed over.
    grid = Grid.centered(shape, max(box.shape) / (2 * _SIZE), tuple(box.center))
    target = Volume(np.zeros(shape, np.uint8), grid).to_image()
    image = sitk.Resample(volume.to_image(), target, sitk.Transform(), sitk.sitkLinear, float(outside))
    plane = np.squeeze(sitk.GetArrayFromImage(image), axis).astype(np.float32)
    return plane.reshape(_SIZE, 2, _SIZE, 2).mean((1, 3))
