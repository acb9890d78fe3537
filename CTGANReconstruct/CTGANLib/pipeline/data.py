"""The data set of a pipeline: whether it has changed, and what was prepared of it, for steps in other processes."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from ..datasets.cases import Case
from ..datasets.find import find_cases
from ..datasets.preparation import PreparedData
from ..files import staged


@dataclass(frozen=True)
class StoredData(PreparedData):
    """Prepared data that was read back."""

    def contents(self, *roles: str) -> list[list[str]]:
        """What a training with cases of these roles depends on: name, patient, role and prepared file of each. That
        file's name tells its content."""
        chosen = [case for case in self.cases if case.role in roles]
        return [[case.name, case.patient, case.role, self.prepared[case.name].name] for case in chosen]


def fingerprint(data: Path) -> list:
    """Differs where a data set has changed, as far as names, sizes and times of files tell; a second look, at the
    content, is that of the preparation."""
    return [[_plain(case), _files(case)] for case in find_cases(data)]


def _files(case: Case) -> list:
    if case.slices:
        paths = [case.path / name for name in case.slices]
    elif case.path.is_dir():
        paths = sorted(path for path in case.path.rglob("*") if path.is_file())
    else:
        paths = [case.path]
    return [[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in paths if path.is_file()]


def save_prepared(data: PreparedData, path: Path) -> None:
    """Write down what was prepared.

    Raises:
        UserError: the place cannot be written.
    """
    values = {
        "cases": [_plain(case) for case in data.cases],
        "left_out": data.left_out,
        "prepared": {name: file.name for name, file in data.prepared.items()},
    }
    with staged(path) as temporary:
        temporary.write_text(json.dumps(values, indent=2), encoding="utf-8")


def load_prepared(path: Path, cache: Path) -> StoredData:
    """Read back what :func:`save_prepared` wrote; the prepared files lie in ``cache``."""
    values = json.loads(path.read_text(encoding="utf-8"))
    cases = [
        Case(**{**entry, "path": Path(entry["path"]), "slices": tuple(entry["slices"])}) for entry in values["cases"]
    ]
    return StoredData(cases, values["left_out"], {name: cache / file for name, file in values["prepared"].items()})


def _plain(case: Case) -> dict:
    return {**asdict(case), "path": str(case.path)}
