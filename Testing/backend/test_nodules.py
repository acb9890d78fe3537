"""Lists of nodules, spheres of them in CTs of any direction, and data sets made of both."""

import json

import numpy as np
import pytest
import torch

from CTGANLib.__main__ import main
from CTGANLib.datasets.find import find_cases
from CTGANLib.datasets.nodule_sets import make_nodule_set
from CTGANLib.datasets.nodules import Nodule, nodules_of, patches, read_annotations, spheres, write_annotations
from CTGANLib.errors import UserError
from CTGANLib.imaging.geometry import Grid
from CTGANLib.imaging.volumes import Volume, read_any_volume, read_volume, write_volume
from CTGANLib.segmentation.detection import DENSE, candidates, seen_in_lungs
from CTGANLib.segmentation.frozen import SegmentationLoss, frozen_segmenter
from CTGANLib.segmentation.label_sets import label_sets
from CTGANLib.segmentation.labels import NODULE
from CTGANLib.segmentation.network import build
from CTGANLib.segmentation.patches import LabeledVolume, patch
from CTGANLib.segmentation.publish import publish
from CTGANLib.segmentation.recipe import SegmentationSettings
from CTGANLib.segmentation.sources import find_sources
from CTGANLib.segmentation.tasks import NODULE_TASK
from phantoms import DIRECTIONS, MARKER, chest, dicom_series, dicom_tags, turned_grid

EXTENT, SPACING = (180, 130, 120), (3.0, 4.0, 5.0)
HEADER = "seriesuid,coordX,coordY,coordZ,diameter_mm\n"
IN_LUNGS = [Nodule((60.0, 0.0, 270.0), 24.0), Nodule((-70.0, 10.0, 265.0), 20.0)]
RIGHT, LEFT = Nodule((52.0, -20.0, 260.0), 24.0), Nodule((-30.0, -10.0, 240.0), 20.0)


@pytest.mark.parametrize("directions", DIRECTIONS)
def test_spheres_lie_in_the_patient_whatever_the_direction(directions):
    grid = turned_grid(DIRECTIONS[directions], EXTENT, np.array(SPACING))
    mask = spheres(grid, [RIGHT, LEFT])
    found = nodules_of(mask)
    assert mask.array.dtype == np.uint8 and len(found) == 2
    for nodule, true in zip(found, (RIGHT, LEFT), strict=True):
        assert nodule.center == pytest.approx(true.center, abs=1.0)
        assert nodule.diameter == pytest.approx(true.diameter, rel=0.06)


def test_small_nodules_have_a_voxel_and_those_outside_none():
    grid = Grid.centered((10, 12, 14), 5.0)
    mask = spheres(grid, [Nodule((2.0, 2.0, 2.0), 1.0), Nodule((500.0, 0, 0), 10.0), Nodule((34.0, 0, 0), 8.0)])
    assert 1 <= mask.array[:, :, 7].sum() == 1 and mask.array.sum() < 8
    assert not spheres(grid, []).array.any()


def test_lists_are_in_lps(tmp_path):
    path = tmp_path / "annotations.csv"
    path.write_text(HEADER + "1.2.3,-52,20,260,24\n1.2.3,30,10,240,20\n1.2.4,1,2,3,4.5\n")
    nodules = read_annotations(path)
    assert nodules == {"1.2.3": [RIGHT, LEFT], "1.2.4": [Nodule((-1.0, -2.0, 3.0), 4.5)]}
    write_annotations(tmp_path / "again.csv", nodules)
    assert read_annotations(tmp_path / "again.csv") == nodules


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seriesuid,x,y,z\n1,2,3,4\n", "lacks the column coordX"),
        (HEADER, "names no nodule"),
        (HEADER + "1,2,3,4,5\n1,2,3,here,5\n", "Line 3 of .* is no nodule"),
        (HEADER + "1,2,3,4,-5\n", "Line 2 of .* is no nodule"),
        (HEADER + "1,2,3\n", "is no nodule"),
        ("\x00\xff", "lacks the column|cannot be read"),
    ],
)
def test_bad_lists_are_told_in_a_sentence(tmp_path, text, message):
    path = tmp_path / "annotations.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        read_annotations(path)
    with pytest.raises(UserError, match="cannot be read"):
        read_annotations(tmp_path / "none.csv")


