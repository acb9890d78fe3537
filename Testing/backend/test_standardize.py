"""Any CT onto the standard grid, without its table, and back."""

import numpy as np
import pytest

from CTGANLib.errors import UserError
from CTGANLib.imaging.masks import dilate
from CTGANLib.imaging.standardize import STANDARD_SPACING, body_mask, standardize, with_clear_air
from CTGANLib.imaging.volumes import Volume, read_volume
from phantoms import CENTER, DIRECTIONS, MARKER, centroid, chest, points, turned_grid

ABOVE = 400  # HU, only the marker


def on_a_couch(name: str, spacing=(2.5, 2.5, 3.0)) -> Volume:
    return chest(turned_grid(DIRECTIONS[name], (230, 190, 130), spacing), couch=True)


@pytest.mark.parametrize("name", DIRECTIONS)
def test_table_removed_and_anatomy_in_place(name):
    result = standardize(on_a_couch(name), size=88)
    assert result.array.dtype == np.int16
    np.testing.assert_allclose(result.grid.directions, np.eye(3))
    np.testing.assert_allclose(result.grid.spacing, STANDARD_SPACING)
    # The body is centered left-right and front-back, the lungs head-foot.
    np.testing.assert_allclose(result.grid.center, CENTER, atol=5)
    np.testing.assert_allclose(centroid(result, ABOVE), MARKER, atol=0.7)

    right, front, up = np.moveaxis(points(result.grid) - CENTER, -1, 0)
    inside = np.abs(up) < 50
    table = (front < -68) & inside
    assert result.array[table].max() == -1024
    right_lung = (np.abs(right - 40) < 15) & (np.abs(front) < 15) & (np.abs(up) < 30)
    left_wall = (np.abs(right + 76) < 3) & (np.abs(front) < 10) & (np.abs(up) < 30)
    assert np.median(result.array[right_lung]) == pytest.approx(-850, abs=20)
    assert result.array[left_wall].mean() == pytest.approx(40, abs=20)


@pytest.mark.parametrize("name", ["lps", "permuted", "oblique"])
def test_the_road_back(name):
    volume = on_a_couch(name)
    back = standardize(volume, size=88).resample(volume.grid)
    np.testing.assert_allclose(centroid(back, ABOVE), MARKER, atol=1)
    _, front, up = np.moveaxis(points(volume.grid) - CENTER, -1, 0)
    lungs = (volume.array == -850) & (np.abs(up) < 30) & (np.abs(front) < 20)
    assert np.median(np.abs(back.array[lungs] + 850)) < 20


def test_nothing_in_it():
    grid = turned_grid(np.eye(3), (150, 150, 150), (3.0, 3.0, 3.0))
    noise = np.random.default_rng(0).normal(-1000, 5, grid.shape).astype(np.float32)
    with pytest.raises(UserError, match="no body"):
        standardize(Volume(noise, grid))


def test_a_lung_cut_by_the_field_of_view_stays_inside():
    # The field ends within the right lung.
    volume = chest(turned_grid(np.eye(3), (110, 190, 100), (2.5, 2.5, 2.5)))
    up = points(volume.grid)[..., 2] - CENTER[2]
    cut = volume.array[:, :, -1] == -850
    assert cut.any()
    body = np.asarray(Volume.from_image(body_mask(volume.to_image())).array)
    middle = np.abs(up) < 30
    assert body[(volume.array == -850) & middle].mean() > 0.99
    assert body[(volume.array == -1000) & middle].mean() < 0.05


def test_the_body_of_nothing_is_nothing():
    grid = turned_grid(np.eye(3), (20, 20, 20), (2.5, 2.5, 2.5))
    assert not Volume.from_image(body_mask(Volume(np.full(grid.shape, -1000, np.int16), grid).to_image())).array.any()


def test_haze_around_the_body_is_cleared_and_the_body_kept():
    volume = chest(turned_grid(np.eye(3), (320, 320, 320), (2.5, 2.5, 2.5)))
    body = volume.array > -1000
    noise = np.random.default_rng(0).normal(40, 20, volume.array.shape)
    hazy = np.where(body, volume.array, volume.array + noise).astype(np.int16)
    clear = with_clear_air(Volume(hazy, volume.grid)).array
    np.testing.assert_array_equal(clear[body], hazy[body])
    far = ~dilate(body, (4, 4, 4))
    assert far.any() and (clear[far] == -1024).all() and (hazy[far] > -1024).mean() > 0.9
    empty = Volume(np.full_like(hazy, -980), volume.grid)
    assert with_clear_air(empty) is empty


def test_a_real_ct_is_centered_without_its_couch(shared_ct):
    volume = read_volume(shared_ct / "lidc_0028.nii.gz")
    result = standardize(volume)
    assert result.array.shape == (128, 128, 128)
    inside = result.array > -400
    # Air on the back's side of the skin is pure, where the couch was.
    rear = np.argmax(inside.any(axis=(0, 2)))
    assert (result.array[:, :rear] == -1024).mean() > 0.99
    assert 0.2 < inside.mean() < 0.7
