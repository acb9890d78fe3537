"""One case of a data set, and the split of cases by patient."""

import hashlib
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import UserError

TRAIN, VALIDATION, TEST, DROP = "train", "validation", "test", "drop"
ROLES = (TRAIN, VALIDATION, TEST)
EMPTY_FOLDER = "The folder is empty."


@dataclass(frozen=True)
class Case:
    """One CT of one patient.

    Attributes:
        name: unique in its data set, without patient identity.
        path: the file, or the folder of a DICOM series.
        patient: cases of one patient share it and are never split.
        role: ``train``, ``validation``, ``test``, ``drop`` (left out), or any other role of the data set's table.
        source: collection and licence, as far as a table tells them.
        reason: why the case is left out, if it is.
        series: the key of a DICOM series; several may lie in one folder.
        slices: the series' files in their order, relative to ``path``.
        modality: what DICOM calls the kind of image; empty for other files.
        description: of the DICOM study and series.
    """

    name: str
    path: Path
    patient: str
    role: str
    source: str = ""
    reason: str = ""
    series: str = ""
    slices: tuple[str, ...] = ()
    modality: str = ""
    description: str = ""


def with_roles(cases: list[Case], seed: int) -> list[Case]:
    """The cases with roles drawn by patient; those left out stay so."""
    roles = split_by_patient([case.patient for case in cases if case.role != DROP], seed)
    return [case if case.role == DROP else replace(case, role=roles[case.patient]) for case in cases]


def split_by_patient(
    patients: list[str], seed: int, test_share: float = 0.2, validation_share: float = 0.0
) -> dict[str, str]:
    """The role of each patient; the same seed gives the same split. One patient alone trains.

    A patient's place in the order is a hash of its own, not a draw, so that one patient more or less moves at most
    the patients at the borders. (``monai.data.partition_dataset`` would mix all of them again.)
    """
    unique = sorted(set(patients), key=lambda patient: hashlib.sha256(f"{seed} {patient}".encode()).digest())
    tested = round(test_share * len(unique))
    validated = tested + round(validation_share * len(unique))
    return {
        patient: TEST if place < tested else VALIDATION if place < validated else TRAIN
        for place, patient in enumerate(unique)
    }


def check_patients(cases: list[Case]) -> None:
    """Check that no patient has two roles.

    Raises:
        UserError: one has; scores on such a split would mean nothing.
    """
    roles = defaultdict(set)
    for case in cases:
        if case.role != DROP:
            roles[case.patient].add(case.role)
    mixed = sorted(case.name for case in cases if len(roles[case.patient]) > 1)
    if mixed:
        raise UserError(f"The same patient trains and tests: {', '.join(mixed)}.", "Give one patient one role.")
