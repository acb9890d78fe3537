"""Orientation for humans: where heart, liver and arms stand in the picture of every view, and what the markers say."""

import numpy as np
import pytest
import SimpleITK as sitk

from CTGANLib.imaging.drr import Patient, acquisition_for
from CTGANLib.imaging.geometry import Acquisition, Grid, View
from CTGANLib.imaging.orientation import letters, named_view, with_markers
from CTGANLib.imaging.radiographs import Radiograph, read_radiograph, write_radiograph
from CTGANLib.imaging.volumes import Volume
from phantoms import points

ISOCENTER = (8.0, -15.0, 120.0)
# RAS in mm from the middle of the thorax, and radius.
ORGANS = {
    "heart": ((-35, 30, -20), 38),  # left of the middle, in front
    "liver": ((60, 15, -95), 45),  # right, below
    "right arm": ((150, 0, 0), 25),
    "left arm": ((-150, 0, 0), 25),
}

# The pictures of the standard views, as readers expect them: frontal ones with the patient's left on the right side,
# laterals with the front to the left; (which side of the picture, upper or lower half), None where in the middle.
EXPECTED = {
    "frontal": {
        "heart": ("right", None),
        "liver": ("left", "low"),
        "right arm": ("left", None),
        "left arm": ("right", None),
    },
    "lateral": {
        "heart": ("left", None),
        "liver": ("left", "low"),
        "right arm": (None, None),
        "left arm": (None, None),
    },
}


def torso(organ: str = "") -> Volume:
    """A torso in HU with two lungs, and arms that touch it; one organ of metal's density."""
    grid = Grid.centered((64, 60, 90), 5.0, ISOCENTER)
    where = points(grid) - ISOCENTER
    right, front, up = np.moveaxis(where, -1, 0)
    hu = np.full(grid.shape, -1000.0, np.float32)
    inside = (np.abs(up) < 150) & ((right / 140) ** 2 + (front / 90) ** 2 < 1)
    for side in (-1, 1):
        inside |= (np.abs(up) < 150) & (((right - side * 150) / 28) ** 2 + (front / 28) ** 2 < 1)
    hu[inside] = 40
    for side in (-1, 1):
        hu[((right - side * 65) / 45) ** 2 + (front / 65) ** 2 + ((up - 10) / 80) ** 2 < 1] = -850
    if organ:
        place, radius = ORGANS[organ]
        hu[np.linalg.norm(where - place, axis=-1) < radius] = 1400
    return Volume(hu, grid)


@pytest.fixture(scope="module")
def patients():
    return {organ: Patient(torso(organ)) for organ in ("", *ORGANS)}


def found(picture: np.ndarray, empty: np.ndarray) -> tuple[float, float]:
    """Column and row of what one picture shows more than another."""
    more = np.clip(picture.astype(float) - empty, 0, None)
    rows, columns = np.indices(more.shape)
    return (columns * more).sum() / more.sum(), (rows * more).sum() / more.sum()


def expect(column: float, row: float, size: int, side: str | None, height: str | None) -> None:
    middle = (size - 1) / 2
    if side is None:
        assert abs(column - middle) < 0.05 * size
    else:
        assert (column > middle + 0.04 * size) if side == "right" else (column < middle - 0.02 * size)
    if height:
        assert (row > middle) == (height == "low")


@pytest.mark.parametrize("organ", ORGANS)
@pytest.mark.parametrize("view", list(View))
def test_organs_stand_where_a_reader_expects_them(patients, view, organ, tmp_path):
    acquisition = acquisition_for(view, patients[""].isocenter, 128)
    bodies = {name: patients[name].radiograph(acquisition) for name in ("", organ)}
    expected = EXPECTED["frontal" if view.is_frontal else "lateral"][organ]
    place = found(bodies[organ].array, bodies[""].array)
    expect(*place, 128, *expected)
    # What 3D space says of the same pixel.
    np.testing.assert_allclose(place, acquisition.project_points(np.add(ISOCENTER, ORGANS[organ][0])), atol=1.5)
    # Every file shows the same.
    for ending in (".dcm", ".nrrd"):
        for name, radiograph in bodies.items():
            write_radiograph(radiograph, tmp_path / f"{name or 'body'}{ending}")
        shown = {name: read_radiograph(tmp_path / f"{name or 'body'}{ending}", None).array for name in bodies}
        np.testing.assert_allclose(found(shown[organ], shown[""]), place, atol=0.1)
    write_radiograph(bodies[organ], tmp_path / "x.png")
    png = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "x.png")))[12:]
    assert np.corrcoef(png.ravel(), bodies[organ].array[12:].ravel())[0, 1] > 0.98


def test_a_picture_that_is_mirrored_would_be_noticed(patients):
    acquisition = acquisition_for(View.PA, patients[""].isocenter, 128)
    heart, body = (patients[name].radiograph(acquisition).array[:, ::-1] for name in ("heart", ""))
    with pytest.raises(AssertionError):
        expect(*found(heart, body), 128, *EXPECTED["frontal"]["heart"])


@pytest.mark.parametrize(
    ("pose", "name", "left", "right"),
    [
        (View.PA, View.PA, "R", "L"),
        (View.AP, View.AP, "R", "L"),
        (View.LLAT, View.LLAT, "A", "P"),
        (View.RLAT, View.RLAT, "A", "P"),
        ((90.0, 0.0), View.LLAT, "A", "P"),
        ((0.0, 5.0, 0.0), View.PA, "R", "L"),
        ((45.0, 0.0), None, "AR", "PL"),
        ((-30.0, 0.0), None, "RP", "LA"),
    ],
)
def test_names_and_sides(pose, name, left, right):
    acquisition = acquisition_for(pose, (0.0, 0.0, 0.0))
    assert named_view(acquisition) is name
    assert set(letters(-acquisition.column_direction)) == set(left)
    assert set(letters(acquisition.column_direction)) == set(right)


def test_letters_name_the_nearest_side_first():
    directions = [(1, 0, 0), (0, -2, 0), (0.1, 0.2, 1), (-0.6, 0.8, 0)]
    assert [letters(np.array(direction)) for direction in directions] == ["R", "P", "H", "AL"]


def drawn(picture: np.ndarray) -> list[str]:
    """What stands at the left edge, in the middle and at the right edge, as rows of dots."""
    dots = np.where(picture == picture.max(), "#", ".")
    return ["\n".join(map("".join, part)) for part in (dots[3:10, 3:8], dots[3:10, -8:-3])]


R = "####.\n#...#\n#...#\n####.\n#.#..\n#..#.\n#...#"
L = "#....\n#....\n#....\n#....\n#....\n#....\n#####"
A = ".###.\n#...#\n#...#\n#####\n#...#\n#...#\n#...#"
P = "####.\n#...#\n#...#\n####.\n#....\n#....\n#...."


@pytest.mark.parametrize(
    ("view", "sides"), [(View.PA, [R, L]), (View.AP, [R, L]), (View.LLAT, [A, P]), (View.RLAT, [A, P])]
)
def test_pictures_carry_markers(view, sides, tmp_path):
    array = np.zeros((128, 128), np.float32)
    array[60:70, 60:70] = 1
    write_radiograph(Radiograph(array, Acquisition(view, detector_shape=array.shape)), tmp_path / "x.png")
    assert drawn(sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "x.png")))) == sides


def test_no_room_for_markers_is_no_failure():
    assert with_markers(np.eye(20, 9), Acquisition()).shape == (20, 9)
