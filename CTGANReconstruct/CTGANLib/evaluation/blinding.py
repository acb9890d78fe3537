"""Making the cases of a reader study alike: one grid, type, range, kind of file and time, and random names.

What is left to tell real from synthetic is what they show. Synthetic cases are shown as they were made: nothing in them
is mended, and no background is cleared.
"""

import hashlib
import json
import os
import secrets
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, datetime, timezone
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import UserError
from ..events import Progress, silent
from ..files import staged
from ..imaging.geometry import Grid
from ..imaging.resampling import resample_parallel
from ..imaging.volumes import Volume
from .reader_answers import REAL, SYNTHETIC
from .reader_study import CASE_ENDING, FORMAT, key_file

_ROUND = 1e-3  # mm, to which spacings count as the same
_LEAST_RANGE = 100  # HU


@dataclass(frozen=True)
class _Case:
    """A case that waits in a temporary file."""

    file: Path
    grid: Grid
    synthetic: bool
    source: str


class Blinder:
    """Collects cases and writes them as a study.

    Args:
        temporary: an existing folder, for the cases until they are written.
    """

    def __init__(self, temporary: Path) -> None:
        self._temporary = temporary
        self._cases: list[_Case] = []

    def add(self, volume: Volume, source: str, synthetic: bool) -> None:
        """Take a case in HU, of any directions; ``source`` is what the key will say of where it came from."""
        volume = upright(volume)
        file = self._temporary / f"{len(self._cases)}.npy"
        np.save(file, volume.array)
        self._cases.append(_Case(file, volume.grid, synthetic, source))

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Of the coarsest of the cases so far, along R, A, S in mm."""
        spacings = np.max([case.grid.spacing for case in self._cases], axis=0)
        return tuple(float(round(n / _ROUND) * _ROUND) for n in spacings)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels (k, j, i) of :attr:`spacing` that fit into all of the cases so far."""
        extents = np.min([case.grid.spacing * case.grid.shape[::-1] for case in self._cases], axis=0)
        counts = np.floor(extents / self.spacing + 0.01).astype(int).clip(1, None)
        return tuple(int(n) for n in counts[::-1])

    def write(self, folder: Path, kind: str, progress: Progress = silent) -> dict:
        """Write the study, and its key beside it; both appear complete or not at all.

        Args:
            folder: of the study; it must not exist yet.
            kind: ``slices`` or ``volumes``.
            progress: is told of each case.

        Returns:
            ``real`` and ``synthetic``, how many; ``shape``, ``spacing`` (mm) and ``range`` (HU) of each case.

        Raises:
            UserError: there is something there already, one of both kinds is missing, their values have no range in
                common, or the place cannot be written.
        """
        folder = folder.resolve()
        check_free(folder)
        synthetic = sum(case.synthetic for case in self._cases)
        if not 0 < synthetic < len(self._cases):
            raise UserError("A study needs real and synthetic cases.", "Add those that are missing.")
        grid = Grid.centered(self.shape, self.spacing)
        low, high = _range([_place(case, grid) for case in self._cases])
        named = dict(zip(_names(len(self._cases)), self._cases, strict=True))
        today = date.today()
        with ExitStack() as stack:
            # Entered last, the study appears first, and without its key it cannot give anything away.
            key, place = (stack.enter_context(staged(path)) for path in (key_file(folder), folder))
            (place / "cases").mkdir(parents=True)
            # In the order of their random names, as folders list them and disks remember them.
            for number, (name, case) in enumerate(sorted(named.items())):
                _write(np.load(case.file), grid, (low, high), place / "cases" / f"{name}{CASE_ENDING}")
                progress((number + 1) / len(named), f"Wrote case {number + 1} of {len(named)}")
            told = {name: {SYNTHETIC: case.synthetic, "source": case.source} for name, case in sorted(named.items())}
            # The number makes sure that nobody finds the key by trying all that would fit the hash.
            sealed = json.dumps({"number": secrets.token_hex(16), "cases": told}, indent=1).encode()
            key.write_bytes(sealed)
            study = {
                "format": FORMAT,
                "id": secrets.token_hex(8),
                "made": today.isoformat(),
                "kind": kind,
                "cases": sorted(named),
                "key_sha256": hashlib.sha256(sealed).hexdigest(),
            }
            (place / "study.json").write_text(json.dumps(study, indent=1), encoding="utf-8")
            _same_time(place, today)
        counts = {REAL: len(self._cases) - synthetic, SYNTHETIC: synthetic}
        return {**counts, "shape": list(grid.shape), "spacing": list(self.spacing), "range": [low, high]}


