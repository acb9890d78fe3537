"""From any chest CT to the grid the networks work on: table removed, body centered, 128³ voxels of 2.5 mm."""

import itertools

import numpy as np
import SimpleITK as sitk

from ..errors import UserError
from . import masks
from .attenuation import HU_MAX, HU_MIN
from .geometry import Grid
from .resampling import grid_part, resample_parallel
from .volumes import Volume

STANDARD_SPACING = 2.5
STANDARD_SIZE = 128
# Training and test radiographs see more of the patient than the reconstruction shows, as real ones do.
FIELD_SIZE = 160

_BODY_HU = -400
_HAZE_HU = -700
_LUNG_HU = -500
_CUT_LUNG_HU, _CUT_LUNG_AREA = -960, 2000.0


def standardize(volume: Volume, size: int = STANDARD_SIZE) -> Volume:
    """A CT on the standard grid of ``size``³ voxels of 2.5 mm along R, A and S, int16 HU.

    Everything outside the body becomes air, HU are clipped to [−1024, 1476]. The grid keeps the patient's own RAS
    coordinates, so that ``result.resample(volume.grid)`` is the road back.

    Raises:
        UserError: there is no body in the volume.
    """
    standing, inside, center = _stand(volume)
    grid = Grid.centered((size,) * 3, STANDARD_SPACING, center)
    hu = _air_outside(inside > 0, standing.array)
    # The center lies between voxels of the standing grid: the two grids share them.
    first = np.round(np.linalg.solve(standing.grid.ijk_to_ras, grid.ijk_to_ras[:, 3])[2::-1]).astype(int)
    low, high = np.maximum(first, 0), np.minimum(first + size, hu.shape)
    result = np.full(grid.shape, HU_MIN, np.int16)
    result[tuple(map(slice, low - first, high - first))] = hu[tuple(map(slice, low, high))]
    return Volume(result, grid)


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
    standing, inside, center = _stand(volume)
    return Volume(inside, standing.grid), center


def _stand(volume: Volume) -> tuple[Volume, np.ndarray, tuple[float, float, float]]:
    """A CT on an upright grid of 2.5 mm, the body in it (0 and 1), and the center (RAS, mm), between its voxels."""
    standing = resample_parallel(volume, upright(volume.grid, STANDARD_SPACING))
    inside = sitk.GetArrayFromImage(body_mask(standing.to_image()))
    if not inside.any():
        raise UserError("There is no body in this volume.", "Choose a CT of a chest in Hounsfield units.")
    center = _thorax_center(standing, inside > 0)
    middle = np.floor(np.linalg.solve(standing.grid.ijk_to_ras, [*center, 1])[:3]) + 0.5
    return standing, inside, tuple(float(n) for n in standing.grid.to_ras(middle))


def without_table(volume: Volume, body: Volume) -> Volume:
    """A CT in HU with air outside the body, clipped to [−1024, 1476], int16, on its own grid."""
    return Volume(_air_outside(_body_on(volume.grid, body), volume.array), volume.grid)


def with_clear_air(volume: Volume) -> Volume:
    """An upright CT in HU without haze further than a voxel from the body, as the CTs that a model learns from are.

    Where no body is found, it is given back as it is.
    """
    body = sitk.GetArrayFromImage(body_mask(volume.to_image())) > 0
    if not body.any():
        return volume
    # What is denser may be skin or an arm that the model was not sure of.
    kept = masks.dilate(body, (1, 1, 1)) | (volume.array > _HAZE_HU)
    return Volume(_air_outside(kept, volume.array), volume.grid)


def _body_on(grid: Grid, body: Volume) -> np.ndarray:
    """Where a body is on another grid, bool."""
    box = masks.box(body.array, margin=1)
    return resample_parallel(Volume(body.array[box], grid_part(body.grid, box)), grid, 0.0).array > 0.5


