"""The cases of a checked data set with the roles that the user gave them, and the table that keeps both."""

import csv
import os
from collections import Counter
from pathlib import Path

from slicer.i18n import tr as _

from CTGANLib.datasets.cases import DROP, ROLES, TEST, TRAIN, split_by_patient
from CTGANLib.files import staged

CHOICES = [*ROLES, DROP]


class CaseList:
    """What the check says of each case (see ``CTGANTrainLogic.checkDataset``), and what the user says against it.

    Attributes:
        rows: a dictionary a case, as they come from the check.
        chosen: the roles that the user chose, by case.
    """

    def __init__(self, rows: list[dict], chosen: dict[str, str]) -> None:
        self.rows = [row for row in rows if isinstance(row, dict) and row.get("case")]
        self.chosen = dict(chosen)
        self._checked = {name(row): str(row.get("role") or "") for row in self.rows}

    def role(self, case: str) -> str:
        """The role that a case has now."""
        return self.chosen.get(case, self._checked.get(case, ""))

    def isKept(self, case: str) -> bool:
        """Whether a case takes part in training, validation or test."""
        return self.role(case) in ROLES

    def reason(self, row: dict) -> str:
        """Why a case is left out, or nothing."""
        if self.isKept(name(row)):
            return ""
        if self.chosen.get(name(row)) == DROP and self._checked[name(row)] in ROLES:
            return _("Left out by you.")
        return str(row.get("reason") or "")

    def setRole(self, cases: list[str], role: str) -> None:
        """Give cases a role; ``drop`` leaves them out."""
        self.chosen |= dict.fromkeys(cases, role)

    def keep(self, case: str, kept: bool) -> None:
        """Leave a case out, or take it back in the role that the check gave it."""
        checked = self._checked.get(case, "")
        self.setRole([case], DROP if not kept else checked if checked in ROLES else TRAIN)

    def split(self, seed: int, testShare: float) -> None:
        """Draw which patients test, among those whose cases train or test now."""
        patients = {name(row): str(row.get("patient") or name(row)) for row in self.rows}
        drawn = [case for case in patients if self.role(case) in (TRAIN, TEST)]
        roles = split_by_patient([patients[case] for case in drawn], seed, testShare)
        self.chosen |= {case: roles[patients[case]] for case in drawn}

    def against(self) -> tuple[list[str], list[str]]:
        """The cases that the user drops, and those that the user keeps although the check dropped them."""
        dropped = [case for case in self._checked if self.chosen.get(case) == DROP]
        kept = [case for case, role in self._checked.items() if role not in ROLES and self.isKept(case)]
        return dropped, kept

    def summary(self) -> str:
        """How many cases there are, in one line."""
        count = Counter(self.role(name(row)) for row in self.rows if self.isKept(name(row)))
        text = _("{total} cases: {roles}; {out} left out")
        roles = ", ".join(f"{count[role]} {role}" for role in ROLES if count[role]) or _("none to train on")
        return text.format(total=len(self.rows), roles=roles, out=len(self.rows) - sum(count.values()))

    def save(self, checkedTable: Path, target: Path) -> None:
        """Write the table that the check wrote to another place, with the roles as they are now.

        Raises:
            UserError: it cannot be written.
            OSError: the check's table is gone.
        """
        with checkedTable.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file, delimiter="\t")
            columns, rows = list(reader.fieldnames or ()), list(reader)
        reasons = {name(row): self.reason(row) for row in self.rows}
        for row in rows:
            case = row.get("id", "")
            row |= {"role": self.role(case) or row.get("role", ""), "reason": reasons.get(case, "")}
            row["path"] = _relative(checkedTable.parent / row.get("path", ""), target.parent)
        with staged(target) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            columns = list(dict.fromkeys([*columns, "role", "path", "reason"]))
            writer = csv.DictWriter(file, columns, delimiter="\t", restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


def name(row: dict) -> str:
    """The name of a case."""
    return str(row["case"])


def _relative(path: Path, folder: Path) -> str:
    path = path.resolve()
    try:
        return Path(os.path.relpath(path, folder.resolve())).as_posix()
    except ValueError:  # another drive
        return str(path)
