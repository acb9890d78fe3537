"""Our morphology and resampling beside ITK's."""

import numpy as np
import pytest
import SimpleITK as sitk

from CTGANLib.imaging import masks
from CTGANLib.imaging.geometry import Grid
from CTGANLib.imaging.resampling import grid_part, resample_parallel
from CTGANLib.imaging.volumes import Volume
from phantoms import CENTER, DIRECTIONS, chest, turned_grid


@pytest.mark.parametrize("density", [0.2, 0.7, 0.97])
@pytest.mark.parametrize("radius", [(1, 1, 1), (2, 2, 2), (2, 1, 3), (7, 5, 0), (0, 0, 4)])
@pytest.mark.parametrize("width", [23, 62, 64])  # as much as 64 bits hold, and less
def test_morphology_is_itks_bit_for_bit(density, radius, width):
    mask = np.random.default_rng(0).random((11, 17, width)) < density
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    pairs = (
        (masks.dilate, sitk.BinaryDilate),
        (masks.erode, sitk.BinaryErode),
        (masks.opened, sitk.BinaryMorphologicalOpening),
        (masks.closed, sitk.BinaryMorphologicalClosing),
    )
    for ours, itk in pairs:
        np.testing.assert_array_equal(ours(mask, radius), sitk.GetArrayFromImage(itk(image, radius)) > 0)


def test_an_empty_mask_stays_empty():
    mask = np.zeros((4, 5, 6), bool)
    for function in (masks.filled_slices, masks.largest_part, lambda mask: masks.opened(mask, (1, 1, 1))):
        assert function(mask).shape == mask.shape and not function(mask).any()


def test_slices_are_filled_and_labeled_one_by_one():
    mask = np.random.default_rng(1).random((6, 20, 30)) < 0.6
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    filled = np.stack([sitk.GetArrayFromImage(sitk.BinaryFillhole(image[:, :, k])) > 0 for k in range(len(mask))])
    np.testing.assert_array_equal(masks.filled_slices(mask), filled)
    labels = masks.label_slices(mask)
    assert np.array_equal(labels > 0, mask)
    assert not any(set(np.unique(labels[k])[1:]) & set(np.unique(labels[k + 1])[1:]) for k in range(5))


@pytest.mark.parametrize("name", ["upright", "lps", "permuted", "oblique"])
@pytest.mark.parametrize("spacing", [(1.0, 1.4, 2.5), (3.0, 3.0, 5.0)])
def test_resampling_is_itks_to_rounding(name, spacing):
    volume = chest(turned_grid(DIRECTIONS[name], (150, 130, 90), spacing))
    # Beyond the volume on one side, within it on the other, and not on its voxels.
    grid = Grid.centered((40, 44, 50), 2.5, tuple(CENTER + np.array([21.3, -11.7, 8.9])))
    ours, itk = resample_parallel(volume, grid, -500.0), volume.resample(grid, -500.0)
    assert ours.array.dtype == itk.array.dtype
    np.testing.assert_allclose(ours.array, itk.array, atol=0.1)


def test_a_part_of_a_grid_is_the_part_of_the_result():
    volume = chest(turned_grid(DIRECTIONS["lps"], (150, 130, 90), (3.0, 3.0, 5.0)))
    grid = Grid.centered((40, 44, 50), 2.5, tuple(CENTER))
    box = slice(3, 21), slice(None), slice(7, 50)
    part = resample_parallel(volume, grid_part(grid, box))
    np.testing.assert_allclose(part.array, resample_parallel(volume, grid).array[box], atol=0.01)


def test_a_grid_elsewhere_is_all_outside():
    volume = Volume(np.zeros((5, 5, 5), np.int16), Grid.centered((5, 5, 5), 1.0))
    far = Grid.centered((4, 4, 4), 1.0, (100.0, 0.0, 0.0))
    assert (resample_parallel(volume, far).array == -1024).all()