def test_patches_show_the_nodule_in_their_middle():
    ct = chest(turned_grid(DIRECTIONS["oblique"], EXTENT, np.array(SPACING)))
    marker, outside = Nodule(tuple(MARKER), 20.0), Nodule((900.0, 0.0, 0.0), 10.0)
    ((hu, mask),) = patches(ct, [marker, outside], spacing=2.0)
    assert hu.array.shape == mask.array.shape == (16, 96, 96) and hu.array.dtype == np.int16
    assert hu.grid.center == pytest.approx(MARKER) and hu.grid.directions == pytest.approx(np.eye(3))
    assert hu.array[7:9, 47:49, 47:49].min() > 500 and mask.array[7:9, 47:49, 47:49].all()
    # The right lung reaches further to the patient's right of the marker than anything dense to its left.
    assert nodules_of(mask)[0].diameter == pytest.approx(20, rel=0.05)


@pytest.fixture
def cts(tmp_path):
    """Two CTs and a DICOM series, and a list that names one of the former and the latter."""
    folder = tmp_path / "data"
    folder.mkdir()
    grid = turned_grid(DIRECTIONS["lps"], EXTENT, np.array(SPACING))
    for name in ("a", "b"):
        write_volume(chest(grid), folder / f"{name}.nii.gz")
    uid = str(dicom_tags(min(dicom_series(folder / "c", chest(grid)).iterdir())).SeriesInstanceUID)
    right, front, up = MARKER
    (tmp_path / "list.csv").write_text(HEADER + f"a,{-right},{-front},{up},20\n{uid},{-right},{-front},{up},20\n")
    return folder, tmp_path / "list.csv"


def test_a_data_set_of_masks_keeps_roles_and_geometry(cts, tmp_path, capsys):
    folder, annotations = cts
    command = ["dataset", "nodules", str(folder), "--annotations", str(annotations), "--out", str(tmp_path / "out")]
    assert main(command) == 0 and "2 nodules in 3 CTs" in capsys.readouterr().out
    cases = {case.name: case for case in find_cases(tmp_path / "out")}
    before = {case.name: case for case in find_cases(folder)}
    assert {name: case.role for name, case in cases.items()} == {name: case.role for name, case in before.items()}
    for name, case in cases.items():
        mask = read_any_volume(case.path.with_name(f"{name}_nodules.nii.gz"))
        ct = read_volume(case.path)
        assert mask.grid.ijk_to_ras == pytest.approx(ct.grid.ijk_to_ras, abs=1e-3)
        found = nodules_of(mask)
        assert len(found) == (0 if name == "b" else 1)
        for nodule in found:
            assert nodule.center == pytest.approx(MARKER, abs=2.0)
            assert ct.array[mask.array > 0].mean() > 400
    with pytest.raises(UserError, match="something at"):
        make_nodule_set(folder, annotations, tmp_path / "out")


def test_a_data_set_of_patches(cts, tmp_path):
    folder, annotations = cts
    counts = make_nodule_set(folder, annotations, tmp_path / "out", as_patches=True)
    assert sorted(counts.values()) == [0, 1, 1]
    cases = find_cases(tmp_path / "out")
    assert len(cases) == 2 and all(case.name.endswith("_nodule1") for case in cases)
    assert {case.patient for case in cases} < {case.patient for case in find_cases(folder)}


