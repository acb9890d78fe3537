"""What label files say of each voxel: layouts, sets of possible labels, and losses that leave the unknown alone."""

import numpy as np
import pytest
import torch

from CTGANLib.datasets.cases import Case
from CTGANLib.errors import UserError
from CTGANLib.imaging.geometry import Grid
from CTGANLib.imaging.volumes import Volume, write_volume
from CTGANLib.segmentation.chest_rules import chest_sets
from CTGANLib.segmentation.label_sets import label_sets
from CTGANLib.segmentation.labels import (
    AIRWAY,
    BODY,
    KIDNEY,
    LEFT_LUNG,
    LIVER,
    MEDIASTINUM,
    RIBS,
    RIGHT_LUNG,
    SPLEEN,
    TUMOR,
    VERTEBRAE,
)
from CTGANLib.segmentation.losses import set_loss
from CTGANLib.segmentation.preparation import prepare_pairs
from CTGANLib.segmentation.sources import find_sources
from CTGANLib.segmentation.tasks import CHEST, KIDNEY_TASK, find_task
from phantoms import DIRECTIONS, chest, points, turned_grid

GRID = Grid.centered((8, 9, 10), 2.0)


def written(path, array, grid=GRID):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_volume(Volume(np.asarray(array), grid), path)
    return path


def sets_of(path, task, grid=GRID):
    ct = Volume(np.zeros(grid.shape, np.float32), grid)
    return label_sets(ct, find_sources(Case("a", path, "a", "train")), task)


def block(value=1):
    array = np.zeros(GRID.shape, np.uint8)
    array[2:4, 3:6, 1:4] = value
    return array


def test_kits(tmp_path):
    labels = block(1)
    labels[2, 3, 1] = 2
    written(tmp_path / "case_00000/segmentation.nii.gz", labels)
    sets = sets_of(written(tmp_path / "case_00000/imaging.nii.gz", block(100)), KIDNEY_TASK)
    expected = np.where(labels == 2, KIDNEY_TASK.bits(TUMOR), np.where(labels, KIDNEY_TASK.bits(KIDNEY), 1))
    np.testing.assert_array_equal(sets, expected)


def test_total_segmentator_folder(tmp_path):
    ct = written(tmp_path / "s0001/ct.nii.gz", block(100))
    for name in ("liver", "kidney_left"):
        written(tmp_path / f"s0001/segmentations/{name}.nii.gz", block() if name == "liver" else block()[::-1])
    sets = sets_of(ct, CHEST)
    assert (sets[block() > 0] == CHEST.bits(LIVER)).all()
    assert (sets[block()[::-1] > 0] == CHEST.bits(BODY)).all()
    # All of the liver is shown, and nothing is said of the spleen.
    rest = (block() == 0) & (block()[::-1] == 0)
    assert (sets[rest] == CHEST.all_bits & ~CHEST.bits(LIVER)).all() and sets[0, 0, 0] & CHEST.bits(SPLEEN)
    # One of two kidneys is not all there is of kidneys.
    assert (sets_of(ct, KIDNEY_TASK)[rest] == KIDNEY_TASK.all_bits).all()


@pytest.mark.parametrize("place", ["a_seg.nii.gz", "labelsTr/a.nii.gz"])
def test_own_labels(tmp_path, place):
    task = find_task("labels", "1=Lesion,3=Lesion,2=Vessel")
    image = "imagesTr/a_0000.nii.gz" if "/" in place else "a.nii.gz"
    path = written(tmp_path / image, block(100))
    written(tmp_path / place, block(3))
    assert [label.name for label in task.labels] == ["Lesion", "Vessel"]
    np.testing.assert_array_equal(sets_of(path, task), np.where(block(), 2, 1))


def test_a_table_says_what_organs_are(tmp_path):
    (tmp_path / "MANIFEST.tsv").write_text("id\trole\tlabels\na\ttrain\torgans: AMOS 15 organs; rules\n")
    path = written(tmp_path / "a.nii.gz", block(100))
    written(tmp_path / "a_organs.nii.gz", block(6))  # AMOS' liver
    assert (sets_of(path, CHEST)[block() > 0] == CHEST.bits(LIVER)).all()


def test_labels_on_another_grid(tmp_path):
    coarse = turned_grid(DIRECTIONS["oblique"], (60, 60, 60), (3, 3, 3), (0, 0, 0))
    place = np.array([8.0, -6.0, 4.0])
    labels = (np.linalg.norm(points(coarse) - place, axis=-1) < 10).astype(np.uint8)
    path = written(tmp_path / "a.nii.gz", np.full(coarse.shape, 50, np.int16), coarse)
    written(tmp_path / "a_seg.nii.gz", labels, coarse)
    upright = Grid.centered((30, 30, 30), 2.0)
    sets = sets_of(path, find_task("labels", "1=Ball"), upright)
    np.testing.assert_allclose(points(upright)[sets == 2].mean(axis=0), place, atol=0.5)


def test_no_labels_is_a_reason_to_leave_a_case_out(tmp_path):
    ct = chest(turned_grid(np.eye(3), (220, 160, 160), (5, 5, 5)))
    for name in ("a", "b"):
        write_volume(ct, tmp_path / f"{name}.nii.gz")
    written(tmp_path / "b_seg.nii.gz", np.ones(ct.grid.shape, np.uint8) * 0.5, ct.grid)
    (tmp_path / "MANIFEST.tsv").write_text("id\trole\na\ttrain\nb\ttrain\n")
    data = prepare_pairs(KIDNEY_TASK, tmp_path, tmp_path / "cache")
    assert data.cases == [] and data.left_out["a"] == "It has no labels."
    assert "no label map" in data.left_out["b"]


