"""The table of a data set: plain tab-separated text that people can edit in a spreadsheet, with paths beside it."""

import csv
import os
from collections.abc import Iterable
from pathlib import Path

from ..errors import UserError
from ..files import staged
from .cases import DROP, ROLES, Case
from .layouts import FILE_ENDINGS, find_series

_COLUMNS = ("id", "role", "path", "patient_key", "licence", "reason", "series")


def read_table(table: Path) -> list[Case]:
    """The cases of a table. Columns ``id`` and ``role``, others optional.

    A ``path`` counts from the table's folder; without it, the file is called as the ``id``. A case whose file is not
    there has the role ``drop``.

    Raises:
        UserError: the table cannot be read, lacks columns, or names a case twice.
    """
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{table} cannot be read as a table.", "Save it as tab-separated text (UTF-8).") from error
    if rows and not {"id", "role"} <= rows[0].keys():
        raise UserError(f"{table} lacks the columns id and role.", "Add them, or remove the file.")
    rows = [{key: (value or "").strip() for key, value in row.items() if isinstance(key, str)} for row in rows]
    rows = [row for row in rows if row["id"]]
    names = [row["id"] for row in rows]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(f"{table} names {', '.join(twice)} more than once.", "Give each case an id of its own.")
    folders: dict[Path, dict] = {}  # the DICOM series of each folder, looked for once
    return [_case(row, table.parent, folders) for row in rows]


def _case(row: dict[str, str], folder: Path, folders: dict[Path, dict]) -> Case:
    path, role, reason = _path(row, folder), row["role"], row.get("reason", "")
    slices, modality, description = (), "", ""
    if path.is_dir():
        if path not in folders:
            folders[path] = {series.key: series for series in find_series(path)}
        found = folders[path].get(row.get("series", ""))
        if found:
            slices, modality, description = found.slices, found.modality, found.description
        elif row.get("series"):
            role, reason = DROP, f"The series {row['series']} is not in {path}."
    elif not path.exists():
        role, reason = DROP, f"There is no file {path}."
    return Case(
        name=row["id"],
        path=path,
        patient=row.get("patient_key") or row["id"],
        role=role,
        source=row.get("licence", "").split(" - ")[0],  # what follows tells how it is known
        reason=reason if role not in ROLES else "",
        series=row.get("series", ""),
        slices=slices,
        modality=modality,
        description=description,
    )


def _path(row: dict[str, str], folder: Path) -> Path:
    if row.get("path"):
        return folder / row["path"]
    files = (folder / (row["id"] + ending) for ending in ("", *FILE_ENDINGS))
    return next((path for path in files if path.exists()), folder / row["id"])


def write_table(table: Path, cases: Iterable[Case], more: Iterable[dict[str, str]]) -> None:
    """Write cases, and further columns of each, as a table that :func:`read_table` reads.

    Raises:
        UserError: the place cannot be written.
    """
    rows = [{**_row(case, table.parent), **other} for case, other in zip(cases, more, strict=True)]
    columns = list(dict.fromkeys([*_COLUMNS, *(key for row in rows for key in row)]))
    with staged(table) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, delimiter="\t", restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _row(case: Case, folder: Path) -> dict[str, str]:
    try:
        path = Path(os.path.relpath(case.path.resolve(), folder.resolve())).as_posix()
    except ValueError:  # another drive
        path = str(case.path.resolve())
    return {
        "id": case.name,
        "role": case.role,
        "path": path,
        "patient_key": case.patient,
        "licence": case.source,
        "reason": case.reason,
        "series": case.series,
    }
