"""Body, lungs, mediastinum and bone of a CT by thresholds and morphology, a reconstructed one too."""

from collections.abc import Callable

import numpy as np
import SimpleITK as sitk

from ..errors import UserError
from ..imaging import masks
from ..imaging.standardize import STANDARD_SPACING, body_mask, upright
from ..imaging.volumes import Volume
from .labels import BODY, BONE, LEFT_LUNG, MEDIASTINUM, RIGHT_LUNG

_AIR_HU = -400
_BONE_HU = 150
# Smaller pieces of bone are calcifications, wires and noise; smaller ones of lung are bowel gas and folds, mm³.
_SMALLEST_BONE = 500.0
_SMALLEST_LUNG = 20_000.0
# The trachea in an axial slice is smaller than this, a lung larger except at its ends, mm².
_TRACHEA_AREA = 800.0
_TRACHEA_WIDTH = 60.0  # of the box around it, since it slants
_TRACHEA_LENGTH = 30.0
_MIDLINE = 40.0
# Lungs that touch are taken apart where the bridge between them is thinner than twice this, mm.
_WIDEST_BRIDGE = 15.0
_LUNGS_APART = 60.0
# The front of the vertebrae stands no farther before the rear of the lungs, mm.
_SPINE_DEPTH = 70.0


def segment_by_rules(volume: Volume) -> Volume:
    """Label map of a CT in HU, on the CT's own grid: uint8, the values of ``labels.LABELS``, 0 outside the body.

    It works on upright voxels of 2.5 mm, whatever the grid of the CT, and serves CTs and reconstructions alike.

    Raises:
        UserError: there is no body in the volume.
    """
    work = volume.resample(upright(volume.grid, STANDARD_SPACING))
    image = work.to_image()
    body = body_mask(image)
    if not sitk.GetArrayViewFromImage(body).any():
        raise UserError("There is no body in this volume.", "Choose a CT of a chest in Hounsfield units.")
    right, left = _lungs(image, body)
    middle = sitk.And(body, _mediastinum(sitk.Or(right, left)))
    bone = _bone(image, sitk.And(body, sitk.Not(middle)))
    masks = {BODY: body, MEDIASTINUM: middle, RIGHT_LUNG: right, LEFT_LUNG: left, BONE: bone}
    labels = np.zeros(volume.grid.shape, np.uint8)
    for label, mask in masks.items():
        share = Volume(sitk.GetArrayFromImage(mask).astype(np.float32), work.grid).resample(volume.grid, 0.0)
        labels[share.array >= 0.5] = label.value
    return Volume(labels, volume.grid)


def _mediastinum(lungs: sitk.Image) -> sitk.Image:
    """What lies between the lungs before the spine: heart and great vessels, in contrast as dense as bone."""
    array = sitk.GetArrayFromImage(lungs).astype(bool)
    between = np.maximum.accumulate(array, axis=2) & np.maximum.accumulate(array[:, :, ::-1], axis=2)[:, :, ::-1]
    rear = array.any(axis=2).argmax(axis=1)  # of the lungs, in each slice; j grows to the front
    spine = rear + round(_SPINE_DEPTH / lungs.GetSpacing()[1])
    before_spine = np.arange(array.shape[1]) > spine[:, None]
    return _like(lungs, between & before_spine[:, :, None])


def _bone(image: sitk.Image, region: sitk.Image) -> sitk.Image:
    """Bones with their marrow, within a region."""
    dense = sitk.And(sitk.BinaryThreshold(image, _BONE_HU, 1e6), region)
    # Marrow is no denser than muscle: closing by one voxel and filling slices takes it in.
    return _without_small(_filled(sitk.BinaryMorphologicalClosing(dense, [1, 1, 1])), _SMALLEST_BONE)


def _lungs(image: sitk.Image, body: sitk.Image) -> tuple[sitk.Image, sitk.Image]:
    """The right and the left lung, vessels included, trachea not."""
    air = sitk.And(sitk.BinaryThreshold(image, -1e6, _AIR_HU), body)
    lungs = sitk.And(air, sitk.Not(_trachea(air, body)))
    # Opening cuts small airways and folds of the skin off.
    lungs = _without_small(sitk.BinaryMorphologicalOpening(lungs, [1, 1, 1]), _SMALLEST_LUNG)
    right, left = (_filled(sitk.BinaryMorphologicalClosing(side, [2, 2, 2])) for side in _sides(lungs, body))
    return right, left


