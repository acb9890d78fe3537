"""The refinement finds what the generator missed where the radiographs show it, and leaves alone what they do not."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from CTGANLib.biplanar.reconstruct import Reconstructor, reproject, reprojection_errors
from CTGANLib.biplanar.refine import CAUTIOUS, FULL, NONE, refine
from CTGANLib.imaging.attenuation import hu_to_unit
from CTGANLib.imaging.geometry import Acquisition, Grid, View, c_arm_rotation
from CTGANLib.imaging.projection import project
from CTGANLib.imaging.radiographs import Radiograph
from CTGANLib.imaging.standardize import with_clear_air
from CTGANLib.imaging.volumes import Volume
from phantoms import CENTER, ball, chest, points

CUBE = Grid.centered((128,) * 3, 2.5, tuple(CENTER))
PLACE = points(CUBE) - CENTER
# Off the middle on every axis: in the right lung, in front, above.
NODULE = np.array([60.0, 20.0, 45.0])
SEEN = (np.ones((256, 256), bool),) * 2


def large_chest(right_lung: float = 0.0, nodule: bool = True) -> Volume:
    """A chest in the standard cube; the right lung is shifted by mm to the front; perhaps with a nodule of 32 mm."""
    hu = chest(CUBE, scale=1.5).array
    if right_lung:
        hu = np.where(PLACE[..., 0] > 20, np.roll(hu, round(right_lung / 2.5), axis=1), hu)
    if nodule:
        hu = hu + (40 - hu) * ball(CUBE, CENTER + NODULE, 16)
    hu[np.abs(PLACE[..., 2]) > 130] = -1000
    smooth = sitk.GetArrayFromImage(sitk.DiscreteGaussian(sitk.GetImageFromArray(hu.astype(np.float32)), 1.0))
    return Volume(smooth.round().astype(np.int16), CUBE)


def radiographs_of(volume: Volume, *angles: float) -> tuple[Radiograph, ...]:
    turned = Acquisition(isocenter=tuple(CENTER), rotation=c_arm_rotation(*(angles or (0,))))
    return tuple(project(volume, replace(turned, view=view)) for view in (View.PA, View.LLAT))


def error(volume: Volume, true: Volume) -> float:
    return float(np.sqrt(np.mean((volume.array.astype(float) - true.array) ** 2)))


@pytest.fixture(scope="module")
def true() -> Volume:
    return large_chest()


@pytest.fixture(scope="module")
def guess() -> Volume:
    return large_chest(right_lung=10, nodule=False)


@pytest.fixture(scope="module")
def radiographs(true) -> tuple[Radiograph, ...]:
    return radiographs_of(true)


@pytest.fixture(scope="module")
def refined(guess, radiographs) -> Volume:
    volume, outcome = refine(guess, radiographs, SEEN)
    assert outcome == FULL
    return volume


def test_the_ct_and_its_projections_get_better(true, guess, refined, radiographs):
    before, after = (
        reprojection_errors(volume, radiographs, reproject(volume, radiographs)) for volume in (guess, refined)
    )
    for first, second in zip(before, after, strict=True):
        assert second["nrmse"] < 0.5 * first["nrmse"]
        assert second["ncc"] > first["ncc"]
    assert error(refined, true) < 0.92 * error(guess, true)
    assert (refined.grid, refined.array.dtype, refined.array.shape) == (guess.grid, np.int16, guess.array.shape)


def test_a_missed_nodule_appears_at_its_place(radiographs):
    without = large_chest(nodule=False)
    volume, outcome = refine(without, radiographs, SEEN)
    gained = volume.array.astype(float) - without.array

    def gain_around(place) -> float:
        i, j, k = np.round(np.asarray(place) / 2.5 + 63.5).astype(int)
        return gained[k - 3 : k + 4, j - 3 : j + 4, i - 3 : i + 4].mean()

    assert outcome == FULL and gain_around(NODULE) > 40
    # Some of it lies along the rays of both views; none has come where a flipped picture would show it.
    right, front, up = NODULE
    assert gain_around(NODULE) > 1.3 * gain_around((-right, front, up))
    assert gain_around(NODULE) > 1.3 * gain_around((right, -front, up))
    for place in ((right, front, -up), (-right, -front, up), (-right, -front, -up)):
        assert abs(gain_around(place)) < 0.25 * gain_around(NODULE)


def test_air_stays_air(guess, refined):
    outside = (np.abs(PLACE[..., 0]) > 140) | (np.abs(PLACE[..., 1]) > 105) | (np.abs(PLACE[..., 2]) > 140)
    assert (guess.array[outside] == -1000).all()
    assert refined.array[outside].max() < -975


def test_gain_and_offset_do_not_matter(guess, refined, radiographs):
    scaled = tuple(
        replace(radiograph, array=(gain * radiograph.array + offset).astype(np.float32))
        for radiograph, gain, offset in zip(radiographs, (0.13, 400.0), (0.7, -900.0), strict=True)
    )
    again, outcome = refine(guess, scaled, SEEN)
    assert outcome == FULL
    assert np.abs(again.array.astype(int) - refined.array).max() <= 2


@pytest.mark.parametrize("angles", [(20, 0), (-35, 12, 5)])
def test_oblique_views(true, guess, angles):
    volume, outcome = refine(guess, radiographs_of(true, *angles), SEEN)
    assert outcome == FULL
    assert error(volume, true) < 0.92 * error(guess, true)


def test_scattered_radiation_calls_for_caution(true, guess, radiographs):
    scattered = tuple(replace(r, array=-np.log(np.exp(-r.array) + 0.2)) for r in radiographs)
    volume, outcome = refine(guess, scattered, SEEN)
    assert outcome == CAUTIOUS
    assert error(volume, true) < error(guess, true)


def test_contradictory_radiographs_change_nothing(guess, radiographs):
    pa, lateral = radiographs
    near = replace(pa.acquisition, source_to_detector_distance=400.0, source_to_isocenter_distance=190.0)
    for pair in (
        (replace(pa, array=lateral.array), replace(lateral, array=pa.array)),
        (replace(pa, array=-pa.array), lateral),
        (pa, replace(lateral, array=np.zeros_like(lateral.array))),
        (replace(pa, acquisition=near), lateral),
    ):
        volume, outcome = refine(guess, pair, SEEN)
        assert outcome == NONE and volume is guess
    empty = Volume(np.full(CUBE.shape, -1024, np.int16), CUBE)
    assert refine(empty, radiographs, SEEN)[1] == NONE


def test_pixels_that_show_nothing_are_not_fitted(guess, radiographs):
    shown = np.ones((256, 256), bool)
    shown[:40] = False
    spoiled = tuple(replace(r, array=np.where(shown, r.array, 3.0).astype(np.float32)) for r in radiographs)
    first, second = (refine(guess, pair, (shown, shown))[0] for pair in (radiographs, spoiled))
    np.testing.assert_array_equal(first.array, second.array)


class _Always(torch.nn.Module):
    """A generator that always makes the same CT."""

    def __init__(self, volume: Volume) -> None:
        super().__init__()
        self.unit = hu_to_unit(torch.from_numpy(volume.array.astype(np.float32)))[None, None]

    def forward(self, pictures: torch.Tensor, cameras: torch.Tensor) -> torch.Tensor:
        return self.unit


def test_the_reconstructor_refines_and_says_how(guess, refined, radiographs):
    plain = Reconstructor(_Always(guess), refine=False)(*radiographs)
    assert plain.refinement is None and plain.consistency == plain.consistency_before
    np.testing.assert_array_equal(plain.volume.array, guess.array)
    result = Reconstructor(_Always(guess))(*radiographs)
    assert result.refinement == FULL
    np.testing.assert_array_equal(result.volume.array, with_clear_air(refined).array)
    assert result.consistency_before == plain.consistency
    assert reprojection_errors(result.volume, result.inputs, result.reprojections) == result.consistency


def test_where_a_radiograph_does_not_reach_it_is_not_fitted(true, guess, radiographs):
    # Its border goes on there, here through the upper chest.
    cut = tuple(
        Radiograph(
            radiograph.array[90:],
            replace(radiograph.acquisition, detector_shape=(166, 256), detector_offset=(0.0, 45 * 1.68)),
        )
        for radiograph in radiographs
    )
    result = Reconstructor(_Always(guess))(*cut)
    assert result.refinement == FULL
    assert error(result.volume, true) < error(guess, true)
    assert all(view["nrmse"] < 0.03 for view in result.consistency)
