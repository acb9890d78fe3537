"""A volume as a DICOM series of CT slices that other programs open, marked as made by a program."""

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from pydicom.valuerep import format_number_as_ds

from ..errors import UserError
from ..files import staged
from .dicom import anonymous_study
from .volumes import Volume

_LPS_TO_RAS = np.array([-1.0, -1.0, 1.0])


def write_series(volume: Volume, folder: Path, description: str = "Synthetic CT") -> list[Path]:
    """Write the slices of a volume along k as ``0001.dcm`` and so on into a new folder.

    Each is CT Image Storage of the image type DERIVED\\SECONDARY, of no patient; its description says that it is
    synthetic. Geometry and HU are kept, the latter as whole numbers within 16 bits.

    Args:
        volume: in HU.
        folder: appears complete or not at all.
        description: of the series.

    Raises:
        UserError: there is something at that place already, or it cannot be written.
    """
    if folder.exists():
        raise UserError(f"There is something at {folder} already.", "Choose a new folder for the DICOM series.")
    shared = _shared(volume, description)
    names = [f"{number + 1:04d}.dcm" for number in range(len(volume.array))]
    with staged(folder) as temporary:
        temporary.mkdir()
        for k, name in enumerate(names):
            _slice(volume, k, shared).save_as(temporary / name, enforce_file_format=True)
    return [folder / name for name in names]


def _shared(volume: Volume, description: str) -> dict[str, object]:
    """What all slices say alike."""
    directions = volume.grid.directions * _LPS_TO_RAS[:, None]
    columns, rows, between = volume.grid.spacing
    return {
        **anonymous_study(),
        "ImageType": ["DERIVED", "SECONDARY", "AXIAL"],
        "Modality": "CT",
        "Manufacturer": "CTGAN",
        "SeriesInstanceUID": generate_uid(),
        "SeriesNumber": "1",
        "SeriesDescription": description,
        "BodyPartExamined": "CHEST",
        "PatientPosition": "HFS",
        "AcquisitionNumber": "",
        "PositionReferenceIndicator": "",
        "KVP": "",
        "ImageOrientationPatient": [format_number_as_ds(float(n) + 0.0) for n in directions[:, :2].T.ravel()],
        "PixelSpacing": [format_number_as_ds(float(rows)), format_number_as_ds(float(columns))],
        "SliceThickness": format_number_as_ds(float(between)),
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 1,
        "RescaleIntercept": "0",
        "RescaleSlope": "1",
        "RescaleType": "HU",
        "WindowCenter": "-300",
        "WindowWidth": "1400",
        "BurnedInAnnotation": "NO",
        "LossyImageCompression": "00",
    }


def _slice(volume: Volume, k: int, shared: dict[str, object]) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = generate_uid()
    for keyword, value in shared.items():
        setattr(dataset, keyword, value)
    position = volume.grid.to_ras([0, 0, k]) * _LPS_TO_RAS
    dataset.ImagePositionPatient = [format_number_as_ds(float(n) + 0.0) for n in position]
    dataset.InstanceNumber = str(k + 1)
    dataset.Rows, dataset.Columns = volume.grid.shape[1:]
    dataset.PixelData = volume.array[k].round().clip(-32768, 32767).astype("<i2").tobytes()
    return dataset
