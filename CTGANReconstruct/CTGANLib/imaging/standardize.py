"""From any chest CT to the grid the networks work on: table removed, body centered, 128³ voxels of 2.5 mm."""

import itertools

import numpy as np
import SimpleITK as sitk

from ..errors import UserError
from .attenuation import HU_MAX, HU_MIN
from .geometry import Grid
from .volumes import Volume

STANDARD_SPACING = 2.5
STANDARD_SIZE = 128
# Training and test radiographs see more of the patient than the reconstruction shows, as real ones do.
FIELD_SIZE = 160

_BODY_HU = -400
_LUNG_HU = -500


def standardize(volume: Volume, size: int = STANDARD_SIZE) -> Volume:
    """A CT on the standard grid of ``size``³ voxels of 2.5 mm along R, A and S, int16 HU.

    Everything outside the body becomes air, HU are clipped to [−1024, 1476]. The grid keeps the patient's own RAS
    coordinates, so that ``result.resample(volume.grid)`` is the road back.

    Raises:
        UserError: there is no body in the volume.
    """
    upright = volume.resample(upright_grid(volume.grid))
    body = body_mask(upright.to_image())
    inside = Volume(sitk.GetArrayFromImage(body).astype(np.float32), upright.grid)
    if not inside.array.any():
        raise UserError("There is no body in this volume.", "Choose a CT of a chest in Hounsfield units.")
    grid = Grid.centered((size,) * 3, STANDARD_SPACING, tuple(_thorax_center(upright, inside.array > 0)))
    hu = volume.resample(grid).array.clip(HU_MIN, HU_MAX)
    hu[inside.resample(grid, 0.0).array < 0.5] = HU_MIN
    return Volume(hu.round().astype(np.int16), grid)


def body_mask(image: sitk.Image) -> sitk.Image:
    """The patient without table and blankets, lungs included (uint8 0/1), of a CT in HU with axial slices."""
    tissue = sitk.BinaryThreshold(image, _BODY_HU, 1e6)
    # Opening by 5 mm cuts thin shells off; growing back within the tissue returns the skin.
    radius = [max(1, round(5 / spacing)) for spacing in image.GetSpacing()]
    core = largest_component(sitk.BinaryMorphologicalOpening(tissue, radius))
    body = sitk.And(sitk.BinaryDilate(core, [1, 1, 1]), tissue)
    # A narrow field of view cuts the chest wall open at the sides: closing by 25 mm, within slices, mends it, and
    # across slices, those that stay open.
    across, along, up = (round(25 / spacing) for spacing in image.GetSpacing())
    closed = sitk.BinaryMorphologicalClosing(body, [across, along, 0])
    # Slice by slice, since in 3D the trachea and the cut ends connect the lungs with the outside.
    filled = sitk.JoinSeries([sitk.BinaryFillhole(closed[:, :, k]) for k in range(closed.GetDepth())])
    filled.CopyInformation(image)
    return sitk.BinaryMorphologicalClosing(filled, [0, 0, up])


def largest_component(mask: sitk.Image) -> sitk.Image:
    """The largest connected part of a binary mask; an empty mask stays empty."""
    return sitk.RelabelComponent(sitk.ConnectedComponent(mask), sortByObjectSize=True) == 1


def upright_grid(grid: Grid) -> Grid:
    """The grid of the standard spacing along R, A and S that covers another grid, whatever its directions."""
    corners = grid.to_ras(list(itertools.product(*[(0, size - 1) for size in grid.shape[::-1]])))
    low, high = corners.min(axis=0), corners.max(axis=0)
    # Rounding first, so that an upright grid of this spacing stays as it is.
    counts = np.maximum(2, np.ceil(np.round((high - low) / STANDARD_SPACING, 3)).astype(int) + 1)
    return Grid.centered(tuple(int(n) for n in counts[::-1]), STANDARD_SPACING, tuple((low + high) / 2))


def _thorax_center(upright: Volume, body: np.ndarray) -> np.ndarray:
    """RAS (mm) of the point that stands in the isocenter.

    Left-right and front-back it is the middle of the body, head-foot the middle of the lungs, or of the body where
    there are no lungs.
    """
    center = _middle(body, upright.grid)
    lungs = sitk.GetImageFromArray((body & (upright.array < _LUNG_HU)).astype(np.uint8))
    lungs = sitk.GetArrayFromImage(sitk.BinaryMorphologicalOpening(lungs, [2, 2, 2])).astype(bool)
    if lungs.sum() > 0.02 * body.sum():
        center[2] = _middle(lungs, upright.grid)[2]
    return center


def _middle(mask: np.ndarray, grid: Grid) -> np.ndarray:
    """Middle, in RAS, of the box around a mask, without its outermost half percent on each side."""
    points = grid.to_ras(np.argwhere(mask)[:, ::-1])
    return np.percentile(points, [0.5, 99.5], axis=0).mean(axis=0)
