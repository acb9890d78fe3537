"""Reader studies: nothing but the picture tells a case's kind, answers survive, and the figures are the known ones."""

import csv
import json
import math
import os
import shutil
import subprocess
import sys
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from monai.metrics import compute_roc_auc

from CTGANLib.__main__ import main
from CTGANLib.commands.study_cases import _like_grid, _on_field, of_model
from CTGANLib.errors import UserError
from CTGANLib.evaluation import reader_answers
from CTGANLib.evaluation.blinding import Blinder
from CTGANLib.evaluation.reader_answers import REAL, SYNTHETIC
from CTGANLib.evaluation.reader_figures import auc, cohen_kappa, fleiss_kappa, guessing, over_readers, share
from CTGANLib.evaluation.reader_results import ALL, results
from CTGANLib.evaluation.reader_study import SLICES, VOLUMES, Study
from CTGANLib.imaging.geometry import Grid
from CTGANLib.imaging.volumes import Volume, write_volume
from CTGANLib.slices.network import ConvolutionalGenerator
from CTGANLib.slices.synthesize import Synthesizer
from phantoms import CENTER, DIRECTIONS, MARKER, centroid, chest, turned_grid
from processes import environment

RANDOM = np.random.default_rng(5)


# The figures


def test_the_area_is_that_of_the_literature():
    # Hanley and McNeil, Radiology 143, 1982: ratings of 58 normal and 51 abnormal CTs; Stata's manual (roctab) gives
    # this area with the interval of DeLong et al.
    normal = np.repeat([1, 2, 3, 4, 5], [33, 6, 6, 11, 2])
    abnormal = np.repeat([1, 2, 3, 4, 5], [3, 2, 2, 11, 33])
    assert auc(abnormal, normal) == pytest.approx((0.8932, 0.83295, 0.95339), abs=5e-5)


def test_the_area_is_that_of_monai_and_its_interval_that_of_the_jackknife():
    positive, negative = RANDOM.integers(-5, 6, 17) + 2.0, RANDOM.integers(-5, 6, 12).astype(float)

    def area(one, two):
        scores = torch.tensor(np.concatenate([one, two]))
        return compute_roc_auc(scores, torch.tensor([1] * len(one) + [0] * len(two)))

    found = auc(positive, negative)
    assert found.value == pytest.approx(area(positive, negative))
    left = [area(np.delete(positive, n), negative) for n in range(17)]
    right = [area(positive, np.delete(negative, n)) for n in range(12)]
    spread = 1.959964 * math.sqrt(sum((len(some) - 1) * np.var(some) for some in (left, right)))
    assert (found.high - found.low) / 2 == pytest.approx(spread, rel=1e-6)


def test_a_perfect_reader_has_an_area_of_one_and_an_honest_interval():
    value, low, high = auc([5.0] * 10, [-5.0] * 10)
    assert (value, high) == (1, 1) and 0.7 < low < 0.95
    assert auc([5.0] * 100, [-5.0] * 100).low > low
    assert auc([1.0] * 10, [1.0] * 10)[0] == 0.5 and auc([1.0] * 10, [1.0] * 10).low < 0.4
    assert all(map(math.isnan, auc([], [1.0])))


def test_intervals_of_readers_who_guess_hold_a_half():
    covered = sum(
        low <= 0.5 <= high
        for _, low, high in (auc(RANDOM.integers(-5, 6, 20), RANDOM.integers(-5, 6, 20)) for _ in range(400))
    )
    assert 0.91 <= covered / 400 <= 0.99


def test_shares_and_the_chance_of_guessing():
    # R. Newcombe, Statistics in Medicine 17, 1998, table I: the score method.
    assert share(81, 263) == pytest.approx((0.308, 0.2553, 0.3662), abs=1e-4)
    assert share(0, 20) == pytest.approx((0, 0, 0.1611), abs=1e-4)
    assert all(map(math.isnan, share(0, 0)))
    assert guessing(15, 20) == pytest.approx(0.04139, abs=1e-5) and guessing(10, 20) == 1