def test_changed_labels_are_prepared_again(tmp_path):
    ct = chest(turned_grid(np.eye(3), (220, 160, 160), (5, 5, 5)))
    write_volume(ct, tmp_path / "a.nii.gz")
    (tmp_path / "MANIFEST.tsv").write_text("id\trole\na\ttrain\n")
    files = []
    for value in (1, 2):
        labels = np.zeros(ct.grid.shape, np.uint8)
        labels[10:14, 10:14, 5:9] = value
        write_volume(Volume(labels, ct.grid), tmp_path / "a_seg.nii.gz")
        files.append(prepare_pairs(KIDNEY_TASK, tmp_path, tmp_path / "cache").prepared["a"])
        hu, sets = np.load(files[-1])
        assert hu.dtype == np.int16 and set(np.unique(sets.view(np.uint16))) == {1, 2 << (value - 1)}
    assert files[0] != files[1]


def test_rules_of_a_chest():
    ct = chest(turned_grid(np.eye(3), (200, 150, 200), (2, 2, 2)))
    right, front, up = np.moveaxis(points(ct.grid) - points(ct.grid).mean(axis=(0, 1, 2)), -1, 0)
    rules = np.where(ct.array > -500, 6, 0).astype(np.int32)
    rules[(ct.array < -500) & ((right / 80) ** 2 + (front / 55) ** 2 < 1)] = 2
    rules[(rules == 2) & (right > 0)] = 1
    rules[(np.abs(right) < 10) & (np.abs(front) < 10) & (np.abs(up) < 40)] = 8
    rules[(np.abs(right) < 4) & (np.abs(front + 12) < 4)] = 3
    rules[ct.array > 200] = 4
    rib = (np.abs(np.abs(right) - 76) < 5) & (np.abs(front + 30) < 6) & (np.abs(up) < 6)
    rules[rib] = 4
    ct.array[rib] = 400
    rim = (np.abs(np.abs(right) - 76) < 7) & (np.abs(front + 30) < 8) & (np.abs(up) < 8) & ~rib
    ct.array[rim], rules[rim] = 140, 4  # what shares a voxel with bone
    marrow = (np.abs(right) < 4) & (np.abs(front + 45) < 4) & (np.abs(up) < 40)
    ct.array[marrow], rules[marrow] = 100, 6
    vessel = (np.abs(right) < 6) & (np.abs(front - 50) < 4) & (np.abs(up) < 20)
    contrast = (np.abs(right) < 40) & (np.abs(front - 45) < 8) & (up < -65) & (rules == 6)
    ct.array[vessel | contrast] = 300
    sets = chest_sets(ct, rules)
    for value, label in ((1, RIGHT_LUNG), (2, LEFT_LUNG), (3, AIRWAY)):
        assert (sets[rules == value] == CHEST.bits(label)).all()
    assert (sets[(rules == 4) & (np.abs(right) < 9) & (front < -30)] == CHEST.bits(VERTEBRAE)).all()
    assert (sets[rib] == CHEST.bits(RIBS)).all() and not (sets[rim] & CHEST.bits(RIBS)).any()
    assert marrow.any() and (sets[marrow] == CHEST.bits(VERTEBRAE)).all()
    either = CHEST.bits(BODY, MEDIASTINUM, VERTEBRAE, RIBS)
    assert (rules[vessel] == 6).all() and (sets[vessel] & either == either).all()
    assert contrast.any() and not (sets[contrast] & CHEST.bits(VERTEBRAE, RIBS)).any()  # too large for a bone
    assert (sets[(rules == 8) & (up > -15)] == CHEST.bits(MEDIASTINUM)).all()
    assert (sets[(rules == 8) & (up < -30)] != CHEST.bits(MEDIASTINUM)).all()  # the slab's end is uncertain
    assert (sets[0, 0] == 1).all()


def test_what_is_unknown_teaches_nothing():
    logits = torch.randn(1, 4, 4, 4, 4, requires_grad=True)
    sets = torch.full((1, 1, 4, 4, 4), 0b1111)
    sets[..., 0] = 0b0100
    sets[..., 1] = 0b0110
    set_loss(logits, sets).backward()
    assert not logits.grad[..., 2:].any()
    either = logits.grad[..., 1]
    assert (either[:, 1:3] <= 1e-6).all() and (either[:, 0] > 0).all()  # any of both is as good


def test_the_loss_falls_to_nothing_where_all_is_right():
    sets = torch.randint(1, 8, (2, 1, 5, 5, 5))
    members = torch.stack([sets[:, 0] >> n & 1 for n in range(3)], 1)
    assert float(set_loss(30.0 * members, sets)) < 0.01 < float(set_loss(-30.0 * members, sets))


@pytest.mark.parametrize(("name", "labels"), [("brain", ""), ("labels", ""), ("labels", "1=,2=Liver")])
def test_tasks_that_make_no_sense(name, labels):
    if labels == "1=,2=Liver":
        assert [label.name for label in find_task(name, labels).labels] == ["1", "Liver"]
        return
    with pytest.raises(UserError):
        find_task(name, labels)


def test_the_body_is_more_than_its_organs(tmp_path):
    (tmp_path / "MANIFEST.tsv").write_text("id\trole\tlabels\na\ttrain\torgans: TotalSegmentator 118 labels\n")
    path = written(tmp_path / "a.nii.gz", block(100))
    written(tmp_path / "a_organs.nii.gz", block(5))
    sets = sets_of(path, CHEST)
    assert (sets[block() > 0] == CHEST.bits(LIVER)).all()
    assert (sets[block() == 0] == CHEST.bits(BODY, AIRWAY, MEDIASTINUM) + 1).all()
