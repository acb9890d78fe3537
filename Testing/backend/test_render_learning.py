"""Pictures to learn from, the networks that learn from them, and what is made of a trained one."""

import io
import json
import math

import numpy as np
import pytest
import SimpleITK as sitk
import torch

import phantoms
from CTGANLib.__main__ import main
from CTGANLib.errors import UserError
from CTGANLib.imaging.volumes import Volume, read_volume, write_volume
from CTGANLib.models.bundle import open_bundle
from CTGANLib.rendering import pictures
from CTGANLib.rendering.atlas import Atlas
from CTGANLib.rendering.camera import Camera, View
from CTGANLib.rendering.coarse import CoarseVolume
from CTGANLib.rendering.conditions import Conditions
from CTGANLib.rendering.evaluate import HALF, RAYCAST_ALONE
from CTGANLib.rendering.explorer import explore, grid_places, lay_out
from CTGANLib.rendering.kit import KIT
from CTGANLib.rendering.network import CastGenerator, Discriminator, OpacityGenerator
from CTGANLib.rendering.pictures import Pictures, read_coarse
from CTGANLib.rendering.preparation import prepare_pictures, render_cases, volume_cases
from CTGANLib.rendering.presets import preset
from CTGANLib.rendering.raycast import Tables, cast
from CTGANLib.rendering.recipe import OPACITY, RAYCAST, RenderingRecipe, RenderingSettings
from CTGANLib.rendering.render import NeuralRenderer
from CTGANLib.rendering.sensitivity import on_axis, on_picture
from CTGANLib.rendering.shots import random_shots, read_shots
from CTGANLib.rendering.surfaces import CHANNELS as SURFACES
from CTGANLib.rendering.tasks import Request, Studio
from CTGANLib.training.loop import Training
from CTGANLib.training.runs import Run

SIZE, COUNT = 64, 4
SPACING = np.array([4.0, 4.2, 4.5])
MUSCLE = preset("CT-Muscle")


def chest(spacing=SPACING, directions="oblique"):
    return phantoms.chest(phantoms.turned_grid(phantoms.DIRECTIONS[directions], (180, 130, 130), spacing))


@pytest.fixture(scope="module")
def volumes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("volumes")
    for name, directions in (("a", "upright"), ("b", "oblique")):
        write_volume(chest(directions=directions), folder / f"{name}.nii.gz")
    return folder


@pytest.fixture(scope="module")
def rendered(volumes, tmp_path_factory):
    """Pictures of two volumes."""
    folder = tmp_path_factory.mktemp("pictures")
    cases = volume_cases([volumes / "a.nii.gz", volumes / "b.nii.gz"])
    render_cases(cases, {case.name: random_shots(COUNT, 1, case.name) for case in cases}, folder, SIZE)
    return folder


def files(folder):
    return [folder / name / "pictures.json" for name in "ab"]


@pytest.fixture(scope="module")
def model(rendered, tmp_path_factory):
    torch.manual_seed(0)
    network = CastGenerator((4, 4, 8))
    torch.nn.init.normal_(network.head.weight, std=1e-3)
    cases = prepare_pictures(RenderingSettings(), rendered, rendered).cases
    rows = KIT.evaluate({"it": NeuralRenderer(network)}, {"a": files(rendered)[0]}, [])
    folder = tmp_path_factory.mktemp("models") / "Pictures"
    return KIT.publish(folder, network, RenderingSettings(), cases, rows, 0.1, "cpu")


def test_the_files_are_those_of_tfgan(rendered):
    folder = rendered / "a"
    views, opacities, colors = (np.load(folder / f"{name}.npy") for name in ("view", "opacity", "color"))
    assert views.shape == (COUNT, 4) and opacities.shape == (COUNT, 256, 2) and colors.shape == (COUNT, 256, 4)
    assert (np.diff(opacities[..., 0]) > 0).all() and opacities[..., 0].min() == -1024
    shots, again = random_shots(COUNT, 1, "a"), read_shots(folder)
    assert [shot.view for shot in again] == [shot.view for shot in shots]
    assert [shot.functions.shade for shot in again] == [shot.functions.shade for shot in shots]
    assert random_shots(2, 1, "a")[1].view == shots[1].view != random_shots(2, 1, "b")[1].view
    assert {shot.background for shot in random_shots(20, 0, "a")} > {shots[0].background}


