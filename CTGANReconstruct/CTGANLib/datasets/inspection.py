"""One case read, looked at and standardized: what it is, and why it should not train."""

import hashlib
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import nibabel
import numpy as np

from ..errors import UserError
from ..imaging.standardize import FIELD_SIZE, standardize
from ..imaging.volumes import Volume, read_any_volume
from .cases import EMPTY_FOLDER, Case
from .coverage import Coverage, coverage
from .fingerprints import fingerprint
from .thumbnails import write_thumbnail
from .values import implausible_values, not_hounsfield, sampled

NO_LUNGS = "There are no lungs in it."
"""The doubt about a CT of another region."""
# Less than this, in slices and mm along any side, is a scout or a piece; more than this apart, slices are coarse.
_FEWEST_SLICES, _LEAST_EXTENT, _COARSE = 10, 60.0, 5.0
# What smoothing takes along any side.
_FEWEST_VOXELS = 4


@dataclass(frozen=True)
class Findings:
    """What a look at one case has shown.

    Attributes:
        modality: as DICOM calls it, or as the values look.
        shape: voxels along i, j and k; empty where the case cannot be read.
        spacing: mm along i, j and k.
        extent: mm along i, j and k.
        orientation: letters of the directions of i, j and k, such as RAS.
        coverage: how much of the thorax it shows.
        hu_range: 1st and 99th percentile.
        fault: why it cannot be used at all, in a sentence.
        doubt: why it should not be used, in a sentence.
        warnings: what else is worth knowing.
        voxels: hash of the values, the same in any file format.
        fingerprint: see ``fingerprints``; empty where it cannot be standardized.
    """

    modality: str = ""
    shape: tuple[int, ...] = ()
    spacing: tuple[float, ...] = ()
    extent: tuple[float, ...] = ()
    orientation: str = ""
    coverage: str = ""
    hu_range: tuple[float, ...] = ()
    fault: str = ""
    doubt: str = ""
    warnings: tuple[str, ...] = ()
    voxels: str = ""
    fingerprint: bytes = b""

    def to_json(self) -> dict:
        """All of it as plain values."""
        return {**asdict(self), "fingerprint": self.fingerprint.hex()}

    @classmethod
    def from_json(cls, values: dict) -> "Findings":
        """The findings that :meth:`to_json` wrote down."""
        values = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
        return cls(**{**values, "fingerprint": bytes.fromhex(values["fingerprint"])})


def inspect(case: Case, thumbnail: Path | None = None) -> tuple[Findings, Volume | None]:
    """Look at a case.

    Args:
        case: of any kind; what is wrong with it becomes a finding, not an error.
        thumbnail: where to put its picture, if it can be read.

    Returns:
        The findings, and the CT on the standard field (int16 HU, 160³) where there is no fault.

    Raises:
        UserError: the picture cannot be written.
    """
    try:
        return _inspect(case, thumbnail)
    except UserError:
        raise
    except Exception as error:  # one strange file must not end the check of a thousand others
        return Findings(modality=case.modality, fault=f"It cannot be used ({type(error).__name__})."), None


def _inspect(case: Case, thumbnail: Path | None) -> tuple[Findings, Volume | None]:
    if case.modality not in ("", "CT"):
        return Findings(modality=case.modality, fault=case.reason), None
    if case.path.is_dir() and not any(case.path.iterdir()):
        return Findings(fault=EMPTY_FOLDER), None
    try:
        volume = read_any_volume(case.path, case.slices)
    except UserError as error:
        # Without the path, which may hold a name.
        return Findings(modality=case.modality, fault=error.message.replace(str(case.path), "It")), None
    fault = not_hounsfield(volume.array)
    found = _describe(volume, case.modality or ("unknown" if fault else "CT"))
    if thumbnail:
        write_thumbnail(volume, thumbnail, in_hu=not fault)
    if not fault and min(found.shape) < _FEWEST_VOXELS:
        fault = f"Its {' x '.join(map(str, found.shape))} voxels are too few."
    if fault:
        return replace(found, fault=fault), None
    try:
        standard = standardize(volume, FIELD_SIZE)
    except UserError as error:
        return replace(found, fault=error.message), None
    shown = coverage(standard, volume.grid)
    found = replace(
        found,
        coverage=str(shown),
        doubt=_doubt(found, volume, shown.has_lungs),
        warnings=_warnings(found, shown),
        fingerprint=fingerprint(standard.array),
    )
    return found, standard


def _describe(volume: Volume, modality: str) -> Findings:
    grid = volume.grid
    values = sampled(volume.array)
    percentiles = np.percentile(values[np.isfinite(values)], [1, 99]) if np.isfinite(values).any() else ()
    return Findings(
        modality=modality,
        shape=grid.shape[::-1],
        spacing=tuple(round(float(n), 4) for n in grid.spacing),
        extent=tuple(round(float(n), 1) for n in grid.spacing * grid.shape[::-1]),
        orientation="".join(nibabel.aff2axcodes(grid.ijk_to_ras)),
        hu_range=tuple(round(float(n), 1) for n in percentiles),
        voxels=_voxel_hash(volume),
    )


def _doubt(found: Findings, volume: Volume, has_lungs: bool) -> str:
    if min(found.shape) < _FEWEST_SLICES:
        return f"It has only {min(found.shape)} slices."
    if min(found.extent) < _LEAST_EXTENT:
        size = " x ".join(f"{length:.0f}" for length in found.extent)
        return f"It is too small for a chest: {size} mm."
    if implausible := implausible_values(volume.array):
        return implausible
    return "" if has_lungs else NO_LUNGS


def _warnings(found: Findings, shown: Coverage) -> tuple[str, ...]:
    warnings = []
    if shown.has_lungs and shown.cuts:
        warnings.append(f"Not the whole thorax: cut {shown.cuts}.")
    if max(found.spacing) > _COARSE:
        warnings.append(f"Its voxels are {max(found.spacing):.3g} mm long.")
    return tuple(warnings)


def _voxel_hash(volume: Volume) -> str:
    """A hash of the values with their axes along R, A and S, so that a change of format does not change it.

    Every fourth voxel of each row and column is enough to tell images apart, and quick.
    """
    array = nibabel.apply_orientation(volume.array.T, nibabel.io_orientation(volume.grid.ijk_to_ras)).T  # [S, A, R]
    digest = hashlib.sha256(repr(array.shape).encode())
    some = array[:, ::4, ::4]
    if some.dtype.kind == "f":  # some formats keep whole numbers so
        some = np.nan_to_num(some).clip(-32768, 32767).round()
    digest.update(np.ascontiguousarray(some, np.int16))
    return digest.hexdigest()[:32]
