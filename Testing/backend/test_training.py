"""The training loop and the biplanar recipe."""

import multiprocessing
import random
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

import small_recipe
from CTGANLib.biplanar.kit import KIT
from CTGANLib.biplanar.publish import publish
from CTGANLib.biplanar.radiographs import VIEWS
from CTGANLib.biplanar.recipe import BiplanarRecipe, BiplanarSettings, mean_volume
from CTGANLib.errors import UserError
from CTGANLib.imaging.attenuation import hu_to_unit
from CTGANLib.imaging.geometry import Acquisition
from CTGANLib.training.distributed import World
from CTGANLib.training.divergence import Watch
from CTGANLib.training.kit import parse_settings
from CTGANLib.training.loop import Training, draw
from CTGANLib.training.players import Table
from CTGANLib.training.runs import Run
from phantoms import prepared
from small_recipe import SETTINGS, Line, Points


def losses(folder) -> list[dict]:
    return Run(folder).losses()


def train(folder, recipe=None, validation=(), settings=SETTINGS, **options):
    """A trained recipe, and how it ended."""
    recipe = recipe or Line()
    return recipe, Training(recipe, Points(), validation, Run(folder), settings, **options).run()[1]


def weights(recipe) -> torch.Tensor:
    """Those of the generator and, after them, of its average."""
    networks = (recipe.players["generator"].network, recipe.average)
    return torch.cat([p.detach().flatten() for network in networks for p in network.parameters()])


def fails_at(step: int, error: BaseException) -> Line:
    """A recipe that raises in the middle of a step, after one player has moved."""
    recipe = Line()
    plain = recipe.losses

    def failing(player, network, batch, number):
        if number == step and player == "discriminator":
            raise error
        return plain(player, network, batch, number)

    recipe.losses = failing
    return recipe


def test_the_same_run_gives_the_same_weights_bit_for_bit(tmp_path):
    first, _ = train(tmp_path / "a")
    second, _ = train(tmp_path / "b")
    assert torch.equal(weights(first), weights(second))
    assert losses(tmp_path / "a") == losses(tmp_path / "b")


def test_a_resumed_run_continues_the_same_curve(tmp_path):
    whole, _ = train(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "parts", fails_at(8, KeyboardInterrupt()))
    assert torch.load(tmp_path / "parts" / "checkpoint.pt", weights_only=True)["place"]["step"] == 6  # a validation's
    parts, _ = train(tmp_path / "parts")
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")
    assert [entry["step"] for entry in losses(tmp_path / "parts")] == list(range(12))
    assert torch.equal(weights(parts), weights(whole))


def test_killed_at_random_moments_it_ends_as_if_never_killed(tmp_path):
    settings = replace(SETTINGS, steps=200, validations=0)
    train(tmp_path / "whole", settings=settings)
    run, chance, kills = Run(tmp_path / "killed"), random.Random(3), 0
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch._dynamo", "SimpleITK"])  # else each child would import them for seconds
    while True:
        child = context.Process(target=small_recipe.main, args=(str(run.folder), "200", "0.003"))
        child.start()
        done = len(run.losses())
        while child.is_alive() and (kills == 8 or len(run.losses()) <= done):
            time.sleep(0.01)
        child.join(timeout=chance.uniform(0, 0.2))
        if child.exitcode is not None:
            break
        child.kill()
        child.join()
        kills += 1
        torch.load(run.checkpoint, weights_only=True)  # complete
    assert child.exitcode == 0 and kills >= 3
    assert run.losses() == losses(tmp_path / "whole")


def test_another_seed_gives_another_run(tmp_path):
    train(tmp_path / "a")
    train(tmp_path / "b", settings=replace(SETTINGS, seed=1))
    assert losses(tmp_path / "a") != losses(tmp_path / "b")


def test_every_case_is_seen_once_an_epoch():
    drawn = [index for number in range(7) for index in draw(7, range(3 * number, 3 * number + 3), (4, 0))]
    for epoch in range(3):
        assert sorted(drawn[7 * epoch : 7 * epoch + 7]) == list(range(7))
    assert drawn[:7] != drawn[7:14]


def test_a_damaged_checkpoint_is_said(tmp_path):
    (tmp_path / "checkpoint.pt").write_bytes(b"no checkpoint")
    with pytest.raises(UserError, match="cannot be resumed"):
        train(tmp_path)


