"""Radiographs: pictures whose values grow with attenuation, how they were taken, and the files that hold them."""

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import UserError
from ..files import staged
from .dicom import anonymous_study, is_dicom, read_dicom, write_dicom
from .geometry import Acquisition, Grid, View
from .images import read_image, write_image
from .orientation import with_markers
from .pictures import FILM, GEOMETRY, LINE_INTEGRAL, Picture, acquisition_of, gray_array
from .volumes import Volume

ACQUISITION_KEY = "CTGAN.Acquisition"
KIND_KEY = "CTGAN.Kind"

_SMALLEST_SIDE, _LARGEST_SIDE = 50.0, 1000.0
_SHORTEST_DISTANCE, _LONGEST_DISTANCE = 300.0, 10_000.0
_FEWEST_PIXELS = 32


@dataclass(frozen=True, eq=False)
class Radiograph:
    """One radiograph as a reader sees it.

    Attributes:
        array: [rows, columns] float32, growing with attenuation (bone white): the line integral p = -ln(I / I0), or
            the look of a film within 0 and 1.
        acquisition: how it was taken.
        kind: ``"line integral"`` or ``"film"``.
        view_is_certain: the file itself said which view it is.
        is_posed: the file itself said where in the patient's space the detector was.
        spacing_is_certain: the file or the caller said how large the pixels are.
        directions_are_certain: the file said to which of the patient's sides its rows and columns point.
        polarity_is_certain: the file said whether bone is bright or dark.
    """

    array: np.ndarray
    acquisition: Acquisition
    kind: str = LINE_INTEGRAL
    view_is_certain: bool = False
    is_posed: bool = False
    spacing_is_certain: bool = False
    directions_are_certain: bool = False
    polarity_is_certain: bool = False

    def __post_init__(self) -> None:
        if self.array.shape != tuple(self.acquisition.detector_shape):
            raise ValueError(f"The picture's shape {self.array.shape} is not that of the detector.")
        if self.kind not in (LINE_INTEGRAL, FILM):
            raise ValueError(f"A radiograph is no {self.kind}.")


def read_radiograph(
    path: str | os.PathLike,
    view: View | None,
    *,
    source_to_detector_distance: float | None = None,
    source_to_isocenter_distance: float | None = None,
    pixel_spacing: float | None = None,
    keep_view: bool = False,
) -> Radiograph:
    """Read a radiograph from DICOM (CR, DX), PNG, JPEG, TIFF (8 or 16 bit), or NIfTI or NRRD of one slice.

    What the caller says overrides what the file says, which overrides the defaults: a longer side of 430 mm, a
    source 1800 mm from the detector, the isocenter 200 mm before it.

    Args:
        view: what the picture is wanted as. A file that says PA where AP is wanted, or the other lateral, is believed.
            With None any view will do, and a file that does not say its view is taken for PA.
        source_to_detector_distance: mm.
        source_to_isocenter_distance: mm.
        pixel_spacing: of square pixels on the detector, mm.
        keep_view: believe ``view`` rather than the file.

    Raises:
        UserError: the file is missing, damaged, no radiograph, of the other view, or its geometry cannot be.
    """
    path = Path(path)
    if path.is_dir():
        raise UserError(f"{path} is a folder, not a radiograph.", "Choose one file.")
    if not path.exists():
        raise UserError(f"There is no file {path}.", "Check the name.")
    if path.stat().st_size == 0:
        raise UserError(f"{path} is an empty file.", "Export it again.")
    from_dicom = is_dicom(path)
    picture, acquisition = (read_dicom(path), None) if from_dicom else _read_file(path)
    told_view = _told_view(picture, acquisition)
    view = View(view or told_view or View.PA)
    if told_view is not None and told_view.is_frontal != view.is_frontal:
        wanted, found = ("frontal", "lateral") if view.is_frontal else ("lateral", "frontal")
        raise UserError(f"{path} is a {found} radiograph, but a {wanted} one is wanted.", "Exchange the two files.")
    if told_view is not None and not keep_view:
        view = told_view
    _check_values(picture.array, path)
    spacing = None if pixel_spacing is None else (float(pixel_spacing), float(pixel_spacing))
    given = dict(zip(GEOMETRY, (source_to_detector_distance, source_to_isocenter_distance, spacing), strict=True))
    given = {name: value for name, value in given.items() if value is not None}
    ours = acquisition is not None
    certain = {
        "view_is_certain": told_view is not None,
        "is_posed": ours or picture.position is not None,
        "spacing_is_certain": ours or "pixel_spacing" in given or picture.pixel_spacing is not None,
        "directions_are_certain": ours or picture.across is not None,
        "polarity_is_certain": ours or from_dicom,
    }
    try:
        if acquisition is None:
            picture = picture.displayed(view)
            acquisition = acquisition_of(picture, view, given)
        else:
            acquisition = replace(acquisition, view=view, **given)
    except ValueError as error:
        raise UserError(f"{path}: {error}", "Give the right distances and pixel spacing in mm.") from error
    _check_geometry(acquisition, path)
    array = np.ascontiguousarray(picture.array, np.float32)
    if picture.kind == FILM and (array.min() < 0 or array.max() > 1):
        array = (array - array.min()) / np.ptp(array)
    return Radiograph(array, acquisition, picture.kind, **certain)


