"""The projector at any pose: C-arm angles, turned grids, parallel rays, many views and volumes, moving cameras."""

import numpy as np
import pytest
import torch

from CTGANLib.imaging import projection
from CTGANLib.imaging.geometry import Acquisition, Grid, View, c_arm_rotation
from CTGANLib.imaging.projection import ConeBeamProjector
from phantoms import CENTER, DIRECTIONS, ball, points, turned_grid

ANGLES = [(20, 7, 0), (-45, 12, 30), (90, 0, 0), (60, -25, -90), (180, 0, 5)]


def c_arm(*angles: float, **values) -> Acquisition:
    values = {"isocenter": tuple(CENTER), "pixel_spacing": (2.0, 1.6), **values}
    return Acquisition(View.PA, 1000, 700, (90, 110), rotation=c_arm_rotation(*angles), **values)


def as_tensor(array: np.ndarray) -> torch.Tensor:
    return torch.as_tensor(array, dtype=torch.float32)[None, None]


def test_c_arm_angles_are_those_of_dicom():
    right, anterior, superior = np.eye(3)
    np.testing.assert_allclose(c_arm(90).beam_direction, -right, atol=1e-12)
    np.testing.assert_allclose(c_arm(0, 90).beam_direction, superior, atol=1e-12)
    np.testing.assert_allclose(c_arm(0, 0, 90).beam_direction, anterior, atol=1e-12)
    # From the source, behind the patient, the right is right: what was up points there after a quarter clockwise.
    np.testing.assert_allclose(c_arm(0, 0, 90).row_direction, -right, atol=1e-12)
    oblique = c_arm(30, 20).beam_direction
    assert oblique @ right < 0 < oblique @ superior
    lateral = Acquisition(View.LLAT, 1000, 700, (90, 110), (2.0, 1.6), tuple(CENTER))
    np.testing.assert_allclose(c_arm(90).ijk_to_ras, lateral.ijk_to_ras, atol=1e-9)


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("angles", ANGLES)
@pytest.mark.parametrize("name", DIRECTIONS)
def test_a_marker_lands_where_points_project(name, angles, parallel):
    marker = CENTER + np.array([20.0, 9.0, 17.0])
    grid = turned_grid(DIRECTIONS[name], (80, 60, 70), (2.0, 2.0, 2.0))
    acquisition = c_arm(*angles, detector_offset=(11.0, -5.0), parallel=parallel)
    p = ConeBeamProjector(grid, acquisition)(as_tensor(ball(grid, marker, 5)))[0, 0].numpy()
    rows, columns = np.indices(p.shape)
    found = (columns * p).sum() / p.sum(), (rows * p).sum() / p.sum()
    np.testing.assert_allclose(found, acquisition.project_points(marker), atol=0.1)


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("angles", [(0, 0, 0), (90, 0, 0), (0, 90, 0), (180, 0, 90), (0, 0, -90)])
@pytest.mark.parametrize("name", ["lps", "permuted"])
def test_separable_and_general_form_agree(monkeypatch, name, angles, parallel):
    grid = turned_grid(DIRECTIONS[name], (90, 70, 110), (2.0, 2.5, 3.0))
    volume = torch.rand((2, 1, *grid.shape), generator=torch.Generator().manual_seed(0))
    acquisition = c_arm(*angles, parallel=parallel, detector_offset=(7.0, 4.0))
    projector = ConeBeamProjector(grid, acquisition)
    separable, back = projector(volume), projector.adjoint(volume.new_ones(1, 1, 90, 110))
    monkeypatch.setattr(projection, "separate", lambda *_: None)
    projector = ConeBeamProjector(grid, acquisition)
    torch.testing.assert_close(projector(volume), separable, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(projector.adjoint(volume.new_ones(1, 1, 90, 110)), back, rtol=1e-3, atol=1e-3)


def test_parallel_rays_do_not_magnify():
    grid = Grid.centered((50, 40, 60), 2.0)
    box = (np.abs(points(grid)) < [30, 20, 24]).all(axis=-1)
    acquisition = Acquisition(View.PA, 1200, 1000, (101, 121), (1.0, 1.0), parallel=True)
    p = ConeBeamProjector(grid, acquisition)(as_tensor(box))[0, 0].numpy()
    assert p.max() == pytest.approx(40, rel=1e-5)
    assert p.sum() == pytest.approx(40 * 60 * 48, rel=1e-5)
    assert Acquisition.from_dict(acquisition.to_dict()) == acquisition
    old = {key: value for key, value in Acquisition().to_dict().items() if key != "parallel"}
    assert Acquisition.from_dict(old) == Acquisition()


def test_batches_of_volumes_and_views():
    grid = turned_grid(DIRECTIONS["oblique"], (80, 60, 70), (3.0, 2.0, 2.5))
    volumes = torch.rand((3, 1, *grid.shape), generator=torch.Generator().manual_seed(0))
    acquisitions = [c_arm(*angles) for angles in ANGLES]
    projector = ConeBeamProjector(grid, acquisitions)
    together = projector(volumes)
    assert together.shape == (3, 5, 90, 110)
    for number, acquisition in enumerate(acquisitions):
        alone = ConeBeamProjector(grid, acquisition)(volumes[1:2])
        torch.testing.assert_close(together[1:2, number : number + 1], alone)
    with pytest.raises(ValueError, match="same shape"):
        ConeBeamProjector(grid, [c_arm(0), Acquisition()])


@pytest.mark.parametrize("angles", [(0, 0), (20, 7)])
def test_half_precision_is_summed_in_single(angles):
    grid = Grid.centered((60, 50, 40), 2.0, tuple(CENTER))
    volume = torch.rand((1, 1, *grid.shape), generator=torch.Generator().manual_seed(0)).bfloat16().requires_grad_()
    projector = ConeBeamProjector(grid, c_arm(*angles))
    image = projector(volume)
    assert image.dtype == torch.float32
    torch.testing.assert_close(image, projector(volume.float()), rtol=1e-5, atol=1e-5)
    image.sum().backward()
    assert volume.grad.dtype == torch.bfloat16
    adjoint = projector.adjoint(image.detach())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(projector(volume), image)
        torch.testing.assert_close(projector.adjoint(image.detach()), adjoint)


def test_a_moved_camera_is_the_camera_there():
    grid = Grid.centered((50, 60, 40), 2.0, tuple(CENTER))
    volume = as_tensor(ball(grid, CENTER + np.array([20.0, 9.0, 17.0]), 12))
    angle = np.radians(9)  # about S, as the primary angle is
    pose = torch.tensor([[0.0, 0.0, angle, 4.0, -3.0, 5.0]])
    moved = ConeBeamProjector(grid, c_arm(20, 7))(volume, pose)
    there = ConeBeamProjector(grid, c_arm(29, 7, isocenter=tuple(CENTER + np.array([4.0, -3.0, 5.0]))))(volume)
    torch.testing.assert_close(moved, there, rtol=1e-3, atol=1e-3 * float(there.max()))
    still = ConeBeamProjector(grid, c_arm(0))
    torch.testing.assert_close(still(volume, torch.zeros(1, 6)), still(volume), rtol=1e-3, atol=1e-3)


def test_the_volume_must_be_one_of_the_grid():
    projector = ConeBeamProjector(Grid.centered((10, 12, 14), 5.0, tuple(CENTER)), c_arm(0))
    for shape in ((1, 1, 14, 12, 10), (10, 12, 14), (1, 2, 10, 12, 14)):
        with pytest.raises(ValueError, match="shape"):
            projector(torch.zeros(shape))


@pytest.mark.parametrize("angles", [(0, 0), (20, 7)])
def test_the_source_must_stand_outside(angles):
    acquisition = c_arm(*angles)
    grid = Grid.centered((40, 40, 40), 2.5, tuple(acquisition.source + 30))
    with pytest.raises(ValueError, match="outside"):
        ConeBeamProjector(grid, acquisition)
