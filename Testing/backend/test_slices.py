"""Slices of CTs and radiographs from noise: their preparation, the networks, training, use and publication."""

import os
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from CTGANLib.__main__ import main
from CTGANLib.datasets import workers
from CTGANLib.errors import UserError
from CTGANLib.evaluation import features
from CTGANLib.imaging.montage import as_read, montage, write_gif, write_png
from CTGANLib.imaging.series import write_series
from CTGANLib.imaging.volumes import Volume, read_any_volume, read_volume, write_volume
from CTGANLib.models.bundle import open_bundle
from CTGANLib.slices import evaluate as slices_evaluate
from CTGANLib.slices import preparation, recipe
from CTGANLib.slices.differentiable_augmentation import augment
from CTGANLib.slices.evaluate import TRAINING, evaluate
from CTGANLib.slices.kit import KIT
from CTGANLib.slices.losses import (
    PENALTY_EVERY,
    between,
    clip_weights,
    discriminator_loss,
    gradient_penalty,
    real_penalty,
)
from CTGANLib.slices.network import (
    SIZES,
    ConvolutionalGenerator,
    FullyConnectedGenerator,
    convolutional_judge,
    fully_connected_judge,
)
from CTGANLib.slices.pictures import records
from CTGANLib.slices.preparation import SliceDataset, axial_slices, classes_of, prepare_slices
from CTGANLib.slices.recipe import SlicesRecipe
from CTGANLib.slices.settings import METHODS, SlicesSettings
from CTGANLib.slices.synthesize import Synthesizer
from CTGANLib.training.distributed import World
from CTGANLib.training.players import Table
from phantoms import CENTER, DIRECTIONS, MARKER, ball, centroid, chest, picture, turned_grid

EXTENT, SPACING = (190, 150, 140), np.array([5.0, 5.0, 6.0])
GRID = turned_grid(DIRECTIONS["lps"], EXTENT, SPACING)
SETTINGS = SlicesSettings(
    steps=3, batch_size=4, validations=1, width=2, latent=8, field=256.0, slice_spacing=8.0, validation_share=0.0
)


@pytest.fixture
def one_process(monkeypatch):
    monkeypatch.setattr(workers, "cores", lambda: 1)


