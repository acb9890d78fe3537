"""Radiographs of the patient in a CT: without the table, on any grid, at any pose."""

import numpy as np
import pytest

from CTGANLib.errors import UserError
from CTGANLib.imaging.drr import Patient, acquisition_for
from CTGANLib.imaging.geometry import Acquisition, View
from CTGANLib.imaging.volumes import Volume
from phantoms import CENTER, DIRECTIONS, chest, turned_grid

EXTENT, SPACING = (220, 190, 150), (2.5, 2.5, 2.5)


@pytest.fixture(scope="module")
def upright():
    return Patient(chest(turned_grid(np.eye(3), EXTENT, SPACING)))


def error_of(picture: np.ndarray, expected: np.ndarray) -> float:
    return float(np.sqrt(np.mean((picture - expected) ** 2)) / expected.max())


@pytest.mark.parametrize("pose", [View.PA, View.RLAT, (35.0, -15.0, 5.0)])
@pytest.mark.parametrize("name", [name for name in DIRECTIONS if name != "upright"])
def test_the_grid_of_the_ct_does_not_matter(upright, name, pose):
    turned = Patient(chest(turned_grid(DIRECTIONS[name], EXTENT, SPACING)))
    acquisition = acquisition_for(pose, tuple(CENTER), 96, pixel_spacing=3.0)
    inside = slice(34, 62), slice(26, 70)  # the ends of a tilted grid cut other parts of the patient
    assert error_of(turned.radiograph(acquisition).array[inside], upright.radiograph(acquisition).array[inside]) < 0.03


def test_the_table_is_not_seen(upright):
    on_couch = Patient(chest(turned_grid(np.eye(3), EXTENT, SPACING), couch=True))
    np.testing.assert_allclose(on_couch.isocenter, upright.isocenter, atol=2.5)
    acquisition = acquisition_for(View.LLAT, upright.isocenter, 96)
    assert error_of(on_couch.radiograph(acquisition).array, upright.radiograph(acquisition).array) < 0.01


def test_a_c_arm_at_the_angles_of_a_view_sees_that_view(upright):
    for angles, view in (((0.0, 0.0), View.PA), ((90.0, 0.0), View.LLAT)):
        pictures = [upright.radiograph(acquisition_for(pose, upright.isocenter, 64)).array for pose in (angles, view)]
        np.testing.assert_allclose(*pictures, atol=2e-3)


def test_usual_lengths():
    acquisition = acquisition_for(View.AP, (1.0, 2.0, 3.0))
    assert acquisition == Acquisition(View.AP, 1800, 1600, (512, 512), (430 / 512, 430 / 512), (1.0, 2.0, 3.0))
    assert acquisition_for(View.PA, (0, 0, 0), source_to_detector_distance=1500).source_to_isocenter_distance == 1300


def test_no_patient_no_picture():
    grid = turned_grid(np.eye(3), (100, 100, 100), (5, 5, 5))
    with pytest.raises(UserError, match="no body"):
        Patient(Volume(np.full(grid.shape, -1000, np.int16), grid))


def test_a_beam_that_misses_the_patient(upright):
    with pytest.raises(ValueError, match="misses the patient"):
        upright.radiograph(acquisition_for(View.PA, (2000.0, 0.0, 0.0), 64))


def test_the_source_must_stand_outside(upright):
    with pytest.raises(ValueError, match="outside"):
        upright.radiograph(acquisition_for(View.PA, upright.isocenter, source_to_isocenter_distance=50))
