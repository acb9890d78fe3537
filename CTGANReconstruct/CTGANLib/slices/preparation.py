"""From CTs to the slices that networks learn from: upright, around the body, without table, trimmed at both ends."""

import math
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from ..datasets.cases import ROLES, Case
from ..datasets.inspection import Findings, inspect
from ..datasets.layouts import stem, volume_file
from ..datasets.preparation import PreparedData, prepare_data
from ..datasets.prepared_cache import Making, case_files
from ..errors import UserError
from ..events import Progress, silent
from ..imaging import masks
from ..imaging.geometry import Grid
from ..imaging.resampling import resample_parallel
from ..imaging.standardize import find_body, without_table
from ..imaging.volumes import Volume, read_any_volume
from .pictures import prepare_pictures, records
from .settings import CT, SlicesSettings

_VERSION = 2
_FEWEST = 4
_LUNG_HU = -500.0
_LUNG_SHARE = 0.2  # a lung's least size over that of the other
_MATTER = ("size", "field", "slice_spacing", "trim", "classes")  # settings that change the slices


def prepare_slices(
    settings: SlicesSettings,
    data: str | Path,
    cache: str | Path,
    progress: Progress = silent,
    roles: tuple[str, ...] = ROLES,
) -> PreparedData:
    """Take the slices of a data set's cases into a cache folder, once for each content and settings.

    Where the generator is to know classes, cases without labels are left out.

    Returns:
        Prepared files with a record a slice: ``values``, int16 HU [size, size] along A and R, from low to high, and
        ``label``, the number of its class. Of radiographs one record each, with float16 values within 0 and 1.

    Raises:
        UserError: see :func:`~CTGANLib.datasets.preparation.prepare_data`; or no radiograph can be used.
    """
    if settings.kind != CT:
        return prepare_pictures(settings, data, Path(cache), progress, roles)
    matter = [asdict(settings)[name] for name in _MATTER]
    making = Making(f"slices {_VERSION} {matter}", partial(_slices, settings), partial(_files, settings))
    return prepare_data(data, cache, progress, roles, making)


def axial_slices(volume: Volume, settings: SlicesSettings) -> Volume:
    """The slices of a CT, int16 HU, along S, A and R: around the body, air outside, trimmed to the lungs.

    Raises:
        UserError: there is no body, or too few slices.
    """
    body, center = find_body(volume)
    low, high = lung_extent(volume, body)
    cut = settings.trim * (high - low)
    low, high = low + cut, high - cut
    spacing, between = settings.spacing
    count = int((high - low) / between) + 1
    if count < _FEWEST:
        raise UserError(f"It shows only {high - low:.0f} mm of the lungs, too little for slices.")
    middle = (center[0], center[1], (low + high) / 2)
    grid = Grid.centered((count, settings.size, settings.size), (spacing, spacing, between), middle)
    sampled = resample_parallel(without_table(volume, body), grid)
    return Volume(sampled.array.round().astype(np.int16), grid)


def lung_extent(volume: Volume, body: Volume) -> tuple[float, float]:
    """Lowest and highest S (mm) of the lungs, or of the body where there are none."""
    inside = body.array > 0
    air = masks.opened(inside & (resample_parallel(volume, body.grid).array < _LUNG_HU), (2, 2, 2))
    lungs = _large_parts(air)
    shown = lungs if np.count_nonzero(lungs) > 0.02 * np.count_nonzero(inside) else inside
    # Its outermost half percent at each end may be anything.
    heights = shown.reshape(len(shown), -1).sum(axis=1).cumsum() / shown.sum()
    low, high = np.searchsorted(heights, [0.005, 0.995])
    return tuple(float(body.grid.to_ras([0, 0, int(k)])[2]) for k in (low, high))


def classes_of(slices: Grid, labels: Volume) -> np.ndarray:
    """1 for each slice that is the nearest one to a labeled voxel, else 0."""
    found = np.argwhere(labels.array > 0)[:, ::-1]
    nearest = np.unique(slices.to_ijk(labels.grid.to_ras(found))[:, 2].round().astype(int))
    return np.isin(np.arange(slices.shape[0]), nearest).astype(np.int16)


class SliceDataset(Dataset):
    """The slices of prepared files, each as float32 [2, size, size]: the values, and the number of its class.

    Attributes:
        groups, labels: the number of the file and of the class of each slice, [n].
    """

    def __init__(self, files: list[Path]) -> None:
        self.files = files
        labels = [self._records(group)["label"].astype(int) for group in range(len(files))]
        counts = [len(kinds) for kinds in labels]
        self.groups = np.repeat(np.arange(len(files)), counts)
        self.labels = np.concatenate([np.zeros(0, int), *labels])
        self._first = np.cumsum([0, *counts])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> torch.Tensor:
        group = self.groups[index]
        record = self._records(group)[index - self._first[group]]
        values = torch.from_numpy(record["values"].astype(np.float32))
        return torch.stack([values, torch.full_like(values, float(record["label"]))])

    def _records(self, group: int) -> np.ndarray:
        """Of one file, which is not kept open: radiographs have a file each, more than a process may open."""
        return np.load(self.files[group], mmap_mode="r")


def _slices(settings: SlicesSettings, case: Case) -> tuple[Findings, np.ndarray | None]:
    """What was found in a case, and its prepared slices."""
    found, _ = inspect(case)
    if found.fault:
        return found, None
    labels = _label_file(settings, case)
    if settings.classes and labels is None:
        return replace(found, fault=f"It has no labels {settings.classes}."), None
    try:
        slices = axial_slices(read_any_volume(case.path, case.slices), settings)
        kinds = classes_of(slices.grid, read_any_volume(labels)) if labels else np.zeros(len(slices.array), np.int16)
    except UserError as error:
        return replace(found, fault=error.message.replace(str(case.path.parent), "")), None
    return found, records(slices.array, kinds)


def _files(settings: SlicesSettings, case: Case) -> list[Path]:
    labels = _label_file(settings, case)
    return case_files(case) + ([labels] if labels else [])


def _label_file(settings: SlicesSettings, case: Case) -> Path | None:
    if not settings.classes or case.path.is_dir():
        return None
    return volume_file(case.path.parent, f"{stem(case.path)}_{settings.classes.strip()}")


def _large_parts(air: np.ndarray) -> np.ndarray:
    """Both lungs, connected or not, without the gas of the bowel."""
    largest = np.count_nonzero(masks.largest_part(air))
    return masks.without_small(air, math.ceil(_LUNG_SHARE * largest))
