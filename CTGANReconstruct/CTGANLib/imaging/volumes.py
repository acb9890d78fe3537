"""CT volumes: arrays with a place in the patient, and the files that hold them.

Here, and only here, volumes cross between RAS (ours) and LPS (DICOM and ITK).
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from pydicom.dataset import Dataset

from ..errors import UserError
from ..files import staged
from .attenuation import HU_MIN
from .geometry import Grid
from .images import read_image, read_tags, write_image

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, eq=False)
class Volume:
    """Voxel values and where they are.

    Attributes:
        array: values [k, j, i]; a CT is in HU.
        grid: the voxels in patient RAS, mm.
    """

    array: np.ndarray
    grid: Grid

    def __post_init__(self) -> None:
        if self.array.shape != self.grid.shape:
            raise ValueError(f"The array's shape {self.array.shape} is not the grid's {self.grid.shape}.")

    @classmethod
    def from_image(cls, image: sitk.Image) -> "Volume":
        """A SimpleITK image (LPS) as a volume (RAS) that shares its memory."""
        matrix = np.eye(4)
        matrix[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
        matrix[:3, 3] = image.GetOrigin()
        array = np.asarray(_Pixels(image))
        return cls(array, Grid(array.shape, _LPS_TO_RAS @ matrix))

    def to_image(self) -> sitk.Image:
        """This volume (RAS) as a SimpleITK image (LPS)."""
        image = sitk.GetImageFromArray(self.array)
        matrix = _LPS_TO_RAS @ self.grid.ijk_to_ras
        image.SetSpacing(self.grid.spacing.tolist())
        image.SetDirection((matrix[:3, :3] / self.grid.spacing).ravel().tolist())
        image.SetOrigin(matrix[:3, 3].tolist())
        return image

    def resample(self, grid: Grid, outside: float = HU_MIN, nearest: bool = False) -> "Volume":
        """The values on another grid, linearly interpolated (or ``nearest`` for labels).

        Where the new voxels are larger than the old ones, the values are smoothed first, so that none is passed
        over. ``outside`` fills what this volume does not cover.
        """
        image = self.to_image()
        interpolator = sitk.sitkNearestNeighbor if nearest else sitk.sitkLinear
        if not nearest:
            image = _smooth_for(image, float(grid.spacing.min()))
        target = Volume(np.zeros(grid.shape, np.uint8), grid).to_image()
        resampled = sitk.Resample(image, target, sitk.Transform(), interpolator, outside)
        return Volume(sitk.GetArrayFromImage(resampled), grid)


class _Pixels:
    """What numpy makes an array of without a copy; the array keeps it, and with it the image whose memory it shows."""

    def __init__(self, image: sitk.Image) -> None:
        shown = sitk.GetArrayViewFromImage(image).__array_interface__
        self.image, self.__array_interface__ = image, {**shown, "data": (shown["data"][0], False)}


def _smooth_for(image: sitk.Image, spacing: float) -> sitk.Image:
    """Gaussian smoothing along the axes that a resampling to ``spacing`` (mm) would undersample."""
    image = sitk.Cast(image, sitk.sitkFloat32)
    for axis, old in enumerate(image.GetSpacing()):
        if variance := smoothing_variance(old, spacing):
            image = sitk.RecursiveGaussian(image, float(np.sqrt(variance)), direction=axis)
    return image


def smoothing_variance(old: float, new: float) -> float:
    """Variance (mm²) of the Gaussian for voxels of ``old`` mm to be sampled every ``new`` mm; 0 if none is needed."""
    # The width that turns one voxel's extent into the other's, as in Cardoso et al., MICCAI 2015.
    variance = (new**2 - old**2) / (8 * np.log(2))
    return variance if variance > 0.01 else 0.0


def read_volume(path: str | os.PathLike) -> Volume:
    """Read a CT in HU from a DICOM series (its folder), NIfTI, NRRD, or MHA/MHD.

    Returns:
        The CT as int16 or float32 [k, j, i], in RAS mm.

    Raises:
        UserError: the file is missing, damaged, not a CT, not 3D, or not in HU.
    """
    volume = read_any_volume(path)
    check_hu(volume.array, str(path))
    return volume


def read_any_volume(path: str | os.PathLike, slices: Sequence[str] = ()) -> Volume:
    """:func:`read_volume` for values of any kind.

    Args:
        path: the file, or the folder of a DICOM series.
        slices: the DICOM files of one series in their order, relative to ``path``, where it holds several series.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"There is no file or folder {path}.", "Check the name.")
    if slices:
        image = _read_slices([str(path / name) for name in slices], path)
    else:
        image = _read_series(path) if path.is_dir() else _read_file(path)
    _check_image(image, path)
    return Volume.from_image(image)


