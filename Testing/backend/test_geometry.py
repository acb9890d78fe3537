"""Grids, views and acquisitions: where things are, in RAS millimeters."""

import json

import numpy as np
import pytest

from CTGANLib.imaging.geometry import Acquisition, Grid, View, c_arm_rotation
from phantoms import DIRECTIONS, turned_grid

RIGHT, ANTERIOR, SUPERIOR = np.eye(3)


def turned() -> Acquisition:
    angle = 0.3
    rotation = ((np.cos(angle), -np.sin(angle), 0.0), (np.sin(angle), np.cos(angle), 0.0), (0.0, 0.0, 1.0))
    return Acquisition(View.LLAT, 1500, 1100, (40, 60), (2.0, 1.5), (10.0, -20.0, 30.0), (12.0, -7.0), rotation)


@pytest.mark.parametrize(
    ("view", "beam", "to_the_right_of_the_picture"),
    [
        (View.PA, ANTERIOR, -RIGHT),
        (View.AP, -ANTERIOR, -RIGHT),
        (View.LLAT, -RIGHT, -ANTERIOR),
        (View.RLAT, RIGHT, -ANTERIOR),
    ],
)
def test_views_are_as_a_reader_sees_them(view, beam, to_the_right_of_the_picture):
    acquisition = Acquisition(view)
    np.testing.assert_array_equal(acquisition.beam_direction, beam)
    np.testing.assert_array_equal(acquisition.column_direction, to_the_right_of_the_picture)
    np.testing.assert_array_equal(acquisition.row_direction, -SUPERIOR)


@pytest.mark.parametrize("acquisition", [Acquisition(view) for view in View] + [turned()])
def test_a_pixel_on_the_detector_projects_onto_itself(acquisition):
    column, row = 17.0, 5.0
    on_detector = (acquisition.ijk_to_ras @ [column, row, 0, 1])[:3]
    halfway = (on_detector + acquisition.source) / 2
    np.testing.assert_allclose(acquisition.project_points([on_detector, halfway]), [[column, row]] * 2, atol=1e-9)
    assert np.linalg.det(acquisition.ijk_to_ras[:3, :3]) > 0


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("view", list(View))
def test_an_acquisition_is_known_by_its_matrix(view, parallel):
    turn = c_arm_rotation(13, -7, 5)
    known = Acquisition(view, 1400, 1210, (200, 180), (1.3, 1.7), (4.0, -9.0, 7.0), (12.0, -31.0), turn, parallel)
    found = Acquisition.from_projection_matrix(known.projection_matrix, known.detector_shape)
    np.testing.assert_allclose(found.projection_matrix, known.projection_matrix, atol=1e-9)
    assert found.pixel_spacing == pytest.approx(known.pixel_spacing)
    assert np.linalg.det(found.rotation) == pytest.approx(1)
    assert abs(found.beam_direction @ known.beam_direction) == pytest.approx(1)
    if not parallel:
        np.testing.assert_allclose(found.beam_direction, known.beam_direction, atol=1e-12)
        np.testing.assert_allclose(found.source, known.source, atol=1e-6)
        assert found.source_to_detector_distance == pytest.approx(1400)


def test_distances_and_offset():
    acquisition = turned()
    isocenter = np.asarray(acquisition.isocenter)
    assert np.linalg.norm(isocenter - acquisition.source) == pytest.approx(1100)
    foot = acquisition.source + 1500 * acquisition.beam_direction  # of the central ray
    np.testing.assert_allclose(acquisition.project_points(isocenter), acquisition.project_points(foot))
    # The middle of the picture lies 12 mm to the right of it and 7 mm above.
    np.testing.assert_allclose(acquisition.project_points(isocenter), [29.5 - 12 / 1.5, 19.5 + 7 / 2.0])


def test_magnification():
    acquisition = Acquisition(View.PA, 1800, 1600, (101, 101), (1.0, 1.0))
    column, row = acquisition.project_points([-16.0, 0.0, 32.0])  # toward the patient's left and head
    assert (column, row) == pytest.approx((50 + 18, 50 - 36))


def test_an_acquisition_survives_json():
    acquisition = turned()
    assert Acquisition.from_dict(json.loads(json.dumps(acquisition.to_dict()))) == acquisition


@pytest.mark.parametrize("change", [{"view": "OBLIQUE"}, {"pixel_spacing": None}, {"isocenter": ["a", 0, 0]}])
def test_nonsense_is_no_acquisition(change):
    with pytest.raises(ValueError):
        Acquisition.from_dict({**turned().to_dict(), **change})


@pytest.mark.parametrize("distances", [(1500, 1500), (1500, 1600), (1500, 0)])
def test_the_isocenter_lies_between_source_and_detector(distances):
    with pytest.raises(ValueError, match="isocenter"):
        Acquisition(View.PA, *distances)


@pytest.mark.parametrize("name", DIRECTIONS)
def test_index_and_ras_are_inverse(name):
    grid = turned_grid(DIRECTIONS[name], (100, 80, 60), (2.0, 2.5, 4.0))
    ijk = np.array([[0, 0, 0], [3, 5, 7], [1.5, 2.25, 9]])
    np.testing.assert_allclose(grid.to_ijk(grid.to_ras(ijk)), ijk, atol=1e-9)
    np.testing.assert_allclose(grid.spacing, [2.0, 2.5, 4.0])
    np.testing.assert_allclose(grid.directions, DIRECTIONS[name], atol=1e-12)


def test_a_coarser_grid_covers_the_same_space():
    grid = Grid.centered((8, 12, 16), 2.5, (1.0, 2.0, 3.0))
    coarser = grid.coarser(4)
    assert coarser.shape == (2, 3, 4)
    np.testing.assert_allclose(coarser.center, [1, 2, 3])
    np.testing.assert_allclose(coarser.to_ras([-0.5] * 3), grid.to_ras([-0.5] * 3))
