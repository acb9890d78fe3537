"""``dataset check``: a whole data set looked at with all cores, as a table for people, programs and spreadsheets."""

import hashlib
import re
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from ..events import Progress, silent
from .cases import DROP, Case
from .checks import EVERYTHING, Choice, Decision, decide
from .find import find_cases, table_of
from .inspection import Findings, inspect
from .tables import write_table
from .workers import work


@dataclass(frozen=True)
class Checked:
    """A decision about a case, and the picture of it (None where it cannot be read)."""

    decision: Decision
    thumbnail: Path | None


@dataclass(frozen=True)
class _Look:
    case: Case
    thumbnail: Path | None


def check_data(
    data: Path,
    seed: int = 0,
    choice: Choice = EVERYTHING,
    thumbnails: Path | None = None,
    progress: Progress = silent,
) -> list[Checked]:
    """Look at every case of a data set and decide what it may be used for.

    Args:
        data: a folder or a table.
        seed: of the split by patient, where no table gives the roles.
        choice: what the user wants to be left out or kept.
        thumbnails: a folder for a picture of each case.
        progress: called after each case.

    Raises:
        UserError: there is no CT, or the choice or the folder of the pictures cannot be used.
    """
    cases = find_cases(data, seed)
    looks = [_Look(case, _picture(case, thumbnails)) for case in cases]
    findings: dict[str, Findings] = {}
    with closing(work(_look, looks)) as results:
        for look, found in results:
            findings[look.case.name] = found
            progress(len(findings) / len(cases), f"Read {look.case.name}")
    found = [findings[case.name] for case in cases]
    decisions = decide(cases, found, choice, table_of(Path(data)) is not None, seed)
    there = (look.thumbnail if look.thumbnail and look.thumbnail.exists() else None for look in looks)
    return [Checked(*each) for each in zip(decisions, there, strict=True)]


def _look(look: _Look) -> Findings:
    if look.thumbnail:
        look.thumbnail.unlink(missing_ok=True)
    return inspect(look.case, look.thumbnail)[0]


def _picture(case: Case, folder: Path | None) -> Path | None:
    if folder is None:
        return None
    # A name that every file system takes, and no other case has.
    plain = re.sub(r"[^\w.-]", "_", case.name)
    mark = "" if plain == case.name else "_" + hashlib.sha256(case.name.encode()).hexdigest()[:6]
    return folder / f"{plain}{mark}.png"


def as_values(checked: Checked) -> dict:
    """A checked case as the plain values of the result event."""
    decision, case, found = checked.decision, checked.decision.case, checked.decision.found
    return {
        "case": case.name,
        "path": str(case.path),
        "patient": case.patient,
        "role": case.role,
        "reason": case.reason,
        "warnings": list(decision.warnings),
        "modality": found.modality,
        "shape": list(found.shape),
        "spacing": list(found.spacing),
        "extent": list(found.extent),
        "coverage": found.coverage,
        "orientation": found.orientation,
        "hu_range": list(found.hu_range),
        "study_description": case.description,
        "duplicate_of": decision.duplicate_of,
        "thumbnail": str(checked.thumbnail) if checked.thumbnail else "",
    }


def write_checked(table: Path, checked: list[Checked]) -> None:
    """Write checked cases as a table that is a data set of its own.

    Raises:
        UserError: the place cannot be written.
    """
    more = []
    for values in map(as_values, checked):
        texts = {key: values[key] for key in ("modality", "coverage", "orientation", "study_description")}
        sizes = {key: " x ".join(f"{n:g}" for n in values[key]) for key in ("shape", "spacing", "extent")}
        hu = " to ".join(f"{n:g}" for n in values["hu_range"])
        more.append({**texts, **sizes, "hu_range": hu, "warnings": " ".join(values["warnings"])})
    write_table(table, [each.decision.case for each in checked], more)


def as_text(checked: list[Checked]) -> str:
    """Checked cases as lines for people."""
    rows = [("case", "role", "shape", "spacing mm", "axes", "coverage", "reason or warnings")]
    for values in map(as_values, checked):
        shape, spacing = (" x ".join(f"{n:.3g}" for n in values[key]) for key in ("shape", "spacing"))
        remark = values["reason"] or " ".join(values["warnings"])
        rows.append((values["case"], values["role"], shape, spacing, values["orientation"], values["coverage"], remark))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)) for row in rows]
    dropped = sum(each.decision.case.role == DROP for each in checked)
    return "\n".join([*(line.rstrip() for line in lines), "", f"{len(checked)} cases, {dropped} left out"])
