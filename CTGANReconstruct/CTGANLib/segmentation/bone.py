"""Where bone ends, as the CT itself says."""

import numpy as np

from ..imaging import masks

BONE_HU = 180
"""Where bone and something soft share a voxel, it is bone from here on, as bones are drawn by hand.

Measured on surfaces of ribs and vertebrae that TotalSegmentator's authors drew for two training patients.
"""
_MARROW_HU = 70
_CANAL_MM2 = 60.0  # holes in bone that are larger and no denser than soft tissue are the spinal canal


def solid(dense: np.ndarray, region: np.ndarray, hu: np.ndarray, spacing: float) -> np.ndarray:
    """Bones from their dense parts: gaps of a voxel closed, marrow filled in, the spinal canal left open.

    Args:
        dense: mask [k, j, i] of what is as dense as bone.
        region: mask of the same shape; bone is nowhere else.
        hu: of the same shape.
        spacing: of the cubic voxels, mm.
    """
    bone = masks.closed(dense & region, (1, 1, 1)) & region
    for axis in range(3):  # a vertebra may be open in some planes and closed in others
        planes = np.moveaxis(bone, axis, 0)
        planes |= _marrow(planes, np.moveaxis(region, axis, 0), np.moveaxis(hu, axis, 0), spacing)
    return bone


def sharpened(found: np.ndarray, hu: np.ndarray, spacing: float) -> np.ndarray:
    """Bones as a network has found them, to within a voxel, with the borders that they have in the CT.

    Args:
        found: mask [k, j, i].
        hu: of the same shape.
        spacing: of the cubic voxels, mm.
    """
    result = np.zeros_like(found)
    box = masks.box(found, margin=2)
    inside = found[box]
    if inside.any():
        near = masks.dilate(inside, (1, 1, 1))
        result[box] = solid(hu[box] > BONE_HU, near, hu[box], spacing) | masks.erode(inside, (1, 1, 1))
    return result


def _marrow(bone: np.ndarray, region: np.ndarray, hu: np.ndarray, spacing: float) -> np.ndarray:
    """What bone encloses within planes."""
    parts = masks.label_slices(masks.filled_slices(bone) & ~bone & region)
    sizes = np.bincount(parts.ravel())
    density = np.bincount(parts.ravel(), hu.ravel()) / np.maximum(sizes, 1)
    marrow = (sizes * spacing**2 < _CANAL_MM2) | (density > _MARROW_HU)
    marrow[0] = False
    return marrow[parts]