def _trachea(air: sitk.Image, body: sitk.Image) -> sitk.Image:
    """Air near the midline, long from head to foot and small in every slice; empty where there is none."""
    fewest = round(_TRACHEA_AREA / (air.GetSpacing()[0] * air.GetSpacing()[1]))
    lungs = _slice_by_slice(
        air, lambda cut: sitk.RelabelComponent(sitk.ConnectedComponent(cut), minimumObjectSize=fewest) > 0
    )
    pieces = sitk.ConnectedComponent(sitk.And(air, sitk.Not(lungs)))
    shapes = sitk.LabelShapeStatisticsImageFilter()
    shapes.Execute(pieces)
    middle, height = _center(body)[0], _center(air)[2]
    found = []
    for label in shapes.GetLabels():
        width, depth, length = np.multiply(shapes.GetBoundingBox(label)[3:], air.GetSpacing())
        across, _, up = shapes.GetCentroid(label)
        if max(width, depth) < _TRACHEA_WIDTH and length > _TRACHEA_LENGTH and abs(across - middle) < _MIDLINE:
            found += [label] if up > height else []
    largest = max(found, key=shapes.GetNumberOfPixels, default=None)
    return air != air if largest is None else pieces == largest


def _sides(lungs: sitk.Image, body: sitk.Image) -> tuple[sitk.Image, sitk.Image]:
    """The right and the left part of a mask of both lungs, which may touch, or of one lung."""
    shapes = sitk.LabelShapeStatisticsImageFilter()
    for radius in range(round(_WIDEST_BRIDGE / lungs.GetSpacing()[0]) + 1):
        core = sitk.BinaryErode(lungs, [radius] * 3) if radius else lungs
        parts = sitk.RelabelComponent(sitk.ConnectedComponent(core), sortByObjectSize=True)
        shapes.Execute(parts)
        if shapes.GetNumberOfLabels() < 2 or shapes.GetNumberOfPixels(2) < 0.1 * shapes.GetNumberOfPixels(1):
            continue
        across = shapes.GetCentroid(2)[0] - shapes.GetCentroid(1)[0]  # in LPS the right side has the lesser values
        if abs(across) > _LUNGS_APART:
            right, left = (1, 2) if across > 0 else (2, 1)
            seeds = (parts == right) + 2 * (parts == left)
            depth = sitk.SignedMaurerDistanceMap(lungs, squaredDistance=False)  # most negative deep inside
            basins = sitk.MorphologicalWatershedFromMarkers(depth, seeds, markWatershedLine=False)
            return sitk.And(basins == 1, lungs), sitk.And(basins == 2, lungs)
    return _parted(lungs, _center(body)[0])


def _parted(lungs: sitk.Image, middle: float) -> tuple[sitk.Image, sitk.Image]:
    """The sides of a mask that cannot be taken apart: one lung, or two parted by the body's middle (LPS, mm)."""
    columns = np.arange(lungs.GetSize()[0])
    across = lungs.GetOrigin()[0] + lungs.GetDirection()[0] * lungs.GetSpacing()[0] * columns
    array = sitk.GetArrayFromImage(lungs)
    right = array * (across < middle).astype(np.uint8)
    share = right.sum() / max(array.sum(), 1)
    if not 0.2 < share < 0.8:
        right = array if share > 0.5 else np.zeros_like(array)
    return _like(lungs, right), _like(lungs, array - right)


def _center(mask: sitk.Image) -> tuple[float, float, float]:
    """LPS of the centroid of a mask, mm; the origin where the mask is empty."""
    shapes = sitk.LabelShapeStatisticsImageFilter()
    shapes.Execute(mask)
    return shapes.GetCentroid(1) if shapes.HasLabel(1) else (0.0, 0.0, 0.0)


def _without_small(mask: sitk.Image, smallest: float) -> sitk.Image:
    """A mask without its connected parts below ``smallest`` mm³."""
    fewest = round(smallest / float(np.prod(mask.GetSpacing())))
    return _like(mask, masks.without_small(sitk.GetArrayFromImage(mask) > 0, fewest))


def _like(image: sitk.Image, mask: np.ndarray) -> sitk.Image:
    """A mask [k, j, i] as a picture (0 and 1) on the voxels of another."""
    result = sitk.GetImageFromArray(mask.astype(np.uint8))
    result.CopyInformation(image)
    return result


def _filled(mask: sitk.Image) -> sitk.Image:
    return _slice_by_slice(mask, sitk.BinaryFillhole)


def _slice_by_slice(mask: sitk.Image, operation: Callable[[sitk.Image], sitk.Image]) -> sitk.Image:
    """An operation in 2D on every axial slice."""
    result = sitk.JoinSeries([operation(mask[:, :, k]) for k in range(mask.GetDepth())])
    result.CopyInformation(mask)
    return result
