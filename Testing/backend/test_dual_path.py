"""The dual-path generator: each view's features come out where that view sees them."""

import pytest
import torch

from CTGANLib.biplanar.dual_path import DualPathGenerator
from CTGANLib.biplanar.network import channels_last
from CTGANLib.imaging.geometry import Acquisition, Grid, View
from CTGANLib.imaging.standardize import STANDARD_SIZE, STANDARD_SPACING
from CTGANLib.models import bundle

VIEWS = (View.PA, View.LLAT)
CAMERAS = torch.zeros(2, 2, 3, 4)  # not read


@pytest.fixture(scope="module")
def network() -> DualPathGenerator:
    torch.manual_seed(0)
    network = DualPathGenerator((8,) * 6, (8,) * 6)
    for head in network.heads.values():
        torch.nn.init.normal_(head[1].weight)
    return channels_last(network.eval())


def test_a_batch_is_its_examples(network):
    pictures = torch.randn(2, 2, 256, 256)
    with torch.inference_mode():
        together = network(pictures, CAMERAS, 64)
        apart = torch.cat([network(picture[None], CAMERAS[:1], 64) for picture in pictures])
    torch.testing.assert_close(together, apart, atol=1e-3, rtol=0)


def test_the_full_resolution_begins_as_the_half_one_left_off():
    network = DualPathGenerator((8,) * 6, (8,) * 6)
    torch.nn.init.normal_(network.heads["64"][1].weight)
    pictures = torch.randn(1, 2, 256, 256)
    with torch.inference_mode():
        half, full = (channels_last(network)(pictures, CAMERAS[:1], size) for size in (64, 128))
    assert (half.shape, full.shape) == ((1, 1, 64, 64, 64), (1, 1, 128, 128, 128))
    assert half.min() >= 0 and half.max() <= 1 and half.std() > 0
    grown = torch.nn.functional.interpolate(half.logit(), scale_factor=2, mode="trilinear").sigmoid()
    torch.testing.assert_close(full, grown, atol=1e-3, rtol=0)


@pytest.mark.parametrize("kji", [(50, 14, 40), (9, 45, 18), (20, 33, 57)])
def test_a_voxel_depends_on_the_pixels_that_see_it(network, kji):
    torch.manual_seed(0)
    pictures = torch.randn(2, 2, 256, 256, requires_grad=True)
    network(pictures, CAMERAS, 64)[(..., *kji)].sum().backward()
    point = Grid.centered((64,) * 3, STANDARD_SIZE * STANDARD_SPACING / 64).to_ras(kji[::-1])
    influence = torch.nn.functional.avg_pool2d(pictures.grad.abs().sum(0), 17, 1, 8)
    for view, picture, ray in zip(VIEWS, influence, (1, 0), strict=True):
        # The network takes rays for parallel, at the scale of the isocenter plane.
        in_plane = point.copy()
        in_plane[ray] = 0
        column, row = Acquisition(view).project_points(in_plane)
        found = (picture > picture.max() / 2).nonzero().float().mean(0).tolist()
        assert found == pytest.approx((row, column), abs=5), view


def test_the_store_keeps_its_architecture_and_weights(network, tmp_path):
    definition = {"_target_": "CTGANLib.biplanar.dual_path.DualPathGenerator", **network.arguments}
    metadata = {"name": "Rival", "ctgan": {"task": "biplanar", "license": "CC-BY-4.0"}}
    model = bundle.save_bundle(tmp_path / "Rival", network, definition, metadata, "card", "license")
    loaded = model.load("biplanar", {"DualPathGenerator": DualPathGenerator})
    assert loaded.arguments == network.arguments
    assert loaded.mean_volume.shape == (1, 1, 128, 128, 128)
    for name, value in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value.half().float()), name
