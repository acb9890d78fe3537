"""CTs standardized once and kept: a cache keyed by content, so that a changed file is prepared again and no other."""

import hashlib
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from ..errors import UserError
from ..events import Progress, silent
from ..files import staged
from ..imaging.standardize import FIELD_SIZE, STANDARD_SPACING, standardize
from ..imaging.volumes import read_volume
from .datasets import Case

_VERSION = f"2 {FIELD_SIZE} {STANDARD_SPACING}"


def prepare(
    cases: list[Case], cache: str | Path, progress: Progress = silent
) -> tuple[dict[str, Path], dict[str, str]]:
    """Standardize CTs into a cache folder: int16 HU [160, 160, 160] at 2.5 mm, table removed, body centered.

    Returns:
        The prepared file of each case by its name, and for each case left out its name and the reason.
    """
    prepared, left_out = {}, {}
    for number, case in enumerate(cases):
        progress(number / len(cases), f"Preparing {case.name}")
        try:
            prepared[case.name] = _prepare(case, Path(cache))
        except UserError as error:
            left_out[case.name] = str(error)
    return prepared, left_out


def _prepare(case: Case, cache: Path) -> Path:
    target = cache / f"{content_hash(case.path)}.npy"
    if not target.exists():
        volume = standardize(read_volume(case.path), FIELD_SIZE)
        with staged(target) as temporary:
            np.save(temporary, volume.array)
    return target


def reason_to_leave_out(case: Case) -> str:
    """Why a case cannot be prepared; empty if it can."""
    try:
        standardize(read_volume(case.path))
    except UserError as error:
        return str(error)
    return ""


def content_hash(path: Path) -> str:
    """Hash of a file, or of all files of a folder, and of the way of preparing it."""
    digest = hashlib.sha256(_VERSION.encode())
    for file in sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]:
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:32]


class PreparedVolumes(Dataset):
    """Prepared CTs as float32 HU [1, 160, 160, 160]; read from disk when asked for, so memory stays constant."""

    def __init__(self, files: list[Path]) -> None:
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.from_numpy(np.load(self.files[index]).astype(np.float32))[None]
