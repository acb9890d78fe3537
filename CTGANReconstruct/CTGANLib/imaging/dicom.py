"""DICOM files of one radiograph (CR, DX): what their tags say, and a DX object of our own that says everything.

The geometry is kept in standard attributes: distances, ImagerPixelSpacing, and, as a standard extended SOP class,
the pose of the picture (ImagePositionPatient, ImageOrientationPatient) and IsocenterPosition, all in LPS. Stored
values are the picture's times a scale, which a private block of our own (creator "CTGAN") keeps beside its kind.
"""

from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

from ..errors import UserError
from .geometry import Acquisition, View
from .images import read_image, read_tags
from .orientation import letters, named_view
from .pictures import FILM, LINE_INTEGRAL, Picture, gray_array

MODALITIES = ("CR", "DX", "RG", "RF", "XA", "OT")

_LPS_TO_RAS = np.array([-1.0, -1.0, 1.0])
_LETTERS = {"R": (1, 0, 0), "L": (-1, 0, 0), "A": (0, 1, 0), "P": (0, -1, 0), "H": (0, 0, 1), "F": (0, 0, -1)}
_VIEW_POSITIONS = {"PA": View.PA, "AP": View.AP, "LL": View.LLAT, "LLAT": View.LLAT, "RL": View.RLAT, "RLAT": View.RLAT}
# Codes of DICOM CID 4010, "DX View".
_VIEW_CODES = {
    View.PA: ("PA", "272479007", "postero-anterior"),
    View.AP: ("AP", "399348003", "antero-posterior"),
    View.LLAT: ("LL", "399173006", "left lateral"),
    View.RLAT: ("RL", "399198007", "right lateral"),
}
_PRIVATE_GROUP, _PRIVATE_CREATOR = 0x0021, "CTGAN"
_KIND, _SCALE = 0x01, 0x02
# 16 bits hold line integrals up to 16, some 80 cm of water, in steps of 0.0002.
_SCALES = {LINE_INTEGRAL: 4096.0, FILM: 65535.0}


def is_dicom(path: Path) -> bool:
    """Whether a file bears the mark of the DICOM file format."""
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def read_dicom(path: Path) -> Picture:
    """Pixels and tags of one CR or DX file.

    Photometric interpretation decides what is white, since that is how the picture is looked at; only raw pictures
    (FOR PROCESSING) go by PixelIntensityRelationship and its sign. The window is not applied: it would clip.

    Raises:
        UserError: the file is damaged, of another modality, in color, or holds several pictures.
    """
    tags = read_tags(path)
    modality = str(tags.get("Modality", "")).strip()
    if modality not in MODALITIES:
        raise UserError(
            f"{path} is not a radiograph but DICOM of modality {modality or 'unknown'}.",
            "Choose a CR or DX image.",
        )
    array = gray_array(read_image(path, "GDCMImageIO"), path)  # rescaled, and MONOCHROME1 turned to MONOCHROME2
    if array.shape != (tags.get("Rows"), tags.get("Columns")):
        raise UserError(f"{path} holds several pictures or none.", "Choose a file with one picture.")

    kind, scale = _private(tags)
    magnification = _number(tags, "EstimatedRadiographicMagnificationFactor")
    detector = _number(tags, "DistanceSourceToDetector")
    isocenter = _number(tags, "DistanceSourceToPatient")
    if magnification and magnification > 1 and detector:
        isocenter = detector / magnification
    across, down, position = _pose(tags)
    isocenter_position = _numbers(tags, "IsocenterPosition", 3)
    return Picture(
        array=_bone_white(array, tags) / np.float32(scale),
        kind=kind,
        across=across,
        down=down,
        position=position,
        pixel_spacing=_detector_spacing(tags, magnification),
        view=_view(tags),
        source_to_detector_distance=detector,
        source_to_isocenter_distance=isocenter,
        isocenter=None if isocenter_position is None else isocenter_position * _LPS_TO_RAS,
    )


def _numbers(tags: Dataset, keyword: str, count: int) -> np.ndarray | None:
    """``count`` finite numbers of a tag, or None where it is absent, empty or malformed."""
    try:
        numbers = np.asarray(tags.get(keyword), float).reshape(-1)
    except (TypeError, ValueError):
        return None
    return numbers if len(numbers) == count and np.isfinite(numbers).all() else None


def _number(tags: Dataset, keyword: str) -> float | None:
    """One number above zero; many machines write zero for what they do not know."""
    numbers = _numbers(tags, keyword, 1)
    return float(numbers[0]) if numbers is not None and numbers[0] > 0 else None