def test_shots_of_tfgan_itself_can_be_read(tmp_path):
    np.save(tmp_path / "view.npy", [[90.0, 10, 0, 1]])
    np.save(tmp_path / "opacity.npy", np.stack([np.linspace(-1000, 1000, 256), np.linspace(0, 0.5, 256)], -1)[None])
    np.save(tmp_path / "color.npy", np.column_stack([np.linspace(-1000, 1000, 256), np.ones((256, 3))])[None])
    (shot,) = read_shots(tmp_path)
    assert shot.view == View(90, 10) and not shot.functions.shade and shot.functions.opacity[-1, 1] == 0.5
    np.save(tmp_path / "view.npy", np.zeros((2, 4)))
    with pytest.raises(UserError, match="cannot be read"):
        read_shots(tmp_path)


def test_pictures_are_whole_and_what_they_say(rendered):
    data = Pictures(files(rendered))
    assert len(data) == 2 * COUNT
    picture = data[COUNT]
    assert picture.rgba.shape == (64, 64, 4) and picture.cast.shape == (5, 64, 64)
    assert picture.opacity.shape == picture.depth.shape == (32, 32)
    opaque = np.array([one.rgba[..., 3].mean() / 255 for one in (data[n] for n in range(8))])
    low = np.array([one.opacity.mean() / 255 for one in (data[n] for n in range(8))])
    seen = np.array([one.cast[3].mean() for one in (data[n] for n in range(8))])
    assert np.ptp(opaque) > 0.1 and np.abs(opaque - low).max() < 0.1 and np.abs(opaque - seen).max() < 0.1


def test_rendering_goes_on_where_it_was_stopped(volumes, tmp_path, monkeypatch):
    (case,) = volume_cases([volumes / "a.nii.gz"])
    shots = random_shots(COUNT, 1, "a")
    monkeypatch.setattr(pictures, "_SHARD", 2)
    whole = pictures.render_case(case, shots, tmp_path / "whole", SIZE)
    asked = []

    def stop(fraction, message):
        asked.append(message)
        if len(asked) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pictures.render_case(case, shots, tmp_path / "part", SIZE, stop)
    assert sorted(path.name for path in (tmp_path / "part").glob("shard*")) == ["shard_0000"]
    before = (tmp_path / "part" / "shard_0000").stat().st_mtime_ns
    part = pictures.render_case(case, shots, tmp_path / "part", SIZE)
    assert (tmp_path / "part" / "shard_0000").stat().st_mtime_ns == before
    for name in ("rgba", "depth", "cast"):
        arrays = [np.load(path.parent / "shard_0001" / f"{name}.npy") for path in (whole, part)]
        np.testing.assert_array_equal(*arrays)
    with pytest.raises(UserError, match="other pictures"):
        pictures.render_case(case, random_shots(COUNT, 2, "a"), tmp_path / "part", SIZE)


@pytest.mark.parametrize("source, adversarial", [(RAYCAST, "lsgan"), (OPACITY, "bce")])
def test_training_gets_nearer_to_the_truth(rendered, tmp_path, source, adversarial):
    settings = RenderingSettings(
        source=source, adversarial=adversarial, steps=12, batch_size=2, crop=32, learning_rate=4e-3, validations=2,
        adversarial_from=0.5, patients=1,
    )
    recipe, data = RenderingRecipe(settings, Pictures(files(rendered)), "cpu"), Pictures(files(rendered)[:1])
    network = recipe.players["generator"].network
    # The generators begin near the truth: something must be wrong for 12 steps to put right.
    torch.nn.init.constant_((network.head if source == RAYCAST else network.fine).bias, 0.2)
    recipe.average.load_state_dict(network.state_dict())
    before, _ = recipe.validate(data)
    run = Run(tmp_path / "run")
    Training(recipe, Pictures(files(rendered)), data, run, settings).run()
    after, shown = recipe.validate(data)
    assert after["psnr"] > before["psnr"] + 0.2 and math.isfinite(after["rmse"])
    losses = run.losses()
    assert "discriminator" in losses[-1] and "discriminator" not in losses[0]
    assert shown["prediction"].array.shape == (4, 64, 64) and run.preview(12).is_file()


