"""What a frozen segmenter sees in two volumes, as a loss."""

from dataclasses import replace

import pytest
import torch

from CTGANLib.biplanar.recipe import BiplanarRecipe, BiplanarSettings
from CTGANLib.errors import UserError
from CTGANLib.segmentation.frozen import SegmentationLoss
from phantoms import prepared


class Thousands(torch.nn.Module):
    """HU as thousands."""

    def forward(self, hu: torch.Tensor) -> torch.Tensor:
        return hu / 1000


def test_it_has_a_gradient_and_leaves_the_segmenter_alone():
    torch.manual_seed(0)
    segmenter = torch.nn.Sequential(torch.nn.Conv3d(1, 3, 3, padding=1), torch.nn.Tanh(), torch.nn.Conv3d(3, 4, 1))
    before = [parameter.clone() for parameter in segmenter.parameters()]
    loss = SegmentationLoss(torch.nn.Sequential(Thousands(), segmenter), 2.0, (3.0, 3.0, 8.0))
    real = 2000 * torch.rand(1, 1, 7, 18, 18) - 1000
    made = (real + 200).requires_grad_()
    value = loss(made, real)
    value.backward()
    assert float(value.detach()) > 0 and float(made.grad.abs().max()) > 0
    assert float(loss(real, real)) == 0
    assert all(parameter.grad is None for parameter in segmenter.parameters())
    assert all(torch.equal(*pair) for pair in zip(before, segmenter.parameters(), strict=True))


def test_a_reconstruction_learns_from_what_the_shipped_segmenter_sees_at_full_resolution_alone():
    settings = BiplanarSettings(steps=4, batch_size=1, full_from=0.5, segmentation_weight=0.5)
    hu = torch.from_numpy(prepared())
    recipe = BiplanarRecipe(settings, [hu], "cpu")
    generator = recipe.players["generator"].network
    batch = recipe.examples(hu[None], [3])
    assert "segmentation" not in recipe.losses("generator", generator, batch, 1)
    seen = recipe.losses("generator", generator, batch, 3)["segmentation"]
    seen.backward()
    assert float(seen.detach()) > 0
    assert any(p.grad is not None and float(p.grad.abs().max()) > 0 for p in generator.parameters())


def test_a_segmenter_that_is_none_is_refused():
    settings = BiplanarSettings(segmentation_weight=0.5)
    with pytest.raises(UserError, match="ChestBiplanar"):
        BiplanarRecipe(replace(settings, segmenter="ChestBiplanar"), [torch.from_numpy(prepared())], "cpu")
