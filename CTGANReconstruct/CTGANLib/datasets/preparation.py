"""From a data set to CTs that networks learn from: found, looked at, standardized and kept, with all cores."""

from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from ..events import Progress, silent
from .cases import DROP, ROLES, Case, check_patients
from .checks import decide
from .find import find_cases, table_of
from .inspection import Findings
from .prepared_cache import STANDARD, Cache, Making
from .workers import work


@dataclass(frozen=True)
class PreparedData:
    """A data set whose cases are prepared.

    Attributes:
        cases: those that could be prepared, by name.
        left_out: name and reason of each of the others.
        prepared: the prepared file of each case by its name.
    """

    cases: list[Case]
    left_out: dict[str, str]
    prepared: dict[str, Path]

    def of(self, role: str) -> list[Case]:
        """The cases of a role, by name."""
        return [case for case in self.cases if case.role == role]

    def files(self, *roles: str) -> dict[str, Path]:
        """The prepared files (``.npy``; by default int16 HU [160, 160, 160]) of some roles' cases by their names."""
        return {case.name: self.prepared[case.name] for role in roles for case in self.of(role)}


def prepare_data(
    data: str | Path,
    cache: str | Path,
    progress: Progress = silent,
    roles: tuple[str, ...] = ROLES,
    making: Making = STANDARD,
) -> PreparedData:
    """Find the cases of a data set and prepare those of the given roles, by default standardized, in a cache folder.

    It goes on where it was stopped, and prepares again what has changed. The roles of a table hold, and of its cases
    only those are left out that cannot be used at all. A folder without a table is checked as ``dataset check`` does,
    so that nothing doubtful trains and nobody both trains and tests.

    Raises:
        UserError: there is no CT, one patient has two roles in the table, or the cache cannot be written.
    """
    cases = find_cases(data)
    has_table = table_of(Path(data)) is not None
    if has_table:
        check_patients(cases)
        wanted = [case for case in cases if case.role in roles]
    else:
        wanted = [case for case in cases if case.role != DROP]
    left_out = {case.name: case.reason or "The table leaves it out." for case in cases if case.role == DROP}
    findings, files = _prepare_all(wanted, Cache(Path(cache), making), progress)
    if has_table:
        left_out |= {case.name: found.fault for case, found in zip(wanted, findings, strict=True) if found.fault}
    else:
        decisions = decide(wanted, findings)
        left_out |= {decision.case.name: decision.case.reason for decision in decisions if decision.case.role == DROP}
        wanted = [decision.case for decision in decisions if decision.case.role in roles]
    ready = [case for case in wanted if case.name not in left_out]
    return PreparedData(ready, left_out, {case.name: files[case.name] for case in ready})


def _prepare_all(cases: list[Case], cache: Cache, progress: Progress) -> tuple[list[Findings], dict[str, Path]]:
    """What was found in each case, and the prepared files by the cases' names."""
    entries = {case.name: entry for case in cases if (entry := cache.known(case))}
    missing = [case for case in cases if case.name not in entries]
    with closing(work(partial(Cache.prepare, cache), missing)) as results:
        for case, entry in results:
            entries[case.name] = entry
            progress(len(entries) / len(cases), f"Prepared {case.name}")
    return [entries[case.name][0] for case in cases], {name: file for name, (_, file) in entries.items()}


def told_left_out(left_out: dict[str, str]) -> list[str]:
    """A line for people for each case that was left out, from names and reasons."""
    return [f"Left out: {name}: {reason}" for name, reason in left_out.items()]


class PreparedVolumes(Dataset):
    """Prepared CTs as float32 HU [1, 160, 160, 160]; read from disk when asked for, so memory stays constant."""

    def __init__(self, files: list[Path]) -> None:
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.from_numpy(np.load(self.files[index]).astype(np.float32))[None]
