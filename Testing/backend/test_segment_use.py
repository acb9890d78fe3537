"""Segmenters at work: the result on any grid, sides, clean-up, little memory, bad input, from KiTS to segments."""

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from CTGANLib import __main__ as program
from CTGANLib.device import free_memory_mb
from CTGANLib.errors import UserError
from CTGANLib.imaging import masks
from CTGANLib.imaging.geometry import Grid
from CTGANLib.imaging.volumes import Volume, write_volume
from CTGANLib.models.store import find_model, list_models
from CTGANLib.segmentation import patches
from CTGANLib.segmentation.bone import sharpened
from CTGANLib.segmentation.cleaning import clean
from CTGANLib.segmentation.labels import BODY, KIDNEY, LEFT_LUNG, MEDIASTINUM, RIBS, RIGHT_LUNG, TUMOR, Label, own_label
from CTGANLib.segmentation.measuring import measure
from CTGANLib.segmentation.memory import needed_mb
from CTGANLib.segmentation.network import FILTERS, NETWORKS, build, definitions, outputs
from CTGANLib.segmentation.patches import LabeledVolume, patch
from CTGANLib.segmentation.scoring import overlaps, structures, surface_scores
from CTGANLib.segmentation.segment import segment_ct
from CTGANLib.segmentation.segmenter import Segmenter
from CTGANLib.segmentation.tasks import CHEST, KIDNEY_TASK, Task, find_task
from phantoms import CENTER, DIRECTIONS, ball, chest, dicom, points, turned_grid

RIGHT, LEFT = own_label(1, "Right ball"), own_label(2, "Left ball")
TWO = Task("two", (RIGHT, LEFT), (-1000.0, 1000.0), 2.0, {}, single=(RIGHT, LEFT))
PLACES = {RIGHT: CENTER + np.array([40.0, 10.0, -20.0]), LEFT: CENTER - np.array([35.0, 15.0, -30.0])}
DENSITIES = {RIGHT: 700, LEFT: -400}


class ByDensity(torch.nn.Module):
    """Knows air and what each ball is made of."""

    def forward(self, image):
        return -torch.cat([(1000 * image - level).abs() / 20 for level in (-1000, *DENSITIES.values())], 1)


def balls(grid) -> Volume:
    """Two balls in air, a dense one on the right and a large light one on the left."""
    hu = np.full(grid.shape, -1000, np.float32)
    for label, radius in ((RIGHT, 16), (LEFT, 22)):
        hu = np.where(np.linalg.norm(points(grid) - PLACES[label], axis=-1) < radius, DENSITIES[label], hu)
    return Volume(hu.astype(np.float32), grid)


@pytest.mark.parametrize("name", DIRECTIONS)
def test_the_result_lies_on_the_grid_of_the_ct(name):
    ct = balls(turned_grid(DIRECTIONS[name], (160, 130, 150), (1.5, 2.5, 3.0)))
    labels = Segmenter(ByDensity(), TWO, 48)(ct)
    assert labels.grid is ct.grid and labels.array.dtype == np.uint8
    for label, level in DENSITIES.items():
        found, true = labels.array == label.value, ct.array == level
        np.testing.assert_allclose(points(ct.grid)[found].mean(axis=0), PLACES[label], atol=0.8)
        assert 2 * (found & true).sum() / (found.sum() + true.sum()) > 0.85  # thresholds of a smoothed CT


