"""The generator knows the geometry: what is in the radiographs comes out at the right millimeter."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from CTGANLib.biplanar.network import BiplanarGenerator, camera_matrix, lift
from CTGANLib.biplanar.radiographs import on_standard_detector, standardize_radiographs
from CTGANLib.biplanar.reconstruct import Reconstructor
from CTGANLib.imaging.geometry import Acquisition, Grid, View
from CTGANLib.imaging.projection import project
from CTGANLib.imaging.radiographs import Radiograph
from CTGANLib.imaging.volumes import Volume
from CTGANLib.training.clipping import as_clipped

VIEWS = (View.PA, View.LLAT)
CENTER = (12.0, -30.0, 250.0)


@pytest.mark.parametrize("view", list(View))
def test_lift_reads_the_pixel_that_sees_the_point(view):
    acquisition = Acquisition(view, 1500, 1300, (60, 80), (7.0, 6.0), CENTER, detector_offset=(9.0, -14.0))
    rows, columns = np.indices(acquisition.detector_shape, dtype=np.float32)
    pictures = torch.from_numpy(np.stack([columns, rows]))[None, None]
    points = torch.tensor([[[[-40.0, 25.0, 60.0], [33.0, -18.0, -52.0]]]])
    camera = torch.as_tensor(camera_matrix(acquisition, CENTER), dtype=torch.float32)[None, None]
    read = lift(pictures, camera, points)[0, 0, :, 0, 0].T
    np.testing.assert_allclose(read, acquisition.project_points(points[0, 0].numpy() + CENTER), atol=1e-3)


def test_the_camera_is_an_input():
    torch.manual_seed(0)
    network = BiplanarGenerator(channels_2d=(8, 8, 8, 8), channels_3d=(8, 8, 8, 8))
    for head in network.heads.values():
        torch.nn.init.normal_(head[1].weight)
    pictures = standardize_radiographs(torch.rand(1, 2, 64, 64))
    near, far = (
        torch.as_tensor(np.stack([camera_matrix(Acquisition(view, distance, distance - 200)) for view in VIEWS]))[None]
        for distance in (1000, 2000)
    )
    with torch.inference_mode():
        near, far = near.float(), far.float()
        assert network(pictures, near).shape == (1, 1, 128, 128, 128)
        assert network(pictures, near, 64).shape == (1, 1, 64, 64, 64)
        assert not torch.allclose(network(pictures, near, 64), network(pictures, far, 64), atol=1e-3)


def test_an_untrained_generator_gives_the_mean_volume():
    network = BiplanarGenerator(channels_2d=(8, 8, 8, 8), channels_3d=(8, 8, 8, 8))
    network.mean_volume.uniform_()
    cameras = torch.as_tensor(np.stack([camera_matrix(Acquisition(view)) for view in VIEWS]))[None].float()
    with torch.inference_mode():
        assert torch.equal(network(torch.rand(1, 2, 64, 64), cameras), network.mean_volume)


def test_what_is_clipped_in_the_result_counts_as_clipped_in_the_loss():
    predicted = torch.tensor([-0.1, 0.1, -0.1, 1.2, 0.9, 1.2], requires_grad=True)
    target = torch.tensor([0.0, 0.0, 0.3, 1.0, 1.0, 0.3])
    error = as_clipped(predicted, target) - target
    torch.testing.assert_close(error.detach(), torch.tensor([0.0, 0.1, -0.4, 0.0, -0.1, 0.9]))
    error.sum().backward()
    assert predicted.grad.tolist() == [0, 1, 1, 0, 1, 1]


def test_gain_and_offset_do_not_matter():
    pictures = torch.rand(2, 2, 64, 64)
    np.testing.assert_allclose(
        standardize_radiographs(pictures), standardize_radiographs(250 * pictures - 31), atol=1e-4
    )


@pytest.mark.parametrize(
    ("shape", "spacing", "offset"),
    [
        ((512, 400), (0.84, 0.9), (0.0, 0.0)),
        ((300, 256), (1.68, 1.68), (20.0, -15.0)),
        ((2048, 2050), (0.2, 0.2), (0.0, 0.0)),
    ],
)
def test_any_detector_becomes_the_standard_one_at_the_same_millimeter(shape, spacing, offset):
    acquisition = Acquisition(View.LLAT, detector_shape=shape, pixel_spacing=spacing, detector_offset=offset)
    middle = (np.asarray(shape)[::-1] - 1) / 2
    rows, columns = np.indices(shape)
    # A ramp in mm from the central ray: every pixel of the standard detector must read its own place.
    place = [(columns - middle[0]) * spacing[1] + offset[0], (rows - middle[1]) * spacing[0] + offset[1]]
    standard = Acquisition()
    own = (np.indices(standard.detector_shape) - 127.5) * 1.68
    for ramp, expected in zip(place, own[::-1], strict=True):
        result = on_standard_detector(Radiograph(ramp.astype(np.float32), acquisition))
        assert result.acquisition == replace(standard, view=View.LLAT)
        seen = (expected > ramp.min() + 2) & (expected < ramp.max() - 2)
        assert seen.mean() > 0.5
        np.testing.assert_allclose(result.array[seen], expected[seen], atol=0.05)


def test_a_marker_is_seen_where_the_standard_detector_says():
    grid = Grid.centered((40, 40, 40), 5.0, CENTER)
    hu = np.full(grid.shape, -1000.0, np.float32)
    hu[27, 12, 31] = 1000
    acquisition = Acquisition(View.PA, detector_shape=(500, 500), pixel_spacing=(0.8, 0.8), isocenter=CENTER)
    standard = on_standard_detector(project(Volume(hu, grid), acquisition))
    weight = standard.array / standard.array.sum()
    rows, columns = np.indices(standard.array.shape)
    expected = standard.acquisition.project_points(grid.to_ras([31, 12, 27]))
    np.testing.assert_allclose([(weight * columns).sum(), (weight * rows).sum()], expected, atol=0.05)


@pytest.mark.parametrize(("view", "known", "place"), [(View.AP, View.PA, 0), (View.RLAT, View.LLAT, 1)])
def test_each_view_is_read_with_its_own_camera(view, known, place):
    torch.manual_seed(0)
    network = BiplanarGenerator(channels_2d=(8, 8, 8, 8), channels_3d=(8, 8, 8, 8))
    for head in network.heads.values():
        torch.nn.init.normal_(head[1].weight)
    reconstructor = Reconstructor(network, refine=False)
    hu = torch.full((20, 20, 20), -1000.0).numpy()
    hu[4:16, 6:14, 5:15], hu[8:10, 7:9, 11:13] = 30, 900
    patient = Volume(hu, Grid.centered((20, 20, 20), 12.0))
    views = [*VIEWS]
    views[place] = view
    pair = [project(patient, Acquisition(one)) for one in views]
    told = reconstructor(*pair)
    assert told.inputs[place].acquisition.view == view  # the re-projection is from where the radiograph was taken
    pair[place] = replace(pair[place], acquisition=replace(pair[place].acquisition, view=known))
    assert not np.array_equal(told.volume.array, reconstructor(*pair).volume.array)