def test_generators_start_as_their_passes():
    torch.manual_seed(0)
    shots = random_shots(2, 0, "x")
    conditions = Conditions.of([shot.view for shot in shots], [shot.functions for shot in shots])
    passes = torch.rand(2, 5, 16, 16)
    torch.testing.assert_close(CastGenerator()(passes, conditions), passes[:, :4])
    network = OpacityGenerator((2,), (8, 8, 8))
    one = torch.tensor([0.2, 0.5, 0.7])
    # Opaque, and seen straight on in the upper half, from aside in the lower one.
    told = torch.ones(2, len(SURFACES), 16, 16)
    told[:, -1, 8:] = 0.5
    # The first patient looks like the passes, the second one is not seen at all.
    first = torch.cat([one[:, None, None].expand(3, 16, 16), torch.ones(2, 16, 16)])
    patients = torch.cat([first, torch.zeros_like(first)]).expand(2, -1, -1, -1)
    # A color function of one color leaves no choice, whatever the volume.
    color = conditions.color * 0 + one[:, None]
    for shade in (0.0, 1.0):
        light = torch.tensor([[shade, 0.2, 0.7, 0, 1.0]]).repeat(2, 1)
        told_too = Conditions(conditions.view, conditions.opacity, color, color, light)
        made = network(torch.cat([told, patients], 1), told_too)
        assert made.shape == (2, 4, 32, 32) and (made[:, 3] - 1).abs().max() < 0.1
        for row, facing in ((6, 1.0), (25, 0.5)):
            lit = 0.2 + 0.7 * facing if shade else 1
            torch.testing.assert_close(made[0, :3, row, 16], one * (1 + lit) / 2, atol=0.05, rtol=0)
    assert Discriminator()(made, conditions).shape == (2, 1, 4, 4)


def test_an_atlas_is_brought_to_an_opacity_pass():
    volume = chest()
    atlas, view = Atlas(2), View(80, 30, 0, 1.2)
    atlas.fill([CoarseVolume.of(volume), CoarseVolume.of(chest(directions="upright"))])
    again = Atlas(2)
    again.load_state_dict(atlas.state_dict())
    camera = view.camera(volume.grid)
    aside = Camera(tuple(np.add(camera.position, 20)), tuple(np.add(camera.focal_point, 20)), camera.view_up, 24.0)
    wanted = cast(CoarseVolume.of(volume), aside, Tables.of(MUSCLE), 32)
    seen = again.seen(wanted[3], view, MUSCLE)
    assert seen.shape == (2, 5, 32, 32)
    as_they_are = cast(again._patients()[0], camera, Tables.of(MUSCLE), 32)
    error, before = ((picture[:4] - wanted[:4]).abs().mean() for picture in (seen[0], as_they_are))
    assert error < 0.3 * before


def test_the_networks_are_small():
    for network in (CastGenerator(), OpacityGenerator()):
        assert 2 * sum(parameter.numel() for parameter in network.parameters()) < 20e6


def test_evaluation_has_the_ray_caster_beside(model, rendered):
    predictor = NeuralRenderer.from_model(open_bundle(model.folder))
    rows = KIT.evaluate({"it": predictor}, {"b": files(rendered)[1]}, [])
    assert [row["method"] for row in rows] == [RAYCAST_ALONE, "it"] * COUNT
    ours, alone = rows[1], rows[0]
    assert ours["rmse"] == pytest.approx(alone["rmse"], abs=0.03) and ours["seconds"] > 0
    assert {"rmse", "relative_l2", "ssim", "ms_ssim", "psnr", "emd"} < set(ours)
    assert "0003" not in (model.folder / "docs" / "README.md").read_text()


