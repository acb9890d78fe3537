"""What a result leaves unexplained of the radiographs: nothing if it is true, and else where it is not."""

import numpy as np
import pytest
import torch

from CTGANLib.biplanar.correction import unexplained
from CTGANLib.biplanar.network import BiplanarGenerator, camera_matrix
from CTGANLib.imaging.attenuation import hu_to_attenuation, unit_to_hu
from CTGANLib.imaging.geometry import Acquisition, Grid, View, c_arm_rotation
from CTGANLib.imaging.projection import ConeBeamProjector

SHAPE = (48, 48)


def acquired(turn: tuple[float, float]) -> list[Acquisition]:
    return [
        Acquisition(view, 1500, 1300, SHAPE, (9.0, 9.0), rotation=c_arm_rotation(*turn))
        for view in (View.PA, View.RLAT)
    ]


def pictures_of(unit: torch.Tensor, acquisitions: list[Acquisition]) -> tuple[torch.Tensor, torch.Tensor]:
    grid = Grid.centered((32,) * 3, 10.0)
    pictures = ConeBeamProjector(grid, acquisitions)(hu_to_attenuation(unit_to_hu(unit)))
    cameras = np.stack([camera_matrix(acquisition) for acquisition in acquisitions])[None]
    return pictures, torch.as_tensor(cameras, dtype=torch.float32)


@pytest.mark.parametrize("turn", [(0.0, 0.0), (8.0, -5.0)])
def test_nothing_is_left_of_the_true_ct_and_an_error_is_where_it_is(turn):
    torch.manual_seed(0)
    true = torch.rand(1, 1, 32, 32, 32)
    acquisitions = acquired(turn)
    pictures, cameras = pictures_of(true, acquisitions)
    pictures = 0.4 * pictures - 3  # gain and offset do not matter
    assert unexplained(true, pictures, cameras).abs().max() < 2e-3 * pictures.std()
    wrong = true.clone()
    wrong[0, 0, 22:25, 8:11, 20:23] = 0
    left = unexplained(wrong, pictures, cameras)[0]
    center = (np.array([21, 9, 23]) - 15.5) * 10.0  # of the error, RAS
    for acquisition, picture in zip(acquisitions, left, strict=True):
        row, column = divmod(int(picture.argmax()), SHAPE[1])
        np.testing.assert_allclose((column, row), acquisition.project_points(center), atol=1.5)


def test_it_teaches_the_coarse_result():
    torch.manual_seed(0)
    unit = torch.rand(1, 1, 16, 16, 16, requires_grad=True)
    pictures, cameras = pictures_of(torch.rand(1, 1, 32, 32, 32), acquired((0.0, 0.0)))
    unexplained(unit, pictures, cameras).square().mean().backward()
    assert unit.grad.abs().sum() > 0


def test_the_generator_uses_it():
    torch.manual_seed(0)
    network = BiplanarGenerator(channels_2d=(8, 8, 8, 8), channels_3d=(8, 8, 8, 8), corrected=(128,))
    for head in network.heads.values():
        torch.nn.init.normal_(head[1].weight, std=0.1)
    pictures, cameras = pictures_of(torch.rand(1, 1, 32, 32, 32), acquired((0.0, 0.0)))
    with torch.inference_mode():
        before = network(pictures, cameras)
        torch.nn.init.normal_(network.levels[-1].correct.weight)
        assert not torch.equal(before, network(pictures, cameras))
