"""Made patients and pictures without any symmetry, so that a flip or a swap of axes cannot hide."""

from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

from CTGANLib.imaging.geometry import Grid
from CTGANLib.imaging.volumes import Volume

# RAS of the chest's dense marker, to the right, front and top of its center, mm.
CENTER = np.array([12.0, -30.0, 250.0])
MARKER = CENTER + np.array([40.0, 14.0, 25.0])


def _rotation(degrees: float, axis: int) -> np.ndarray:
    angle = np.radians(degrees)
    matrix = np.eye(3)
    first, second = [n for n in range(3) if n != axis]
    matrix[first, first] = matrix[second, second] = np.cos(angle)
    matrix[first, second], matrix[second, first] = -np.sin(angle), np.sin(angle)
    return matrix


# Columns are the RAS directions of i, j and k.
DIRECTIONS = {
    "upright": np.eye(3),
    "lps": np.diag([-1.0, -1.0, 1.0]),
    "mirrored": np.diag([1.0, -1.0, 1.0]),
    "permuted": np.array([[0.0, 0.0, -1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]),
    "oblique": _rotation(12, 0) @ _rotation(-8, 1) @ _rotation(15, 2),
}


def turned_grid(directions: np.ndarray, extent, spacing, center=CENTER) -> Grid:
    """A grid around ``center`` (RAS, mm) whose axes point along the columns of ``directions``.

    Args:
        extent: mm along R, A and S.
        spacing: mm along i, j and k.
    """
    along = np.abs(directions).argmax(axis=0)  # the patient's axis that each of i, j, k follows most
    sizes = np.round(np.asarray(extent)[along] / spacing).astype(int)
    matrix = np.eye(4)
    matrix[:3, :3] = directions * spacing
    matrix[:3, 3] = np.asarray(center) - matrix[:3, :3] @ ((sizes - 1) / 2)
    return Grid(tuple(int(n) for n in sizes[::-1]), matrix)


def points(grid: Grid) -> np.ndarray:
    """RAS of all voxel centers, [k, j, i, 3]."""
    return grid.to_ras(np.moveaxis(np.indices(grid.shape), 0, -1)[..., ::-1])


def ball(grid: Grid, center, radius: float) -> np.ndarray:
    """A ball of 1 in 0 with an edge so soft that voxels of any size and direction hold it at the same place."""
    distance = np.linalg.norm(points(grid) - center, axis=-1)
    return np.clip((radius - distance) / (2.5 * grid.spacing.max()) + 0.5, 0, 1)


def chest(grid: Grid, couch: bool = False, scale: float = 1.0) -> Volume:
    """A small chest in HU: body, a large right and a small left lung, a spine, a dense marker, perhaps on a couch."""
    where = (points(grid) - CENTER) / scale
    right, front, up = np.moveaxis(where, -1, 0)
    hu = np.full(grid.shape, -1000.0, np.float32)
    hu[(right / 85) ** 2 + (front / 60) ** 2 < 1] = 40
    hu[((right - 40) / 28) ** 2 + (front / 40) ** 2 + (up / 55) ** 2 < 1] = -850
    hu[((right + 42) / 22) ** 2 + (front / 36) ** 2 + ((up - 8) / 42) ** 2 < 1] = -850
    hu[(right**2 + (front + 45) ** 2) < 10**2] = 350
    hu += (1000 - hu) * ball(grid, MARKER, 10)
    if couch:
        hu[(front < -72) & (front > -80) & (np.abs(right) < 100)] = 150
    return Volume(hu, grid)


def centroid(volume: Volume, above: float) -> np.ndarray:
    """RAS in mm of the middle of all that is brighter than ``above``, weighted with how much it is."""
    weights = np.clip(volume.array.astype(float) - above, 0, None)
    return (points(volume.grid) * weights[..., None]).sum(axis=(0, 1, 2)) / weights.sum()


def picture(rows: int = 60, columns: int = 80) -> np.ndarray:
    """A picture without symmetry, uint16 [rows, columns]."""
    down, across = np.mgrid[:rows, :columns]
    return (100 + 7 * down + 3 * across + 400 * (down < 10) * (across > 50)).astype(np.uint16)


def dicom(path: Path, array: np.ndarray, modality: str = "DX", **tags) -> Path:
    """A DICOM file of ``array`` such as any machine might have written; ``tags`` by keyword, None removes one."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = CTImageStorage if modality == "CT" else DigitalXRayImageStorageForPresentation
    dataset.SOPInstanceUID = generate_uid()
    dataset.Modality = modality
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.SamplesPerPixel = 1 if array.ndim == 2 else array.shape[2]
    dataset.Rows, dataset.Columns = array.shape[:2]
    dataset.BitsAllocated = dataset.BitsStored = 8 * array.itemsize
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(array.dtype.kind == "i")
    if array.ndim == 3:
        dataset.PlanarConfiguration = 0
    for keyword, value in tags.items():
        if value is not None:
            setattr(dataset, keyword, value)
    dataset.PixelData = np.ascontiguousarray(array).tobytes()
    dataset.save_as(path, enforce_file_format=True)
    return path


def dicom_series(folder: Path, volume: Volume, modality: str = "CT", leave_out: int | None = None, **tags) -> Path:
    """The slices of a volume in HU along k as a DICOM series; ``tags`` by keyword."""
    folder.mkdir(parents=True, exist_ok=True)
    lps = np.diag([-1.0, -1.0, 1.0])
    directions, spacing = lps @ volume.grid.directions, volume.grid.spacing
    uids = {"SeriesInstanceUID": generate_uid(), "StudyInstanceUID": generate_uid(), "PatientID": "phantom", **tags}
    for k, cut in enumerate(volume.array):
        if k == leave_out:
            continue
        dicom(
            folder / f"{7919 * k % 10007:05d}.dcm",  # the order of names is not that of the slices
            cut.round().astype(np.int16),
            modality,
            RescaleSlope="1",
            RescaleIntercept="0",
            PixelSpacing=[spacing[1], spacing[0]],
            SliceThickness=spacing[2],
            InstanceNumber=k + 1,
            ImageOrientationPatient=np.round(directions[:, :2].T.ravel(), 10).tolist(),
            ImagePositionPatient=np.round(lps @ volume.grid.to_ras([0, 0, k]), 8).tolist(),
            **uids,
        )
    return folder


def dicom_tags(path: Path) -> Dataset:
    """The tags of a DICOM file."""
    return pydicom.dcmread(path)


def prepared() -> np.ndarray:
    """A prepared CT with a body and a dense marker off every axis, float32 HU [1, 160, 160, 160]."""
    hu = np.full((1, 160, 160, 160), -1024, np.float32)
    hu[:, 30:130, 40:120, 30:130] = 20
    hu[:, 90:100, 60:66, 100:112] = 1000
    return hu
