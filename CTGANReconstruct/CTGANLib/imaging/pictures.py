"""One radiograph as its file holds it: the pixels, and what the file tells of how they were taken.

Here pictures are turned to the way a reader sees them (see ``geometry``), with the pose that goes with the pixels.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import UserError
from .geometry import Acquisition, View

LINE_INTEGRAL = "line integral"
FILM = "film"

# What a caller may say over the head of the file.
GEOMETRY = ("source_to_detector_distance", "source_to_isocenter_distance", "pixel_spacing")

# What a picture without geometry is taken for, and a DRR made as: a chest film (longer side in mm) with the patient
# close to it (isocenter to detector in mm).
CHEST_DETECTOR = 430.0
PATIENT_TO_DETECTOR = Acquisition().source_to_detector_distance - Acquisition().source_to_isocenter_distance


@dataclass(frozen=True, eq=False)
class Picture:
    """Pixels and what is told of them. ``None`` stands for everything that the file does not tell.

    Attributes:
        array: [rows, columns] float32, growing with attenuation (bone white).
        kind: ``"line integral"``, dimensionless, or ``"film"`` in any unit.
        across: unit RAS direction along which the column index grows.
        down: unit RAS direction along which the row index grows.
        position: RAS of the center of the first pixel, mm.
        pixel_spacing: (between rows, between columns) on the detector, mm.
        view: PA, AP, LLAT or RLAT.
        source_to_detector_distance: mm.
        source_to_isocenter_distance: mm.
        isocenter: RAS, mm.
    """

    array: np.ndarray
    kind: str = FILM
    across: np.ndarray | None = None
    down: np.ndarray | None = None
    position: np.ndarray | None = None
    pixel_spacing: tuple[float, float] | None = None
    view: View | None = None
    source_to_detector_distance: float | None = None
    source_to_isocenter_distance: float | None = None
    isocenter: np.ndarray | None = None

    def displayed(self, view: View) -> "Picture":
        """The same picture turned and mirrored to how a reader sees ``view``; unturned where no direction is told."""
        if self.across is None or self.down is None:
            return self
        seen = Acquisition(view)
        across, down = seen.column_direction, seen.row_direction
        if abs(self.across @ across) + abs(self.down @ down) < abs(self.across @ down) + abs(self.down @ across):
            picture = self._transposed()
        else:
            picture = self
        if picture.across @ across < 0:
            picture = picture._transposed()._upside_down()._transposed()
        return picture._upside_down() if picture.down @ down < 0 else picture

    def _transposed(self) -> "Picture":
        spacing = self.pixel_spacing and self.pixel_spacing[::-1]
        return replace(self, array=self.array.T, across=self.down, down=self.across, pixel_spacing=spacing)

    def _upside_down(self) -> "Picture":
        position = self.position
        if position is not None and self.pixel_spacing is not None:
            position = position + self.down * self.pixel_spacing[0] * (len(self.array) - 1)
        return replace(self, array=self.array[::-1], down=-self.down, position=position)


def gray_array(image: sitk.Image, path: Path) -> np.ndarray:
    """The pixels of an image of one slice as [rows, columns] float32; an RGB image of gray pixels counts as gray.

    Raises:
        UserError: the image has color, or more than one slice.
    """
    array = sitk.GetArrayViewFromImage(image)
    components = image.GetNumberOfComponentsPerPixel()
    if sum(size > 1 for size in image.GetSize()) > 2:
        size = " x ".join(map(str, image.GetSize()))
        raise UserError(f"{path} is a volume of {size} voxels, not one radiograph.", "Choose a file with one picture.")
    if components > 1:
        # The last of two or four channels is opacity.
        channels = array[..., : 3 if components > 2 else 1].astype(np.float32)
        spread = float((channels.max(axis=-1) - channels.min(axis=-1)).mean())
        # JPEG and small colored labels may set the channels apart by a little.
        if spread > 0.02 * max(float(np.ptp(channels)), 1.0):
            raise UserError(f"{path} is a color picture.", "Choose a radiograph in shades of gray.")
        array = channels.mean(axis=-1)
    rows_columns = [size for size in array.shape if size > 1]
    if len(rows_columns) < 2:
        raise UserError(f"{path} holds a single line of pixels.", "Choose a radiograph.")
    return array.reshape(rows_columns).astype(np.float32)


def acquisition_of(picture: Picture, view: View, given: dict) -> Acquisition:
    """What is given, else what the picture tells, else the defaults.

    Raises:
        ValueError: these contradict each other.
    """
    rows, columns = picture.array.shape
    told = {name: getattr(picture, name) for name in GEOMETRY if getattr(picture, name) is not None}
    spacing = CHEST_DETECTOR / max(rows, columns)
    values = {
        "source_to_detector_distance": Acquisition().source_to_detector_distance,
        "pixel_spacing": (spacing, spacing),
        **told,
        **given,
    }
    values.setdefault("source_to_isocenter_distance", values["source_to_detector_distance"] - PATIENT_TO_DETECTOR)
    acquisition = Acquisition(view, detector_shape=(rows, columns), **values)
    if picture.position is None or picture.pixel_spacing is None:
        return acquisition
    return _posed(acquisition, picture)


def _posed(acquisition: Acquisition, picture: Picture) -> Acquisition:
    """The acquisition turned and moved to where the picture lies in patient space."""
    unturned = [acquisition.beam_direction, acquisition.column_direction, acquisition.row_direction]
    side = np.sign(np.cross(unturned[1], unturned[2]) @ unturned[0])
    beam = side * np.cross(picture.across, picture.down)
    turned = [beam, picture.across, picture.down]
    rotation = np.stack(turned, axis=1) @ np.stack(unturned)
    rows, columns = picture.array.shape
    across = picture.across * picture.pixel_spacing[1] * (columns - 1) / 2
    down = picture.down * picture.pixel_spacing[0] * (rows - 1) / 2
    center = picture.position + across + down
    isocenter = picture.isocenter
    if isocenter is None:
        to_detector = acquisition.source_to_detector_distance - acquisition.source_to_isocenter_distance
        isocenter = center - to_detector * beam
    aside = center - isocenter
    return replace(
        acquisition,
        isocenter=tuple(isocenter.tolist()),
        detector_offset=(float(aside @ picture.across), float(aside @ picture.down)),
        rotation=tuple(map(tuple, rotation.tolist())),
    )
