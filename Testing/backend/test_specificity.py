"""Whether methods tell patients apart, and the picture of it."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from CTGANLib.evaluation import specificity
from CTGANLib.evaluation.matrix import matrix_chart
from CTGANLib.evaluation.specificity import Specificity, correlation_matrices, specificity_table

SIZE = 16


def evaluated(count: int = 3) -> list[dict]:
    """Rows of patients who differ from a mean patient, seen well by one method, not at all by two others."""
    rng = np.random.default_rng(0)
    mean = 500 * rng.normal(size=(SIZE,) * 3)
    blocks = [rng.normal(size=(SIZE // 4,) * 3).repeat(4, 0).repeat(4, 1).repeat(4, 2) for _ in range(count)]
    patients = [mean + 100 * block for block in blocks]
    judged, rows = Specificity(mean), []
    for number, truth in enumerate(patients):
        volumes = {"seeing": mean + 0.7 * (truth - mean), "blind": patients[0], "mean volume": mean}
        scored = [{"case": f"p{number}", "method": method} for method in volumes]
        judged.add(f"p{number}", truth, volumes, scored)
        rows += scored
    judged.close()
    return rows


def test_a_method_that_always_says_the_same_tells_no_patients_apart():
    rows = evaluated()
    seeing, blind = ([row for row in rows if row["method"] == method] for method in ("seeing", "blind"))
    assert all(row["truth_ncc"] > 0.99 for row in seeing)
    assert [row["other_ncc"] for row in blind] == pytest.approx([1] * 3)
    # Chests are alike, and only what differs from the mean patient tells them apart.
    assert all(row["other_ncc"] > 0.9 for row in seeing)
    for row in seeing:
        own = row["correlations"].pop(row["case"])
        assert own == pytest.approx(1, abs=1e-3) and max(row["correlations"].values()) < 0.5
    assert [row["correlations"]["p0"] for row in blind] == pytest.approx([1] * 3, abs=1e-3)


def test_the_numbers_of_the_matrix():
    seeing, blind, mean = specificity_table(evaluated())
    assert (seeing["method"], seeing["n"], seeing["own_is_highest"]) == ("seeing", 3, 1)
    assert seeing["own_truth"] == pytest.approx(1, abs=1e-3) and abs(seeing["other_truths"]) < 0.4
    assert blind["own_is_highest"] == pytest.approx(1 / 3)  # of the patient that it always shows
    assert (mean["own_truth"], mean["other_truths"], mean["own_is_highest"]) == (0, 0, 0)


def test_of_one_case_nothing_can_be_said():
    rows = evaluated(1)
    assert rows[0]["other_ncc"] is None and specificity_table(rows) == []
    Specificity(np.zeros((SIZE,) * 3)).close()
    assert specificity_table([{"case": "a", "method": "m"}]) == []


def test_of_many_cases_the_first_are_compared(monkeypatch):
    monkeypatch.setattr(specificity, "MOST_CASES", 2)
    matrix = correlation_matrices(evaluated(4))["seeing"]
    assert {case: list(row) for case, row in matrix.items()} == {"p0": ["p0", "p1"], "p1": ["p0", "p1"]}


def test_the_picture_has_predictions_down_and_truths_across():
    values = {"a": {"a": 0.9, "b": -0.3}, "b": {"a": 0.1, "b": 0.8}}
    text, width = matrix_chart(values, "prediction <x>", "true CT")
    drawn = ElementTree.fromstring(text)
    assert int(drawn.get("width")) == width
    squares = [e for e in drawn.iter() if e.tag.endswith("rect") and e.get("fill") != "none"]
    places = {(float(e.get("x")), float(e.get("y"))): e.get("fill") for e in squares}
    left, right = sorted({x for x, _ in places})
    top = min(y for _, y in places)
    own, other = places[left, top], places[right, top]
    assert int(own[1:3], 16) < 80 and int(own[5:], 16) > 100  # blue, as positive
    assert int(other[1:3], 16) > 200 > int(other[5:], 16)  # orange, as negative
    written = [e.text for e in drawn.iter() if e.tag.endswith("text")]
    assert [text for text in written if re.fullmatch("−?0\\.\\d\\d", text)] == ["0.90", "−0.30", "0.10", "0.80"]
    assert written[0] == "prediction <x> ↓   true CT →"


def test_large_matrices_have_no_numbers():
    names = [f"case {n}" for n in range(40)]
    text, width = matrix_chart({name: dict.fromkeys(names, 1.0) for name in names}, "a", "b")
    assert width < 1000 and "1.00" not in text