@pytest.mark.parametrize(
    ("line", "message"),
    [("nobody,1,2,3,4", "names no CT of this data set"), ("a,900,900,900,4", "No nodule of .* lies inside its CT")],
)
def test_a_list_that_does_not_fit_the_cts_leaves_nothing_behind(cts, tmp_path, line, message):
    folder, annotations = cts
    (tmp_path / "other.csv").write_text(HEADER + line + "\n")
    with pytest.raises(UserError, match=message):
        make_nodule_set(folder, tmp_path / "other.csv", tmp_path / "more")
    assert not (tmp_path / "more").exists()
    annotations.write_text(annotations.read_text() + "a,900,900,900,4\n")
    assert make_nodule_set(folder, annotations, tmp_path / "more")["a"] == 1


def test_the_readers_annotations_of_real_cts_as_a_list(shared_ct, tmp_path):
    labels = read_any_volume(shared_ct / "lidc_0350_nodules.nii.gz")
    write_annotations(tmp_path / "list.csv", {"lidc_0350": nodules_of(labels)})
    nodules = read_annotations(tmp_path / "list.csv")["lidc_0350"]
    mask = spheres(labels.grid, nodules)
    overlap = 2 * (mask.array.astype(bool) & (labels.array > 0)).sum() / (mask.array.sum() + (labels.array > 0).sum())
    assert nodules and overlap > 0.5


def test_nodules_are_a_task_of_segmentation(cts, tmp_path):
    folder, annotations = cts
    make_nodule_set(folder, annotations, tmp_path / "out")
    case = next(case for case in find_cases(tmp_path / "out") if case.name == "a")
    ct, mask = read_volume(case.path), read_any_volume(case.path.with_name("a_nodules.nii.gz"))
    sets = label_sets(ct, find_sources(case), NODULE_TASK)
    assert np.array_equal(sets == NODULE_TASK.bits(NODULE), mask.array > 0)
    assert np.array_equal(sets == 1, mask.array == 0)  # surely nowhere else


def test_a_nodule_model_is_a_loss_of_volumes(tmp_path, monkeypatch):
    monkeypatch.setenv("CTGAN_MODELS", str(tmp_path))
    torch.manual_seed(0)
    settings = SegmentationSettings(task="nodule", filters=8, patch=32)
    publish(tmp_path / "Nodules", build("SegResNet", NODULE_TASK.classes, 8), settings, [], [], 0.1, "cpu")
    network, voxel = frozen_segmenter("Nodules", "cpu")
    loss = SegmentationLoss(network, voxel, (2.5, 2.5, 14.0))
    real = torch.full((1, 1, 4, 24, 24), -850.0)
    made = real.clone().requires_grad_()
    assert voxel == NODULE_TASK.spacing and float(loss(made, real).detach()) == 0
    other = (real + 600 * (torch.rand(real.shape) > 0.8)).requires_grad_()
    value = loss(other, real)
    value.backward()
    assert float(value.detach()) > 0 and float(other.grad.abs().max()) > 0


def test_the_v_net_takes_any_size():
    network = build("VNet", 2, 16).eval()
    with torch.no_grad():
        assert network(torch.zeros(1, 1, 16, 20, 9)).shape == (1, 2, 16, 20, 9)


def test_the_v_net_learns_by_true_gradients_in_patches_of_any_size():
    """In half precision, torch leaves those of its 5³ kernels to chance where patches are small."""
    torch.manual_seed(0)
    network, image = build("VNet", 2, 16).eval(), torch.randn(1, 1, 32, 32, 32)
    found = []
    for enabled in (False, True):
        network.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            network(image).float().square().mean().backward()
        found.append(network.down_tr256.ops[0].conv_block.conv.weight.grad.clone())
    torch.testing.assert_close(found[1], found[0])


def test_nodules_are_put_into_the_patches_that_teach_them(tmp_path):
    hu = np.full((60, 60, 60), 40, np.int16)
    hu[10:50, 10:50, 10:50] = -850
    np.save(tmp_path / "pair.npy", np.stack([hu, np.ones_like(hu)]))
    shares = []
    for seed in range(24):
        torch.manual_seed(seed)
        seen, sets = patch(LabeledVolume(tmp_path / "pair.npy"), NODULE_TASK, 32, torch.device("cpu"))
        nodule = sets == NODULE_TASK.bits(NODULE)
        assert ((sets == 1) | nodule).all()
        shares.append(int(nodule.sum()))
        if shares[-1] > 50:
            assert seen[nodule].mean() > -780
    assert 16 <= np.count_nonzero(shares) < 24