def check_free(folder: Path) -> None:
    """Check that a study can be written to a folder.

    Raises:
        UserError: there is something there, or where its key belongs.
    """
    for path in (folder, key_file(folder.resolve())):
        if path.exists():
            raise UserError(f"There is something at {path} already.", "Choose a new folder.")


def upright(volume: Volume) -> Volume:
    """A volume whose axes run along R, A and S, with the voxels that it has as far as its directions allow."""
    if np.allclose(volume.grid.directions, np.eye(3), atol=1e-4):
        return volume
    along = np.abs(volume.grid.directions).argmax(axis=1)  # the volume's axis that runs along R, A and S
    if len(set(along.tolist())) < 3:
        along = np.arange(3)
    shape = np.array(volume.grid.shape[::-1])[along][::-1]
    grid = Grid.centered(tuple(map(int, shape)), volume.grid.spacing[along], tuple(volume.grid.center))
    return resample_parallel(volume, grid, float(volume.array.min()))


def _range(ranges: list[tuple[float, float]]) -> tuple[int, int]:
    """The HU that all cases reach: clipped to it, the largest value of a bone or of air tells nothing."""
    low, high = max(low for low, _ in ranges), min(high for _, high in ranges)
    if high - low < _LEAST_RANGE:
        raise UserError(f"The values of the cases have only {low:.0f} to {high:.0f} in common.", "Choose CTs in HU.")
    return int(np.ceil(low)), int(np.floor(high))


def _names(count: int) -> list[str]:
    names: set[str] = set()
    while len(names) < count:
        names.add(secrets.token_hex(4))
    mixed = list(names)
    secrets.SystemRandom().shuffle(mixed)
    return mixed


def _place(case: _Case, grid: Grid) -> tuple[float, float]:
    """Bring a case, its middle at the origin, to the common grid, in its file; return its least and largest value."""
    spacing = case.grid.spacing.copy()
    if case.grid.shape[0] == 1:  # a slice is as thick as the others
        spacing[2] = grid.spacing[2]
    own = Volume(np.load(case.file), Grid.centered(case.grid.shape, spacing))
    surplus = np.subtract(own.array.shape, grid.shape)
    if np.allclose(spacing, grid.spacing, atol=_ROUND) and surplus.min() >= 0:
        # Cut by whole voxels: half a voxel aside is the mean of neighbors, a blur of some cases and not of others.
        array = own.array[tuple(slice(n // 2, n // 2 + m) for n, m in zip(surplus, grid.shape, strict=True))]
    else:
        array = resample_parallel(own, grid, float(own.array.min())).array
    np.save(case.file, array)
    return float(array.min()), float(array.max())


def _write(hu: np.ndarray, grid: Grid, limits: tuple[int, int], path: Path) -> None:
    """Uncompressed, since how well a case compresses would tell its kind by the size of its file."""
    volume = Volume(np.rint(hu.clip(*limits)).astype(np.int16), grid)
    sitk.WriteImage(volume.to_image(), str(path), useCompression=False)


def _same_time(folder: Path, day: date) -> None:
    midnight = datetime(day.year, day.month, day.day, tzinfo=timezone.utc).timestamp()
    for path in [*folder.rglob("*"), folder]:
        os.utime(path, (midnight, midnight))