def _detector_spacing(tags: Dataset, magnification: float | None) -> tuple[float, float] | None:
    spacing = _numbers(tags, "ImagerPixelSpacing", 2)
    if spacing is None:
        spacing = _numbers(tags, "PixelSpacing", 2)
        # Calibrated spacing is that in the patient, not on the detector.
        if spacing is not None and magnification and tags.get("PixelSpacingCalibrationType"):
            spacing = spacing * magnification
    return None if spacing is None else tuple(spacing.tolist())


def _view(tags: Dataset) -> View | None:
    position = str(tags.get("ViewPosition", "")).strip().upper()
    if position in _VIEW_POSITIONS:
        return _VIEW_POSITIONS[position]
    codes = [str(item.get("CodeValue", "")) for item in tags.get("ViewCodeSequence") or []]
    return next((view for view, (_, code, _) in _VIEW_CODES.items() if code in codes), None)


def _pose(tags: Dataset) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None]:
    """RAS directions of columns and rows, and RAS of the first pixel, as far as they are told."""
    orientation = _numbers(tags, "ImageOrientationPatient", 6)
    if orientation is not None:
        across, down = orientation.reshape(2, 3) * _LPS_TO_RAS
        if _is_upright(across, down):
            position = _numbers(tags, "ImagePositionPatient", 3)
            return across, down, None if position is None else position * _LPS_TO_RAS
    letters = [str(value).strip()[:1] for value in tags.get("PatientOrientation") or []]
    if len(letters) == 2 and all(letter in _LETTERS for letter in letters):
        across, down = (np.asarray(_LETTERS[letter], float) for letter in letters)
        if _is_upright(across, down):
            return across, down, None
    return None, None, None


def _is_upright(across: np.ndarray, down: np.ndarray) -> bool:
    """Whether two directions span a picture of a standing patient; some programs write those of an axial slice."""
    orthonormal = np.allclose([across @ across, down @ down, across @ down], [1, 1, 0], atol=1e-3)
    return bool(orthonormal and max(abs(across[2]), abs(down[2])) > 0.7)


def _private(tags: Dataset) -> tuple[str, float]:
    """Kind and scale of the stored values: our own files tell them, all others are films."""
    try:
        block = tags.private_block(_PRIVATE_GROUP, _PRIVATE_CREATOR)
        kind, scale = str(block[_KIND].value), float(block[_SCALE].value)
    except (KeyError, ValueError, TypeError):
        return FILM, 1.0
    return (kind, scale) if kind in _SCALES and scale > 0 else (FILM, 1.0)


def _bone_white(array: np.ndarray, tags: Dataset) -> np.ndarray:
    """Values that grow with attenuation, of values in MONOCHROME2."""
    if tags.get("PresentationIntentType") != "FOR PROCESSING":
        # In pictures made for looking at, the sign of the pixel intensity relationship is often wrong.
        return array
    sign = _numbers(tags, "PixelIntensityRelationshipSign", 1)
    slope = _numbers(tags, "RescaleSlope", 1)
    grows_with_exposure = sign is not None and sign[0] > 0
    if slope is not None and slope[0] < 0:
        grows_with_exposure = not grows_with_exposure
    if tags.get("PhotometricInterpretation") == "MONOCHROME1":
        grows_with_exposure = not grows_with_exposure
    if sign is None or not grows_with_exposure:
        return array
    if tags.get("PixelIntensityRelationship") == "LIN":
        return -np.log(np.maximum(array, max(float(array.max()), 1.0) * 1e-5))
    return array.max() - array


def anonymous_study(**attributes: str) -> dict[str, str]:
    """DICOM attributes, by keyword, that the radiographs of one patient share; ``attributes`` override or add some.

    Pass the result to both calls of ``write_radiograph``: one patient, one study, one frame of reference.
    """
    return {
        "PatientName": "Anonymous^CTGAN",
        "PatientID": "CTGAN",
        "PatientBirthDate": "",
        "PatientSex": "",
        "StudyInstanceUID": generate_uid(),
        "FrameOfReferenceUID": generate_uid(),
        "StudyDate": "",
        "StudyTime": "",
        "StudyID": "",
        "AccessionNumber": "",
        "ReferringPhysicianName": "",
        **attributes,
    }


def write_dicom(
    array: np.ndarray, kind: str, acquisition: Acquisition, path: Path, study: dict[str, str], photometric: str
) -> None:
    """Write a DX object for presentation, 16 bit.

    Args:
        array: [rows, columns], growing with attenuation; a film lies within 0 and 1.
        study: attributes of patient and study by keyword, see :func:`anonymous_study`.
        photometric: whether stored values grow with attenuation (MONOCHROME2) or fall (MONOCHROME1); it looks the same.
    """
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.SOPInstanceUID = generate_uid()
    _describe_picture(dataset, acquisition)
    _describe_geometry(dataset, acquisition)
    _store_pixels(dataset, array, kind, photometric)
    for keyword, value in study.items():
        setattr(dataset, keyword, value)
    dataset.save_as(path, enforce_file_format=True)