def write_volume(volume: Volume, path: str | os.PathLike) -> None:
    """Write NIfTI, NRRD or MHA, compressed, as the file name's ending says. The file appears complete or not at all.

    Raises:
        UserError: the place cannot be written, or the ending is not known.
    """
    with staged(path) as temporary:
        write_image(volume.to_image(), temporary)


def check_hu(array: np.ndarray, name: str) -> None:
    """Check that values can be CT numbers.

    Raises:
        UserError: values are not finite, all the same, or not in HU.
    """
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise UserError(f"{name} holds values that are not numbers.", "Export the CT again.")
    # Some slices tell it of values that cannot be far too high, as those of 16 bits.
    if array.dtype.itemsize <= 2 and _spans_hu(array[::8].min(), array[::8].max()):
        return
    low, high = float(array.min()), float(array.max())
    if low == high:
        raise UserError(f"{name} is empty: all its values are {low:g}.", "Choose a CT.")
    if not _spans_hu(low, high):
        raise UserError(
            f"{name} is not in Hounsfield units: its values reach from {low:g} to {high:g}.",
            "Choose a CT whose air is near -1000 HU.",
        )


def _spans_hu(low: float, high: float) -> bool:
    return low <= -200 <= high <= 100_000 and float(high) - float(low) >= 300


def _read_file(path: Path) -> sitk.Image:
    image = read_image(path)
    if image.HasMetaDataKey("0008|0060"):
        raise UserError(f"{path} is one DICOM file.", "Choose the folder that holds the whole CT series.")
    return image


def _read_series(folder: Path) -> sitk.Image:
    """The CT series with most slices in a folder of DICOM files."""
    series = sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder))
    names = [sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), uid) for uid in series]
    if not names:
        raise UserError(f"{folder} holds no DICOM series.", "Choose the folder with the slices of one CT.")
    ct_series = [files for files in names if _modality(files[0]) == "CT"]
    if not ct_series:
        raise UserError(f"{folder} holds DICOM files of {_modality(names[0][0])}, not CT.", "Choose a CT series.")
    return _read_slices(max(ct_series, key=len), folder)


def _read_slices(files: Sequence[str], folder: Path) -> sitk.Image:
    _check_slices([read_tags(Path(file)) for file in files], folder)
    try:
        return sitk.ReadImage(files if len(files) > 1 else files[0])  # one file may hold all slices
    except RuntimeError as error:
        raise UserError(f"The DICOM series in {folder} cannot be read.", "Export it again.") from error


def _check_slices(slices: list[Dataset], folder: Path) -> None:
    """Check that the slices of a series, in their order, stand at even distances; ITK would misplace the others."""
    positions = np.array([tags.get("ImagePositionPatient", [np.nan] * 3) for tags in slices], float)
    if len(slices) < 3 or not np.isfinite(positions).all():
        return
    steps = np.linalg.norm(np.diff(positions, axis=0), axis=1)
    if np.abs(steps - np.median(steps)).max() > 0.2 * np.median(steps):
        raise UserError(
            f"The slices of the CT in {folder} stand {steps.min():.3g} to {steps.max():.3g} mm apart.",
            "Some are missing or belong to another series; export one whole series.",
        )


def _modality(file: str) -> str:
    reader = sitk.ImageFileReader()
    reader.SetFileName(file)
    reader.ReadImageInformation()
    return reader.GetMetaData("0008|0060").strip() if reader.HasMetaDataKey("0008|0060") else "unknown modality"


def _check_image(image: sitk.Image, path: Path) -> None:
    if (values := image.GetNumberOfComponentsPerPixel()) > 1:
        raise UserError(f"{path} holds {values} values a voxel, in time or color, not one CT.", "Choose a 3D CT.")
    if image.GetDimension() != 3 or min(image.GetSize()) < 2:
        size = " x ".join(map(str, image.GetSize()))
        raise UserError(f"{path} is not a 3D volume but {size} pixels.", "Choose a 3D CT.")