@pytest.fixture
def cts(tmp_path, one_process):
    """Two CTs to train and one to test, of one of the former and of the latter a label map."""
    folder = tmp_path / "data"
    folder.mkdir()
    lines = ["id\trole"]
    for number, role in enumerate(("train", "train", "test")):
        write_volume(chest(GRID, couch=True, scale=1 - 0.05 * number), folder / f"p{number}.nii.gz")
        lines.append(f"p{number}\t{role}")
    for number in (0, 2):
        labels = (ball(GRID, MARKER, 10) > 0.5).astype(np.uint8)
        write_volume(Volume(labels, GRID), folder / f"p{number}_nodules.nii.gz")
    (folder / "MANIFEST.tsv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.mark.parametrize("directions", ["oblique", "permuted"])
def test_slices_stand_upright_at_the_same_place_of_the_patient(directions):
    ct = chest(turned_grid(DIRECTIONS[directions], EXTENT, SPACING), couch=True)
    slices = axial_slices(ct, replace(SETTINGS, trim=0.0, slice_spacing=6.0))
    assert slices.array.shape[1:] == (64, 64) and slices.array.dtype == np.int16
    assert slices.grid.directions == pytest.approx(np.eye(3))
    assert slices.grid.spacing == pytest.approx([4, 4, 6])
    dense = Volume(np.where(ball(slices.grid, MARKER, 16) > 0, slices.array, -1000), slices.grid)
    assert centroid(dense, 200) == pytest.approx(MARKER, abs=2)
    assert slices.grid.center[:2] == pytest.approx(CENTER[:2], abs=5)
    # No couch, and nothing above or below the lungs.
    assert slices.array[:, slices.grid.to_ijk([0, -106, 250])[1].round().astype(int)].max() < -900
    assert -3 < slices.grid.to_ras([0, 0, 0])[2] - (CENTER[2] - 55) < 12  # without the tips of the lungs


def test_ends_are_trimmed():
    ct = chest(GRID)
    whole, half = (len(axial_slices(ct, replace(SETTINGS, trim=t, slice_spacing=2.0)).array) for t in (0.0, 0.25))
    assert half == pytest.approx(whole / 2, abs=1)
    with pytest.raises(UserError, match="too little for slices"):
        axial_slices(ct, replace(SETTINGS, slice_spacing=90.0))


def test_preparation_goes_by_content_settings_and_classes(cts, tmp_path, monkeypatch):
    prepared, original = [], preparation.axial_slices
    monkeypatch.setattr(preparation, "axial_slices", lambda *job: prepared.append(1) or original(*job))
    data = prepare_slices(SETTINGS, cts, tmp_path / "cache")
    assert len(prepared) == 3 and not data.left_out
    assert prepare_slices(replace(SETTINGS, method="wgan"), cts, tmp_path / "cache").prepared == data.prepared
    assert len(prepared) == 3
    dataset = SliceDataset(list(data.files("train").values()))
    values, kind = dataset[0]
    assert values.dtype == torch.float32 and values.shape == (64, 64) and not kind.any()
    assert set(dataset.groups) == {0, 1} and len(dataset) == len(dataset.groups)

    told = prepare_slices(replace(SETTINGS, classes="nodules"), cts, tmp_path / "cache")
    assert told.left_out == {"p1": "It has no labels nodules."} and len(prepared) == 5
    labels = SliceDataset([told.prepared["p0"]]).labels
    heights = np.flatnonzero(labels)
    assert 0 < labels.sum() < len(labels) and np.array_equal(heights, np.arange(heights[0], heights[-1] + 1))


def test_classes_are_those_of_the_nearest_slice():
    slices = axial_slices(chest(GRID), SETTINGS).grid
    oblique = turned_grid(DIRECTIONS["oblique"], EXTENT, SPACING)
    marker = Volume((ball(oblique, MARKER, 10) > 0.5).astype(np.uint8), oblique)
    marked = np.flatnonzero(classes_of(slices, marker))
    heights = [slices.to_ras([0, 0, k])[2] for k in marked]
    assert len(marked) >= 2 and min(heights) == pytest.approx(MARKER[2] - 10, abs=8)
    assert max(heights) == pytest.approx(MARKER[2] + 10, abs=8)


@pytest.mark.parametrize("size", SIZES)
def test_networks_of_all_sizes(size):
    connected = size == SIZES[0]
    for network in (ConvolutionalGenerator, *[FullyConnectedGenerator][:connected]):
        generator = network((size,), (1,), (8,), (2,)).eval()
        made = generator(generator.noise([1, 2]), torch.tensor([0, 1]))
        assert made.shape == (2, 1, size, size) and made.abs().max() <= 1
    labels = torch.tensor([0, 1])
    for judge in (convolutional_judge(size, 1, 2, True), *[fully_connected_judge(64, 2, False)][:connected]):
        assert judge(made, labels).shape == (2,)
        assert not torch.allclose(judge(made, labels), judge(made, 1 - labels))


def test_a_discriminator_sees_how_much_the_pictures_of_each_set_differ():
    torch.manual_seed(0)
    judge, labels = convolutional_judge(64, 1, 0, True), torch.zeros(4, dtype=torch.long)
    varied, alike = torch.rand(4, 1, 64, 64), torch.rand(1, 1, 64, 64).expand(4, -1, -1, -1)
    together = judge(torch.cat([varied, alike]), torch.cat([labels] * 2), 2)
    assert torch.allclose(together, torch.cat([judge(varied, labels), judge(alike, labels)]), atol=1e-6)
    # The same picture is judged otherwise in other company.
    assert not torch.isclose(judge(varied, labels)[0], judge(varied[:1].expand(4, -1, -1, -1), labels)[0], atol=1e-6)


def test_the_window_is_kept_and_undone():
    generator = ConvolutionalGenerator((64,), (1,), (4,))
    generator.window.copy_(torch.tensor([-1000.0, 400.0]))
    hu = torch.tensor([-1000.0, -650.0, 0.0, 400.0])
    assert torch.allclose(generator.unscaled(generator.scaled(hu)), hu, atol=1e-3)
    assert generator.scaled(torch.tensor([-2000.0, 3000.0])).tolist() == [-1, 1]


def test_augmentation_is_differentiable_and_never_mirrors():
    torch.manual_seed(0)
    left = torch.full((64, 1, 32, 32), -1.0)
    left[..., :8] = 1
    changed = augment(left.requires_grad_(True))
    changed.sum().backward()
    assert left.grad.abs().sum() > 0 and not torch.allclose(changed, left)
    halves = changed.detach().reshape(64, 32, 2, 16).mean((0, 1, 3))
    assert halves[0] > halves[1]


def test_losses_of_the_judges():
    sure = torch.full((500,), 8.0)
    assert discriminator_loss(sure, -sure, soft=False) < 1e-3
    assert 0.4 < discriminator_loss(sure, -sure, soft=True) < 0.8  # it shall not be that sure
    critic = convolutional_judge(64, 1, 0, False)
    clip_weights(critic)
    assert max(float(w.detach().abs().max()) for w in critic.parameters()) <= 0.01
    pictures = torch.rand(3, 1, 4, 4, requires_grad=True)  # a slope of 2 at each of the 16 pixels
    assert float(real_penalty(2 * pictures.flatten(1).sum(1), pictures)) == pytest.approx(PENALTY_EVERY * 16 * 4 / 2)
    mixtures = between(torch.zeros(2, 1, 4, 4), torch.ones(2, 1, 4, 4))
    steep = (3 / 4 * mixtures.flatten(1)).sum(1)  # a slope of 3
    assert float(gradient_penalty(steep, mixtures)) == pytest.approx(10 * (3 - 1) ** 2)


@pytest.fixture
def few(monkeypatch):
    """Few and small pictures are compared."""
    monkeypatch.setattr(recipe, "_MADE", 8)
    monkeypatch.setattr(slices_evaluate, "_LEAST_MADE", 8)
    monkeypatch.setattr(features, "_SIZE", 32)


class Pictures(list):
    """A small data set."""

    labels = property(lambda self: [int(kind[0, 0]) for _, kind in self])


@pytest.mark.parametrize("method", METHODS)
def test_every_method_moves_both_players_and_is_judged(method, few):
    settings = replace(SETTINGS, method=method, classes="nodules")
    data = Pictures([torch.stack([torch.randn(64, 64) * 300 - 500, torch.full((64, 64), n % 2)]) for n in range(4)])
    learning = SlicesRecipe(settings, data, "cpu")
    before = {name: [w.clone() for w in player.network.parameters()] for name, player in learning.players.items()}
    table = Table(learning, World(), 4, steps=3)
    losses = [table.step(n, torch.stack(data), [1, 2, 3, 4], n, 1.0) for n in range(2)]
    judge = "critic" if method.startswith("wgan") else "discriminator"
    assert losses[0].keys() == {"adversarial", judge}
    assert losses[1].keys() == ({judge} if judge == "critic" else {"adversarial", judge})
    for name, player in learning.players.items():
        assert any(not torch.equal(*pair) for pair in zip(before[name], player.network.parameters(), strict=True))
    scores, shown = learning.validate(data)
    assert next(iter(scores)) == KIT.score and np.isfinite(list(scores.values())).all()
    assert ("wasserstein" if judge == "critic" else "accuracy_made") in scores
    assert shown["prediction"].array.shape == (16, 64, 64) and shown["sheet"].dtype == np.uint8


def test_one_picture_held_out_still_tells_good_weights_from_bad(few):
    learning = SlicesRecipe(SETTINGS, Pictures(), "cpu")
    held_out = Pictures([torch.stack([torch.full((64, 64), -290.0), torch.zeros(64, 64)])])
    good = learning.validate(held_out)[0][KIT.score]  # those of a beginner are all gray, -300 HU
    learning.average.layers[-2].bias.data += 2
    assert learning.validate(held_out)[0][KIT.score] < good


def test_a_class_that_nothing_is_learned_of_is_told():
    data = Pictures([torch.zeros(2, 64, 64)])
    with pytest.raises(UserError, match="nothing to learn of the class with nodules"):
        SlicesRecipe(replace(SETTINGS, classes="nodules"), data, "cpu")


def test_files_are_not_kept_open(tmp_path):
    resource = pytest.importorskip("resource")
    for number in range(40):
        np.save(tmp_path / f"{number}.npy", records(np.full((1, 64, 64), number, np.int16), np.array([number])))
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/dev/fd")) + 20, limits[1]))
    try:
        dataset = SliceDataset([tmp_path / f"{number}.npy" for number in range(40)])
        assert len(dataset) == 40 and all((dataset[number] == number).all() for number in range(40))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_the_discriminator_waits_while_it_is_far_ahead():
    assert SlicesRecipe(replace(SETTINGS, balance=0.69), Pictures(), "cpu").players["discriminator"].floor == 0.69
    players = SlicesRecipe(replace(SETTINGS, method="wgan"), Pictures(), "cpu").players
    assert players["critic"].floor == players["generator"].floor == float("-inf")


def synthesizer(classes: int = 0) -> Synthesizer:
    torch.manual_seed(0)
    network = ConvolutionalGenerator((64,), (2,), (8,), (classes,))
    network.spacing.copy_(torch.tensor([4.0, 8.0]))
    for weight in network.parameters():  # those of a beginner give nearly nothing
        weight.data *= 10
    return Synthesizer(network, class_names=["without nodules", "with nodules"][:classes])


def test_the_same_seed_gives_the_same_slices_however_many():
    (few,), (many,), (other,) = (list(synthesizer().volumes(*n)) for n in ((3, 5), (40, 5), (3, 6)))
    assert few.array.dtype == np.int16 and few.array.shape == (3, 64, 64)
    assert np.abs(few.array - many.array[:3]).max() <= 1 and not np.array_equal(few.array, other.array)
    assert few.grid.spacing == pytest.approx([4, 4, 8]) and few.grid.directions == pytest.approx(np.eye(3))
    assert few.array.min() >= -1000 and few.array.max() <= 400


def test_classes_are_asked_for_by_name():
    made = synthesizer(classes=2)
    first, second = (next(made.volumes(2, 0, class_name=name)).array for name in made.class_names)
    turns = next(made.volumes(2, 0)).array
    assert np.array_equal(turns[0], first[0]) and np.array_equal(turns[1], second[1])
    assert not np.array_equal(first, second)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": 0, "seed": 0}, "0 slices cannot be made"),
        ({"count": 1, "seed": -1}, "The seed cannot be -1"),
        ({"count": 1, "seed": 2**31}, "The seed cannot be"),
        ({"count": 1, "seed": 0, "size": (64, 64, 64)}, "knows no other size"),
        ({"count": 1, "seed": 0, "start_scale": 1}, "knows no scale to start from"),
        ({"count": 1, "seed": 0, "class_name": "with vessels"}, "knows no class with vessels"),
    ],
)
def test_what_cannot_be_made_is_said(options, message):
    with pytest.raises(UserError, match=message):
        next(synthesizer(classes=2).volumes(**options))