def _air_outside(inside: np.ndarray, hu: np.ndarray) -> np.ndarray:
    """HU within a mask, clipped to [−1024, 1476], and air outside, int16."""
    hu = hu.clip(HU_MIN, HU_MAX)
    if hu.dtype.kind == "f":
        np.rint(hu, out=hu)
    return np.where(inside, hu.astype(np.int16, copy=False), np.int16(HU_MIN))


def body_mask(image: sitk.Image) -> sitk.Image:
    """The patient without table and blankets, lungs included (uint8 0/1), of a CT in HU with axial slices."""
    hu = sitk.GetArrayViewFromImage(image)
    tissue = hu >= _BODY_HU
    # Opening by 5 mm cuts thin shells off; growing back within the tissue returns the skin.
    radius = tuple(max(1, round(5 / spacing)) for spacing in image.GetSpacing())
    core = masks.largest_part(masks.opened(tissue, radius))
    body = masks.dilate(core, (1, 1, 1)) & tissue
    # A narrow field of view cuts the chest wall open at the sides: closing by 25 mm, within slices, mends it, and
    # across slices, those that stay open.
    across, along, up = (round(25 / spacing) for spacing in image.GetSpacing())
    # Slice by slice, since in 3D the trachea and the cut ends connect the lungs with the outside.
    filled = masks.filled_slices(masks.closed(body, (across, along, 0)))
    if _add_cut_lungs(filled, hu, image.GetSpacing()[:2]):
        filled = masks.filled_slices(filled)
    result = sitk.GetImageFromArray(masks.closed(filled, (0, 0, up)).astype(np.uint8))
    result.CopyInformation(image)
    return result


def _add_cut_lungs(body: np.ndarray, hu: np.ndarray, spacing: tuple[float, float]) -> bool:
    """Add to a body [k, j, i] the lungs that the border of the picture cuts open, or nearly so, if there are any.

    They are, within a slice, air mostly enclosed by the body, denser than that outside, and without a corner of the
    picture.
    """
    air = masks.label_slices(hu < _BODY_HU, minimum=round(_CUT_LUNG_AREA / float(np.prod(spacing))))
    corners = air[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    cut = sorted(set(np.unique(masks.runs(air * ~body)[0]).tolist()) - {0, *corners.ravel().tolist()})
    if not cut:
        return False
    density = np.bincount(air.ravel(), hu.ravel()) / np.maximum(np.bincount(air.ravel()), 1)
    boxes = sitk.LabelShapeStatisticsImageFilter()
    boxes.ComputePerimeterOff()
    boxes.Execute(sitk.GetImageFromArray(air))
    for label in cut:
        if density[label] <= _CUT_LUNG_HU:
            continue
        i, j, k, width, height, _ = boxes.GetBoundingBox(label)
        # Two pixels around it, as far as the picture reaches.
        window = k, slice(max(j - 2, 0), j + height + 2), slice(max(i - 2, 0), i + width + 2)
        lung = air[window] == label
        around = masks.dilate(lung[None], (2, 2, 0))[0] & ~lung
        if body[window][around].mean() > 0.5:
            body[window] |= lung
    return True


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
    lungs = masks.opened(body & (standing.array < _LUNG_HU), (2, 2, 2))
    if np.count_nonzero(lungs) > 0.02 * np.count_nonzero(body):
        center[2] = _middle(lungs, standing.grid)[2]
    return tuple(float(n) for n in center)


def _middle(mask: np.ndarray, grid: Grid) -> np.ndarray:
    """Middle, in RAS, of the box around a mask, without its outermost half percent on each side."""
    middle = []
    voxels = mask.view(np.uint8)
    below, beside = voxels.sum(axis=0, dtype=np.int32), voxels.sum(axis=1, dtype=np.int32)
    for counts in (below.sum(axis=0), below.sum(axis=1), beside.sum(axis=1)):  # along i, j and k
        before = counts.cumsum()
        ranks = (before[-1] - 1) * np.array([0.005, 0.995])
        low, high = (np.searchsorted(before, np.floor(ranks) + n, side="right") for n in (0, 1))
        middle.append((low + (ranks % 1) * (np.minimum(high, len(before) - 1) - low)).mean())
    return grid.to_ras(middle)
