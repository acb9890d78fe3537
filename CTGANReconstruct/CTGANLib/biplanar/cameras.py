"""Acquisitions as they vary between hospitals, and as they are told."""

from dataclasses import replace

from ..imaging.geometry import Acquisition, View, c_arm_rotation
from ..training.augmentation import uniform

_DISTANCES = (1000.0, 2000.0)  # from source to detector, mm
_DEPTHS = (150.0, 250.0)  # from isocenter to detector, mm
_MOST_TURNED, _MOST_TILTED = 12.0, 8.0  # degrees
_MISTOLD_ANGLE, _MISTOLD_DISTANCE = 1.0, 0.02  # at most, degrees and a share


def varied_acquisitions() -> tuple[list[Acquisition], list[Acquisition]]:
    """A frontal and a lateral acquisition as they are, and as one is told that they are: with a small error.

    One in five frontal views is AP, one in five laterals right; half of the pairs are turned and tilted.
    """
    distance = float(uniform(*_DISTANCES, 1))
    depth = float(uniform(*_DEPTHS, 1))
    mistold = 1 + _MISTOLD_DISTANCE * float(uniform(-1, 1, 1))
    turned = float(uniform(0, 1, 1)) < 0.5
    true, told = [], []
    for usual, other in ((View.PA, View.AP), (View.LLAT, View.RLAT)):
        view = other if float(uniform(0, 1, 1)) < 0.2 else usual
        acquisition = Acquisition(view, distance, distance - depth)
        believed = replace(
            acquisition,
            source_to_detector_distance=mistold * distance,
            source_to_isocenter_distance=mistold * distance - depth,
        )
        angles = uniform(-_MOST_TURNED, _MOST_TURNED, 1), uniform(-_MOST_TILTED, _MOST_TILTED, 1)
        errors = uniform(-_MISTOLD_ANGLE, _MISTOLD_ANGLE, 2)
        if turned:
            exact = [float(angle) for angle in angles]
            acquisition = replace(acquisition, rotation=c_arm_rotation(*exact))
            guessed = [angle + float(error) for angle, error in zip(exact, errors, strict=True)]
            believed = replace(believed, rotation=c_arm_rotation(*guessed))
        true.append(acquisition)
        told.append(believed)
    return true, told
