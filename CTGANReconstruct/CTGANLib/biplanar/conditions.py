"""Input that is not ideal: radiographs simulated from a CT, each spoiled in one way that happens in practice.

A CT is given on the field of view, float HU [160, 160, 160], centered on the isocenter. A condition makes of it the
frontal and the lateral radiograph that a reconstructor would be given; one that was not taken is ``None``. Films go
through the checks and corrections before a run, as those of users do, unless they are called otherwise.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..imaging.film import film
from ..imaging.geometry import Acquisition, View, c_arm_rotation
from ..imaging.orientation import with_markers
from ..imaging.pictures import CHEST_DETECTOR
from ..imaging.projection import project
from ..imaging.radiographs import Radiograph
from ..imaging.standardize import STANDARD_SPACING
from ..imaging.volumes import Volume
from .radiographs import VIEWS
from .suitability import SuitablePair, make_suitable

Pair = tuple[Radiograph | None, Radiograph | None]

IDEAL = "ideal"

_BREATH = 15.0  # mm that the diaphragm sinks
_CROPPED, _COVERED = 0.1, 0.08  # of each side


def taken(
    field: Volume, view: View = View.PA, angles: tuple[float, float] = (0.0, 0.0), distance: float = 1.0
) -> Radiograph:
    """A radiograph of line integrals.

    Args:
        field: the CT.
        view: from where.
        angles: by which the C-arm is turned and tilted from the view, degrees.
        distance: of source and detector, as a multiple of the usual one; that of patient and detector stays.
    """
    usual = Acquisition()
    detector = distance * usual.source_to_detector_distance
    patient = detector - (usual.source_to_detector_distance - usual.source_to_isocenter_distance)
    return project(field, Acquisition(view, detector, patient, rotation=c_arm_rotation(*angles)))


def not_told(radiograph: Radiograph, view: View) -> Radiograph:
    """The same picture, believed to be taken as usual."""
    return replace(radiograph, acquisition=Acquisition(view))


def usual_pair(field: Volume) -> Pair:
    """Both views as the model has learned them."""
    return tuple(taken(field, view) for view in VIEWS)


def breathed(field: Volume, depth: float = _BREATH) -> Volume:
    """The CT after the diaphragm sank by ``depth`` mm, the chest above it stretching evenly."""
    size = len(field.array)
    height = (np.arange(size) - (size - 1) / 2) * STANDARD_SPACING
    # From 100 mm below the middle of the thorax, where the diaphragm is, to 100 mm above it.
    source = np.arange(size) + depth / STANDARD_SPACING * ((100 - height) / 200).clip(0, 1)
    low = source.astype(int).clip(0, size - 2)
    share = (source - low).clip(0, 1)[:, None, None]
    array = field.array[low] * (1 - share) + field.array[low + 1] * share
    return Volume(array.astype(np.float32), field.grid)


def film_pair(field: Volume, spoil: Callable[[np.ndarray], np.ndarray] = lambda array: array) -> Pair:
    """The usual pair as 8 bit films without tags.

    Args:
        field: the CT.
        spoil: is applied to each film, [rows, columns] within 0 and 1, before it is rounded.
    """
    pair = []
    for view in VIEWS:
        array = np.rint(spoil(film(taken(field, view).array)) * 255).astype(np.float32) / 255
        spacing = CHEST_DETECTOR / max(array.shape)  # what a reader takes it for
        acquisition = Acquisition(view, detector_shape=array.shape, pixel_spacing=(spacing, spacing))
        pair.append(Radiograph(array, acquisition, "film"))
    return tuple(pair)


def with_spacing(pair: Pair) -> Pair:
    """The same films with the spacing of their pixels told."""
    spacing = Acquisition().pixel_spacing
    return tuple(
        replace(one, acquisition=replace(one.acquisition, pixel_spacing=spacing), spacing_is_certain=True)
        for one in pair
    )


def inverted(array: np.ndarray) -> np.ndarray:
    """A film with bone dark."""
    return 1 - array


def cropped(array: np.ndarray) -> np.ndarray:
    """A film without its borders, more of them below and on the left than above and on the right."""
    rows, columns = (round(_CROPPED * size) for size in array.shape)
    return array[rows // 2 : -rows, columns : -columns // 2]


def covered(array: np.ndarray) -> np.ndarray:
    """A film with letters, and with the blades of a collimator over its upper and left border."""
    array = array.copy()
    rows, columns = (round(_COVERED * size) for size in array.shape)
    array[:rows], array[:, :columns] = 0, 0
    array[rows : rows + 80] = with_markers(array[rows : rows + 80], Acquisition())
    return array


@dataclass(frozen=True)
class Condition:
    """One way in which input is not ideal.

    Attributes:
        taken: the radiographs of a CT.
        checked: whether they are checked, and put right as far as they can be.
    """

    taken: Callable[[Volume], Pair]
    checked: bool = False

    def __call__(self, field: Volume, mean_hu: np.ndarray) -> SuitablePair:
        """What a reconstructor is given, and what its user is told before.

        Args:
            field: the true CT.
            mean_hu: the model's mean volume, HU [128, 128, 128], which checks compare with.
        """
        pair = self.taken(field)
        return make_suitable(*pair, mean_hu) if self.checked else SuitablePair(*pair)


def _lateral(angles: tuple[float, float], told: bool = False) -> Condition:
    """A lateral that is turned or tilted, and whether that is told."""

    def pair(field: Volume) -> Pair:
        lateral = taken(field, View.LLAT, angles)
        return taken(field), lateral if told else not_told(lateral, View.LLAT)

    return Condition(pair)


def _distance(multiple: float) -> Condition:
    """Both views from another distance than is told."""
    return Condition(lambda field: tuple(not_told(taken(field, view, distance=multiple), view) for view in VIEWS))


def _films(
    spoil: Callable[[np.ndarray], np.ndarray] = lambda array: array, spacing: bool = False, checked: bool = True
) -> Condition:
    """Films that are spoiled; whether the spacing of their pixels is told, and whether they are checked."""

    def pair(field: Volume) -> Pair:
        films = film_pair(field, spoil)
        return with_spacing(films) if spacing else films

    return Condition(pair, checked)


CONDITIONS: dict[str, Condition] = {
    IDEAL: Condition(usual_pair),
    "views 83° apart": _lateral((-7.0, 0.0)),
    "views 97° apart": _lateral((7.0, 0.0)),
    "views 83° apart, told": _lateral((-7.0, 0.0), told=True),
    "lateral tilted by 7°": _lateral((0.0, 7.0)),
    "lateral tilted by −7°": _lateral((0.0, -7.0)),
    "lateral tilted by 7°, told": _lateral((0.0, 7.0), told=True),
    "distances 20 % shorter": _distance(0.8),
    "distances 20 % longer": _distance(1.2),
    "a breath of 15 mm between the views": Condition(lambda field: (taken(field), taken(breathed(field), View.LLAT))),
    "frontal only": Condition(lambda field: (taken(field), None)),
    "lateral only": Condition(lambda field: (None, taken(field, View.LLAT))),
    "AP": Condition(lambda field: (taken(field, View.AP), taken(field, View.LLAT))),
    "AP, told as PA": Condition(
        lambda field: (not_told(taken(field, View.AP), View.PA), taken(field, View.LLAT)),
    ),
    "8 bit film": _films(),
    "8 bit film, spacing told": _films(spacing=True),
    "inverted film": _films(inverted),
    "inverted film, not checked": _films(inverted, checked=False),
    "cropped film": _films(cropped),
    "cropped film, spacing told": _films(cropped, spacing=True),
    "film with markers and collimation": _films(covered),
    "film with markers and collimation, not checked": _films(covered, checked=False),
}
"""By name; the first is what all others are compared with. ``told``: the file says so."""
