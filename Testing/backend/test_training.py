"""The training loop and the biplanar recipe."""

import json

import numpy as np
import pytest
import torch

from CTGANLib.biplanar.recipe import BiplanarRecipe, BiplanarSettings, mean_volume
from CTGANLib.errors import UserError
from CTGANLib.imaging.attenuation import hu_to_unit
from CTGANLib.training import loop
from CTGANLib.training.augmentation import deform, recolor, restyle


class Line:
    """The smallest recipe: a line fitted to noisy batches."""

    def __init__(self, steps: int = 12) -> None:
        self.steps, self.batch_size = steps, 3
        torch.manual_seed(5)
        self.model = torch.nn.Linear(1, 1)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=0.1)
        self.stop_at = None

    def step(self, number: int, batch: torch.Tensor) -> dict[str, float]:
        if number == self.stop_at:
            raise KeyboardInterrupt
        loss = ((self.model(batch) - 2 * batch + torch.randn_like(batch)) ** 2).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return {"loss": float(loss.detach())}

    def state_dict(self) -> dict:
        return {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])


class Points:
    def __len__(self) -> int:
        return 7

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.tensor([float(index)])


def losses(folder) -> list[dict]:
    return [json.loads(line) for line in (folder / "losses.jsonl").read_text().splitlines()]


def test_a_resumed_run_continues_the_same_curve(tmp_path):
    loop.train(Line(), Points(), tmp_path / "whole")
    stopped = Line()
    stopped.stop_at = 8
    ticks = iter(range(0, 10_000, 50))  # a checkpoint every third step
    with pytest.raises(KeyboardInterrupt):
        loop.train(stopped, Points(), tmp_path / "parts", clock=lambda: next(ticks))
    saved = torch.load(tmp_path / "parts" / loop.CHECKPOINT, weights_only=True)["step"]
    assert 0 < saved < 8
    loop.train(Line(), Points(), tmp_path / "parts")
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")
    assert [entry["step"] for entry in losses(tmp_path / "parts")] == list(range(12))


def test_another_seed_gives_another_run(tmp_path):
    loop.train(Line(), Points(), tmp_path / "a", seed=0)
    loop.train(Line(), Points(), tmp_path / "b", seed=1)
    assert losses(tmp_path / "a") != losses(tmp_path / "b")


def test_every_case_is_seen_once_an_epoch():
    drawn = [index for number in range(7) for index in loop._draw(7, 3, seed=4, number=number)]
    for epoch in range(3):
        assert sorted(drawn[7 * epoch : 7 * epoch + 7]) == list(range(7))


def test_a_damaged_checkpoint_is_said(tmp_path):
    (tmp_path / loop.CHECKPOINT).write_bytes(b"no checkpoint")
    with pytest.raises(UserError, match="cannot be resumed"):
        loop.train(Line(), Points(), tmp_path)


def test_divergence_is_said_and_the_checkpoint_kept(tmp_path):
    recipe = Line()
    recipe.step = lambda number, batch: {"loss": float("nan") if number == 4 else 1.0}
    with pytest.raises(UserError, match="diverged at step 4"):
        loop.train(recipe, Points(), tmp_path)


def phantom() -> torch.Tensor:
    """A field with a body and a dense marker off every axis, HU [1, 160, 160, 160]."""
    hu = torch.full((1, 160, 160, 160), -1024.0)
    hu[:, 30:130, 40:120, 30:130] = 20
    hu[:, 90:100, 60:66, 100:112] = 1000
    return hu


def test_augmentation_keeps_air_air_and_moves_the_rest():
    torch.manual_seed(0)
    hu = phantom()[None].repeat(2, 1, 1, 1, 1)
    changed = deform(hu, 2.5)
    assert changed.shape == hu.shape and changed.amin() >= -1024.5 and changed.amax() <= 1000.5
    assert not torch.allclose(changed[0], changed[1], atol=1)
    bright = [np.argwhere(volume[0].numpy() > 500).mean(axis=0) for volume in (hu[0], changed[0], changed[1])]
    assert all(1 < np.linalg.norm(place - bright[0]) < 25 for place in bright[1:])
    assert torch.equal(recolor(hu)[hu == -1024], hu[hu == -1024])


def test_deformation_does_not_flip_sides():
    torch.manual_seed(1)
    hu = phantom()[None].repeat(8, 1, 1, 1, 1)
    for volume in deform(hu, 2.5):
        k, j, i = np.argwhere(volume[0].numpy() > 500).mean(axis=0)
        body = np.argwhere(volume[0].numpy() > -500).mean(axis=0)
        assert i > body[2] + 10 and j < body[1] - 5 and k > body[0] + 5


def test_restyled_pictures_stay_ordered_and_finite():
    torch.manual_seed(2)
    pictures = torch.linspace(0, 8, 64).expand(3, 2, 64, 64)
    styled = restyle(pictures)
    assert torch.isfinite(styled).all()
    assert (styled[..., 8:-8].mean(2).diff(dim=-1).mean(-1) > 0).all()


def test_mean_volume_is_the_mean_of_the_cubes():
    data = [phantom(), torch.full((1, 160, 160, 160), -1024.0)]
    expected = (hu_to_unit(torch.tensor(1000.0)) / 2).half().float()
    assert mean_volume(data)[0, 95 - 16, 62 - 16, 105 - 16] == expected


def test_the_recipe_learns_through_all_its_phases_and_resumes(tmp_path):
    settings = BiplanarSettings(steps=4, batch_size=1, full_from=0.5, adversarial_from=0.75)
    data = [phantom()]
    loop.train(BiplanarRecipe(settings, data, "cpu"), data, tmp_path)
    curve = losses(tmp_path)
    assert [set(entry) - {"step"} for entry in curve] == [{"reconstruction", "projection"}] * 3 + [
        {"reconstruction", "projection", "adversarial", "discriminator"}
    ]
    assert all(np.isfinite(value) for entry in curve for value in entry.values())
    recipe = BiplanarRecipe(settings, data, "cpu")
    loop.train(recipe, data, tmp_path)  # nothing left to do: the checkpoint's weights
    saved = torch.load(tmp_path / loop.CHECKPOINT, weights_only=True)["recipe"]
    assert torch.equal(recipe.average.levels[0].mix.weight, saved["average"]["levels.0.mix.weight"])