def test_divergence_is_said_and_the_run_goes_back(tmp_path):
    recipe = Line()
    plain, told = recipe.losses, []

    def diverging(player, network, batch, number):
        values = plain(player, network, batch, number)
        if number == 7 and player == "generator" and len(told) < 2:
            told.append(network.weight.detach().clone())
            values["fit"] = values["fit"] * float("nan")
        return values

    recipe.losses = diverging
    ticks = iter(range(0, 10_000, 50))
    run = Training(recipe, Points(), [], Run(tmp_path), SETTINGS, clock=lambda: next(ticks))
    assert run.run()[1] == "done"
    assert len(run.notices) == 2 and "Diverged at step 7: the loss fit is not a number" in run.notices[0]
    assert [entry["step"] for entry in losses(tmp_path)] == list(range(12))
    assert torch.isfinite(weights(recipe)).all()
    assert not torch.equal(told[0], told[1])  # other random numbers and half the rate since the checkpoint
    assert Run(tmp_path).status()["notices"] == run.notices


def test_divergence_without_end_is_an_error_and_keeps_the_checkpoint(tmp_path):
    recipe = Line()
    recipe.losses = lambda player, network, batch, number: {
        "fit": network(batch.points).sum() * (float("inf") if number == 4 else 1.0)
    }
    with pytest.raises(UserError, match="diverged 4 times, at last at step 4"):
        train(tmp_path, recipe)
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["place"]["step"] < 4


def test_the_watch_sees_explosion_and_collapse():
    watch = Watch()
    assert not any(watch.observe({"fit": 1.0 + 0.1 * (n % 3), "discriminator": 0.2}) for n in range(100))
    assert "rose to" in watch.observe({"fit": 30.0, "discriminator": 0.2})
    troubles = [watch.observe({"discriminator": 1e-5}) for _ in range(250)]
    assert not any(troubles[:190]) and "has won" in troubles[-1]


def test_a_player_far_ahead_waits_for_the_other(tmp_path):
    recipe = Line()
    recipe.players["discriminator"].floor = 1e9
    start = recipe.players["discriminator"].network.weight.detach().clone()
    train(tmp_path, recipe)
    assert torch.equal(recipe.players["discriminator"].network.weight, start)
    assert any("discriminator" in entry for entry in losses(tmp_path))


def test_too_little_memory_means_smaller_parts_and_the_same_result(tmp_path):
    plain, _ = train(tmp_path / "plain")
    recipe = Line(largest=1)
    run = Training(recipe, Points(), [], Run(tmp_path / "short"), SETTINGS)
    run.run()
    assert "1 of a batch at a time" in run.notices[-1]
    assert torch.allclose(weights(recipe), weights(plain), atol=1e-5)
    asked = []
    recipe = Line(largest=1)
    counting = recipe.examples
    recipe.examples = lambda items, seeds: asked.append(len(items)) or counting(items, seeds)
    train(tmp_path / "short", recipe, settings=replace(SETTINGS, steps=13))
    assert set(asked) == {1}  # a resumed run does not try again


def test_not_even_one_patient_fits(tmp_path):
    with pytest.raises(UserError, match="Not even one patient"):
        train(tmp_path, Line(largest=0))


def test_the_best_weights_are_kept_and_training_ends_early(tmp_path):
    recipe = Line()
    recipe.worse_from = 6
    settings = replace(SETTINGS, steps=40, validations=20, patience=4)
    train(tmp_path, recipe, Points(2), settings)
    scores = Run(tmp_path).scores()
    assert [row["step"] for row in scores] == list(range(2, 16, 2))  # 4 validations after the best
    best = Line()
    train(tmp_path / "six", best, Points(2), replace(SETTINGS, steps=6, validations=1))
    assert torch.equal(weights(recipe)[2:], weights(best)[2:])
    assert Run(tmp_path).status()["best"] == {"step": 6, "score": 0.0}


def test_the_latest_examples_can_be_looked_at(tmp_path):
    train(tmp_path, settings=replace(SETTINGS, steps=10, validations=5))
    run = Run(tmp_path)
    assert [path.name for path in run.predictions()] == ["step_000006.nrrd", "step_000008.nrrd", "step_000010.nrrd"]
    assert run.truth.exists()
    assert run.scores() == []  # nobody was held out


@pytest.mark.parametrize(("asked", "ending"), [("pause", "paused"), ("stop", "stopped")])
def test_a_run_can_be_paused_and_stopped(asked, ending, tmp_path):
    run, recipe = Run(tmp_path), Line()
    plain = recipe.losses

    def asking(player, network, batch, number):
        if number == 5:
            run.request(asked)
        return plain(player, network, batch, number)

    recipe.losses = asking
    assert train(tmp_path, recipe)[1] == ending
    assert [entry["step"] for entry in losses(tmp_path)] == list(range(6))
    recipe.losses = plain
    assert train(tmp_path, Line())[1] == "done"
    train(tmp_path / "whole")
    assert losses(tmp_path) == losses(tmp_path / "whole")