@pytest.mark.parametrize(
    "values",
    [
        {"method": "gan"},
        {"size": 100},
        {"kind": "mr"},
        {"window_high": -1000.0},
        {"trim": 0.5},
        {"classes": "nodules,vessels"},
        {"kind": "radiographs", "classes": "NORMAL"},
        {"batch_size": 1},
        {"method": "fully-connected", "size": 256},
    ],
)
def test_settings_that_make_no_sense(values):
    with pytest.raises(UserError, match=f"The setting {next(reversed(values))} cannot be"):
        SlicesSettings(**values)


def test_from_cts_to_a_model_that_synthesizes(cts, tmp_path, monkeypatch, capsys, few):
    monkeypatch.setenv("CTGAN_MODELS", str(tmp_path / "store"))
    run = tmp_path / "run"
    options = ["steps=4", "validations=2", "width=2", "latent=8", "field=256", "slice_spacing=8", "batch_size=4"]
    options.append("window_high=200")
    command = ["train", "--recipe", "slices", "--data", str(cts), "--out", str(run), "--validation-share", "0"]
    status = main([*command, "--device", "cpu", *(word for option in options for word in ("--set", option))])
    assert status == 0, capsys.readouterr()
    assert TRAINING in capsys.readouterr().out
    assert len(list((run / "previews").iterdir())) == 2 and (run / "previews.gif").read_bytes()[:3] == b"GIF"
    model = open_bundle(run / "model")
    assert model.task == "slices" and model.metadata["ctgan"]["trained_on"] == ["p0", "p1"]
    card = (model.folder / "docs" / "README.md").read_text()
    assert "| run " in card or TRAINING in card
    made = next(Synthesizer.from_model(model).volumes(2, 0))
    assert made.grid.spacing == pytest.approx([4, 4, 8])
    stack, sheet, series = (tmp_path / name for name in ("stack.nrrd", "sheet.png", "series"))
    command = ["synthesize", "--model", str(run / "model"), "--count", "5", "--out", str(stack), "--sheet", str(sheet)]
    assert main([*command, "--dicom", str(series), "--device", "cpu"]) == 0, capsys.readouterr()
    written = read_any_volume(stack).array
    assert np.array_equal(written[:2], made.array)
    seen = sitk.GetArrayFromImage(sitk.ReadImage(str(sheet)))
    assert np.array_equal(seen, montage(as_read(written), (-1000, 200)))
    assert main([*command[:-1], str(tmp_path / "sheet.jpg"), "--device", "cpu"]) == 1
    assert "cannot be written as sheet.jpg" in capsys.readouterr().err
    assert len(list(series.glob("*/*.dcm"))) == 5
    with pytest.raises(UserError, match="is for slices, not biplanar"):
        model.load("biplanar", {})


