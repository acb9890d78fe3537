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
_CUT_LUNG_HU, _CUT_LUNG_AREA = -960, 2000.0


def standardize(volume: Volume, size: int = STANDARD_SIZE) -> Volume:
    """A CT on the standard grid of ``size``³ voxels of 2.5 mm along R, A and S, int16 HU.

    Everything outside the body becomes air, HU are clipped to [−1024, 1476]. The grid keeps the patient's own RAS
    coordinates, so that ``result.resample(volume.grid)`` is the road back.

    Raises:
        UserError: there is no body in the volume.
    """
    body, center = find_body(volume)
    grid = Grid.centered((size,) * 3, STANDARD_SPACING, center)
    return without_table(volume.resample(grid), body)


def standard_cube(field):
    """The 128³ voxels that are reconstructed, of the 160³ (last dimensions) that the radiographs see."""
    margin = (FIELD_SIZE - STANDARD_SIZE) // 2
    return field[..., margin:-margin, margin:-margin, margin:-margin]


def find_body(volume: Volume) -> tuple[Volume, tuple[float, float, float]]:
    """The patient in a CT in HU, and the point that stands in the isocenter.

    Returns:
        The body without table, lungs included, as 0 and 1 on an upright grid of 2.5 mm, and the RAS (mm) of the
        middle of the thorax.

    Raises:
        UserError: there is no body in the volume.
    """
    standing = volume.resample(upright(volume.grid, STANDARD_SPACING))
    inside = sitk.GetArrayFromImage(body_mask(standing.to_image()))
    if not inside.any():
        raise UserError("There is no body in this volume.", "Choose a CT of a chest in Hounsfield units.")
    return Volume(inside, standing.grid), _thorax_center(standing, inside > 0)


def without_table(volume: Volume, body: Volume) -> Volume:
    """A CT in HU with air outside the body, clipped to [−1024, 1476], int16, on its own grid."""
    soft_edged = Volume(body.array.astype(np.float32), body.grid).resample(volume.grid, 0.0)
    inside = soft_edged.array > 0.5
    return Volume(np.where(inside, volume.array.clip(HU_MIN, HU_MAX), HU_MIN).round().astype(np.int16), volume.grid)


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
    cuts = [sitk.BinaryFillhole(_with_cut_lungs(closed[:, :, k], image[:, :, k])) for k in range(image.GetDepth())]
    filled = sitk.JoinSeries(cuts)
    filled.CopyInformation(image)
    return sitk.BinaryMorphologicalClosing(filled, [0, 0, up])


def _with_cut_lungs(body: sitk.Image, image: sitk.Image) -> sitk.Image:
    """A slice of the body with the lungs that the border of the picture cuts open, or nearly so.

    They are air mostly enclosed by the body, denser than that outside, and without a corner of the picture.
    """
    air = sitk.ConnectedComponent(image < _BODY_HU)
    air = sitk.RelabelComponent(air, minimumObjectSize=round(_CUT_LUNG_AREA / float(np.prod(image.GetSpacing()))))
    density = sitk.LabelIntensityStatisticsImageFilter()
    density.Execute(air, image)
    corners = {air[i, j] for i in (0, air.GetWidth() - 1) for j in (0, air.GetHeight() - 1)}
    for label in set(density.GetLabels()) - corners:
        lung = air == label
        around = sitk.GetArrayViewFromImage(sitk.BinaryDilate(lung, [2, 2]) - lung) > 0
        enclosed = sitk.GetArrayViewFromImage(body)[around].mean() > 0.5
        if enclosed and density.GetMean(label) > _CUT_LUNG_HU:
            body = sitk.Or(body, lung)
    return body


def largest_component(mask: sitk.Image) -> sitk.Image:
    """The largest connected part of a binary mask; an empty mask stays empty."""
    return sitk.RelabelComponent(sitk.ConnectedComponent(mask), sortByObjectSize=True) == 1


def upright(grid: Grid, spacing: float) -> Grid:
    """The grid of ``spacing`` mm along R, A and S that covers another grid, whatever its directions."""
    corners = grid.to_ras(list(itertools.product(*[(0, size - 1) for size in grid.shape[::-1]])))
    low, high = corners.min(axis=0), corners.max(axis=0)
    # Rounding first, so that an upright grid of this spacing stays as it is.
    counts = np.maximum(2, np.ceil(np.round((high - low) / spacing, 3)).astype(int) + 1)
    return Grid.centered(tuple(int(n) for n in counts[::-1]), spacing, tuple((low + high) / 2))


def _thorax_center(standing: Volume, body: np.ndarray) -> tuple[float, float, float]:
    """RAS (mm) of the middle of the thorax.

    Left-right and front-back it is the middle of the body, head-foot the middle of the lungs, or of the body where
    there are no lungs.
    """
    center = _middle(body, standing.grid)
    lungs = sitk.GetImageFromArray((body & (standing.array < _LUNG_HU)).astype(np.uint8))
    lungs = sitk.GetArrayFromImage(sitk.BinaryMorphologicalOpening(lungs, [2, 2, 2])).astype(bool)
    if lungs.sum() > 0.02 * body.sum():
        center[2] = _middle(lungs, standing.grid)[2]
    return tuple(float(n) for n in center)


def _middle(mask: np.ndarray, grid: Grid) -> np.ndarray:
    """Middle, in RAS, of the box around a mask, without its outermost half percent on each side."""
    points = grid.to_ras(np.argwhere(mask)[:, ::-1])
    return np.percentile(points, [0.5, 99.5], axis=0).mean(axis=0)
