"""DICOM series in a tree of any layout: one look at the tags of each file, wherever it lies."""

import hashlib
import os
import warnings
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from ..imaging.dicom import is_dicom

_TAGS = (
    "SOPClassUID",
    "Modality",
    "PatientID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "StudyDescription",
    "SeriesDescription",
    "ImageOrientationPatient",
    "ImagePositionPatient",
    "InstanceNumber",
    "Rows",
    "Columns",
)
# Objects that say something about images: segmentations, structures, plans, doses, reports, presentations.
_NO_IMAGES = {"SEG", "RTSTRUCT", "RTPLAN", "RTDOSE", "RTRECORD", "SR", "PR", "KO", "REG", "DOC", "FID", "RWV", ""}
# What anonymizers write for everybody.
_NOBODY = {"", "0", "anon", "anonymous", "anonymized", "anonymised", "unknown", "none", "patient", "no id"}
_ENDINGS = (".dcm", ".dicom", ".ima")


@dataclass(frozen=True)
class Series:
    """One DICOM series.

    Attributes:
        key: a hash of its identifiers.
        name: hashes of study and series.
        patient: a hash of the PatientID, or of the study where that names nobody.
        folder: the one that all files lie below.
        slices: the files from the first position to the last, relative to ``folder``.
        modality: such as CT.
        description: of the study and of the series.
    """

    key: str
    name: str
    patient: str
    folder: Path
    slices: tuple[str, ...]
    modality: str
    description: str


def series_of(files: Iterable[Path], damaged: list[Path] | None = None) -> list[Series]:
    """The series of images that files belong to; files of other kinds are passed over.

    One series is what shares identifier, direction and size: scouts stand alone even where they bear its identifier.
    DICOM files that cannot be read are added to ``damaged``.
    """
    groups: dict[tuple, list[tuple[float, int, Path]]] = defaultdict(list)
    first: dict[tuple, Dataset] = {}
    for path in files:
        try:
            tags = _tags(path)
        except Exception:  # pydicom raises whatever the damage leads to
            if damaged is not None:
                damaged.append(path)
            continue
        if tags is None or str(tags.get("Modality", "")).strip() in _NO_IMAGES:
            continue
        key = _identity(tags)
        first.setdefault(key, tags)
        groups[key].append((_position(tags), int(tags.get("InstanceNumber") or 0), path))
    return [_series(key, first[key], [path for *_, path in sorted(group)]) for key, group in groups.items()]


def _tags(path: Path) -> Dataset | None:
    """The tags of a DICOM file as far as they are needed here; None if it is none, or an index (DICOMDIR)."""
    named = path.name.lower().endswith(_ENDINGS)
    if not is_dicom(path) and not named:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # small faults are common
        tags = pydicom.dcmread(path, stop_before_pixels=True, force=True, specific_tags=list(_TAGS))
        tags.decode()
    if "SOPClassUID" not in tags and named:
        raise ValueError("no DICOM")
    return tags if "SOPClassUID" in tags else None


def _numbers(tags: Dataset, keyword: str, count: int) -> np.ndarray | None:
    try:
        numbers = np.asarray(tags.get(keyword), float).reshape(-1)
    except (TypeError, ValueError):
        return None
    return numbers if len(numbers) == count else None


def _identity(tags: Dataset) -> tuple:
    direction = _numbers(tags, "ImageOrientationPatient", 6)
    turned = () if direction is None else tuple(np.round(direction, 2) + 0.0)
    size = tags.get("Rows"), tags.get("Columns")
    return str(tags.get("StudyInstanceUID", "")), str(tags.get("SeriesInstanceUID", "")), size, turned


def _position(tags: Dataset) -> float:
    """Where a slice stands along the direction of the stack, mm."""
    direction, position = _numbers(tags, "ImageOrientationPatient", 6), _numbers(tags, "ImagePositionPatient", 3)
    if direction is None or position is None:
        return 0.0
    return round(float(np.cross(direction[:3], direction[3:]) @ position), 4)


def _series(identity: tuple, tags: Dataset, files: Sequence[Path]) -> Series:
    folder = Path(os.path.commonpath([path.parent for path in files]))
    study, patient = str(identity[0]), str(tags.get("PatientID", "")).strip()
    described = (str(tags.get(keyword, "")).strip() for keyword in ("StudyDescription", "SeriesDescription"))
    key = _hash(repr(identity))
    return Series(
        key=key,
        name=f"{_hash(study)[:6]}_{key[:6]}",
        patient="p" + _hash(study if patient.lower() in _NOBODY else patient),
        folder=folder,
        slices=tuple(path.relative_to(folder).as_posix() for path in files),
        modality=str(tags.get("Modality", "")).strip(),
        description=", ".join(text for text in described if text),
    )


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