def write_radiograph(
    radiograph: Radiograph,
    path: str | os.PathLike,
    study: dict[str, str] | None = None,
    photometric: str = "MONOCHROME2",
) -> None:
    """Write a radiograph; the file appears complete or not at all.

    ``.dcm`` is a DICOM DX object with all of the geometry; ``.nrrd`` a one-slice volume on its detector in patient
    space, whose key ``CTGAN.Acquisition`` holds the acquisition; ``.png`` only the look, in 16 bit, with markers that
    name the view and the patient's sides.

    Args:
        radiograph: the radiograph.
        path: where to, with one of these endings.
        study: for DICOM, the attributes of patient and study, from :func:`anonymous_study`.
        photometric: for DICOM, ``MONOCHROME2`` or ``MONOCHROME1``.

    Raises:
        UserError: the place cannot be written, or the ending is not known.
    """
    path = Path(path)
    ending = path.suffix.lower()
    if ending not in (".dcm", ".nrrd", ".png"):
        raise UserError(f"A radiograph cannot be written as {path.name}.", "Use .dcm, .nrrd or .png.")
    with staged(path) as temporary:
        if ending == ".dcm":
            study = anonymous_study() if study is None else study
            write_dicom(radiograph.array, radiograph.kind, radiograph.acquisition, temporary, study, photometric)
        elif ending == ".nrrd":
            write_image(_one_slice(radiograph), temporary)
        else:
            write_image(sitk.GetImageFromArray(with_markers(look(radiograph), radiograph.acquisition)), temporary)


def look(radiograph: Radiograph) -> np.ndarray:
    """16 bit values to look at: a film as it is, else between the darkest and the brightest 0.1 % of the pixels."""
    low, high = (0.0, 1.0) if radiograph.kind == FILM else np.percentile(radiograph.array, [0.1, 99.9])
    return ((radiograph.array - low) / max(high - low, 1e-6) * 65535).clip(0, 65535).round().astype(np.uint16)


def _read_file(path: Path) -> tuple[Picture, Acquisition | None]:
    """A picture of any format but DICOM, and its acquisition where the file holds one of ours."""
    image = read_image(path)
    if image.HasMetaDataKey("0008|0060"):  # DICOM without the mark of the file format
        return read_dicom(path), None
    array = gray_array(image, path)
    if not image.HasMetaDataKey(ACQUISITION_KEY):
        placed = path.suffix.lower() in (".nii", ".gz", ".nrrd", ".nhdr", ".mha", ".mhd")
        return (_placed(image, array) if placed else Picture(array)), None
    kind = image.GetMetaData(KIND_KEY) if image.HasMetaDataKey(KIND_KEY) else FILM
    try:
        acquisition = Acquisition.from_dict(json.loads(image.GetMetaData(ACQUISITION_KEY)))
        fits = array.shape == acquisition.detector_shape and kind in (FILM, LINE_INTEGRAL)
        fits = fits and _lies_on(image, acquisition)
    except ValueError:
        fits = False
    if not fits:
        raise UserError(
            f"{path} and the acquisition noted in it ({ACQUISITION_KEY}) do not belong together.",
            "It was changed after it was made; make it again, or remove that note and give the geometry by hand.",
        )
    return Picture(array, kind), acquisition