def _code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", meaning
    return item


def _describe_picture(dataset: Dataset, acquisition: Acquisition) -> None:
    view = named_view(acquisition)
    dataset.ImageType = ["DERIVED", "PRIMARY", ""]
    dataset.Modality = "DX"
    dataset.PresentationIntentType = "FOR PRESENTATION"
    dataset.SeriesInstanceUID = generate_uid()
    dataset.SeriesNumber = "1"
    dataset.SeriesDescription = f"Chest {view.value if view else 'oblique'}"
    dataset.InstanceNumber = "1"
    dataset.Manufacturer = "CTGAN"
    dataset.PositionReferenceIndicator = ""
    dataset.BodyPartExamined = "CHEST"
    dataset.ImageLaterality = "U"
    dataset.AnatomicRegionSequence = [_code("51185008", "Chest")]
    if view is not None:
        position, code, meaning = _VIEW_CODES[view]
        dataset.ViewPosition = position
        dataset.ViewCodeSequence = [_code(code, meaning)]
        dataset.ViewCodeSequence[0].ViewModifierCodeSequence = []
    dataset.PatientOrientation = [letters(acquisition.column_direction), letters(acquisition.row_direction)]
    dataset.PositionerType = ""
    dataset.AcquisitionContextSequence = []
    dataset.DetectorType = ""
    dataset.BurnedInAnnotation = "NO"
    dataset.LossyImageCompression = "00"


def _describe_geometry(dataset: Dataset, acquisition: Acquisition) -> None:
    matrix, (rows, columns) = acquisition.ijk_to_ras, acquisition.detector_shape
    directions = np.concatenate([acquisition.column_direction, acquisition.row_direction])
    magnification = acquisition.source_to_detector_distance / acquisition.source_to_isocenter_distance
    dataset.DistanceSourceToDetector = _decimal(acquisition.source_to_detector_distance)
    dataset.DistanceSourceToPatient = _decimal(acquisition.source_to_isocenter_distance)
    dataset.EstimatedRadiographicMagnificationFactor = _decimal(magnification)
    dataset.ImagerPixelSpacing = [_decimal(spacing) for spacing in acquisition.pixel_spacing]
    dataset.ImageOrientationPatient = [_decimal(value) for value in directions * np.tile(_LPS_TO_RAS, 2)]
    dataset.ImagePositionPatient = [_decimal(value) for value in matrix[:3, 3] * _LPS_TO_RAS]
    dataset.IsocenterPosition = [_decimal(value) for value in np.asarray(acquisition.isocenter) * _LPS_TO_RAS]
    dataset.Rows, dataset.Columns = rows, columns
    # As of a C-arm: the beam from back to front is 0, 0; toward the patient's left and toward the head count up.
    right, front, up = acquisition.beam_direction
    dataset.PositionerPrimaryAngle = _decimal(np.degrees(np.arctan2(-right, front)))
    dataset.PositionerSecondaryAngle = _decimal(np.degrees(np.arcsin(np.clip(up, -1, 1))))


def _decimal(value: float) -> str:
    """A decimal string of DICOM, at most 16 characters."""
    return pydicom.valuerep.format_number_as_ds(float(value) + 0.0)


def _store_pixels(dataset: Dataset, array: np.ndarray, kind: str, photometric: str) -> None:
    scale = min(_SCALES[kind], float(np.floor(65535 / max(float(array.max()), 1e-6))))
    stored = (array * scale).round().clip(0, 65535).astype("<u2")
    inverted = photometric == "MONOCHROME1"
    if inverted:
        stored = 65535 - stored
    low, high = np.percentile(stored, [0.5, 99.5])
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = photometric
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.PixelRepresentation = 0
    dataset.PixelIntensityRelationship = "LOG"
    dataset.PixelIntensityRelationshipSign = 1 if inverted else -1
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = "0", "1", "US"
    dataset.PresentationLUTShape = "INVERSE" if inverted else "IDENTITY"
    dataset.WindowCenter, dataset.WindowWidth = _decimal((low + high) / 2), _decimal(max(high - low, 1.0))
    dataset.DerivationDescription = f"Stored value = {'65535 - ' if inverted else ''}{kind} x {scale:g}"
    block = dataset.private_block(_PRIVATE_GROUP, _PRIVATE_CREATOR, create=True)
    block.add_new(_KIND, "LO", kind)
    block.add_new(_SCALE, "FD", scale)
    dataset.PixelData = stored.tobytes()