def test_a_model_that_sees_passes_is_published_with_its_atlas_and_used(rendered, volumes, tmp_path):
    network = OpacityGenerator((2,), (4, 4, 8))
    network.atlas.fill([read_coarse(path) for path in files(rendered)])
    settings = RenderingSettings(source=OPACITY)
    cases = prepare_pictures(settings, rendered, rendered).cases
    made = KIT.publish(tmp_path / "Opacity", network, settings, cases, [], 0.1, "cpu")
    predictors = {"it": NeuralRenderer(network), "again": NeuralRenderer.from_model(open_bundle(made.folder))}
    rows = KIT.evaluate(predictors, {"b": files(rendered)[1]}, [])
    assert [row["method"] for row in rows] == [RAYCAST_ALONE, HALF, "it", "again"] * COUNT
    assert [row["rmse"] for row in rows if row["method"] == "it"] == pytest.approx(
        [row["rmse"] for row in rows if row["method"] == "again"], abs=1e-3
    )
    # From the volume itself, whose grid is not that of the pictures' viewpoints, it is the same picture.
    picture = Pictures(files(rendered))[COUNT]
    studio = Studio(read_volume(volumes / "b.nii.gz"), predictors["it"])
    asked = picture.shot.view.camera(studio.volume.grid), picture.shot.functions, SIZE
    expected = predictors["it"].from_surfaces(picture.surfaces, picture.shot.view, picture.shot.functions)
    np.testing.assert_allclose(studio.picture(*asked).rgba, expected, atol=0.02)


def test_folders_of_cts_are_rendered_when_they_train(volumes, tmp_path):
    settings = RenderingSettings(pictures=2, steps=1)
    told = []
    data = prepare_pictures(settings, volumes, tmp_path, lambda fraction, message: told.append(fraction))
    assert sorted(data.prepared) == ["a", "b"] and len(Pictures(list(data.prepared.values()))) == 4
    assert told == sorted(told)
    again = prepare_pictures(settings, volumes, tmp_path)
    assert again.prepared == data.prepared


def test_bad_settings_and_data(tmp_path):
    for wrong in ({"source": "mirror"}, {"adversarial": "no"}, {"size": 100}, {"crop": 20}, {"pictures": 0}):
        with pytest.raises(UserError, match="cannot be"):
            RenderingSettings(**wrong)
    with pytest.raises(UserError, match="There is no file"):
        render_cases(volume_cases([tmp_path / "none.nrrd"]), {"none": []}, tmp_path, SIZE)
    broken = chest()
    broken.array[3, 3, 3] = np.nan
    write_volume(broken, tmp_path / "nan.nrrd")
    write_volume(Volume(np.zeros((8, 8, 8), np.int16), phantoms.Grid.centered((8,) * 3, 2.0)), tmp_path / "empty.nrrd")
    for name, message in (("nan", "not numbers"), ("empty", "is empty")):
        with pytest.raises(UserError, match=message):
            cases = volume_cases([tmp_path / f"{name}.nrrd"])
            render_cases(cases, {name: random_shots(1, 0, name)}, tmp_path / "out", SIZE)
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "pictures.json").write_text("{}")
    with pytest.raises(UserError, match="another version"):
        prepare_pictures(RenderingSettings(), tmp_path, tmp_path)