def test_memory_that_runs_out_leads_to_smaller_windows(monkeypatch):
    ct = balls(turned_grid(np.eye(3), (160, 130, 150), (2, 2, 2)))
    segmenter, sides = Segmenter(ByDensity(), TWO, 96), []
    seen = segmenter._seen

    def short_of_memory(windows):
        sides.append(windows.shape[-1])
        if windows.shape[-1] > 48:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return seen(windows)

    monkeypatch.setattr(segmenter, "_seen", short_of_memory)
    labels = segmenter(ct)
    assert sides[0] == 96 and sides[-1] == 48
    np.testing.assert_array_equal(labels.array, Segmenter(ByDensity(), TWO, 48)(ct).array)
    monkeypatch.setattr(segmenter, "_seen", lambda windows: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        segmenter(ct)


def test_memory_is_asked_before_the_start(monkeypatch):
    ct = balls(turned_grid(np.eye(3), (160, 130, 150), (2, 2, 2)))
    segmenter, sides, seen = Segmenter(ByDensity(), TWO, 96), [], Segmenter._seen
    monkeypatch.setattr(Segmenter, "_seen", lambda own, image: sides.append(image.shape[-1]) or seen(own, image))
    voxels, classes = ct.array.size, TWO.classes
    for free, side in ((None, 96), (1.2 * needed_mb(voxels, classes, 96), 96), (needed_mb(voxels, classes, 96), 48)):
        monkeypatch.setattr("CTGANLib.segmentation.memory.free_memory_mb", lambda free=free: free)
        sides.clear()
        segmenter(ct)
        assert set(sides) == {side}
    sides.clear()
    monkeypatch.setattr("CTGANLib.segmentation.memory.free_memory_mb", lambda: needed_mb(voxels, classes, 48))
    with pytest.raises(UserError, match=r"GB of memory, and .* GB are free"):
        segmenter(ct)
    assert not sides


def test_free_memory():
    free = free_memory_mb()
    if Path("/proc/meminfo").exists():
        total = int(re.search(r"MemTotal: +(\d+)", Path("/proc/meminfo").read_text())[1]) / 1e3
        assert 0 < free < total
    else:
        assert free is None or free > 0


def test_what_has_been_learned_too_little_is_not_offered():
    task = replace(TWO, withheld=(LEFT,))
    ct = balls(turned_grid(np.eye(3), (120, 120, 120), (2, 2, 2)))
    found = segment_ct(ct, Segmenter(ByDensity(), task, 48))
    assert [row["name"] for row in found.rows] == ["Right ball"] and set(np.unique(found.labels.array)) == {0, 1}
    assert list(structures(task)) == ["Right ball"] and find_task("chest", "", "Spleen").withheld[0].name == "Spleen"
    assert repr(find_task("chest", "", "Spleen, Liver")) == repr(CHEST)  # prepared data serve both
    for wrong in ("Brain", "Spleen, Brain", "Body"):
        with pytest.raises(UserError, match="withhold cannot be"):
            find_task("chest", "", wrong)


def test_bones_end_where_the_ct_says():
    true = np.zeros((40, 40, 40), bool)
    true[:, 10:30, 12:28] = True  # a shell around marrow
    hu = np.where(true, 600.0, 40.0)
    hu[3:-3, 13:27, 15:25] = 100  # marrow
    hu[:, 30, :], true[:, 30] = 150, False  # shared with soft tissue
    hu[:, 5:8, 5:8] = 500  # something dense, away from it
    for coarse in (masks.dilate(true, (1, 1, 1)), masks.erode(true, (1, 1, 1))):
        np.testing.assert_array_equal(sharpened(coarse, hu, 2.0), true)
    assert not sharpened(true & False, hu, 2.0).any()
    canal = np.zeros_like(true)
    canal[:, 16:22, 18:24] = True  # through all slices
    hu[:, 15:23, 17:25], hu[canal] = 600, 20
    np.testing.assert_array_equal(sharpened(masks.dilate(true & ~canal, (1, 1, 1)), hu, 2.0), true & ~canal)


def test_a_segmenter_sharpens_bones():
    hu = np.full((64, 64, 64), -1000, np.float32)
    hu[16:48, 16:48, 16:48] = 700
    hu[16:48, 16:48, 47] = 170  # the network takes it for bone
    plain, sharp = (Segmenter(ByDensity(), task, 48).classes(hu) for task in (TWO, replace(TWO, dense=(RIGHT,))))
    assert (plain[20:44, 20:44, 47] == 1).all() and not (sharp[20:44, 20:44, 47] == 1).any()
    np.testing.assert_array_equal(sharp[:, :, :47], plain[:, :, :47])


def test_progress_tells_the_time_before_the_start():
    told = []
    Segmenter(ByDensity(), TWO, 48)(
        balls(turned_grid(np.eye(3), (120, 120, 120), (2, 2, 2))), lambda *p: told.append(p)
    )
    assert told[0][1].startswith("Segmenting, about") and told[-1][0] <= 1
    assert [fraction for fraction, _ in told] == sorted(fraction for fraction, _ in told)


def test_nothing_found_is_empty_segments_and_a_warning():
    air = Volume(np.full((40, 40, 40), -1000, np.int16), Grid.centered((40, 40, 40), 3.0))
    found = segment_ct(air, Segmenter(ByDensity(), TWO, 48))
    assert not found.labels.array.any() and len(found.rows) == 2
    assert found.rows[0] == {"name": "Right ball", "value": 1, "volume_ml": 0.0, "mean_hu": None, "surface_cm2": 0.0}
    assert found.warnings == ["None of these was found: Right ball, Left ball."]


def test_measures():
    grid = turned_grid(DIRECTIONS["oblique"], (120, 120, 120), (1.5, 2, 2.5))
    inside = np.linalg.norm(points(grid) - CENTER, axis=-1) < 30
    labels = Volume(np.where(inside, RIBS.value, np.uint8(0)).astype(np.uint8), grid)
    rows = measure(labels, Volume(np.where(inside, 300, -50).astype(np.int16), grid), (BODY, RIBS, LEFT_LUNG))
    for row in rows[:2]:  # a rib is in the body
        assert row["volume_ml"] == pytest.approx(4 / 3 * np.pi * 3**3, rel=0.02)
        assert row["surface_cm2"] == pytest.approx(4 * np.pi * 3**2, rel=0.05) and row["mean_hu"] == 300
    assert rows[2]["mean_hu"] is None and rows[2]["surface_cm2"] == 0


def test_clean_up():
    classes = np.full((30, 30, 30), 1, np.uint8)  # body
    lung, rib = CHEST.labels.index(RIGHT_LUNG) + 1, CHEST.labels.index(RIBS) + 1
    classes[5:15, 5:15, 5:15] = lung
    classes[9:11, 9:11, 9:11] = 1  # a hole
    classes[20:23, 20:23, 20:23] = lung  # a second part
    classes[2, 2, 2:4] = rib  # specks
    classes[25, 2:28, 25:28] = classes[28, 2:28, 25:28] = rib  # ribs are many
    result = clean(classes, CHEST)
    assert (result[5:15, 5:15, 5:15] == lung).all() and (result[20:23, 20:23, 20:23] == 1).all()
    assert (result[2, 2, 2:4] == 1).all() and (result == rib).sum() == 2 * 26 * 3


def test_surfaces():
    grid = Grid.centered((60, 60, 60), 2.0)
    one = ball(grid, [0, 0, 0], 30.0) > 0.5
    assert surface_scores(one, one, 2.0) == (1.0, 0.0)
    near, far = surface_scores(np.roll(one, 1, 2), one, 2.0), surface_scores(np.roll(one, 6, 2), one, 2.0)
    assert near[0] == 1.0 and near[1] == 2.0
    assert far[0] < 0.5 and far[1] == pytest.approx(11, abs=1.5)
    assert surface_scores(one & False, one, 2.0)[0] == 0.0


def test_surfaces_as_monai_has_them():
    pytest.importorskip("scipy")
    from monai.metrics import compute_hausdorff_distance, compute_surface_dice

    random = np.random.default_rng(0)
    one, other = (
        sitk.GetArrayFromImage(sitk.DiscreteGaussian(sitk.GetImageFromArray(r), 4.0)) > 0.5
        for r in random.random((2, 24, 24, 24)).astype(np.float32)
    )
    pair = [torch.from_numpy(mask.copy())[None, None] for mask in (one, other)]
    surface, distance = surface_scores(one, other, 2.0)
    assert surface == pytest.approx(float(compute_surface_dice(*pair, [2.0], True, spacing=2.0)), abs=1e-6)
    expected = compute_hausdorff_distance(*pair, include_background=True, percentile=95, spacing=2.0)
    assert distance == pytest.approx(float(expected), abs=1e-6)


def test_scores_pass_over_what_is_unknown():
    sets = np.full((4, 4, 4), CHEST.all_bits, np.uint16)
    sets[:2] = CHEST.bits(RIGHT_LUNG)
    sets[2:] = CHEST.bits(BODY)
    sets[3, 0] = CHEST.all_bits
    lung = CHEST.labels.index(RIGHT_LUNG) + 1
    scores = overlaps(np.full((4, 4, 4), lung, np.uint8), sets, CHEST)
    assert scores["Right lung"] == pytest.approx(2 * 32 / (32 + 60))
    assert "Liver" not in scores and "Left lung" not in scores


@pytest.mark.parametrize("name", NETWORKS)
def test_networks(name):
    network = build(name, 3, 8)
    image = torch.randn(1, 1, 32, 32, 32)
    levels = outputs(network.train(), image)
    assert [tuple(level.shape[1:]) for level in levels] == [(3, *(32 // 2**n,) * 3) for n in range(len(levels))]
    assert (len(levels) > 1) == (name in ("SegResNet", "DynUNet"))
    assert network.eval()(image).shape == (1, 3, 32, 32, 32)
    again = definitions()[name](classes=(3,), filters=(8,))
    again.load_state_dict(network.state_dict())
    assert set(FILTERS) == set(NETWORKS)


def test_patches_keep_their_sides(tmp_path, monkeypatch):
    for share in ("_BLURRED", "_CONTRASTED"):
        monkeypatch.setattr(patches, share, 0.0)
    hu = np.full((60, 60, 60), -1000, np.int16)
    sets = np.ones((60, 60, 60), np.uint16)
    for label, part in ((RIGHT_LUNG, slice(35, 55)), (LEFT_LUNG, slice(5, 25))):
        hu[15:45, 15:45, part] = 500 if label is RIGHT_LUNG else 50
        sets[15:45, 15:45, part] = CHEST.bits(label)
    np.save(tmp_path / "a.npy", np.stack([hu, sets.view(np.int16)]))
    volume = LabeledVolume(tmp_path / "a.npy")
    assert len(volume.places) == 2
    seen = set()
    for seed in range(8):
        torch.manual_seed(seed)
        patched, bits = patch(volume, CHEST, 40, torch.device("cpu"))
        assert patched.shape == bits.shape == (1, 1, 40, 40, 40)
        columns = torch.arange(40.0)
        middles = {
            label: float((columns * (bits == CHEST.bits(label)).float().sum((0, 1, 2, 3))).sum())
            / max(float((bits == CHEST.bits(label)).sum()), 1)
            for label in (RIGHT_LUNG, LEFT_LUNG)
        }
        for label, level in ((RIGHT_LUNG, 500), (LEFT_LUNG, 50)):
            if (inside := bits == CHEST.bits(label)).sum() > 2000:
                seen.add(label.name)
                assert float(patched[inside].median()) == pytest.approx(level, abs=120)
        if len(seen) == 2 and all(middles.values()):
            assert middles[RIGHT_LUNG] > middles[LEFT_LUNG]
    assert seen == {"Right lung", "Left lung"}
    torch.manual_seed(1)
    first = patch(volume, CHEST, 40, torch.device("cpu"))
    torch.manual_seed(1)
    assert torch.equal(first[0], patch(volume, CHEST, 40, torch.device("cpu"))[0])


def test_contrast_medium_changes_soft_tissue_alone():
    hu = torch.linspace(-1000, 1000, 24).repeat(1, 1, 24, 24, 1)
    torch.manual_seed(0)
    nowhere = torch.zeros_like(hu, dtype=torch.bool)
    added = patches._contrast(hu, nowhere)
    soft = (hu > 0) & (hu < 160)
    assert float(added[soft].max()) > 50 and not added[(hu < -20) | (hu > 160)].any()
    assert float(added[soft].min()) < 0.5 * float(added[soft].max())  # here and there
    blood = nowhere.clone()
    blood[..., :12, :] = True
    filled = [patches._contrast(hu, blood) for _ in range(8)]
    filled = [added for added in filled if not added[~blood].any()]
    assert 0 < len(filled) < 8 and all(float(added[blood & soft].min()) > 15 for added in filled)
    sets = torch.tensor([CHEST.bits(MEDIASTINUM), CHEST.bits(BODY), CHEST.bits(MEDIASTINUM, RIBS)])
    assert patches._blood(sets, CHEST).tolist() == [True, False, False]


def test_labels_travel_in_a_models_metadata():
    for label in (*CHEST.labels, *KIDNEY_TASK.labels, *find_task("labels", "a,b").labels):
        again = Label.from_dict(json.loads(json.dumps(label.to_dict())))
        assert again == label and again.terminology_entry == label.to_dict()["terminology"]


def kits(folder, count=4) -> Grid:
    """Phantoms in the layout of KiTS19: kidneys, and in the right one a tumor, each of its own density.

    A table gives the roles, since phantoms are so alike that they would be taken for one patient.
    """
    folder.mkdir()
    roles = [
        f"{number}\t{'test' if number == 0 else 'train'}\tcase_{number:05d}/imaging.nii.gz" for number in range(count)
    ]
    (folder / "MANIFEST.tsv").write_text("\n".join(["id\trole\tpath", *roles]) + "\n")
    for number in range(count):
        ct = chest(turned_grid(np.eye(3), (220, 160, 160), (4, 4, 4), CENTER), scale=1 + 0.03 * number)
        right, front, up = np.moveaxis(points(ct.grid) - CENTER, -1, 0)
        labels = np.zeros(ct.grid.shape, np.uint8)
        for side in (-1, 1):
            labels[((right - 68 * side) / 14) ** 2 + ((front + 12) / 18) ** 2 + (up / 40) ** 2 < 1] = 1
        labels[(right - 68) ** 2 + (front + 12) ** 2 + (up - 16) ** 2 < 17**2] = 2
        hu = np.where(labels == 1, 200, np.where(labels == 2, -100, ct.array))
        case = folder / f"case_{number:05d}"
        case.mkdir(parents=True)
        write_volume(Volume(hu.astype(np.int16), ct.grid), case / "imaging.nii.gz")
        write_volume(Volume(labels, ct.grid), case / "segmentation.nii.gz")
    return ct.grid


def test_from_kits_to_segments(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CTGAN_MODELS", str(tmp_path / "models"))
    grid = kits(tmp_path / "kits")
    settings = ["task=kidney", "network=SegResNet", "filters=8", "patch=48", "learning_rate=0.005", "validations=0"]
    arguments = ["--steps", "100", "--batch", "1", "--seed", "1", "--device", "cpu", "--events"]
    arguments += [part for setting in settings for part in ("--set", setting)]
    status = program.main(
        [
            "train",
            "--recipe",
            "segmentation",
            "--data",
            str(tmp_path / "kits"),
            "--out",
            str(tmp_path / "Kidneys"),
            *arguments,
        ]
    )
    trained = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert status == 0, trained
    scores = {row["method"]: row for row in trained["metrics"]}
    assert scores["Kidneys"]["dice Kidney and tumor"] > 0.6 and scores["all background"]["dice"] == 0
    assert [label["name"] for label in find_model("Kidneys").metadata["ctgan"]["labels"]] == ["Kidney", "Tumor"]

    ct, out = tmp_path / "kits/case_00000/imaging.nii.gz", tmp_path / "k.seg.nrrd"
    program.main(
        [
            "segment",
            str(ct),
            "--model",
            "Kidneys",
            "--out",
            str(out),
            "--table",
            str(tmp_path / "k.csv"),
            "--device",
            "cpu",
            "--events",
        ]
    )
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [row["name"] for row in result["segments"]] == ["Kidney", "Tumor"] and result["warnings"] == []
    image = sitk.ReadImage(str(out))
    found = Volume.from_image(image)
    np.testing.assert_allclose(found.grid.ijk_to_ras, grid.ijk_to_ras, atol=1e-6)
    truth = sitk.GetArrayFromImage(sitk.ReadImage(str(ct.with_name("segmentation.nii.gz"))))
    inside = found.array > 0
    assert 2 * (inside & (truth > 0)).sum() / (inside.sum() + (truth > 0).sum()) > 0.6
    tumor = points(grid)[found.array == TUMOR.value]
    assert len(tumor) and tumor.mean(axis=0)[0] > CENTER[0] + 40  # on its side
    with (tmp_path / "k.csv").open() as file:
        assert [row["name"] for row in csv.DictReader(file)] == [KIDNEY.name, TUMOR.name]
    assert image.GetMetaData("Segment1_Name") == "Tumor" and image.GetMetaData("Segment1_LabelValue") == "12"


def failed(capsys, *arguments) -> str:
    assert program.main(["segment", *map(str, arguments), "--device", "cpu", "--events"]) == 1
    error = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert error["event"] == "error" and error["message"].count("Traceback") == 0
    return error["message"]


@pytest.fixture
def own_model(tmp_path, monkeypatch):
    """A segmenter that has learned nothing, in the store."""
    from CTGANLib.segmentation.publish import publish
    from CTGANLib.segmentation.recipe import SegmentationSettings

    monkeypatch.setenv("CTGAN_MODELS", str(tmp_path / "models"))
    settings = SegmentationSettings(task="kidney", network="SmallCNN", filters=4, patch=32)
    publish(tmp_path / "models/Own", build("SmallCNN", 3, 4), settings, [], [], 0.0, "cpu")
    return "Own"


def test_bad_input(tmp_path, own_model, capsys):
    out = tmp_path / "a.seg.nrrd"
    grid = Grid.centered((20, 20, 20), 3.0)
    mr = tmp_path / "mr.nii.gz"
    write_volume(Volume((np.random.default_rng(0).random(grid.shape) * 500).astype(np.int16), grid), mr)
    assert "look like MR" in failed(capsys, mr, "--out", out, "--model", own_model)
    sitk.WriteImage(sitk.Image(20, 20, sitk.sitkInt16), str(tmp_path / "flat.nrrd"))
    assert failed(capsys, tmp_path / "flat.nrrd", "--out", out, "--model", own_model)
    write_volume(Volume(np.zeros(grid.shape, np.int16), grid), tmp_path / "empty.nii.gz")
    assert "empty" in failed(capsys, tmp_path / "empty.nii.gz", "--out", out, "--model", own_model)
    shifted = tmp_path / "shifted.nii.gz"
    write_volume(
        Volume(
            (chest(turned_grid(np.eye(3), (220, 160, 160), (5, 5, 5))).array + 1024).astype(np.int16),
            turned_grid(np.eye(3), (220, 160, 160), (5, 5, 5)),
        ),
        shifted,
    )
    assert "plus 1024" in failed(capsys, shifted, "--out", out, "--model", own_model)
    folder = tmp_path / "dicom"
    folder.mkdir()
    dicom(folder / "a.dcm", np.zeros((8, 8), np.int16), "MR")
    assert "MR, not CT" in failed(capsys, folder, "--out", out, "--model", own_model)
    biplanar = next(model.name for model in list_models() if model.task == "biplanar")
    assert "is for biplanar, not segmentation" in failed(capsys, mr, "--out", out, "--model", biplanar)
    assert not out.exists()


def test_a_training_goes_on_from_a_model(own_model):
    from CTGANLib.segmentation.recipe import SegmentationRecipe, SegmentationSettings

    same = {"task": "kidney", "network": "SmallCNN", "filters": 4, "start_from": own_model}
    network = SegmentationRecipe(SegmentationSettings(**same), None, "cpu").players["segmenter"].network
    for name, value in find_model(own_model).weights().items():
        assert torch.equal(network.state_dict()[name], value.float())
    with pytest.raises(UserError, match="not of this network"):
        SegmentationRecipe(SegmentationSettings(**{**same, "task": "chest"}), None, "cpu")


def test_settings_are_checked():
    from CTGANLib.segmentation.recipe import SegmentationSettings

    for wrong in ({"network": "ResNet"}, {"patch": 100}, {"task": "brain"}, {"filters": -1}):
        with pytest.raises(UserError):
            SegmentationSettings(**wrong)
