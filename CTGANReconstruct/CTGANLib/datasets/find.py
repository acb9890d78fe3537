"""Which CTs a data set holds: a table of cases, or a folder of any layout."""

from pathlib import Path

from ..errors import UserError
from .cases import DROP, Case, with_roles
from .layouts import find_volumes
from .tables import read_table


def find_cases(data: str | Path, seed: int = 0) -> list[Case]:
    """The cases of a data set by name: those of a table (see ``tables``), or all that a folder holds.

    The roles of a table (a ``.tsv`` file, or a folder's ``MANIFEST.tsv``) hold. Otherwise a fifth of the patients,
    drawn by ``seed``, become ``test``. What can be seen to be no CT without reading it has the role ``drop``.

    Raises:
        UserError: there is no such data set, or it holds no CT.
    """
    data = Path(data)
    if not data.exists():
        raise UserError(f"There is no folder {data}.", "Choose the folder that holds the CTs.")
    table = table_of(data)
    if not data.is_dir() and table is None:
        raise UserError(f"{data} is no folder and no table.", "Choose the folder that holds the CTs.")
    cases = read_table(table) if table else with_roles(find_volumes(data), seed)
    if not any(case.role != DROP for case in cases):
        reasons = " ".join(f"{case.name}: {case.reason}" for case in cases if case.reason)
        advice = "Put NIfTI, NRRD or MHA files or folders of DICOM series into it."
        raise UserError(f"{data} holds no CT. {reasons}".strip(), advice)
    return sorted(cases, key=lambda case: case.name)


def table_of(data: Path) -> Path | None:
    """The table of a data set: the file itself or its folder's ``MANIFEST.tsv``; None if it has none."""
    if data.suffix.lower() == ".tsv" and data.is_file():
        return data
    manifest = data / "MANIFEST.tsv"
    return manifest if manifest.is_file() else None