def test_sensitivity_knows_what_the_picture_shows(model):
    volume = chest()
    renderer, coarse = NeuralRenderer.from_model(model), CoarseVolume.of(volume)
    camera = View(85, 10).camera(volume.grid)
    axis = on_axis(renderer, coarse, camera, MUSCLE, 64)
    assert axis.opacity.shape == (256,) and axis.color.shape == (256, 3)
    # The body has 40 HU; nothing in it has 2000.
    near = np.abs(axis.hu - 40) < 60
    assert np.abs(axis.color[near]).sum() > 10 * np.abs(axis.color[axis.hu > 1500]).sum() > -1
    seen = on_picture(renderer, coarse, camera, MUSCLE, (500, 3000), 64)
    rows, columns = np.nonzero(seen > 0.5 * seen.max())
    toward = camera.axes @ (phantoms.MARKER - np.array(camera.position))
    half = np.tan(np.radians(camera.view_angle / 2)) * toward[2]
    place = 32 + 32 * np.array([-toward[1], toward[0]]) / half
    assert np.abs(np.array([rows.mean(), columns.mean()]) - place).max() < 6
    corner = on_axis(renderer, coarse, camera, MUSCLE, 64, (0, 4, 0, 4))
    assert np.abs(corner.color).max() < 0.05 * np.abs(axis.color).max()
    with pytest.raises(UserError, match="no pixel"):
        on_axis(renderer, coarse, camera, MUSCLE, 64, (5, 5, 0, 4))
    with pytest.raises(UserError, match="no HU"):
        on_picture(renderer, coarse, camera, MUSCLE, (5000, 6000), 64)


def test_the_explorer_puts_alike_functions_near_each_other(model):
    volume = chest()
    renderer, camera = NeuralRenderer.from_model(model), View().camera(volume.grid)
    found = explore(renderer, CoarseVolume.of(volume), camera, 6)
    assert found.thumbnails.shape == (6, 64, 64, 3) and found.places.min() == 0 and found.places.max() == 1
    assert len({tuple(cell) for cell in grid_places(found.places)}) == 6
    random = np.random.default_rng(0)
    groups = np.repeat(random.normal(size=(3, 10)) * 8, 10, 0) + random.normal(size=(30, 10))
    for layout in ("pca", "tsne"):
        places = lay_out(groups, layout)
        distance = np.linalg.norm(places[:, None] - places, axis=-1) + np.eye(30) * 9
        assert (distance.argmin(1) // 10 == np.arange(30) // 10).mean() > 0.9
    with pytest.raises(UserError, match="layout"):
        explore(renderer, CoarseVolume.of(volume), camera, 6, "circle")


def test_the_command_makes_pictures_and_all_around_them(model, volumes, tmp_path, capsys):
    out = {name: tmp_path / f"{name}.png" for name in ("out", "truth", "difference", "map")}
    arguments = [f"--{name}={path}" for name, path in out.items()]
    what = ["render", str(volumes / "a.nii.gz"), "--transfer", "CT-Muscle", "--size", "64"]
    further = [f"--sensitivity={tmp_path / 's.json'}", f"--explore={tmp_path / 'e'}", "--count", "4", "--device", "cpu"]
    further += ["--model", str(model.folder)]
    status = main([*what, *arguments, *further, "--view", "85", "30", "0", "1", "--events"])
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert status == 0 and events[-1]["event"] == "result"
    result = events[-1]
    assert result["picture"] == str(out["out"]) and result["scores"]["rmse"] < 0.1 and result["truth_seconds"] > 0
    made, true = (sitk.GetArrayFromImage(sitk.ReadImage(str(out[name]))) for name in ("out", "truth"))
    assert made.shape == (64, 64, 3) and np.abs(made.astype(int) - true).mean() < 12 and np.ptp(true) > 100
    assert len(json.loads((tmp_path / "s.json").read_text())["opacity"]) == 256
    assert len(result["functions"]) == 4 and (tmp_path / "e" / "sheet.png").is_file()
    assert main(["render", str(volumes / "a.nii.gz"), "--out", str(out["out"]), "--transfer", "none"]) == 1
    assert "There is no volume property none" in capsys.readouterr().err
    assert main(["render", str(volumes / "a.nii.gz"), "--out", "a.png", "--transfer", "CT-Bone", "--size", "3"]) == 1
    assert "3 x 3 pixels" in capsys.readouterr().err


def test_a_panel_gets_pictures_on_request(model, tmp_path, capsys):
    volume = chest()
    studio = Studio(volume, NeuralRenderer.from_model(model))
    camera = View(85, 30).camera(volume.grid)
    told = {name: list(getattr(camera, name)) for name in ("position", "focal_point", "view_up")}
    good = {"out": str(tmp_path / "a.png"), "transfer": "CT-Bone", "camera": told, "size": 64}
    asked = [good, {**good, "out": str(tmp_path / "b.png"), "view": [85, 30, 0, 1], "camera": None}]
    wrong = [{**good, "transfer": "x"}, {**good, "background": [0, 1, 2]}, {**good, "region": "all"}]
    lines = io.StringIO("\n".join([*map(json.dumps, asked), "nonsense", *map(json.dumps, wrong)]))
    assert studio.serve(lines) == 2
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    answers = [event for event in said if event["event"] != "progress"]
    assert [event["event"] for event in answers] == ["result", "result", "error", "error", "error", "error"]
    first, second = (sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / f"{name}.png"))) for name in "ab")
    np.testing.assert_array_equal(first, second)
    assert answers[1]["camera"]["position"] == pytest.approx(told["position"])
    for event, message in zip(answers[2:], ("not JSON", "volume property x", "no color", "no sense"), strict=True):
        assert message in event["message"]


