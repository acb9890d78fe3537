"""Several models beside their baselines, and tables of scores."""

import csv
import json
import math
from types import SimpleNamespace

import numpy as np
import pytest

from CTGANLib.__main__ import main
from CTGANLib.biplanar import evaluate as biplanar
from CTGANLib.biplanar.recipe import BiplanarSettings
from CTGANLib.datasets.cases import Case
from CTGANLib.datasets.preparation import PreparedData
from CTGANLib.errors import UserError
from CTGANLib.evaluation.scores import (
    changes,
    condition_table,
    interval,
    summarize,
    table,
    turned,
    write_csv,
    write_json,
)
from CTGANLib.imaging.geometry import Grid
from CTGANLib.imaging.standardize import FIELD_SIZE, STANDARD_SIZE, standard_cube
from CTGANLib.imaging.volumes import Volume
from CTGANLib.models.store import find_model
from CTGANLib.segmentation.labels import BODY, LABELS


def test_interval_of_three_values():
    # Standard deviation 1, t(2) = 4.30: 4.30 / √3.
    assert interval([1.0, 2.0, 3.0]) == pytest.approx(4.30 / math.sqrt(3))
    assert math.isnan(interval([1.0]))


def test_summary_keeps_methods_apart():
    rows = [
        {"case": "a", "method": "ours", "psnr_true": 20.0},
        {"case": "a", "method": "mean volume", "psnr_true": 10.0},
        {"case": "b", "method": "ours", "psnr_true": 22.0},
        {"case": "b", "method": "mean volume", "psnr_true": 14.0},
    ]
    ours, mean = summarize(rows)
    assert (ours["method"], ours["n"], ours["psnr_true"]) == ("ours", 2, 21.0)
    assert (mean["method"], mean["psnr_true"]) == ("mean volume", 12.0)
    assert mean["psnr_true_ci95"] == pytest.approx(12.71 * math.sqrt(8) / math.sqrt(2))


def test_table_shows_intervals_behind_means():
    text = table([{"method": "ours", "n": 2, "psnr_true": 21.0, "psnr_true_ci95": 1.5}])
    assert text.splitlines() == [
        "| method | n | psnr_true    |",
        "|--------|---|--------------|",
        "| ours   | 2 | 21.00 ± 1.50 |",
    ]
    # Of one case there is no interval, and a perfect result has no finite PSNR.
    assert "| 21.00     |" in table([{"method": "ours", "psnr_true": 21.0, "psnr_true_ci95": math.nan}])


def test_a_summary_turned_for_terminals():
    summary = [{"method": m, "n": 2, "psnr_true": 21.0, "psnr_true_ci95": 1.5} for m in ("ours", "mean volume")]
    assert table(turned(summary)).splitlines()[-1] == "| psnr_true | 21.00 ± 1.50 | 21.00 ± 1.50 |"


def test_numbers_that_are_none_are_passed_over(tmp_path):
    rows = [{"case": c, "method": "m", "psnr_true": v} for c, v in (("a", math.inf), ("b", 20.0), ("c", 22.0))]
    write_json(tmp_path / "rows.json", rows)
    assert "Infinity" not in (tmp_path / "rows.json").read_text()
    for read in (rows, json.loads((tmp_path / "rows.json").read_text())):
        (summary,) = summarize(read)
        assert (summary["n"], summary["psnr_true"]) == (3, 21.0)
    assert "m" in table(json.loads((tmp_path / "rows.json").read_text()))


def test_rows_as_a_table_for_spreadsheets(tmp_path):
    rows = [{"case": 'a, "b"', "method": "ours", "psnr_true": 20.5}, {"case": "ü", "method": "x", "ssim": 0.25}]
    write_csv(tmp_path / "rows.csv", rows)
    with (tmp_path / "rows.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.DictReader(file)) == [
            {"case": 'a, "b"', "method": "ours", "psnr_true": "20.5", "ssim": ""},
            {"case": "ü", "method": "x", "psnr_true": "", "ssim": "0.25"},
        ]


def test_details_stand_in_no_table_but_in_the_files(tmp_path):
    rows = [{"case": "a", "method": "m", "psnr_true": 20.0, "volumes": {"Right lung": {"ml": 5.0, "x": math.nan}}}]
    assert "volumes" not in table(rows) and "volumes" not in summarize(rows)[0]
    write_json(tmp_path / "rows.json", rows)
    assert json.loads((tmp_path / "rows.json").read_text())[0]["volumes"] == {"Right lung": {"ml": 5.0, "x": None}}
    write_csv(tmp_path / "rows.csv", rows)
    with (tmp_path / "rows.csv").open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert row["volumes Right lung ml"] == "5.0" and row["volumes Right lung x"] == ""