def test_agreement_is_that_of_the_literature():
    one = ["y"] * 25 + ["n"] * 25
    two = ["y"] * 20 + ["n"] * 5 + ["y"] * 10 + ["n"] * 15
    assert cohen_kappa(one, two) == pytest.approx(0.4)
    assert cohen_kappa(one, one) == 1 and math.isnan(cohen_kappa(["y"], ["y"]))
    # Ten subjects, fourteen raters, five categories: the example in the article on Fleiss' kappa of Wikipedia.
    counts = [
        [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
    ]  # fmt: skip
    assert fleiss_kappa(np.array(counts)) == pytest.approx(0.210, abs=5e-4)
    assert math.isnan(fleiss_kappa(np.zeros((0, 2)))) and math.isnan(fleiss_kappa(np.array([[1, 0]])))


def test_figures_of_several_readers_are_means_with_an_interval_over_readers_and_cases():
    positive, negative = (RANDOM.integers(1, 6, (3, 15)) * RANDOM.choice([-1.0, 1.0], (3, 15)) for _ in range(2))
    positive[0, :3] = np.nan
    found = over_readers(positive, negative)
    each = [auc(p[~np.isnan(p)], n) for p, n in zip(positive, negative, strict=True)]
    assert found["auc"].value == pytest.approx(np.mean([one.value for one in each]))
    assert found["auc"].low < found["auc"].value < found["auc"].high
    assert found["sensitivity"].value == pytest.approx(np.mean([np.nanmean(p[~np.isnan(p)] > 0) for p in positive]))
    narrow = over_readers(np.full((3, 15), 4.0), np.full((3, 15), -4.0))
    # Draws of readers who are all right do not differ, but nobody knows more of 15 cases than one such reader.
    assert narrow["accuracy"] == share(30, 30) and narrow["sensitivity"] == share(15, 15)
    assert narrow["auc"] == auc([4.0] * 15, [-4.0] * 15) and narrow["auc"].low < 0.9
    alike = over_readers(np.full((2, 15), -1.0), np.full((2, 15), -1.0))
    assert alike["auc"] == auc([1.0] * 15, [1.0] * 15) and alike["specificity"] == share(15, 15)


# Blindness


def cases(count: int):
    """Real and synthetic cases that differ in all that files tell, but not in what they show."""
    for number in range(count):
        hu = RANDOM.integers(-1024, 1200, (4, 9, 10)).astype(np.int16)
        yield Volume(hu, Grid.centered(hu.shape, (2.0, 2.0, 3.0), (5, 6, 7))), f"patient {number}", False
        wide = RANDOM.integers(-1000, 800, (5, 20, 21)).astype(np.float32)
        yield Volume(wide, Grid.centered(wide.shape, (1.0, 1.0, 3.0))), f"model, seed {number}", True


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    blinder = Blinder(tmp_path_factory.mktemp("temporary"))
    for volume, source, synthetic in cases(30):
        blinder.add(volume, source, synthetic)
    told = blinder.write(folder / "Studie ü", VOLUMES)
    return folder / "Studie ü", told


@pytest.fixture
def study(made, tmp_path):
    shutil.copytree(made[0], tmp_path / "copy")
    shutil.copy(made[0].with_name("Studie ü.key.json"), tmp_path / "copy.key.json")
    return Study(tmp_path / "copy")


def test_nothing_about_the_files_tells_real_from_synthetic(made):
    folder, told = made
    assert (told["real"], told["synthetic"]) == (30, 30) and told["spacing"] == [2.0, 2.0, 3.0]
    study = Study(folder)
    truths = study.truths()
    assert Counter(truth.synthetic for truth in truths.values()) == {True: 30, False: 30}
    # What is the same for all cannot tell any: size, times, header, type, grid, and the range of the values.
    assert {path.stat().st_size for path in folder.glob("cases/*")} == {study.case_file(study.cases[0]).stat().st_size}
    assert len({path.stat().st_mtime_ns for path in folder.rglob("*")}) == 1
    headers, ranges = set(), set()
    for case in study.cases:
        header, _, voxels = study.case_file(case).read_bytes().partition(b"\n\n")
        headers.add(header)
        values = np.frombuffer(voxels, np.int16)
        ranges.add((int(values.min()), int(values.max())))
    assert len(headers) == 1 and b"encoding: raw" in headers.pop()
    assert len(ranges) == 1 and list(ranges.pop()) == told["range"]


def test_neither_names_nor_places_nor_the_order_of_a_reader_tell_real_from_synthetic(made):
    study = Study(made[0])
    truths = study.truths()
    inodes = {case: os.stat(study.case_file(case)).st_ino for case in study.cases}
    changed = {case: os.stat(study.case_file(case)).st_ctime_ns for case in study.cases}
    orders = [study.cases, sorted(study.cases, key=inodes.get), sorted(study.cases, key=changed.get)]
    orders += [study.reading(name).cases for name in ("Ada", "Grace", "Émilie")]
    for order in orders:
        synthetic = [place for place, case in enumerate(order) if truths[case].synthetic]
        others = [place for place, case in enumerate(order) if not truths[case].synthetic]
        # Four standard deviations of the area by chance.
        assert abs(auc(synthetic, others).value - 0.5) < 4 * math.sqrt(61 / (12 * 30 * 30))
    assert len(set(map(tuple, orders[3:]))) == 3
    told = (made[0] / "study.json").read_text() + "".join(str(path) for path in made[0].rglob("*"))
    assert "patient" not in told and "seed" not in told and SYNTHETIC not in told


def test_the_key_is_sealed(made, study, tmp_path):
    assert not list(made[0].rglob("*key*"))
    study.key_file.write_text(study.key_file.read_text().replace("true", "false", 1))
    with pytest.raises(UserError, match="not the key of this study"):
        study.truths()
    study.key_file.unlink()
    with pytest.raises(UserError, match="There is no key"):
        study.truths()
    assert study.truths(made[0].with_name("Studie ü.key.json"))


@pytest.mark.parametrize("directions", ["oblique", "permuted", "mirrored"])
def test_the_patient_stands_as_before(tmp_path, directions):
    extent, grid = (190, 150, 140), turned_grid(DIRECTIONS["upright"], (190, 150, 140), np.array([4.0, 4.0, 5.0]))
    blinder = Blinder(tmp_path)
    blinder.add(chest(turned_grid(DIRECTIONS[directions], extent, np.array([2.5, 2.5, 2.5]))), "a", False)
    blinder.add(chest(grid), "b", True)
    blinder.write(tmp_path / "study", VOLUMES)
    study = Study(tmp_path / "study")
    for case in study.cases:
        shown = Volume.from_image(sitk.ReadImage(str(study.case_file(case))))
        assert shown.grid.directions == pytest.approx(np.eye(3))
        assert centroid(shown, 500) == pytest.approx(MARKER - CENTER, abs=2.5)


def test_cases_of_the_same_voxels_are_cut_and_not_blurred(tmp_path):
    blinder = Blinder(tmp_path)
    whole = {}
    for source, shape, synthetic in (("a", (6, 9, 8), False), ("b", (7, 8, 9), True), ("c", (9, 8, 8), True)):
        whole[source] = RANDOM.integers(-900, 900, shape).astype(np.int16)
        whole[source][len(whole[source]) // 2, 4, 4:6] = -1000, 1000  # in all of them the same range
        blinder.add(Volume(whole[source], Grid.centered(shape, (2.0, 2.0, 9.0))), source, synthetic)
    assert blinder.write(tmp_path / "study", VOLUMES)["shape"] == [6, 8, 8]
    study = Study(tmp_path / "study")
    for case, truth in study.truths().items():
        shown = sitk.GetArrayFromImage(sitk.ReadImage(str(study.case_file(case))))
        k, j, i = ((have - want) // 2 for have, want in zip(whole[truth.source].shape, (6, 8, 8), strict=True))
        assert np.array_equal(shown, whole[truth.source][k : k + 6, j : j + 8, i : i + 8])


def test_a_study_that_cannot_be_made_leaves_nothing(tmp_path):
    blinder = Blinder(tmp_path)
    array = np.full((2, 3, 4), -500, np.int16)
    blinder.add(Volume(array, Grid.centered(array.shape, 1.0)), "a", False)
    with pytest.raises(UserError, match="real and synthetic"):
        blinder.write(tmp_path / "study", VOLUMES)
    blinder.add(Volume(array, Grid.centered(array.shape, 1.0)), "b", True)
    with pytest.raises(UserError, match="in common"):
        blinder.write(tmp_path / "study", VOLUMES)
    assert not list(tmp_path.glob("study*"))
    (tmp_path / "study.key.json").touch()
    with pytest.raises(UserError, match="already"):
        blinder.write(tmp_path / "study", VOLUMES)


# Answers


def test_a_reader_goes_on_where_they_stopped(study):
    reading = study.reading(" Ada  Lovelace ")
    assert reading.reader == "Ada Lovelace" and reading.next_case == reading.cases[0]
    for case in reading.cases[:3]:
        reading.answer(case, REAL, 3, 7, seconds=2.34)
    reading.reject(reading.cases[3], "cut  off")
    again = Study(study.folder).reading("ADA lovelace")
    assert again.cases == reading.cases and again.next_case == reading.cases[4] and len(again.answers) == 4
    again.answer(again.cases[0], SYNTHETIC, 5, 2)  # on second thoughts
    answers = reading.answers
    assert (answers[reading.cases[0]].call, answers[reading.cases[0]].confidence) == (SYNTHETIC, 5)
    assert answers[reading.cases[3]].reject == "cut off" and answers[reading.cases[1]].seconds == 2.3
    assert [one.reader for one in study.readings()] == ["Ada Lovelace"]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (("x", REAL, 3, 7), "no case x"),
        ((0, "maybe", 3, 7), "real or synthetic, not maybe"),
        ((0, REAL, 0, 7), "confidence is 1 to 5"),
        ((0, REAL, 3, 11), "realism is 1 to 10"),
    ],
)
def test_what_is_no_answer_is_told(study, answer, told):
    reading = study.reading("Ada")
    case = reading.cases[0] if answer[0] == 0 else answer[0]
    with pytest.raises(UserError, match=told):
        reading.answer(case, *answer[1:])
    with pytest.raises(UserError, match="for no reason"):
        reading.reject(reading.cases[0], " ")
    with pytest.raises(UserError, match="no name"):
        study.reading(" - ")
    assert not reading.answers and not reading.file.exists()


def test_damaged_answers_cost_no_others(study):
    reading = study.reading("Ada")
    first, second, third = reading.cases[:3]
    reading.answer(first, REAL, 3, 7)
    reading.answer(second, REAL, 3, 7)
    content = reading.file.read_bytes()
    reading.file.write_bytes(content[:-20])  # the disk was full, or the computer lost power
    assert list(reading.answers) == [first] and reading.damaged == 1 and reading.next_case == second
    reading.answer(second, SYNTHETIC, 1, 1)
    with reading.file.open("ab") as file:
        file.write(b'\n[1]\n\xff\xfe\n{"case": "x"}\n{"case": "' + third.encode() + b'", "confidence": "much"}\n')
    assert list(reading.answers) == [first, second] and reading.damaged == 5
    assert any("5 damaged lines" in text for text in results(study).warnings)


def test_who_has_seen_the_truth_reads_no_more(study):
    reading, other = study.reading("Ada"), study.reading("Grace")
    reading.answer(reading.cases[0], REAL, 3, 7)
    reading.close()
    reading.close()
    with pytest.raises(UserError, match="has been shown the results"):
        reading.answer(reading.cases[1], REAL, 3, 7)
    assert reading.closed and list(reading.answers) == [reading.cases[0]] and not other.closed
    other.answer(other.cases[0], REAL, 3, 7)


_READ = """
import sys
from CTGANLib.evaluation.reader_study import Study
reading = Study(sys.argv[1]).reading(sys.argv[2])
for case in reading.cases[int(sys.argv[3])::2]:
    reading.answer(case, "synthetic", 4, 3)
"""


def test_several_read_at_once(study):
    # Two readers, one of them in two windows.
    who = [("Ada", 0), ("Ada", 1), ("Grace", 0)]
    processes = [
        subprocess.Popen([sys.executable, "-c", _READ, study.folder, name, str(start)], env=environment())
        for name, start in who
    ]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    ada, grace = study.readings()
    assert len(ada.answers) == 60 and ada.next_case is None and len(grace.answers) == 30
    assert ada.damaged == grace.damaged == 0


@pytest.mark.parametrize("damage", ["none", "text", "case", "version", "elsewhere"])
def test_a_damaged_study_is_told(study, damage):
    file = study.folder / "study.json"
    if damage == "none":
        file.unlink()
    elif damage == "text":
        file.write_text("{")
    elif damage == "case":
        study.case_file(study.cases[0]).unlink()
    elif damage == "version":
        file.write_text(file.read_text().replace("study 1", "study 9"))
    else:
        file.write_text(file.read_text().replace(study.cases[0], "../../secret"))
    with pytest.raises(UserError) as told:
        Study(study.folder)
    assert told.value.advice


# Results


def read(study, reader, tell, monkeypatch=None, date=None):
    """Answer every case; ``tell`` is given the truth."""
    if date:
        monkeypatch.setattr(reader_answers, "now", lambda: f"{date}T09:30:00+02:00")
    reading, truths = study.reading(reader), study.truths()
    for case in reading.cases:
        if case not in reading.answers:
            reading.answer(case, *tell(truths[case].synthetic), seconds=4)
    return reading


def perfect(synthetic):
    return (SYNTHETIC, 5, 2) if synthetic else (REAL, 4, 9)


def guess(synthetic):
    return str(RANDOM.choice([REAL, SYNTHETIC])), int(RANDOM.integers(1, 6)), int(RANDOM.integers(1, 11))


def test_readers_who_know_and_readers_who_guess(study):
    reading = read(study, "Ada", perfect)
    read(study, "Grace", guess)
    found = results(study)
    ada, grace, everybody = found.figures
    assert (ada["auc"], ada["accuracy"], ada["sensitivity"], ada["specificity"]) == (1, 1, 1, 1)
    assert ada["auc_low"] > 0.8 and ada["p_guessing"] < 1e-10 and ada["seconds"] == 4
    assert (ada["realism_real"], ada["realism_synthetic"]) == (9, 2)
    assert grace["auc_low"] - 0.15 < 0.5 < grace["auc_high"] + 0.15 and 0.2 < grace["auc"] < 0.8
    assert everybody["reader"] == ALL and everybody["auc"] == pytest.approx((1 + grace["auc"]) / 2)
    assert everybody["auc_low"] <= everybody["auc"] <= everybody["auc_high"] and everybody["n"] == 120
    (agreement,) = found.agreement
    assert agreement["n"] == 60 and agreement["measure"] == "Cohen's kappa" and abs(agreement["kappa"]) < 0.6
    assert found.histogram[8][REAL] >= 30 and found.histogram[1][SYNTHETIC] >= 30
    assert sum(row[REAL] + row[SYNTHETIC] for row in found.histogram) == 120
    answer = found.answers[0]
    assert answer["case"] == reading.cases[0] and answer["call"] == answer["truth"] and answer["source"]
    assert not found.warnings


def test_rejected_cases_count_apart(study):
    reading, truths = study.reading("Ada"), study.truths()
    real = [case for case in reading.cases if not truths[case].synthetic]
    for case in real[:3]:
        reading.reject(case, "noise")
    for case in real[3:]:
        reading.answer(case, REAL, 4, 8)
    found = results(study)
    (row,) = found.figures
    assert row["n"] == 27 and row["rejected_real"] == pytest.approx(0.1) and row["specificity"] == 1
    assert math.isnan(row["auc"]) and math.isnan(row["sensitivity"]) and math.isnan(row["rejected_synthetic"])
    assert sum(row[REAL] for row in found.histogram) == 27
    assert found.warnings == ["Ada has judged 30 of 60 cases."]


def test_days_and_three_readers(study, monkeypatch):
    first, truths = study.reading("Ada"), study.truths()
    monkeypatch.setattr(reader_answers, "now", lambda: "2026-11-19T09:30:00+02:00")
    for case in first.cases[:20]:
        first.answer(case, *perfect(not truths[case].synthetic))
    read(study, "Ada", perfect, monkeypatch, "2026-11-20")
    for name in ("Grace", "Émilie"):
        read(study, name, perfect, monkeypatch, "2026-11-20")
    found = results(study)
    by_day = [(row["reader"], row["date"], row["n"], row["accuracy"]) for row in found.figures[4:]]
    assert by_day == [
        ("Ada", "2026-11-19", 20, 0.0),
        ("Ada", "2026-11-20", 40, 1.0),
        ("Grace", "2026-11-20", 60, 1.0),
        ("Émilie", "2026-11-20", 60, 1.0),
    ]
    assert len(found.agreement) == 4 and found.agreement[-1]["measure"] == "Fleiss' kappa"
    assert [row["kappa"] for row in found.agreement if row["readers"] == "Grace, Émilie"] == [1]
    assert found.agreement[-1]["agreed"] == pytest.approx(40 / 60)
    assert results(study).summary()[0]["accuracy"].startswith("0.667 (0.5")


def test_an_unread_study_has_no_results(study):
    found = results(study)
    assert not found.figures and not found.agreement and found.warnings == ["Nobody has read this study yet."]


# The command


def run(capsys, *arguments):
    """Exit status and last event of a task that runs in this process."""
    status = main([*map(str, arguments), "--events"])
    return status, json.loads(capsys.readouterr().out.splitlines()[-1])


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two CTs with a couch, and three synthetic volumes without."""
    folder = tmp_path_factory.mktemp("folders")
    for number in range(2):
        grid = turned_grid(DIRECTIONS["lps"], (190, 150, 140), np.array([4.0, 4.0, 5.0]))
        write_volume(chest(grid, couch=True, scale=1 - 0.05 * number), folder / "real" / f"p{number}.nii.gz")
    for number in range(3):
        grid = turned_grid(DIRECTIONS["upright"], (180, 140, 130), np.array([5.0, 5.0, 6.0]))
        write_volume(chest(grid, scale=1 - 0.05 * number), folder / "synthetic" / f"{number}.nrrd")
    return folder


@pytest.mark.parametrize(("kind", "count"), [(VOLUMES, 2), (SLICES, 7)])
def test_a_study_from_two_folders(folders, capsys, tmp_path, kind, count):
    status, made = run(
        *(capsys, "study", "make", "--real", folders / "real", "--role", "all", "--synthetic", folders / "synthetic"),
        *("--kind", kind, "--count", count, "--out", tmp_path / "study", "--device", "cpu"),
    )
    assert status == 0 and (made["real"], made["synthetic"]) == (count, count)
    assert made["spacing"][:2] == [5, 5] and (made["shape"][0] == 1) == (kind == SLICES)
    study = Study(tmp_path / "study")
    middles = {True: [], False: []}
    for case, truth in study.truths().items():
        shown = Volume.from_image(sitk.ReadImage(str(study.case_file(case))))
        hu = shown.array.astype(float)
        assert hu[:, :1].max() < -900  # no couch, and as much room around the body
        middles[truth.synthetic].append(np.argwhere(hu[len(hu) // 2] > -200).mean(0))
    assert np.mean(middles[True], 0) == pytest.approx(np.mean(middles[False], 0), abs=1.0)
    read(study, "Ada", perfect)
    status, told = run(
        capsys, "study", "score", tmp_path / "study", "--csv", tmp_path / "f.csv", "--answers", tmp_path / "a.csv"
    )
    assert status == 0 and told["figures"][0]["auc"] == 1 and told["answers"]
    with (tmp_path / "f.csv").open(newline="") as file:
        assert [row["reader"] for row in csv.DictReader(file)] == ["Ada"]
    with (tmp_path / "a.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 2 * count


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "nothing synthetic"),
        (["--synthetic", "none"], "none holds 0 volumes"),
        (["--synthetic", "synthetic", "--count", 3, "--kind", "volumes"], "only 2 real volumes"),
        (["--synthetic", "synthetic", "--role", "test", "--real", "none"], "There is no folder"),
        (["--synthetic", "synthetic", "--count", 0], "cannot have 0"),
        (["--synthetic", "synthetic", "--seed", -1], "The seed cannot be -1"),
        (["--models", "ChestBiplanar"], "makes no slices"),
        (["--models", "ChestSlices", "--kind", "volumes"], "makes no volumes"),
    ],
)
def test_bad_wishes_are_told_in_one_sentence(folders, capsys, tmp_path, monkeypatch, options, told):
    monkeypatch.chdir(folders)
    status, event = run(
        *(capsys, "study", "make", "--real", "real", "--role", "all", "--count", 2, "--out", tmp_path / "study"),
        *options,
    )
    assert status == 1 and told in event["message"] and event["advice"] and not list(tmp_path.iterdir())


def test_it_is_told_why_real_cases_are_missing(folders, capsys, tmp_path):
    whole = chest(turned_grid(DIRECTIONS["lps"], (190, 150, 140), np.array([8.0, 8.0, 8.0])))
    write_volume(Volume(np.full_like(whole.array, -500), whole.grid), tmp_path / "bad" / "a.nii.gz")
    one = Volume(whole.array[:1], Grid.centered((1, *whole.array.shape[1:]), 8.0))
    write_volume(one, tmp_path / "bad" / "b.nii.gz")
    status, event = run(
        *(capsys, "study", "make", "--real", tmp_path / "bad", "--role", "all", "--count", 2, "--kind", VOLUMES),
        *("--synthetic", folders / "synthetic", "--out", tmp_path / "study"),
    )
    assert status == 1 and "only 0 real volumes" in event["message"] and not list(tmp_path.glob("study*"))
    assert "a is empty: all its values are -500." in event["advice"]
    assert " b.nii.gz is not a 3D volume" in f" {event['advice']}"


def test_slices_of_a_model_and_real_ones_as_it_has_learned(monkeypatch):
    maker = Synthesizer(ConvolutionalGenerator((64,), (2,), (8,), (0,)))
    maker.network.window.copy_(torch.tensor([-1000.0, 400.0]))
    maker.network.spacing.copy_(torch.tensor([4.0, 5.0]))
    monkeypatch.setattr(Synthesizer, "from_model", classmethod(lambda *_: maker))
    settings = {"size": 64, "field": 256.0, "slice_spacing": 5.0, "trim": 0.2, "of another version": 1}
    model = SimpleNamespace(name="Slices", task="slices", metadata={"ctgan": {"settings": settings}})
    origin = of_model(model, SLICES, 3, 7, "cpu")
    made = [volume for _, volume in origin.cases]
    real = origin.prepare(chest(turned_grid(DIRECTIONS["oblique"], (190, 150, 140), np.array([5.0, 5.0, 6.0]))))
    assert [volume.array.shape for volume in made] == [(1, 64, 64)] * 3 and real.array.shape[1:] == (64, 64)
    assert made[0].grid.spacing[:2] == pytest.approx(real.grid.spacing[:2])
    stack = next(maker.volumes(3, 7)).array
    assert np.array_equal(np.concatenate([volume.array for volume in made]), stack)


def test_real_volumes_stand_on_the_field_of_a_pyramid():
    class Maker:
        spacing, shape = (5.0, 5.0, 10.0), (20, 50, 50)

    ct = chest(turned_grid(DIRECTIONS["lps"], (190, 150, 140), np.array([3.0, 3.0, 3.0])))
    found = _on_field(Maker, ct)
    # No air above and below the body, and the marker where it was: right, front and top of the middle.
    assert found.array.shape == (14, 50, 50) and (found.array > 0).any((1, 2)).all()
    assert centroid(found, 450) == pytest.approx(MARKER - CENTER, abs=6)


def test_a_real_slice_shows_the_mean_of_its_thickness():
    ct = chest(turned_grid(DIRECTIONS["upright"], (190, 150, 140), np.array([4.0, 4.0, 2.0])))
    spoiled = Volume(ct.array.copy(), ct.grid)
    spoiled.array[len(ct.array) // 2] += 600
    like = Grid.centered((5, 40, 50), (4.0, 4.0, 20.0))
    plain, found = (_like_grid(like, VOLUMES, each).array.astype(float) for each in (ct, spoiled))
    # 2 mm of 20 are a tenth of 600 HU, less what is lost between thin layers.
    assert 50 < (found - plain)[:, 20, 25].sum() < 70