def test_mean_volume_is_the_mean_of_the_cubes():
    data = [torch.from_numpy(prepared()), torch.full((1, 160, 160, 160), -1024.0)]
    expected = (hu_to_unit(torch.tensor(1000.0)) / 2).half().float()
    assert mean_volume(data)[0, 95 - 16, 62 - 16, 105 - 16] == expected


SHORT = BiplanarSettings(steps=4, batch_size=1, validations=1, full_from=0.5, adversarial_from=0.75)


def test_the_recipe_learns_through_all_its_phases_and_resumes(tmp_path):
    settings, data = SHORT, [torch.from_numpy(prepared())]
    recipe = BiplanarRecipe(settings, data, "cpu")
    Training(recipe, data, data, Run(tmp_path), settings).run()
    curve = losses(tmp_path)
    assert [set(entry) - {"step"} for entry in curve] == [{"reconstruction", "projection", "similarity"}] * 3 + [
        {"reconstruction", "projection", "similarity", "adversarial", "discriminator"}
    ]
    assert all(np.isfinite(value) for entry in curve for value in entry.values())
    assert Run(tmp_path).scores()[0]["psnr_true"] > 5
    again = BiplanarRecipe(settings, data, "cpu")
    Training(again, data, data, Run(tmp_path), settings).run()  # nothing left to do: the checkpoint's weights
    states = [r.average.state_dict() for r in (recipe, again)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_the_rival_generator_learns_from_the_default_distances_and_goes_on_from_a_model(tmp_path):
    settings = replace(SHORT, generator="dual-path", vary_geometry=False)
    recipe = BiplanarRecipe(settings, [torch.from_numpy(prepared())], "cpu")
    batch = recipe.examples(torch.from_numpy(prepared())[None], [3])
    assert batch.acquisitions == [[Acquisition(view) for view in VIEWS]]
    losses = recipe.losses("generator", recipe.players["generator"].network, batch, 0)
    assert all(torch.isfinite(value) and value > 0 for value in losses.values())
    model = publish(tmp_path / "Rival", recipe.average, settings, [], [], 0.1, "cpu")
    other = replace(settings, seed=9, start_from=str(model.folder))
    again = BiplanarRecipe(other, [torch.from_numpy(prepared())], "cpu")
    states = [r.players["generator"].network.state_dict() for r in (recipe, again)]
    assert all(torch.allclose(states[0][name], states[1][name], atol=1e-3) for name in states[0])
    with pytest.raises(UserError, match="not of this generator"):
        BiplanarRecipe(replace(SHORT, start_from=str(model.folder)), [torch.from_numpy(prepared())], "cpu")


def test_parts_of_a_batch_give_the_gradient_of_the_whole():
    data = [torch.from_numpy(prepared()), torch.from_numpy(prepared()).flip(1)]
    recipe = BiplanarRecipe(replace(SHORT, batch_size=2), data, "cpu")
    items, gradients = torch.stack(data), []
    for part in (2, 1):
        table = Table(recipe, World(), part, SHORT.steps)
        table._gradient("generator", 0, table._parts(items, [11, 12]), 13)
        gradients.append(recipe.players["generator"].network.heads["64"][1].weight.grad.clone())
    # What bfloat16 rounds: sums of two differ from those of one.
    assert torch.allclose(*gradients, rtol=0.02, atol=1e-2 * float(gradients[0].abs().max()))


def test_an_unknown_generator_is_refused():
    with pytest.raises(UserError, match="no generator magic"):
        BiplanarRecipe(replace(SHORT, generator="magic"), [torch.from_numpy(prepared())], "cpu")


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("magic=1", "no setting magic"),
        ("steps=many", "cannot be many"),
        ("vary_geometry=1", "cannot be 1"),
        ("steps=0", "steps cannot be 0"),
        ("batch_size=-1", "batch_size cannot be -1"),
        ("learning_rate=nan", "learning_rate cannot be nan"),
        ("learning_rate=0", "learning_rate cannot be 0"),
        ("validation_share=1.5", "validation_share cannot be 1.5"),
        ("full_from=2", "full_from cannot be 2"),
        ("adversarial_weight=inf", "adversarial_weight cannot be inf"),
    ],
)
def test_settings_that_cannot_be(assignment, message):
    with pytest.raises(UserError, match=message):
        parse_settings(KIT, {}, [assignment])


def test_settings_by_name():
    settings = parse_settings(KIT, {"steps": 7, "seed": None}, ["adversarial_weight=0", "vary_geometry=false"])
    assert (settings.steps, settings.seed, settings.adversarial_weight, settings.vary_geometry) == (7, 0, 0.0, False)
