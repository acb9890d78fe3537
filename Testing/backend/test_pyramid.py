"""The pyramid: scales, networks, losses, training scale by scale, sampling, scores and bundles, at tiny sizes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from CTGANLib.errors import UserError
from CTGANLib.evaluation import features
from CTGANLib.evaluation.scores import summarize
from CTGANLib.imaging.geometry import Acquisition, Grid
from CTGANLib.imaging.projection import project
from CTGANLib.models.bundle import open_bundle
from CTGANLib.pyramid.adversaries import ADVERSARIES, gradient_penalty
from CTGANLib.pyramid.evaluate import ENLARGED, HELD_OUT, fidelity
from CTGANLib.pyramid.kit import KIT
from CTGANLib.pyramid.losses import ProjectionLoss
from CTGANLib.pyramid.network import PyramidGenerator
from CTGANLib.pyramid.patches import matches
from CTGANLib.pyramid.preparation import PyramidVolumes, body_box, on_field, too_small
from CTGANLib.pyramid.recipe import PyramidRecipe
from CTGANLib.pyramid.scales import resized, scale_shapes, to_hu, to_unit
from CTGANLib.pyramid.settings import PyramidSettings
from CTGANLib.pyramid.synthesize import Synthesizer
from CTGANLib.pyramid.warping import warped
from CTGANLib.training.divergence import Watch
from CTGANLib.training.loop import Training
from CTGANLib.training.runs import Run
from phantoms import CENTER, DIRECTIONS, MARKER, chest, turned_grid

TINY = PyramidSettings(
    steps=36,
    size=18,
    slices=7,
    coarsest=8,
    validations=3,
    adversarial_weight=0.1,
    reconstruction_weight=100.0,
    learning_rate=3e-3,
)

GAME = ("accuracy_real", "accuracy_made")


def grid(directions="upright", spacing=(2.0, 2.0, 5.0)):
    return turned_grid(DIRECTIONS[directions], (220.0, 170.0, 140.0), np.array(spacing))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    path = tmp_path_factory.mktemp("prepared") / "phantom.npy"
    np.save(path, body_box(chest(grid())))
    return path


def train(folder, prepared, settings=TINY, **how):
    data = PyramidVolumes([prepared])
    recipe = PyramidRecipe(settings, data, "cpu")
    return recipe, Training(recipe, data, [], Run(folder), settings, **how)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, prepared):
    """A run, and its network."""
    folder = tmp_path_factory.mktemp("run")
    recipe, loop = train(folder, prepared)
    loop.run()
    return Run(folder), recipe.average


def test_the_scales_are_those_of_the_reference():
    assert scale_shapes(23, 141, 28, 1.5, 3) == [
        (4, 28, 28),
        (7, 42, 42),
        (10, 63, 63),
        (15, 94, 94),
        (23, 141, 141),
    ]
    assert [shape[0] for shape in scale_shapes(23, 141, 28, 1.5, 2)] == [23] * 5


def test_resizing_keeps_places_and_straight_lines():
    ramps = torch.stack(torch.meshgrid(*[torch.arange(n) / n for n in (6.0, 20.0, 24.0)], indexing="ij"))
    smaller = resized(ramps[:, None], (4, 10, 15))
    assert smaller.shape == (3, 1, 4, 10, 15)
    for axis, count in enumerate((4, 10, 15)):
        old = (torch.arange(count) + 0.5) * ramps.shape[axis + 1] / count - 0.5
        along = smaller[axis, 0].movedim(axis, 0)[:, 2, 5]
        inner = slice(1, -1) if count == 4 else slice(2, -2)
        assert torch.allclose(along[inner], (old / ramps.shape[axis + 1])[inner], atol=0.02)


def test_hu_and_unit_are_inverse_in_the_window():
    hu = torch.tensor([-1500.0, -1000.0, 40.0, 1000.0, 3000.0])
    assert torch.allclose(to_hu(to_unit(hu)), torch.tensor([-1000.0, -1000.0, 40.0, 1000.0, 1000.0]))


@pytest.mark.parametrize("directions", ["upright", "lps", "permuted", "oblique"])
def test_left_and_right_front_and_head_survive_the_preparation(directions):
    volume = chest(grid(directions, (2.5, 2.5, 2.5)))
    hu = body_box(volume)
    marker = np.argwhere(hu > 0.6 * hu.max()).mean(axis=0) - (np.array(hu.shape) - 1) / 2
    # The body's box is the phantom's, but for the ends that an oblique grid cuts; the marker lies right, front and up.
    offset = (MARKER - CENTER)[::-1]
    assert np.allclose(marker[1:], offset[1:], atol=6)
    assert marker[0] > 10


def ramps(shape):
    """Three volumes [3, 1, k, j, i] of the place along i, j and k in [-1, 1]."""
    axes = [(2 * torch.arange(size) + 1) / size - 1 for size in shape]
    return torch.stack(torch.meshgrid(*axes, indexing="ij")[::-1])[:, None]


def test_displacements_are_those_of_the_seed_whatever_the_voxels():
    spacing = np.array((2.0, 2.0, 5.0))
    moved = [
        torch.cat([warped(ramp[None], tuple(spacing / factor), 8.0, 3) for ramp in ramps(shape)])
        for shape, factor in (((12, 40, 40), 1), ((24, 80, 80), 2))
    ]
    # The place in mm that each voxel's value comes from; the middle, as the border goes on outside.
    coarse, fine = moved[0], torch.nn.functional.avg_pool3d(moved[1], 2)
    inner = (..., slice(3, -3), slice(8, -8), slice(8, -8))
    difference = (coarse - fine)[inner] * 40
    assert float(difference.abs().max()) < 2.0
    away = (coarse - ramps((12, 40, 40)))[inner] * 40
    assert 1.0 < float(away.std()) < 12.0
    other = torch.cat([warped(ramp[None], tuple(spacing), 8.0, 4) for ramp in ramps((12, 40, 40))])
    assert float((other - coarse).abs().max()) * 40 > 3.0


def test_a_volume_stands_in_the_middle_of_its_field():
    hu = np.full((10, 20, 30), 0, np.int16)
    placed = on_field(hu, (20, 30, 30), (20, 30, 30))[0, 0].numpy()
    assert np.argwhere(placed > -500).mean(axis=0).tolist() == [9.5, 14.5, 14.5]


def test_small_or_empty_volumes_are_refused_in_one_sentence():
    assert too_small(grid(), (4, 28, 28)) == ""
    text = too_small(turned_grid(DIRECTIONS["permuted"], (220.0, 170.0, 9.0), np.array([2.0, 3.0, 2.0])), (4, 28, 28))
    assert text.startswith("Its 110 x 85 x 3 voxels are fewer") and text.endswith("coarsest scale.")
    with pytest.raises(UserError, match="all its values are -1000"):
        on_field(np.full((4, 5, 6), -1000, np.int16), (4, 5, 6), (4, 5, 6))


@pytest.mark.parametrize(
    "wrong",
    [
        {"adversary": "none"},
        {"dimensions": 4},
        {"coarsest": 200},
        {"validation_share": 0.2},
        {"steps": 2},
        {"reconstruction_weight": -1.0},
    ],
)
def test_settings_without_sense_are_refused(wrong):
    with pytest.raises(UserError):
        replace(TINY, **wrong)


@pytest.mark.parametrize("name", ADVERSARIES)
def test_an_adversary_rewards_who_tells_and_who_deceives(name):
    adversary = ADVERSARIES[name]
    real, made = torch.full((1, 1, 4), 0.9), torch.full((1, 1, 4), 0.1)
    assert adversary.discriminator(real, made) < adversary.discriminator(made, real)
    assert adversary.generator(real) < adversary.generator(made)
    middle = adversary.border or 0.0
    told = adversary.told_apart(middle + torch.tensor([0.2, 0.4, -0.2, 0.4]), middle + torch.tensor([-0.5, 0.1]))
    expected = {"wasserstein": 0.4} if name == "wgan-gp" else {"accuracy_real": 0.75, "accuracy_made": 0.5}
    assert told == pytest.approx(expected)


def test_the_gradient_penalty_of_a_linear_judge_is_known():
    judge = torch.nn.Conv3d(1, 1, 1)
    torch.nn.init.constant_(judge.weight, 3.0)
    real, made = torch.rand(2, 1, 4, 5, 6), torch.rand(2, 1, 4, 5, 6)
    assert float(gradient_penalty(judge, real, made, 1.0).detach()) == pytest.approx(4.0, rel=1e-4)
    assert float(gradient_penalty(judge, real, made, 0.0).detach()) == pytest.approx(9.0, rel=1e-4)


def test_the_projection_loss_sees_line_integrals_means_and_maxima():
    place = Grid.centered((7, 18, 18), (3.0, 3.0, 8.0))
    real = torch.rand(1, 1, *place.shape)
    loss = ProjectionLoss(place)
    assert float(loss(real, real)) == 0
    # A voxel moved along the beam of no projection's mean changes the maxima.
    made = real.clone().requires_grad_()
    value = loss(made + 0.1 * torch.rand(real.shape), real)
    value.backward()
    assert (made.grad != 0).float().mean() > 0.9
    # The DRR is the project's.
    from CTGANLib.imaging.volumes import Volume

    drr = loss._projector(torch.zeros(1, 1, *place.shape))
    assert float(drr.abs().max()) == 0
    shown = project(Volume(to_hu(real)[0, 0].numpy(), place), Acquisition())
    assert shown.array.max() > 0


def test_training_goes_scale_by_scale_and_shows_each(trained, prepared):
    run, network = trained
    assert network.trained == 3 and float(network.amplitudes[0]) == 1 and (network.amplitudes[1:] > 0).all()
    names = {name for row in run.losses() for name in row}
    assert {"reconstruction 8", "reconstruction 12", "reconstruction 18", "projection 18", "discriminator 8"} <= names
    assert len(run.previews()) == 3 and len(run.predictions()) == 3
    # Nobody is held out, but the game is told.
    assert len(run.scores()) == 3 and all(row.keys() == {"step", *GAME} for row in run.scores())
    assert all(0 <= row[name] <= 1 for row in run.scores() for name in GAME)
    # The coarser a scale, the more steps it has.
    for size, steps in ((8, 16), (12, 12), (18, 8)):
        curve = [row[f"reconstruction {size}"] for row in run.losses() if f"reconstruction {size}" in row]
        assert len(curve) == steps and curve[-1] < curve[0]


def test_finished_scales_stay_as_they_are_and_the_next_begins_with_their_weights(prepared, tmp_path):
    recipe, _ = train(tmp_path, prepared)
    batch = recipe.examples(torch.tensor([0]), [1])
    start = {name: value.clone() for name, value in recipe.average.scales[0].state_dict().items()}
    recipe.losses("generator", recipe.average, batch, 16)
    assert all(torch.equal(value, start[name]) for name, value in recipe.average.scales[1].state_dict().items())
    loss = sum(recipe.losses("generator", recipe.average, batch, 17).values())
    loss.backward()
    assert all(parameter.grad is None for parameter in recipe.average.scales[0].parameters())
    assert all(parameter.grad is not None for parameter in recipe.average.scales[1].parameters())


def test_a_stopped_training_resumes_as_if_it_had_never_stopped(trained, prepared, tmp_path):
    network = trained[1]

    class Stopped(Exception):
        pass

    def stop(fraction, message):
        if fraction > 0.6:  # in the second scale, or the third
            raise Stopped

    with pytest.raises(Stopped):
        train(tmp_path, prepared, progress=stop)[1].run()
    recipe, loop = train(tmp_path, prepared)
    loop.run()
    pairs = zip(network.state_dict().values(), recipe.average.state_dict().values(), strict=True)
    assert all(torch.equal(*pair) for pair in pairs)


@pytest.mark.parametrize(("adversary", "deformation"), [("wgan-gp", 0), ("zero-gp", 8)])
def test_every_adversary_trains_in_2d(adversary, deformation, prepared, tmp_path):
    settings = replace(TINY, steps=6, size=12, adversary=adversary, dimensions=2, deformation=deformation)
    recipe, loop = train(tmp_path, prepared, settings)
    assert loop.run()[1] == "done"
    (volume,) = Synthesizer(recipe.average).volumes(1, 0)
    assert volume.array.shape == (7, 12, 12)


def test_scales_of_two_slices_learn_by_true_gradients(prepared, tmp_path):
    """In half precision, torch leaves them to chance there."""
    recipe, _ = train(tmp_path, prepared, replace(TINY, slices=4, adversarial_weight=0.0))
    assert recipe.average.shapes[0][0] == 2
    found = []
    for dtype in (torch.float32, torch.bfloat16):
        recipe.average.zero_grad()
        with torch.autocast("cpu", dtype=dtype, enabled=dtype == torch.bfloat16):
            losses = recipe.losses("generator", recipe.average, recipe.examples(torch.tensor([0]), [1]), 0)
        sum(losses.values()).backward()
        found.append(recipe.average.scales[0].body[0].weight.grad.clone())
    torch.testing.assert_close(found[1], found[0])


def test_a_critics_loss_may_cross_zero():
    watch = Watch()
    for step in range(80):
        assert watch.observe({"critic": -1.0 if step < 20 else 1e-4}) == ""
    assert watch.observe({"critic": 0.5}) == ""
    assert "rose" in watch.observe({"critic": 30.0})


def test_losses_can_be_switched_off_one_by_one(prepared, tmp_path):
    names = ("adversarial", "reconstruction", "projection")
    for left in names:
        settings = replace(TINY, **{f"{name}_weight": 0.0 for name in names if name != left})
        recipe, _ = train(tmp_path, prepared, settings)
        batch = recipe.examples(torch.tensor([0]), [1])
        losses = recipe.losses("generator", recipe.average, batch, 0)
        # Without the reconstruction loss, what is clipped has no other gradient.
        assert set(losses) == ({f"{left} 8"} if left == "reconstruction" else {f"{left} 8", "excess 8"})
        assert bool(recipe.losses("discriminator", recipe.players["discriminator"].network, batch, 0)) == (
            left == "adversarial"
        )


def test_the_same_seed_gives_the_same_volume_and_another_another(trained):
    synthesizer = Synthesizer(trained[1])
    first, second = synthesizer.volumes(2, 5)
    (again,) = synthesizer.volumes(1, 6)
    assert np.array_equal(second.array, again.array)
    assert not np.array_equal(first.array, second.array)
    assert first.array.dtype == np.int16 and first.array.min() >= -1000 and first.array.max() <= 1000


def test_voxels_keep_their_shape_at_every_size(trained, prepared):
    synthesizer = Synthesizer(trained[1])
    field = PyramidVolumes([prepared]).field()
    (volume,) = synthesizer.volumes(1, 0)
    assert volume.grid.shape == (7, 18, 18)
    assert np.allclose(volume.grid.spacing, [field[2] / 18, field[1] / 18, field[0] / 7], atol=1e-3)
    (larger,) = synthesizer.volumes(1, 0, size=(30, 20, 9))
    assert larger.grid.shape == (9, 20, 30)
    assert np.allclose(larger.grid.spacing, volume.grid.spacing)


def test_a_later_start_stays_nearer_to_what_was_learned(trained):
    synthesizer = Synthesizer(trained[1])
    learned = synthesizer.reconstruction(0).array.astype(float)
    away = [
        np.mean([np.abs(v.array - learned).mean() for v in synthesizer.volumes(4, 0, start_scale=start)])
        for start in (0, 1, 2)
    ]
    assert away[0] > 1.3 * max(away[1:]) and min(away) > 0


@pytest.mark.parametrize(
    "asked",
    [
        {"count": 0, "seed": 0},
        {"count": 1, "seed": -1},
        {"count": 2, "seed": 2**31 - 1},
        {"count": 1, "seed": 0, "start_scale": 3},
        {"count": 1, "seed": 0, "size": (7, 18, 18)},
        {"count": 1, "seed": 0, "size": (20_000, 20_000, 20_000)},
        {"count": 1, "seed": 0, "class_name": "nodule"},
    ],
)
def test_what_cannot_be_made_is_refused_in_one_sentence(trained, asked):
    with pytest.raises(UserError) as caught:
        Synthesizer(trained[1]).volumes(**asked)
    assert caught.value.message.count(".") <= 1 and caught.value.advice


def test_an_untrained_pyramid_makes_nothing():
    with pytest.raises(UserError, match="learned nothing"):
        Synthesizer(PyramidGenerator((2, 8, 8), (1000, 1000, 1000)))


def test_fidelity_is_that_of_the_reference():
    truth = np.zeros((8, 16, 16), np.float32)
    scores = fidelity(truth + 100, truth)  # 0.05 in [0, 1]
    assert scores["mse"] == pytest.approx(0.0025) and scores["psnr"] == pytest.approx(26.02, abs=0.01)
    assert fidelity(truth, truth)["ssim"] == pytest.approx(1)


def test_copied_patches_are_found_wherever_they_lie():
    random = np.random.default_rng(0)
    volume, other = (400 * random.standard_normal((8, 30, 30)).astype(np.float32) for _ in range(2))
    copy = np.roll(volume, (1, 7), axis=(0, 1))

    def distances(volumes, others, within=False):
        return [match.distance for match in matches([volumes], [others], within, size=(3, 6, 6))]

    assert max(distances(volume, volume)) < 5
    assert np.median(distances(copy, volume)) < 5
    assert min(distances(other, volume)) > 300
    assert min(distances(volume, volume, within=True)) > 300


def test_patches_of_air_and_skin_are_no_copies():
    volume = np.full((8, 40, 40), -1000.0, np.float32)
    volume[:, 14:] = 0.0
    (first, *_) = found = matches([volume], [volume], within=False, size=(3, 6, 6), count=400)
    rows = {match.place[1] for match in found}
    assert rows == {11, 12, 13} and first.distance == 0


def test_evaluation_and_bundle(trained, prepared, tmp_path, monkeypatch):
    monkeypatch.setattr(features, "_SIZE", 32)
    _, network = trained
    synthesizer, shown = Synthesizer(network), []
    cases = {"phantom": prepared}
    for number in range(2):
        cases[f"other {number}"] = tmp_path / f"{number}.npy"
        np.save(cases[f"other {number}"], np.roll(np.load(prepared), 9 * number, axis=1))
    rows = KIT.evaluate({"pyramid": synthesizer}, cases, [prepared], show=lambda *a: shown.append(a))
    by_method = {row["method"]: row for row in rows}
    assert set(by_method) == {"pyramid", "pyramid, samples", HELD_OUT, ENLARGED} and len(rows) == 4
    assert set(by_method["pyramid"]) - {"case", "method"} == {"mse", "psnr", "ssim"}
    samples, real = by_method["pyramid, samples"], by_method[HELD_OUT]
    assert {"ms_ssim", "kid", "organ_kid", "fid_planes", "patch_hu", "own_patch_hu"} <= set(samples) == set(real)
    assert real["patch_least_hu"] < 1 and real["kid"] < samples["kid"]  # the phantom itself is among them
    assert summarize(rows)[0]["n"] == 1 and len(shown) == 1 and len(shown[0][1]) == 4
    # A model that says what it has learned from is not scored on others that train.
    told = KIT.evaluate({"pyramid": Synthesizer(network, learned_from=["phantom"])}, cases, list(cases.values()))
    assert [row["case"] for row in told] == ["phantom", "phantom", "all", "all"]
    assert told[0] == rows[0] and told[-1] == rows[-1]
    model = KIT.publish(tmp_path / "model", network, TINY, [], rows, 0.1, "cpu")
    loaded = Synthesizer.from_model(open_bundle(model.folder))
    (one,), (two,) = (maker.volumes(1, 3) for maker in (synthesizer, loaded))
    # Weights of half precision.
    assert np.abs(one.array - two.array.astype(int)).mean() < 5
    assert np.allclose(one.grid.ijk_to_ras, two.grid.ijk_to_ras)
    assert "patch" in (model.folder / "docs" / "README.md").read_text(encoding="utf-8")
