"""From a data set to pairs that a segmenter learns from: CT and possible labels at the spacing of the task."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import nibabel
import numpy as np

from ..datasets.cases import ROLES, Case
from ..datasets.inspection import NO_LUNGS, Findings, inspect
from ..datasets.preparation import PreparedData, prepare_data
from ..datasets.prepared_cache import Making, case_files
from ..errors import UserError
from ..events import Progress, silent
from ..imaging.geometry import Grid
from ..imaging.resampling import resample_parallel
from ..imaging.volumes import Volume, read_any_volume
from .label_sets import label_sets
from .sources import find_sources, label_files
from .tasks import Task

_VERSION = 2
LOWEST_HU, HIGHEST_HU = -1024, 3071


def prepare_pairs(
    task: Task,
    data: str | Path,
    cache: str | Path,
    progress: Progress = silent,
    roles: tuple[str, ...] = ROLES,
) -> PreparedData:
    """Find the cases of a data set and prepare those of the given roles that have labels; see ``prepare_data``.

    A prepared file is int16 [2, k, j, i] on voxels of the task's spacing: HU, and the set of possible labels
    (see ``label_sets``), its bits as those of uint16.

    Raises:
        UserError: there is no CT, one patient has two roles in the table, or the cache cannot be written.
    """
    making = Making(f"segmentation {_VERSION} {task!r}", partial(_pair, task), _files)
    return prepare_data(data, cache, progress, roles, making)


def aligned(grid: Grid, spacing: float) -> Grid:
    """The grid of cubic voxels along another grid's own axes, in the order and sense nearest to R, A and S.

    A patient lies along the axes of the CT. Where these are oblique in the world, as a transform may have made them,
    the patient is so too.

    Args:
        grid: whose space is covered.
        spacing: of the voxels, mm.
    """
    axes, signs = nibabel.io_orientation(grid.ijk_to_ras).T
    order = np.argsort(axes)  # the axis of the grid that goes along R, A and S
    directions = (grid.directions * signs)[:, order]
    lengths = (grid.spacing * (np.array(grid.shape[::-1]) - 1))[order]
    counts = np.maximum(2, np.ceil(np.round(lengths / spacing, 3)).astype(int) + 1)
    matrix = np.eye(4)
    matrix[:3, :3] = directions * spacing
    matrix[:3, 3] = grid.center - matrix[:3, :3] @ ((counts - 1) / 2)
    return Grid(tuple(int(n) for n in counts[::-1]), matrix)


def on_task_grid(ct: Volume, task: Task) -> Volume:
    """A CT on voxels of a task's spacing (see :func:`aligned`), float32 HU."""
    return resample_parallel(ct, aligned(ct.grid, task.spacing))


def _pair(task: Task, case: Case) -> tuple[Findings, np.ndarray | None]:
    found, _ = inspect(case)
    if found.fault:
        return found, None
    try:
        sources = find_sources(case)
        if not sources:
            return replace(found, fault="It has no labels."), None
        ct = on_task_grid(read_any_volume(case.path, case.slices), task)
        sets = label_sets(ct, sources, task)
    except UserError as error:
        return replace(found, fault=error.message.replace(str(case.path.parent), "")), None
    if found.doubt == NO_LUNGS:
        found = replace(found, doubt="")
    hu = np.rint(ct.array.clip(LOWEST_HU, HIGHEST_HU)).astype(np.int16)
    return found, np.stack([hu, sets.view(np.int16)])


def _files(case: Case) -> list[Path]:
    return case_files(case) + label_files(case)
