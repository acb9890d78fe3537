"""What segments measure."""

import numpy as np
import SimpleITK as sitk

from ..imaging import masks
from ..imaging.resampling import grid_part, resample_parallel
from ..imaging.volumes import Volume
from .labels import Label
from .preparation import aligned

_SURFACE_SPACING = 2.0  # finer voxels make areas rough, not right


def measure(labels: Volume, ct: Volume, names: tuple[Label, ...]) -> list[dict]:
    """A row for each label: ``name``, ``value``, ``volume_ml``, ``mean_hu`` and ``surface_cm2``.

    An empty segment has no mean. Surfaces are Crofton's estimate (Lehmann and Legland, The Insight Journal 2012) on
    voxels of 2 mm.

    Args:
        labels: the label map.
        ct: in HU on the same grid.
        names: the labels.
    """
    counts, sums = np.zeros(256), np.zeros(256)
    for values, hu in zip(labels.array, ct.array, strict=True):
        counts += np.bincount(values.ravel(), minlength=256)
        sums += np.bincount(values.ravel(), hu.ravel(), minlength=256)
    voxel = abs(float(np.linalg.det(labels.grid.ijk_to_ras[:3, :3]))) / 1000
    rows = []
    for label in names:
        own = label.within(np.arange(256))
        count = counts[own].sum()
        rows.append(
            {
                "name": label.name,
                "value": label.value,
                "volume_ml": round(float(count * voxel), 1),
                "mean_hu": round(float(sums[own].sum() / count), 1) if count else None,
                "surface_cm2": round(_surface(labels, label), 1),
            }
        )
    return rows


def _surface(labels: Volume, label: Label) -> float:
    """cm²."""
    mask = label.within(labels.array)
    if not mask.any():
        return 0.0
    box = masks.box(mask, margin=2)
    share = Volume(mask[box].astype(np.float32), grid_part(labels.grid, box))
    coarse = resample_parallel(share, aligned(share.grid, _SURFACE_SPACING), 0.0)
    shapes = sitk.LabelShapeStatisticsImageFilter()
    shapes.Execute(Volume((coarse.array > 0.5).astype(np.uint8), coarse.grid).to_image())
    return shapes.GetPerimeter(1) / 100 if shapes.HasLabel(1) else 0.0