def test_a_background_of_two_colors_is_the_first_one_below(model, tmp_path):
    volume = chest()
    studio = Studio(volume, NeuralRenderer.from_model(model))
    asked = {name: str(tmp_path / f"{name}.png") for name in ("out", "truth")}
    asked |= {"transfer": "CT-Bone", "size": 64, "background": [1, 0, 0, 0, 0, 1]}
    studio.answer(Request.of(asked, volume))
    for name in ("out", "truth"):
        corner = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / f"{name}.png")))[:, 0].astype(int)
        np.testing.assert_allclose(corner[[0, -1]], [[2, 0, 253], [253, 0, 2]], atol=2)


def test_the_command_fuses_without_a_model(volumes, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CTGAN_MODELS", str(tmp_path))
    both = [str(volumes / f"{name}.nii.gz") for name in "ab"]
    assert main(["render", *both, "--fused", str(tmp_path / "f.nrrd"), "--fusion", "average"]) == 0
    assert sitk.ReadImage(str(tmp_path / "f.nrrd")).GetSize() == sitk.ReadImage(both[0]).GetSize()
    brighter = read_volume(both[0])
    paths = [str(tmp_path / f"{name}.nrrd") for name in ("brighter", "sure", "unsure", "certain")]
    arrays = brighter.array + 100, np.ones(brighter.grid.shape), np.full(brighter.grid.shape, 300.0)
    for path, array in zip(paths, arrays, strict=False):
        write_volume(Volume(array.astype(np.float32), brighter.grid), path)
    told = ["--deviations", paths[2], paths[1], "--fused", paths[3]]
    assert main(["render", both[0], paths[0], *told]) == 0
    certain = sitk.GetArrayFromImage(sitk.ReadImage(paths[3]))
    np.testing.assert_allclose(certain, brighter.array + 100, atol=1)
    assert main(["render", both[0], "--fused", str(tmp_path / "g.nrrd")]) == 1
    assert "only one volume" in capsys.readouterr().err


def test_the_data_set_command(volumes, tmp_path, capsys):
    paths = [str(volumes / f"{name}.nii.gz") for name in "ab"]
    assert main(["dataset", "render", *paths, "3", "--out", str(tmp_path / "set")]) == 0
    assert "3 pictures of 2 volumes" in capsys.readouterr().out
    info = tmp_path / "set" / "b" / "pictures.json"
    assert len(np.load(tmp_path / "set" / "a" / "view.npy")) == 2 and read_coarse(info).hu.any()
    assert main(["dataset", "render", *paths, "1", "--out", str(tmp_path / "set")]) == 1
    like = ["--like", str(tmp_path / "set" / "a")]
    assert main(["dataset", "render", paths[1], "2", "--out", str(tmp_path / "like"), *like]) == 0
    views = [np.load(tmp_path / place / "view.npy") for place in ("set/a", "like/b")]
    np.testing.assert_array_equal(*views)
