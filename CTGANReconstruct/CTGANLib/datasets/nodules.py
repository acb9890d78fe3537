"""Lung nodules as lists of centers and diameters, as spheres in label maps, and as patches around them.

Lists are in the layout of LUNA16 (A. Setio et al., Medical Image Analysis 42, 2017): comma-separated ``seriesuid``,
``coordX``, ``coordY``, ``coordZ`` (LPS world coordinates) and ``diameter_mm``. As in ``imaging.volumes``, RAS and LPS
meet here.
"""

import csv
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import UserError
from ..files import staged
from ..imaging.attenuation import HU_MIN
from ..imaging.geometry import Grid
from ..imaging.volumes import Volume

PATCH_SHAPE = (16, 96, 96)
"""Voxels of a patch along S, A and R."""
_COLUMNS = ("seriesuid", "coordX", "coordY", "coordZ", "diameter_mm")
_LARGEST = 300.0  # mm; what is larger is another unit or another column


@dataclass(frozen=True)
class Nodule:
    """A nodule as a sphere.

    Attributes:
        center: RAS, mm.
        diameter: mm.
    """

    center: tuple[float, float, float]
    diameter: float


def read_annotations(table: Path) -> dict[str, list[Nodule]]:
    """The nodules of a list by ``seriesuid``.

    Raises:
        UserError: it cannot be read, lacks a column, or holds a line that is no nodule.
    """
    nodules = defaultdict(list)
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise UserError(
                    f"{table} lacks the column {missing[0]}.", f"Nodule lists have the columns {', '.join(_COLUMNS)}."
                )
            for row in reader:
                nodules[(row["seriesuid"] or "").strip()].append(_nodule(row, table, reader.line_num))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{table} cannot be read as a list of nodules.", "Save it as comma-separated text.") from error
    if not nodules:
        raise UserError(f"{table} names no nodule.", "Choose a list with one nodule a line.")
    return dict(nodules)


def write_annotations(table: Path, nodules: dict[str, list[Nodule]]) -> None:
    """Write a list that :func:`read_annotations` reads.

    Raises:
        UserError: the place cannot be written.
    """
    with staged(table) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for name, found in nodules.items():
            for nodule in found:
                right, front, up = nodule.center
                writer.writerow([name, *(f"{n:.6g}" for n in (-right, -front, up, nodule.diameter))])


def nodules_of(labels: Volume) -> list[Nodule]:
    """The connected parts of a label map as spheres of their volume around their middle, the largest first."""
    parts = sitk.ConnectedComponent(Volume((labels.array > 0).astype(np.uint8), labels.grid).to_image(), True)
    array, voxel = sitk.GetArrayViewFromImage(parts), float(np.prod(labels.grid.spacing))
    places = np.argwhere(array)
    numbers, counts = np.unique(array[tuple(places.T)], return_inverse=True, return_counts=True)[1:]
    found = []
    for number, count in enumerate(counts):
        middle = places[numbers == number].mean(0)[::-1]
        center = labels.grid.to_ras(middle)
        found.append(Nodule(tuple(float(n) for n in center), (6 * int(count) * voxel / math.pi) ** (1 / 3)))
    return sorted(found, key=lambda nodule: -nodule.diameter)


def spheres(grid: Grid, nodules: Iterable[Nodule]) -> Volume:
    """A label map with 1 in the nodules, uint8; each one inside the grid has its middle voxel at least."""
    mask = np.zeros(grid.shape, np.uint8)
    for nodule in nodules:
        middle = grid.to_ijk(np.array(nodule.center))[::-1]
        # A sphere's box of voxels, for axes of any direction.
        reach = nodule.diameter / 2 * np.linalg.norm(np.linalg.inv(grid.ijk_to_ras[:3, :3]), axis=1)[::-1]
        first = np.maximum(np.floor(middle - reach).astype(int), 0)
        last = np.minimum(np.ceil(middle + reach).astype(int) + 1, grid.shape)
        if (first >= last).any():
            continue
        box = np.moveaxis(np.indices(last - first), 0, -1) + first
        distance = np.linalg.norm(grid.to_ras(box[..., ::-1]) - nodule.center, axis=-1)
        mask[tuple(map(slice, first, last))] |= (distance <= nodule.diameter / 2).astype(np.uint8)
        nearest = np.round(middle).astype(int)
        if (nearest >= 0).all() and (nearest < grid.shape).all():
            mask[tuple(nearest)] = 1
    return Volume(mask, grid)


def inside(grid: Grid, nodules: Iterable[Nodule]) -> list[Nodule]:
    """The nodules whose center lies in a voxel of the grid."""
    last = np.array(grid.shape[::-1]) - 0.5
    places = ((nodule, grid.to_ijk(np.array(nodule.center))) for nodule in nodules)
    return [nodule for nodule, index in places if (index >= -0.5).all() and (index <= last).all()]


def patches(
    ct: Volume, nodules: list[Nodule], shape: tuple[int, int, int] = PATCH_SHAPE, spacing: float = 1.0
) -> Iterator[tuple[Volume, Volume]]:
    """For each nodule inside a CT the HU around it, int16, and the mask of all nodules there, uint8.

    Args:
        ct: in HU.
        nodules: of this CT.
        shape: voxels along S, A and R.
        spacing: of the voxels, mm; axes are R, A and S.
    """
    for nodule in inside(ct.grid, nodules):
        grid = Grid.centered(shape, spacing, nodule.center)
        hu = ct.resample(grid, HU_MIN).array.round().clip(-32768, 32767).astype(np.int16)
        yield Volume(hu, grid), spheres(grid, nodules)


def _nodule(row: dict[str, str], table: Path, line: int) -> Nodule:
    try:
        left, back, up, diameter = (float(row[name]) for name in _COLUMNS[1:])
    except (TypeError, ValueError):
        left = back = up = diameter = math.nan
    if not (math.isfinite(left + back + up) and 0 < diameter <= _LARGEST):
        raise UserError(
            f"Line {line} of {table} is no nodule.", "Give three coordinates and a diameter above 0 in mm, in LPS."
        )
    return Nodule((-left, -back, up), diameter)