def test_changes_are_those_of_the_same_case():
    rows = [
        {"case": case, "method": method, "condition": condition, "psnr_true": value + more}
        for case, value in (("a", 10.0), ("b", 30.0))
        for method, worse in (("ours", 1.0), ("other", 2.0))
        for condition, more in (("ideal", 0.0), ("turned", -worse), ("empty", math.nan))
    ]
    ideal, turned_, empty, *other = changes(rows, "condition", "ideal")
    assert (ideal["method"], ideal["psnr_true_change"], ideal["n"]) == ("ours", 0, 2)
    assert (turned_["psnr_true"], turned_["psnr_true_change"]) == (19, -1)
    assert turned_["psnr_true_change_ci95"] == 0  # whatever the patients themselves differ by
    assert math.isnan(empty["psnr_true_change"]) and other[1]["psnr_true_change"] == -2
    text = table(condition_table([row for row in rows if row["method"] == "ours"]))
    assert "| turned | 2 | 19.00     | -1.000 ± 0.000   |" in text


class _Constant:
    """A reconstructor that says the same of every patient."""

    def __init__(self, hu: int, mean: int) -> None:
        self.mean_hu = np.full((STANDARD_SIZE,) * 3, float(mean))
        self._hu, self.uncertainty = hu, None

    def __call__(self, pa, lateral) -> SimpleNamespace:
        assert (pa.acquisition.view, lateral.acquisition.view) == biplanar.VIEWS
        array = np.full((STANDARD_SIZE,) * 3, self._hu)
        volume = SimpleNamespace(array=array)
        return SimpleNamespace(volume=volume, uncertainty=self.uncertainty, model_seconds=0.5, refine_seconds=0.0)


@pytest.fixture
def prepared(tmp_path):
    """Prepared cases: balls of water of these radii, in voxels."""
    radius = np.linalg.norm(np.indices((FIELD_SIZE,) * 3) - (FIELD_SIZE - 1) / 2, axis=0)

    def save(*radii: int) -> dict:
        files = {f"r{r}": tmp_path / f"{r}.npy" for r in radii}
        for r, file in zip(radii, files.values(), strict=True):
            np.save(file, np.where(radius < r, 0, -1024).astype(np.int16))
        return files

    return save