def test_scores_stand_beside_those_of_training_slices(cts, tmp_path, few):
    data = prepare_slices(SETTINGS, cts, tmp_path / "cache")
    rows = evaluate({"ours": synthesizer()}, data.files("test"), list(data.files("train").values()))
    ours, real = rows
    assert (ours["method"], real["method"]) == ("ours", TRAINING)
    assert ours["kid"] > 3 * real["kid"] and ours["kid"] > ours["kid_ci95"] > 0
    assert real["hu_distance"] < ours["hu_distance"] and real["nearest_hu"] < ours["nearest_hu"]
    assert ours["coverage"] == ours["precision"] == 0
    assert real["kid_ratio"] == 1 and ours["kid_ratio"] == pytest.approx(ours["kid"] / real["kid"])
    with pytest.raises(UserError, match="different kinds, sizes, windows or classes"):
        evaluate({"ours": synthesizer(), "theirs": synthesizer(classes=2)}, data.files("test"), [])


def test_radiographs_of_folders_with_classes(tmp_path, one_process, few):
    for kind in ("NORMAL", "PNEUMONIA", "OTHER"):
        (tmp_path / "data" / kind).mkdir(parents=True)
        for number in range(4):
            values = picture(60 + number, 80) + 50 * number
            sitk.WriteImage(sitk.GetImageFromArray(values), str(tmp_path / "data" / kind / f"{number}.png"))
    (tmp_path / "data" / "NORMAL" / "notes.png").write_text("no picture")
    settings = replace(SETTINGS, kind="radiographs", classes="NORMAL,PNEUMONIA")
    data = prepare_slices(settings, tmp_path / "data", tmp_path / "cache")
    assert len(data.cases) == 8 and len(data.left_out) == 5
    dataset = SliceDataset([data.prepared[case.name] for case in data.cases])
    assert dataset.labels.tolist() == [0] * 4 + [1] * 4 and {case.role for case in data.cases} == {"train", "test"}
    values = dataset[0][0]
    assert values.shape == (64, 64) and values.min() == 0 and 0.95 < values.max() <= 1
    assert not values[:7].any() and values[9:55].any()  # wider than high
    assert values[12:20, 50:].mean() > values[12:20, :14].mean()  # neither turned nor mirrored
    learning = SlicesRecipe(settings, dataset, "cpu")
    shown = learning.validate(dataset)[1]["prediction"]
    assert shown.array.dtype == np.float32 and 0 <= shown.array.min() <= shown.array.max() <= 1
    assert np.linalg.det(shown.grid.directions) > 0
    with pytest.raises(UserError, match="holds no radiograph"):
        prepare_slices(replace(settings, classes="A,B"), tmp_path / "data", tmp_path / "cache")

    # Of the kind that the network itself tells: no organs, no HU.
    files = [data.prepared[case.name] for case in data.cases]
    ours, real = evaluate({"ours": KIT.wrap(learning.average, "cpu")}, dict(enumerate(files[:3])), files[3:])
    assert not any("hu" in name or "organ" in name for name in (*ours, *real))
    assert 0 < real["brightness_distance"] < ours["brightness_distance"] < 1 and 0 < ours["nearest_brightness"] < 1
    # What is scored by one picture, or compared with one, would mean nothing.
    (alone,) = evaluate({"ours": KIT.wrap(learning.average, "cpu")}, dict(enumerate(files[:3])), files[3:4])
    assert np.isfinite(alone["kid"]) and "nearest_brightness" not in alone
    lone = prepare_slices(replace(settings, classes=""), tmp_path / "data" / "PNEUMONIA", tmp_path / "cache")
    assert len(lone.of("train")) == len(lone.cases) == 3 and "only test picture" in " ".join(lone.left_out.values())


