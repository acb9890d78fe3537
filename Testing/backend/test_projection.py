"""The projector: exact line integrals, an exact adjoint, and everything in its place."""

import numpy as np
import pytest
import torch

from CTGANLib.imaging.geometry import Acquisition, Grid, View
from CTGANLib.imaging.projection import ConeBeamProjector
from phantoms import ball, points, turned_grid

MU = 0.02

# Axes along the patient's in every order and sense that a file may bring.
GRIDS = {
    "upright": np.eye(3),
    "lps": np.diag([-1.0, -1.0, 1.0]),
    "mirrored": np.diag([1.0, -1.0, 1.0]),
    "coronal": np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]),
    "sagittal": np.array([[0.0, 0, -1], [1, 0, 0], [0, -1, 0]]),
}


def project(array: np.ndarray, grid: Grid, acquisition: Acquisition) -> np.ndarray:
    volume = torch.as_tensor(array, dtype=torch.float32)[None, None]
    return ConeBeamProjector(grid, acquisition)(volume)[0, 0].numpy()


def pixel_rays(acquisition: Acquisition) -> np.ndarray:
    """Unit RAS directions from the source through the pixels, [rows, columns, 3]."""
    rows, columns = acquisition.detector_shape
    row, column = np.mgrid[:rows, :columns]
    index = np.stack([column, row, np.zeros_like(row), np.ones_like(row)], axis=-1)
    ray = (index @ acquisition.ijk_to_ras.T)[..., :3] - acquisition.source
    return ray / np.linalg.norm(ray, axis=-1, keepdims=True)


@pytest.mark.parametrize("view", list(View))
def test_box(view):
    grid = Grid.centered((40, 50, 60), 2.0)
    where = np.abs(points(grid))
    half = np.array([40.0, 30.0, 20.0])
    acquisition = Acquisition(view, 1200, 1000, (41, 41), (0.5, 0.5))  # sees only what the box covers
    p = project(MU * (where < half).all(axis=-1), grid, acquisition)
    depth = 2 * abs(acquisition.beam_direction @ half)
    expected = MU * depth / np.abs(pixel_rays(acquisition) @ acquisition.beam_direction)
    np.testing.assert_allclose(p, expected, rtol=1e-5)


@pytest.mark.parametrize("view", [View.PA, View.RLAT])
def test_ellipsoid(view):
    grid = Grid.centered((64, 64, 64), 2.0, (5.0, 0.0, -3.0))
    radii, center = np.array([45.0, 30.0, 52.0]), np.array([8.0, -4.0, 0.0])
    # Corners of each voxel, so that its share inside is known well enough.
    offsets = np.moveaxis(np.mgrid[-0.75:0.76:0.5, -0.75:0.76:0.5, -0.75:0.76:0.5], 0, -1).reshape(-1, 3)
    share = np.mean([((points(grid) + o - center) ** 2 / radii**2).sum(axis=-1) < 1 for o in offsets], axis=0)
    acquisition = Acquisition(view, 900, 700, (60, 50), (3.0, 2.5), (0.0, 0.0, 0.0), (6.0, -9.0))
    ray, start = pixel_rays(acquisition) / radii, (acquisition.source - center) / radii
    a, b, c = (ray**2).sum(axis=-1), ray @ start, start @ start - 1
    chord = 2 * np.sqrt(np.clip(b**2 - a * c, 0, None)) / a
    p = project(MU * share, grid, acquisition)
    assert chord.max() > 55
    assert np.sqrt(((p - MU * chord) ** 2).mean()) < 0.011 * MU * chord.max()
    assert p.sum() == pytest.approx(MU * chord.sum(), rel=0.003)


@pytest.mark.parametrize("view", list(View))
@pytest.mark.parametrize("name", GRIDS)
def test_a_marker_lands_where_points_project(name, view):
    isocenter, marker = (4.0, -6.0, 120.0), np.array([20.0, 9.0, 137.0])
    grid = turned_grid(GRIDS[name], (80, 60, 70), (2.0, 2.0, 2.0), isocenter)
    acquisition = Acquisition(view, 1000, 700, (90, 110), (2.0, 1.6), isocenter, (11.0, -5.0))
    p = project(ball(grid, marker, 5), grid, acquisition)
    rows, columns = np.indices(p.shape)
    found = (columns * p).sum() / p.sum(), (rows * p).sum() / p.sum()
    np.testing.assert_allclose(found, acquisition.project_points(marker), atol=0.1)


@pytest.mark.parametrize("view", [View.AP, View.LLAT])
def test_the_adjoint_is_the_transposed_projection(view):
    grid = turned_grid(GRIDS["coronal"], (60, 50, 70), (2.0, 2.5, 3.0))
    projector = ConeBeamProjector(grid, Acquisition(view, 1100, 800, (37, 41), (3.0, 4.0), tuple(grid.center)))
    random = torch.Generator().manual_seed(0)
    x = torch.rand((1, 1, *grid.shape), generator=random, requires_grad=True)
    y = torch.rand((1, 1, 37, 41), generator=random)
    product = (projector(x) * y).sum()
    assert product.item() == pytest.approx((x * projector.adjoint(y)).sum().item(), rel=1e-5)
    product.backward()
    torch.testing.assert_close(x.grad, projector.adjoint(y), rtol=1e-4, atol=1e-4)


def test_gradients():
    grid = Grid.centered((4, 5, 6), 8.0)
    projector = ConeBeamProjector(grid, Acquisition(View.PA, 500, 400, (5, 4), (9.0, 11.0), (0, 0, 0), (3.0, 1.0)))
    volume = torch.rand((2, 1, *grid.shape), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(projector, volume)


def test_the_source_must_stand_outside():
    grid = Grid.centered((40, 40, 40), 2.5, (0.0, -600.0, 0.0))
    with pytest.raises(ValueError, match="outside"):
        ConeBeamProjector(grid, Acquisition(View.PA, 1000, 600))
