"""Volumes as pictures: middle slices in true proportions."""

from collections.abc import Sequence

import numpy as np

from ..imaging.attenuation import HU_MIN
from ..imaging.geometry import Grid
from ..imaging.montage import as_read, montage
from ..imaging.volumes import Volume

_WINDOW = (-1000.0, 400.0)


def sheet(volumes: Sequence[Volume]) -> np.ndarray:
    """The middle axial slice of each volume above its middle coronal one, uint8 [rows, columns].

    Args:
        volumes: along R, A, S around the origin; the first one gives the size of the picture.
    """
    cubes = [isotropic(volume, like=volumes[0]).array for volume in volumes]
    height, depth = (size // 2 for size in cubes[0].shape[:2])
    axial = as_read(np.stack([cube[height] for cube in cubes]))
    coronal = np.stack([cube[::-1, depth, ::-1] for cube in cubes])
    return np.concatenate([montage(slices, _WINDOW, len(cubes)) for slices in (axial, coronal)])


def isotropic(volume: Volume, like: Volume) -> Volume:
    """A volume in voxels as large along k as those of another one in plane, and as many; float32."""
    across, along, up = like.grid.spacing
    count = max(round(len(like.array) * up / across), 1)
    spacing = across, along, len(like.array) * up / count
    target = Grid.centered((count, *like.array.shape[1:]), spacing)
    return Volume(volume.array.astype(np.float32), volume.grid).resample(target, HU_MIN)
