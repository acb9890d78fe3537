"""Which CTs a folder holds, whose they are, and what each may be used for."""

import csv
import random
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from ..errors import UserError

_FILE_ENDINGS = (".nii", ".nii.gz", ".nrrd", ".mha", ".mhd")


@dataclass(frozen=True)
class Case:
    """One CT of one patient.

    Attributes:
        name: unique in its data set, without patient identity.
        path: the file, or the folder of a DICOM series.
        patient: cases of one patient share it and are never split.
        role: ``train``, ``test``, or any other role of the data set's manifest.
        source: collection and licence, as far as a manifest tells them.
    """

    name: str
    path: Path
    patient: str
    role: str
    source: str = ""


def find_cases(folder: str | Path, seed: int = 0) -> list[Case]:
    """The CTs of a folder, by name.

    With a ``MANIFEST.tsv`` (columns ``id`` and ``role``, others optional) its roles hold. Otherwise each volume file
    and each subfolder is a patient, and a fifth of them, drawn by ``seed``, become ``test``.

    Raises:
        UserError: the folder is missing or holds no CT.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"There is no folder {folder}.", "Choose the folder that holds the CTs.")
    manifest = folder / "MANIFEST.tsv"
    cases = _from_manifest(manifest) if manifest.exists() else _from_listing(folder, seed)
    if not cases:
        raise UserError(f"{folder} holds no CT.", "Put NIfTI, NRRD or MHA files or folders of DICOM series into it.")
    return sorted(cases, key=lambda case: case.name)


def _from_manifest(manifest: Path) -> list[Case]:
    with manifest.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    if rows and not {"id", "role"} <= rows[0].keys():
        raise UserError(f"{manifest} lacks the columns id and role.", "Add them, or remove the file.")
    cases = []
    for row in rows:
        path = next((p for end in _FILE_ENDINGS if (p := manifest.parent / (row["id"] + end)).exists()), None)
        if path:
            patient = row.get("patient_key") or row["id"]
            source = (row.get("licence") or "").split(" - ")[0]  # what follows tells how it is known
            cases.append(Case(row["id"], path, patient, row["role"], source))
    return cases


def _from_listing(folder: Path, seed: int) -> list[Case]:
    paths = [path for path in sorted(folder.iterdir()) if path.is_dir() or path.name.lower().endswith(_FILE_ENDINGS)]
    names = [path.name.split(".")[0] for path in paths]
    roles = split_by_patient(names, seed)
    return [Case(name, path, name, roles[name]) for name, path in zip(names, paths, strict=True)]


def split_by_patient(patients: list[str], seed: int, test_share: float = 0.2) -> dict[str, str]:
    """Role ``train`` or ``test`` of each patient; the same seed gives the same split. One patient alone trains."""
    unique = sorted(set(patients))
    random.Random(seed).shuffle(unique)
    tested = set(unique[: round(test_share * len(unique))])
    return {patient: "test" if patient in tested else "train" for patient in unique}


def check_patients(cases: list[Case]) -> None:
    """Check that no patient has two roles.

    Raises:
        UserError: one has; scores on such a split would mean nothing.
    """
    roles = defaultdict(set)
    for case in cases:
        roles[case.patient].add(case.role)
    mixed = sorted(case.name for case in cases if len(roles[case.patient]) > 1)
    if mixed:
        raise UserError(f"The same patient trains and tests: {', '.join(mixed)}.", "Give one patient one role.")
