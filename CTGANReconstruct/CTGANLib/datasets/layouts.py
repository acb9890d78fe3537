"""The CTs of a folder of any layout: image files and DICOM series at any depth, without the labels beside them."""

import hashlib
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from .cases import DROP, EMPTY_FOLDER, TRAIN, Case
from .dicom_trees import Series, series_of

FILE_ENDINGS = (".nii", ".nii.gz", ".nrrd", ".mha", ".mhd")

# What file names of labels hold as a word of its own, or as the end of one: liver_seg, lung-mask, case.seg, labelsTr.
_LABEL_WORDS = re.compile(
    r"seg(mentations?|s)?\d*|.*(mask|label|labelmap|segmentation)s?\d*|(labels?|masks?)(tr|ts|val)"
    r"|gt|rois?|annotations?"
)
# What follows the name of a CT in the name of its labels.
_LABELS_OF = ("organs", "rules", "heart", "nodules", "lungs", "lung", "lesion", "lesions", "tumor", "tumour", "bones")
# File names that say what is in a file but not which case it is; the folder does.
_PLAIN_NAMES = {"ct", "imaging", "image", "img", "volume", "vol", "scan", "data", "series", "input"}
# Folders that hold many cases, not one.
_SHELVES = re.compile(
    r"(subset|images?|img|train(ing)?|test(ing)?|val|validation|volumes?|cts?|nifti|nrrd|mha|data|scans?)(tr|ts|\d)*"
)


def find_volumes(folder: Path) -> list[Case]:
    """All that may be a CT in a folder and its subfolders, labels excepted, and folders that are empty.

    Names are unique and tell no patient: of a file its own name, or its folder's where files are called alike in
    all folders (KiTS19, TotalSegmentator); of a DICOM series hashes of study and series. DICOM images that are no CT
    have the role ``drop``, all others ``train``.
    """
    files, others = [], []
    for path in walk(folder):
        (files if path.name.lower().endswith(FILE_ENDINGS) else others).append(path)
    names = {stem(path) for path in files}
    cases = _file_cases(folder, [path for path in files if not is_label(path.relative_to(folder), names)])
    damaged: list[Path] = []
    cases += [_series_case(series) for series in series_of(others, damaged)]
    return _with_unique_names(cases + _damaged(damaged) + _empty_folders(folder), folder)


def find_series(folder: Path) -> list[Series]:
    """The DICOM series in a folder and its subfolders."""
    return series_of(path for path in walk(folder) if not path.name.lower().endswith(FILE_ENDINGS))


def volume_file(folder: Path, name: str) -> Path | None:
    """The file of that name and any of the endings in a folder, if there is one."""
    return next((path for ending in FILE_ENDINGS if (path := folder / (name + ending)).is_file()), None)


def walk(folder: Path) -> Iterator[Path]:
    """All files in a folder and its subfolders in a fixed order, hidden ones excepted, links followed once."""
    seen = set()
    for root, folders, files in os.walk(folder, followlinks=True):
        if os.path.realpath(root) in seen:
            folders.clear()
            continue
        seen.add(os.path.realpath(root))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(root, name) for name in sorted(files) if not name.startswith("."))


def _damaged(files: list[Path]) -> list[Case]:
    """Damaged DICOM files as cases that are left out, one a folder."""
    count = Counter(path.parent for path in files)
    reason = "{} of its DICOM files cannot be read."
    return [
        Case(f"{path.name}_damaged", path, path.name, DROP, reason=reason.format(number), modality="damaged")
        for path, number in count.items()
    ]


def _empty_folders(folder: Path) -> list[Case]:
    """Empty folders as cases that are left out: something may have been meant to be there."""
    below = (Path(root) for root, folders, files in os.walk(folder) if not folders and not files)
    empty = sorted(path for path in below if path != folder and not path.name.startswith("."))
    return [Case(path.name, path, path.name, DROP, reason=EMPTY_FOLDER) for path in empty]


def stem(path: Path) -> str:
    """A file's name without the ending of its format."""
    endings = [ending for ending in FILE_ENDINGS if path.name.lower().endswith(ending)]
    return path.name[: -len(max(endings, key=len))] if endings else path.name


def is_label(path: Path, names: set[str]) -> bool:
    """Whether a file, by its path in the data set and the names of the files there, holds labels and not a CT."""
    *folders, _ = path.parts
    own = stem(path)
    if any(_LABEL_WORDS.fullmatch(word) for part in (*folders, own) for word in re.split(r"[^a-z0-9]+", part.lower())):
        return True
    start, separator, end = re.match(r"(.*?)([_.\- ]?)([^_.\- ]*)$", own).groups()
    return bool(separator) and end.lower() in _LABELS_OF and start in names


def _file_cases(folder: Path, files: list[Path]) -> list[Case]:
    folders_of, count = defaultdict(set), Counter(path.parent for path in files)
    for path in files:
        folders_of[stem(path).lower()].add(path.parent)
    cases = []
    for path in files:
        own, home = stem(path), path.parent
        plain = own.lower() in _PLAIN_NAMES or len(folders_of[own.lower()]) > 1
        if plain and home != folder and not _SHELVES.fullmatch(home.name.lower()):
            patient = home.relative_to(folder).as_posix()
            cases.append(Case(home.name if count[home] == 1 else f"{home.name}_{own}", path, patient, TRAIN))
        else:
            cases.append(Case(own, path, own, TRAIN))
    return cases


def _with_unique_names(cases: list[Case], folder: Path) -> list[Case]:
    """Names that several files have become their paths in the data set, with ending and a hash where it must be."""

    def longer(case: Case, place: int) -> Case:
        path = case.path.relative_to(folder)
        name = "_".join([*path.parts[:-1], path.name.replace(".", "_") if place else stem(path)])
        if place > 1:
            name += "_" + hashlib.sha256(path.as_posix().encode(errors="surrogateescape")).hexdigest()[:6]
        return replace(case, name=name, patient=name if case.patient == case.name else case.patient)

    for place in range(3):
        count = Counter(case.name for case in cases)
        cases = [longer(case, place) if count[case.name] > 1 and not case.series else case for case in cases]
    return cases


def _series_case(series: Series) -> Case:
    no_ct = series.modality != "CT"
    return Case(
        name=series.name,
        path=series.folder,
        patient=series.patient,
        role=DROP if no_ct else TRAIN,
        reason=f"It is DICOM of modality {series.modality or 'unknown'}, not CT." if no_ct else "",
        series=series.key,
        slices=series.slices,
        modality=series.modality,
        description=series.description,
    )
