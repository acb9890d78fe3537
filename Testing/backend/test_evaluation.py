"""Several models beside their baselines, and tables of scores."""

import csv
import json
import math
from types import SimpleNamespace

import numpy as np
import pytest

from CTGANLib.__main__ import main
from CTGANLib.biplanar import evaluate as biplanar
from CTGANLib.errors import UserError
from CTGANLib.evaluation.scores import interval, summarize, table, turned, write_csv, write_json
from CTGANLib.imaging.geometry import Grid
from CTGANLib.imaging.standardize import FIELD_SIZE, STANDARD_SIZE
from CTGANLib.imaging.volumes import Volume
from CTGANLib.models.store import find_model
from CTGANLib.segmentation.segment import segment


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


class _Constant:
    """A reconstructor that says the same of every patient."""

    def __init__(self, hu: int, mean: int) -> None:
        self.mean_hu = np.full((STANDARD_SIZE,) * 3, float(mean))
        self._hu = hu

    def __call__(self, pa, lateral) -> SimpleNamespace:
        assert (pa.acquisition.view, lateral.acquisition.view) == biplanar.VIEWS
        array = np.full((STANDARD_SIZE,) * 3, self._hu)
        return SimpleNamespace(volume=SimpleNamespace(array=array), model_seconds=0.5, refine_seconds=0.0)


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


def test_a_method_that_always_says_the_same_tells_no_patients_apart():
    patients = np.random.default_rng(0).normal(size=(3, 8, 8, 8))
    rows = [[{}, {}] for _ in patients]
    specificity = biplanar._Specificity()
    for truth, scored in zip(patients, rows, strict=True):
        specificity.add(truth, {"seeing": truth + 0.3 * patients[0], "blind": patients[0]}, scored)
    specificity.close()
    for seeing, blind in rows:
        assert seeing["truth_ncc"] > 0.9 > 0.5 > seeing["other_ncc"]
        assert blind["other_ncc"] == pytest.approx(1)


def test_a_result_without_a_body_has_no_structures():
    """A network that knows little may say air everywhere; that is a bad score, not a failure."""
    air = Volume(np.full((32,) * 3, -1000.0, np.float32), Grid.centered((32,) * 3, 10.0))
    with pytest.raises(UserError):
        segment(air)
    assert not biplanar._segment(air).array.any()


def test_a_model_is_compared_with_others_only(tmp_path, capsys):
    for compared in (["ChestBiplanar"], [str(find_model("ChestBiplanar").folder)]):
        arguments = ["evaluate", "--data", str(tmp_path), "--model", "ChestBiplanar", "--compare", *compared]
        assert main([*arguments, "--html", str(tmp_path / "report.html")]) == 1
        assert "same name" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_no_model_is_called_as_a_baseline():
    from CTGANLib.commands.evaluate import _by_name

    with pytest.raises(UserError, match="mean volume"):
        _by_name([SimpleNamespace(name="a"), SimpleNamespace(name="mean volume")])