def test_models_side_by_side(prepared, monkeypatch):
    monkeypatch.setattr(biplanar, "segment", lambda volume: volume)
    score = lambda self, hu: {"corner": float(hu[0, 0, 0]), "sum": float(hu.sum())}  # noqa: E731
    monkeypatch.setattr(biplanar.Truth, "score", score)
    cases, training = prepared(40, 50), prepared(30, 52, 60)
    seen = []
    rows = biplanar.evaluate(
        {"first": _Constant(1, -7), "second": _Constant(2, -8)},
        cases,
        list(training.values()),
        show=lambda case, volumes, scored: seen.append((case, list(volumes), scored)),
    )
    methods = ["first", "second", "mean volume", "nearest training volume"]
    assert [(row["case"], row["method"]) for row in rows] == [(case, method) for case in cases for method in methods]
    assert [row["corner"] for row in rows[:4]] == [1, 2, -7, -1024]  # the mean is that of the first
    assert [row["seconds"] for row in rows[:4]] == [0.5, 0.5, 0, 0]
    # Each case's nearest training patient is the one of the nearest size.
    nearest = [row["sum"] for row in rows if row["method"] == "nearest training volume"]
    inner = slice((FIELD_SIZE - STANDARD_SIZE) // 2, (FIELD_SIZE + STANDARD_SIZE) // 2)
    sums = {name: float(np.load(path)[inner, inner, inner].sum()) for name, path in training.items()}
    assert nearest == [sums["r30"], sums["r52"]]
    nearest = next(row for row in rows if (row["case"], row["method"]) == ("r50", "nearest training volume"))
    assert nearest["other_ncc"] < 0.8 < 0.9 < nearest["truth_ncc"]
    assert seen == [(case, ["truth", *methods], [row for row in rows if row["case"] == case]) for case in cases]


def test_without_training_patients_there_is_no_nearest(prepared, monkeypatch):
    monkeypatch.setattr(biplanar, "segment", lambda volume: volume)
    monkeypatch.setattr(biplanar.Truth, "score", lambda self, hu: {})
    rows = biplanar.evaluate({"m": _Constant(1, -7)}, prepared(40), [])
    assert [row["method"] for row in rows] == ["m", "mean volume"]
    assert rows[0]["other_ncc"] is None


@pytest.fixture
def structures_only(monkeypatch):
    """Leaves out of a score what takes long and has nothing to do with structures, which are found by a threshold."""

    def by_threshold(volume: Volume) -> Volume:
        if volume.array.max() < -500:
            raise UserError("There is no body in this volume.", "")
        return Volume((volume.array > -500).astype(np.uint8) * BODY.value, volume.grid)

    monkeypatch.setattr(biplanar, "segment", by_threshold)
    monkeypatch.setattr(biplanar, "reproject", lambda *volumes: ())
    monkeypatch.setattr(biplanar, "reprojection_errors", lambda *volumes: ({"ncc": 1.0, "nrmse": 0.0},))
    for name in ("ssim_3d", "ssim_x2ct"):
        monkeypatch.setattr(biplanar, name, lambda *volumes: 0.0)


def test_a_result_without_a_body_has_no_structures(structures_only):
    """A network that knows little may say air everywhere; that is a bad score, not a failure."""
    truth = biplanar.Truth(_ball(40), ())
    scores = truth.score(np.full((STANDARD_SIZE,) * 3, -1000, np.int16))
    assert scores["volumes"]["Body"]["ml"] == 0 and scores["volumes"]["Body"]["error_percent"] == -100
    # What neither holds is no error.
    assert scores["volumes"]["Right lung"] == {"ml": 0, "true_ml": 0, "error_ml": 0, "error_percent": None}


def _ball(radius: float) -> Volume:
    """A ball of water in the field of view."""
    distance = np.linalg.norm(np.indices((FIELD_SIZE,) * 3) - (FIELD_SIZE - 1) / 2, axis=0)
    return Volume(np.where(distance < radius, 0, -1024).astype(np.int16), Grid.centered((FIELD_SIZE,) * 3, 2.5))


def test_volumes_beside_the_true_ones(structures_only):
    truth, larger = biplanar.Truth(_ball(40), ()), standard_cube(_ball(44).array)
    compared = truth.score(larger)["volumes"]
    assert list(compared) == [label.name for label in LABELS]
    body = compared["Body"]
    liters = [4 / 3 * math.pi * (radius * 0.25) ** 3 for radius in (40, 44)]  # dm³ of voxels of 2.5 mm, in ml
    assert [body["true_ml"], body["ml"]] == pytest.approx(liters, rel=0.01)
    assert body["error_ml"] == pytest.approx(liters[1] - liters[0], rel=0.05)
    assert body["error_percent"] == pytest.approx(100 * (1.1**3 - 1), rel=0.05)


def test_uncertainty_is_scored_against_the_error(monkeypatch):
    monkeypatch.setattr(biplanar, "segment", lambda volume: volume)
    truth = biplanar.Truth(_ball(40), ())
    true, rng = truth.volume.array.astype(np.float32), np.random.default_rng(0)
    deviation = rng.uniform(5, 200, true.shape).astype(np.float32)
    hu = true + deviation * rng.normal(size=true.shape).astype(np.float32)
    right = truth.score_uncertainty(hu, deviation)
    assert right["coverage_1sd"] == pytest.approx(0.683, abs=0.005)
    assert right["coverage_2sd"] == pytest.approx(0.954, abs=0.005)
    assert 0.4 < right["uncertainty_rank"] < 0.8
    exact = truth.score_uncertainty(hu, np.abs(hu - true))
    assert exact["uncertainty_rank"] == pytest.approx(1)
    # Too small a deviation covers too little, and one that says the same everywhere ranks nothing.
    assert truth.score_uncertainty(hu, deviation / 2)["coverage_1sd"] < 0.4
    assert truth.score_uncertainty(hu, np.full_like(deviation, 50))["uncertainty_rank"] == 0


def test_rows_tell_the_uncertainty_of_those_who_know_it(prepared, monkeypatch):
    monkeypatch.setattr(biplanar, "segment", lambda volume: volume)
    monkeypatch.setattr(biplanar.Truth, "score", lambda self, hu: {"psnr_true": 20.0})
    sure = _Constant(1, -7)
    sure.uncertainty = SimpleNamespace(array=np.full((STANDARD_SIZE,) * 3, 2000.0))
    rows = biplanar.evaluate({"sure": sure, "other": _Constant(1, -7)}, prepared(40), [])
    assert rows[0]["coverage_1sd"] == 1 and all("coverage_1sd" not in row for row in rows[1:])
    # Tables and summaries cope with scores that only some have.
    summary = summarize(rows)
    assert summary[0]["coverage_1sd"] == 1 and "coverage_1sd" not in summary[1]
    assert "| coverage_1sd " in table(turned(summary[::-1]))


def test_a_model_is_compared_with_others_only(tmp_path, capsys):
    for compared in (["ChestBiplanar"], [str(find_model("ChestBiplanar").folder)]):
        arguments = ["evaluate", "--data", str(tmp_path), "--model", "ChestBiplanar", "--compare", *compared]
        assert main([*arguments, "--html", str(tmp_path / "report.html")]) == 1
        assert "same name" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


class _ScoringKit:
    """A kit whose scores are told beforehand, under two conditions."""

    settings, score, scored, baselines = BiplanarSettings, "psnr_true", ("test",), ()
    load = staticmethod(lambda model, device: model)

    @staticmethod
    def prepare(settings, source, cache, progress, roles) -> PreparedData:
        progress(1.0, "Prepared")
        return PreparedData([Case(name, source, name, "test") for name in "ab"], {}, {"a": source, "b": source})

    @staticmethod
    def evaluate(predictors, cases, training, progress, show) -> list[dict]:
        progress(1.0, "Scored")
        correlations = {case: {other: float(case == other) for other in cases} for case in cases}
        rows = [
            {"case": case, "method": method, "psnr_true": 20.0, "correlations": correlations[case]}
            for case in cases
            for method in predictors
        ]
        for row in rows if show else []:
            show(row["case"], {"truth": np.zeros((8, 8, 8)), row["method"]: np.zeros((8, 8, 8))}, [row])
        return rows

    @staticmethod
    def conditions(predictors, cases, progress) -> list[dict]:
        progress(0.5, "Half of it")
        return [
            {"case": case, "method": method, "condition": condition, "psnr_true": score}
            for case in cases
            for method in predictors
            for condition, score in (("ideal", 20.0), ("inverted film", 17.0))
        ]


def test_the_command_scores_conditions_by_themselves(tmp_path, monkeypatch):
    from CTGANLib.commands import evaluate

    monkeypatch.setattr(evaluate, "recipe_kit", lambda task: _ScoringKit)
    files = {"out": tmp_path / "rows.json", "csv": tmp_path / "rows.csv", "html": tmp_path / "report.html"}
    given = {"data": tmp_path, "model": "ChestBiplanar", "compare": [], "cache": None, "device": "cpu", **files}
    heard = []
    plain = evaluate.run(SimpleNamespace(**given, conditions=False), lambda share, text: heard.append(share))
    assert plain["conditions"] == [] and heard == pytest.approx([0.4, 1.0])
    assert "not ideal" not in files["html"].read_text(encoding="utf-8") + plain["text"]
    heard.clear()
    result = evaluate.run(SimpleNamespace(**given, conditions=True), lambda share, text: heard.append(share))
    assert heard == sorted(heard) and heard[-1] > 0.5  # most of the time is that of the conditions
    assert result["summary"] == plain["summary"] and result["summary"][0]["psnr_true"] == 20
    rows = json.loads(files["out"].read_text())
    assert [row.get("condition") for row in rows] == [None] * 2 + ["ideal", "inverted film"] * 2
    with files["csv"].open(newline="", encoding="utf-8") as file:
        assert [row["condition"] for row in csv.DictReader(file)][:3] == ["", "", "ideal"]
    assert "| inverted film | 2 | 17.00     | -3.000 ± 0.000   |" in result["text"]
    text = files["html"].read_text(encoding="utf-8")
    assert "inverted film" in text and "-3.000 ± 0.000" in text
    (own,) = result["specificity"]
    assert (own["own_truth"], own["other_truths"], own["own_is_highest"]) == (1, 0, 1)


def test_what_a_kit_cannot_score_is_refused(tmp_path, monkeypatch, capsys):
    from CTGANLib.commands import evaluate

    monkeypatch.setattr(evaluate, "recipe_kit", lambda task: SimpleNamespace(conditions=None))
    assert main(["evaluate", "--data", str(tmp_path), "--model", "ChestBiplanar", "--conditions"]) == 1
    assert "--conditions" in capsys.readouterr().err


def test_no_model_is_called_as_a_baseline():
    from CTGANLib.commands.evaluate import _by_name

    with pytest.raises(UserError, match="mean volume"):
        _by_name([SimpleNamespace(name="a"), SimpleNamespace(name="mean volume")])