@pytest.fixture(scope="module")
def with_nodules():
    """A CT of oblique direction with one nodule in each lung, beside the marker."""
    ct = chest(turned_grid(DIRECTIONS["oblique"], (290, 210, 150), (2.5, 3.0, 3.5)), scale=1.5)
    hu = ct.array.copy()
    hu[spheres(ct.grid, IN_LUNGS).array > 0] = 60
    return Volume(hu, ct.grid)


def bright_balls(ct, progress):
    """A detector that finds what was put in, and what lies outside of the lungs too."""
    return Volume((np.abs(ct.array - 60) < 1).astype(np.uint8), ct.grid)


def test_nodules_are_looked_for_around_the_lungs_on_the_cts_own_voxels(with_nodules):
    shapes = []

    def detector(part, progress):
        shapes.append(part.grid.shape)
        return bright_balls(part, progress)

    seen = seen_in_lungs(with_nodules, {"balls": detector})
    assert set(seen) == {"balls", DENSE}
    assert np.prod(shapes[0]) < with_nodules.array.size
    found = nodules_of(seen["balls"])
    assert len(found) == 2 and seen["balls"].array.dtype == bool
    for nodule, true in zip(found, IN_LUNGS, strict=True):
        assert nodule.center == pytest.approx(true.center, abs=1.5)
    counted = candidates(seen["balls"], with_nodules)
    assert counted["candidates"] == 2 and counted["hu"] == 60
    assert counted["diameter_mm"] == pytest.approx(22, abs=1.5)
    assert counted["ml"] == pytest.approx(sum(np.pi / 6 * n.diameter**3 for n in IN_LUNGS) / 1000, rel=0.1)
    for nodule in IN_LUNGS:
        assert (seen[DENSE].array & (spheres(with_nodules.grid, [nodule]).array > 0)).any()
    nothing = candidates(Volume(np.zeros_like(seen[DENSE].array), with_nodules.grid), with_nodules)
    assert nothing["candidates"] == 0 and np.isnan(nothing["hu"])


def test_folders_are_compared_by_what_a_detector_sees(with_nodules, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CTGAN_MODELS", str(tmp_path / "store"))
    network = build("SmallCNN", NODULE_TASK.classes, 4)
    settings = SegmentationSettings(task="nodule", network="SmallCNN", filters=4, patch=96)
    publish(tmp_path / "store" / "Nodules", network, settings, [], [], 0.1, "cpu")
    for name, volume in (("made", with_nodules), ("real", chest(with_nodules.grid, scale=1.5))):
        (tmp_path / name).mkdir()
        write_volume(volume, tmp_path / name / "a.nii.gz")
    write_volume(Volume(np.full((9, 9, 9), -1000.0), Grid.centered((9, 9, 9), 5.0)), tmp_path / "real" / "air.nii.gz")
    folders = [str(tmp_path / "made"), str(tmp_path / "real")]
    assert main(["detect", *folders, "--model", "Nodules", "--csv", str(tmp_path / "rows.csv"), "--events"]) == 0
    result = [json.loads(line) for line in capsys.readouterr().out.splitlines()][-1]
    amounts = {row["method"]: row["ml"] for row in result["summary"]}
    assert set(amounts) == {f"{folder}: {name}" for folder in ("made", "real") for name in ("Nodules", DENSE)}
    assert amounts[f"made: {DENSE}"] > amounts[f"real: {DENSE}"] + 5
    assert list(result["left_out"]) == ["real: air"] and (tmp_path / "rows.csv").exists()
    assert main(["detect", *folders, "--model", "ChestSegmentation"]) == 1
    assert "finds no nodules" in capsys.readouterr().err
