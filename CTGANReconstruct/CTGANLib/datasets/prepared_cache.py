"""Standardized CTs and what was found in them, kept in a folder by the content of the files they come from."""

import hashlib
import json
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..files import staged
from ..imaging.standardize import FIELD_SIZE, STANDARD_SPACING
from .cases import Case
from .inspection import Findings, inspect

_PIECE = 1 << 18


def case_files(case: Case) -> list[Path]:
    """All files that a case's values come from."""
    if case.slices:
        return [case.path / name for name in case.slices]
    if case.path.is_dir():
        return sorted(path for path in case.path.rglob("*") if path.is_file())
    if case.path.suffix.lower() == ".mhd":  # the header names the file of the voxels
        header = case.path.read_text(encoding="utf-8", errors="replace")
        named = re.search(r"ElementDataFile\s*=\s*(\S.*?)\s*$", header, re.MULTILINE)
        voxels = case.path.with_name(named[1]) if named else case.path
        return [case.path, *([voxels] if voxels.is_file() and voxels != case.path else [])]
    return [case.path]


@dataclass(frozen=True)
class Making:
    """One way of preparing cases.

    Attributes:
        version: differs where the same files are prepared otherwise.
        make: a case to what was found in it and the prepared array; ``None`` where there is a fault.
        files: all files that a case is prepared from.
    """

    version: str
    make: Callable[[Case], tuple[Findings, np.ndarray | None]]
    files: Callable[[Case], list[Path]] = case_files


def standard_field(case: Case) -> tuple[Findings, np.ndarray | None]:
    """A CT on the standard field, int16 HU [160, 160, 160]."""
    found, standard = inspect(case)
    return found, None if standard is None else standard.array


STANDARD = Making(f"5 {FIELD_SIZE} {STANDARD_SPACING}", standard_field)


@dataclass(frozen=True)
class Cache:
    """A folder of prepared CTs: ``CONTENT.npy`` and ``CONTENT.json``, and in ``known`` which file has which content.

    A file whose size and time of change are known is not read again; the content decides in all other cases, so
    that a changed file is prepared again and one that was copied or touched is not. (MONAI's PersistentDataset goes by
    the item's description, here the path, and would miss the change.)
    """

    folder: Path
    making: Making = STANDARD

    def known(self, case: Case) -> tuple[Findings, Path] | None:
        """What was found in a case and its prepared file, where neither must be made (again)."""
        try:
            return self._entry((self.folder / "known" / _state(case, self.making)).read_text(encoding="ascii"))
        except OSError:
            return None

    def prepare(self, case: Case) -> tuple[Findings, Path]:
        """What is found in a case and its prepared file, which is there if there is no fault.

        Raises:
            UserError: the cache cannot be written.
        """
        try:
            state, content = _state(case, self.making), content_hash(case, self.making)
        except OSError as error:
            fault = f"It cannot be read: {error.strerror or 'it is damaged'}."
            return Findings(modality=case.modality, fault=fault), self.folder / "none.npy"
        entry = self._entry(content)
        if entry is None:
            entry = self._make(case, content)
        with staged(self.folder / "known" / state) as temporary:
            temporary.write_text(content, encoding="ascii")
        return entry

    def _entry(self, content: str) -> tuple[Findings, Path] | None:
        file = self.folder / f"{content}.npy"
        try:
            found = Findings.from_json(json.loads(file.with_suffix(".json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return (found, file) if found.fault or file.exists() else None

    def _make(self, case: Case, content: str) -> tuple[Findings, Path]:
        found, array = self.making.make(case)
        file = self.folder / f"{content}.npy"
        if array is not None:
            with staged(file) as temporary:
                np.save(temporary, array)
        with staged(file.with_suffix(".json")) as temporary:
            temporary.write_text(json.dumps(found.to_json()), encoding="utf-8")
        return found, file


def content_hash(case: Case, making: Making = STANDARD) -> str:
    """Hash of all bytes of a case's files, and of the way of preparing them.

    It is made of one CRC-32 for each piece of a file, four times faster than the bytes themselves in SHA-256: a change
    of one piece alone is missed once in 2^32 times.
    """
    digest = hashlib.sha256(making.version.encode())
    piece = memoryview(bytearray(_PIECE))
    for path in making.files(case):
        part = hashlib.sha256()
        with path.open("rb", buffering=0) as file:
            while length := file.readinto(piece):
                part.update(zlib.crc32(piece[:length]).to_bytes(4, "little"))
        digest.update(part.digest())
    return digest.hexdigest()[:32]


def _state(case: Case, making: Making) -> str:
    """Hash of the names, sizes and times of change of a case's files: another one may mean another content."""
    digest = hashlib.sha256(making.version.encode())
    for path in making.files(case):
        status = path.stat()
        digest.update(f"{path.resolve()}\0{status.st_size}\0{status.st_mtime_ns}\0".encode(errors="surrogateescape"))
    return digest.hexdigest()[:32]
