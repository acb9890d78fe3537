"""The label files beside a CT, in the layouts that segmentation data sets come in."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..datasets.cases import Case
from ..datasets.layouts import FILE_ENDINGS, stem, volume_file
from ..errors import UserError
from ..imaging.geometry import Grid
from ..imaging.volumes import read_any_volume
from .structures import TABLE_WORDS

_PLAIN = {"imaging": "segmentation"}
_SUFFIXES = ("_seg", "-seg", "_label", "_labels", "_mask", "_segmentation", ".seg")
_MOST_READERS = 16


@dataclass(frozen=True)
class Source:
    """One label map, or one file for each structure.

    Attributes:
        files: of the label map alone, or of each structure.
        names: the structure of each value; ``None`` where values have no other names than their digits.
        by_file: whether each file is a structure, called as the file is.
        rules: whether it was made by the rules of ``../shared/data/ct``, in their own values.
    """

    files: tuple[Path, ...]
    names: dict[int, str] | None = None
    by_file: bool = False
    rules: bool = False

    def told(self, wanted: Iterable[str]) -> set[str]:
        """Those of the wanted structures that this source tells apart."""
        if self.by_file:
            return {stem(file) for file in self.files} & {*wanted}
        if self.names is not None:
            return {*self.names.values()} & {*wanted}
        return {name for name in wanted if name.isdigit()}

    def values(self, grid: Grid) -> np.ndarray:
        """The label map alone, on a grid, whole numbers [k, j, i].

        Raises:
            UserError: it is damaged, or no label map.
        """
        return _on(self.files[0], grid)

    def read(self, grid: Grid, wanted: set[str]) -> tuple[np.ndarray, list[str]]:
        """The structures on a grid: numbers [k, j, i], 0 for none, and the name of each number from 1.

        Raises:
            UserError: a file is damaged, or no label map.
        """
        if self.by_file:
            array, names = np.zeros(grid.shape, np.uint8), []
            for file in self.files:
                if stem(file) in wanted:
                    names.append(stem(file))
                    array[_on(file, grid) > 0] = len(names)
            return array, names
        values = self.values(grid)
        names = {int(value): (self.names or {}).get(int(value), str(value)) for value in np.unique(values) if value}
        kept = [value for value, name in names.items() if name in wanted]
        table = np.zeros(max(names, default=0) + 1, np.uint8)
        table[kept] = np.arange(1, len(kept) + 1)
        return table[values], [names[value] for value in kept]


def find_sources(case: Case) -> list[Source]:
    """The label files of a case, the most trustworthy first; empty where there are none."""
    if case.path.is_dir():
        return []
    folder, name = case.path.parent, stem(case.path)
    if (structures := folder / "segmentations").is_dir():  # TotalSegmentator
        files = sorted(path for path in structures.iterdir() if path.name.endswith(FILE_ENDINGS))
        return [Source(tuple(files), by_file=True)]
    if name in _PLAIN and (file := volume_file(folder, _PLAIN[name])):  # KiTS
        return [Source((file,))]
    sources = []
    if file := volume_file(folder, f"{name}_organs"):
        sources.append(Source((file,), _names(case)))
    if file := volume_file(folder, f"{name}_nodules"):  # values are numbers of readers
        sources.append(Source((file,), dict.fromkeys(range(1, _MOST_READERS + 1), "nodule")))
    if file := volume_file(folder, f"{name}_rules"):
        sources.append(Source((file,), rules=True))
    beside = [volume_file(folder, name + suffix) for suffix in _SUFFIXES]
    if folder.name.startswith("images"):  # nnU-Net, Medical Segmentation Decathlon
        labels = folder.with_name(folder.name.replace("images", "labels"))
        beside += [volume_file(labels, name), volume_file(labels, name.removesuffix("_0000"))]
    sources += [Source((file,)) for file in beside if file][:1]
    return sources


def label_files(case: Case) -> list[Path]:
    """All label files of a case."""
    return [file for source in find_sources(case) for file in source.files]


def _names(case: Case) -> dict[int, str] | None:
    """What the table of the data set says of the organs of a case."""
    told = _told(case.path.parent / "MANIFEST.tsv").get(case.name, "").partition("organs:")[2]
    return next((names for word, names in TABLE_WORDS.items() if word in told.split(";")[0]), None)


@lru_cache(maxsize=4)
def _told(table: Path) -> dict[str, str]:
    if not table.is_file():
        return {}
    with table.open(newline="", encoding="utf-8-sig") as file:
        return {row["id"]: row.get("labels") or "" for row in csv.DictReader(file, delimiter="\t")}


def _on(file: Path, grid: Grid) -> np.ndarray:
    """A label map on a grid, whole numbers."""
    volume = read_any_volume(file)
    if volume.array.min() < 0 or volume.array.max() > 4095 or not np.array_equal(volume.array % 1, volume.array * 0):
        raise UserError(f"{file.name} is no label map.", "Its values have to be whole numbers from 0.")
    return volume.resample(grid, 0, nearest=True).array.astype(np.int32)