def test_a_sheet_a_film_and_a_dicom_series(tmp_path):
    ct = chest(turned_grid(DIRECTIONS["oblique"], (100, 90, 40), np.array([4.0, 5.0, 6.0])))
    files = write_series(ct, tmp_path / "series")
    read = read_volume(tmp_path / "series")
    assert len(files) == len(ct.array) and np.array_equal(read.array, ct.array.round())
    assert read.grid.ijk_to_ras == pytest.approx(ct.grid.ijk_to_ras, abs=1e-3)
    with pytest.raises(UserError, match="something at"):
        write_series(ct, tmp_path / "series")

    slices = axial_slices(chest(GRID), SETTINGS).array
    seen = as_read(slices)
    assert seen[:, :, :28].mean() < seen[:, :, 36:].mean()  # the right lung, the larger one, is on the left
    sheet = montage(seen[:6], (-1000, 400), columns=3)
    assert sheet.shape == (130, 196) and np.array_equal(sheet[:64, :64], montage(seen[:1], (-1000, 400)))
    for number in range(2):
        write_png(sheet, tmp_path / f"{number}.png")
    write_gif([tmp_path / "0.png", tmp_path / "1.png"], tmp_path / "film.gif")
    assert sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "0.png"))).shape == sheet.shape
    assert (tmp_path / "film.gif").read_bytes()[:3] == b"GIF"
    with pytest.raises(UserError, match="cannot be written as sheet"):
        write_png(sheet, tmp_path / "sheet.jpg")
