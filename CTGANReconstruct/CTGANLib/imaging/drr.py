"""Radiographs of the patient in a CT (DRRs): where source and detector stand, the projection, and the film."""

from dataclasses import replace

import numpy as np
import torch

from .attenuation import hu_to_attenuation
from .film import expose, film, line_integral
from .geometry import Acquisition, View, c_arm_rotation
from .pictures import CHEST_DETECTOR, FILM, PATIENT_TO_DETECTOR
from .projection import ConeBeamProjector
from .radiographs import Radiograph
from .slabs import PreparedVolume
from .standardize import find_body, without_table
from .volumes import Volume

Pose = View | tuple[float, ...]
"""A view by name, or the angles of a C-arm in degrees: primary, secondary and, where it is given, roll."""

_SMALLEST_DETECTOR, _LARGEST_DETECTOR = 32, 8192


class Patient:
    """The patient in a CT, without the table, ready to be projected any number of times.

    Args:
        ct: in HU, on any grid.
        energy: of the photons, keV (see ``hu_to_attenuation``).

    Attributes:
        isocenter: the middle of the thorax, RAS in mm.

    Raises:
        UserError: there is no body in the CT.
        ValueError: the energy is not known.
    """

    def __init__(self, ct: Volume, energy: float | None = None) -> None:
        body, self.isocenter = find_body(ct)
        patient = without_table(ct, body)
        self._grid = patient.grid
        attenuation = hu_to_attenuation(torch.from_numpy(patient.array.astype(np.float32)), energy)
        self._volume = PreparedVolume(attenuation[None, None])

    def radiograph(self, acquisition: Acquisition) -> Radiograph:
        """The line integrals that a detector would see.

        Raises:
            ValueError: the source stands in the volume, or the beam misses the patient.
        """
        with torch.inference_mode():
            array = ConeBeamProjector(self._grid, acquisition)(self._volume)[0, 0].numpy()
        if not array.any():
            raise ValueError("The beam misses the patient: nothing of the CT is seen.")
        return Radiograph(array, acquisition, is_posed=True)


def acquisition_for(
    pose: Pose,
    isocenter: tuple[float, float, float],
    detector_size: int = 512,
    *,
    source_to_detector_distance: float = Acquisition.source_to_detector_distance,
    source_to_isocenter_distance: float | None = None,
    pixel_spacing: float | None = None,
) -> Acquisition:
    """An acquisition with a square detector around the central ray.

    Args:
        pose: a view, or angles of a C-arm in degrees.
        isocenter: RAS, mm.
        detector_size: rows and columns.
        source_to_detector_distance: mm.
        source_to_isocenter_distance: mm; without it the isocenter is 200 mm before the detector.
        pixel_spacing: mm; without it the detector is 430 mm wide.

    Raises:
        ValueError: such an acquisition cannot be.
    """
    if not _SMALLEST_DETECTOR <= detector_size <= _LARGEST_DETECTOR:
        raise ValueError(
            f"The detector has {detector_size} pixels a side but may have {_SMALLEST_DETECTOR} to {_LARGEST_DETECTOR}."
        )
    spacing = CHEST_DETECTOR / detector_size if pixel_spacing is None else pixel_spacing
    if not np.isfinite(spacing):
        raise ValueError("The pixel spacing is not a number.")
    if source_to_isocenter_distance is None:
        source_to_isocenter_distance = source_to_detector_distance - PATIENT_TO_DETECTOR
    acquisition = Acquisition(
        pose if isinstance(pose, View) else View.PA,
        source_to_detector_distance,
        source_to_isocenter_distance,
        (detector_size, detector_size),
        (spacing, spacing),
        isocenter,
    )
    if isinstance(pose, View):
        return acquisition
    if len(pose) not in (2, 3) or not np.isfinite(pose).all():
        raise ValueError("A C-arm has two or three angles: primary, secondary and perhaps roll, in degrees.")
    return replace(acquisition, rotation=c_arm_rotation(*pose))


def develop(
    radiograph: Radiograph, as_film: bool = False, *, scatter: float = 0.0, photons: float | None = None, seed: int = 0
) -> Radiograph:
    """A radiograph of line integrals with the scatter and noise of its exposure, or as the film that a reader sees.

    Args:
        radiograph: line integrals.
        as_film: whether to return the look of a film.
        scatter, photons, seed: see ``film.expose``.

    Raises:
        ValueError: scatter or photons cannot be.
    """
    array = radiograph.array
    if scatter or photons is not None:
        spacing = radiograph.acquisition.pixel_spacing
        array = line_integral(expose(array, spacing, scatter=scatter, photons=photons, seed=seed))
    return replace(radiograph, array=film(array), kind=FILM) if as_film else replace(radiograph, array=array)