def _lies_on(image: sitk.Image, acquisition: Acquisition) -> bool:
    """Whether an image's axes are those of the detector; a turned or mirrored one would be read wrongly."""
    if image.GetDimension() != 3:
        return True
    expected = Grid((1, *acquisition.detector_shape), acquisition.ijk_to_ras)
    return np.allclose(Volume.from_image(image).grid.directions, expected.directions, atol=0.01)


def _placed(image: sitk.Image, array: np.ndarray) -> Picture:
    """A picture with spacing and directions of its image, as far as they tell something."""
    spacing = [image.GetSpacing()[axis] for axis, size in enumerate(image.GetSize()) if size > 1]
    # 1 mm stands in headers that nobody filled in.
    pixel_spacing = None if spacing == [1.0, 1.0] else (spacing[1], spacing[0])
    if image.GetDimension() != 3:
        return Picture(array, pixel_spacing=pixel_spacing)
    directions = Volume.from_image(image).grid.directions.T
    across, down = (directions[axis] for axis, size in enumerate(image.GetSize()) if size > 1)
    if max(abs(across[2]), abs(down[2])) < 0.7:  # an upright picture has the head on one side; this is a default
        return Picture(array, pixel_spacing=pixel_spacing)
    return Picture(array, across=across, down=down, pixel_spacing=pixel_spacing)


def _told_view(picture: Picture, acquisition: Acquisition | None) -> View | None:
    """The view that the file tells, by name or, where it does not name it, by its directions."""
    if acquisition is not None:
        return acquisition.view
    if picture.view is not None or picture.across is None:
        return picture.view
    if picture.position is not None and picture.isocenter is not None:
        return _view_along(picture)
    left_right, front_back, _ = np.abs(np.stack([picture.across, picture.down])).max(axis=0)
    if max(left_right, front_back) < 0.7:
        return None
    return View.PA if left_right > front_back else View.LLAT


def _view_along(picture: Picture) -> View:
    """The view whose beam is nearest to that of a picture with a place; its frame is that of an oblique picture."""
    beam = np.cross(picture.across, picture.down)
    beam = beam * np.sign(beam @ (picture.position - picture.isocenter))
    return max(View, key=lambda view: Acquisition(view).beam_direction @ beam)


def _check_values(array: np.ndarray, path: Path) -> None:
    if min(array.shape) < _FEWEST_PIXELS:
        size = " x ".join(map(str, array.shape))
        raise UserError(f"{path} is too small: {size} pixels.", f"Use at least {_FEWEST_PIXELS} pixels a side.")
    if not np.isfinite(array).all():
        raise UserError(f"{path} holds values that are not numbers.", "Export it again.")
    if array.min() == array.max():
        raise UserError(f"{path} is empty: all its pixels have the same value.", "Choose a radiograph.")


def _check_geometry(acquisition: Acquisition, path: Path) -> None:
    sides = np.multiply(acquisition.detector_shape, acquisition.pixel_spacing)
    if sides.min() < _SMALLEST_SIDE or sides.max() > _LARGEST_SIDE:
        raise UserError(
            f"{path} would be a detector of {sides[1]:.4g} x {sides[0]:.4g} mm.",
            "Give the spacing of its pixels in mm; a chest detector measures about 430 mm.",
        )
    detector, isocenter = acquisition.source_to_detector_distance, acquisition.source_to_isocenter_distance
    if isocenter < _SHORTEST_DISTANCE or detector > _LONGEST_DISTANCE:
        raise UserError(
            f"{path} would be taken from {isocenter:g} mm before the patient with a detector at {detector:g} mm.",
            "Give the distances from the source in mm; to a chest detector it is 1000 to 2000 mm.",
        )


def _one_slice(radiograph: Radiograph) -> sitk.Image:
    """A radiograph as a volume of one slice on its detector, with the acquisition in its header."""
    array = np.asarray(radiograph.array, np.float32)[None]
    image = Volume(array, Grid(array.shape, radiograph.acquisition.ijk_to_ras)).to_image()
    image.SetMetaData(ACQUISITION_KEY, json.dumps(radiograph.acquisition.to_dict()))
    image.SetMetaData(KIND_KEY, radiograph.kind)
    return image
