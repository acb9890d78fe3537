"""The projector's adjoint and gradients, what it keeps in memory, and what it remembers of a volume."""

import numpy as np
import pytest
import torch

from CTGANLib.imaging.geometry import Acquisition, Grid, View, c_arm_rotation
from CTGANLib.imaging.projection import ConeBeamProjector
from CTGANLib.imaging.slabs import PreparedVolume
from phantoms import DIRECTIONS, turned_grid

ANGLES = [(0, 0, 0), (90, 0, 0), (0, 90, 20), (20, 7, 0), (-45, 12, 30), (135, -35, 10)]


def views(angles: list, shape: tuple[int, int], spacing: float, parallel: bool = False) -> list[Acquisition]:
    return [
        Acquisition(
            View.PA, 900, 700, shape, (spacing, 1.2 * spacing), rotation=c_arm_rotation(*a), parallel=parallel
        )
        for a in angles
    ]


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("angles", ANGLES)
@pytest.mark.parametrize("name", ["lps", "oblique"])
def test_the_adjoint_is_the_transposed_projection(name, angles, parallel):
    grid = turned_grid(DIRECTIONS[name], (120, 100, 140), (2.0, 2.5, 3.0), (0, 0, 0))
    projector = ConeBeamProjector(grid, views([angles], (37, 41), 4.0, parallel))
    random = torch.Generator().manual_seed(0)
    x = torch.rand((2, 1, *grid.shape), generator=random, requires_grad=True)
    y = torch.rand((2, 1, 37, 41), generator=random)
    product = (projector(x) * y).sum()
    assert product.item() == pytest.approx((x * projector.adjoint(y)).sum().item(), rel=1e-5)
    product.backward()
    torch.testing.assert_close(x.grad, projector.adjoint(y))


@pytest.mark.parametrize("angles", [(0, 0, 0), (20, 7, 0), (135, -35, 10)])
def test_gradients(angles):
    grid = Grid.centered((3, 4, 5), 25.0)
    projector = ConeBeamProjector(grid, views([angles, (90, 0, 20)], (3, 4), 35.0))
    random = torch.Generator().manual_seed(0)
    volume = torch.rand((2, 1, *grid.shape), dtype=torch.float64, generator=random, requires_grad=True)
    image = torch.rand((2, 2, 3, 4), dtype=torch.float64, generator=random, requires_grad=True)
    # Away from zero, where rays through the middle of voxels have a kink.
    pose = torch.tensor([[0.02, -0.03, 0.01, 1.1, 2.3, -1.7]] * 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(projector, volume)
    assert torch.autograd.gradcheck(projector.adjoint, image)
    assert torch.autograd.gradcheck(projector, (volume, pose), atol=1e-4)


@pytest.mark.parametrize("angles", [(0, 0), (20, 7)])
def test_nothing_is_stored_for_the_gradient(angles):
    grid = Grid.centered((32, 32, 32), 4.0)
    projector = ConeBeamProjector(grid, views([angles], (32, 32), 5.0))
    stored = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: stored.append(x.numel()) or x, lambda x: x):
        projector(torch.rand(1, 1, 32, 32, 32, requires_grad=True))
    assert max(stored, default=0) <= 32 * 32  # the lengths of the rays, which are constants


def test_a_registration_finds_the_pose():
    grid = Grid.centered((32, 32, 32), 4.0)
    volume = torch.rand((1, 1, 8, 8, 8), generator=torch.Generator().manual_seed(0))
    volume = PreparedVolume(torch.nn.functional.interpolate(volume, size=(32, 32, 32), mode="trilinear"))
    projector = ConeBeamProjector(grid, views([(0, 0), (90, 0)], (40, 40), 4.0))
    truth = torch.tensor([[0.03, -0.02, 0.04, 3.0, -2.0, 1.0]])
    seen = projector(volume, truth.expand(2, -1))
    pose = torch.zeros(1, 6, requires_grad=True)
    optimizer = torch.optim.LBFGS([pose], max_iter=60, line_search_fn="strong_wolfe")
    scale = torch.tensor([0.01, 0.01, 0.01, 1.0, 1.0, 1.0])

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        error = (projector(volume, (pose * scale).expand(2, -1)) - seen).square().mean()
        error.backward()
        return error

    optimizer.step(loss)
    np.testing.assert_allclose((pose.detach() * scale).numpy(), truth.numpy(), atol=0.05, rtol=0.05)


@pytest.mark.parametrize("angles", [(0, 0), (20, 7)])
def test_a_changed_volume_gives_a_new_picture(angles):
    grid = Grid.centered((32, 30, 28), 4.0)
    projector = ConeBeamProjector(grid, views([angles], (32, 32), 5.0))
    volume = torch.rand(1, 1, *grid.shape)
    prepared = PreparedVolume(volume)
    torch.testing.assert_close(projector(prepared), projector(volume))
    volume[:, :, :9] *= 3
    torch.testing.assert_close(projector(prepared), projector(volume))
    volume.zero_()
    assert not projector(prepared).any()


@pytest.mark.parametrize("angles", [(0, 0, 0), (20, 7, 0)])
def test_a_projector_made_and_first_used_for_inference_serves_training_later(angles):
    grid = turned_grid(DIRECTIONS["lps"], (20, 24, 22), (2.0, 2.5, 3.0), (0, 0, 0))
    with torch.inference_mode():
        projector = ConeBeamProjector(grid, views([angles], (9, 11), 8.0))
        expected = projector(torch.ones(1, 1, *grid.shape))
    volume = torch.ones(1, 1, *grid.shape, requires_grad=True)
    projected = projector(volume)
    torch.testing.assert_close(projected.detach(), expected.clone())
    projected.sum().backward()
    torch.testing.assert_close(volume.grad, projector.adjoint(torch.ones_like(projected)).detach())
