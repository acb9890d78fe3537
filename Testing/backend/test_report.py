"""Reports: pictures the right way round, tables, and nothing that leaves or comes from outside the page."""

import re
import sys
import xml.etree.ElementTree as ElementTree
from base64 import b64decode
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk

from CTGANLib.commands.recipes import recipe_kit
from CTGANLib.datasets.preparation import PreparedData
from CTGANLib.errors import UserError
from CTGANLib.evaluation.chart import chart
from CTGANLib.evaluation.pdf import pdf_report
from CTGANLib.evaluation.report import ablation_report, facts, html_report, seen_in_training
from CTGANLib.evaluation.sheets import LARGEST_DIFFERENCE, Sheets, marked

SIZE = 32
METHODS = ("Model", "mean volume", "nearest training volume")


def patient() -> np.ndarray:
    """HU [k, j, i] of air with bright voxels to the right, to the front and to the head of the middle."""
    hu = np.full((SIZE,) * 3, -1000.0, np.float32)
    middle = SIZE // 2
    hu[middle - 2 : middle + 2, middle - 2 : middle + 2, middle + 8 : middle + 11] = 400  # right
    hu[middle - 2 : middle + 2, middle + 4 : middle + 7, middle - 2 : middle + 2] = 400  # front
    hu[middle + 11 : middle + 14, middle - 2 : middle + 2, middle - 2 : middle + 2] = 400  # head
    return hu


def rows(scores: dict[str, float]) -> list[dict]:
    return [
        {"case": case, "method": method, "psnr_true": score - 3 * n, "mae_hu": 100.0}
        for case, score in scores.items()
        for n, method in enumerate(METHODS)
    ]


@pytest.fixture
def written(tmp_path):
    """A report on these scores, as text."""

    def write(scores: dict[str, float], **more) -> str:
        (tmp_path / "sheets").mkdir(exist_ok=True)
        sheets, table = Sheets(tmp_path / "sheets"), rows(scores)
        for case in scores:
            volumes = {"truth": patient(), **dict.fromkeys(METHODS, patient())}
            sheets(case, volumes, [row for row in table if row["case"] == case])
        html_report(tmp_path / "report.html", "Report", {"Data": "x"}, table, sheets, "psnr_true", **more)
        return (tmp_path / "report.html").read_text(encoding="utf-8")

    return write


def read_picture(content: bytes, tmp_path) -> np.ndarray:
    (tmp_path / "picture.jpg").write_bytes(content)
    return sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "picture.jpg")))


def bright(picture: np.ndarray) -> tuple[float, float]:
    """Where the bright structures lie, from -1 (top, left) to 1 (bottom, right), below the marks."""
    gray = picture[..., 0].astype(float)
    gray[:30] = 0
    rows, columns = np.nonzero(gray > 200)
    size = len(gray) / 2
    return rows.mean() / size - 1, columns.mean() / size - 1


def test_planes_are_shown_as_radiologists_see_them(tmp_path):
    sheets = Sheets(tmp_path)
    sheets("a", {"truth": patient()}, [])
    axial, coronal, sagittal = (read_picture(c, tmp_path) for c in sheets.pictures("a")["truth"])
    assert axial.shape == coronal.shape == sagittal.shape == (256, 256, 3)
    # The right side and the front: left and top of the axial plane.
    assert bright(axial)[0] < -0.1 and bright(axial)[1] < -0.2
    # The right side and the head: left and top of the coronal plane.
    assert bright(coronal)[0] < -0.2 and bright(coronal)[1] < -0.2
    # The front and the head: left and top of the sagittal plane.
    assert bright(sagittal)[0] < -0.2 and bright(sagittal)[1] < -0.1


def test_proportions_are_true(tmp_path):
    sheets = Sheets(tmp_path)
    sheets("a", {"truth": np.zeros((32, 64, 96), np.float32)}, [])
    shapes = [read_picture(c, tmp_path).shape[:2] for c in sheets.pictures("a")["truth"]]
    assert shapes == [(256, 384), (256, 768), (256, 512)]


def test_marks_are_letters_in_the_upper_corners():
    picture = marked(np.full((64, 64, 3), 128, np.uint8), "RL")
    right, left = picture[6:20, 6:16, 0] == 255, picture[6:20, 48:58, 0] == 255
    assert right[:, :2].all() and left[:, :2].all() and left[-2:].all()  # both have a stem, the L its foot
    assert right[0, 4] and not left[0, 4]  # the R its bow
    assert (picture[32:] == 128).all()


def test_differences_grow_brighter_and_are_drawn_for_models_only(tmp_path):
    sheets = Sheets(tmp_path)
    truth = np.zeros((SIZE,) * 3, np.float32)
    model = truth.copy()
    model[:, :, : SIZE // 2] -= LARGEST_DIFFERENCE  # the left half
    scored = [{"method": "Model"}, {"method": "mean volume"}]
    sheets("a", {"truth": truth, "Model": model, "a sample": model, "mean volume": model}, scored)
    drawn = sheets.pictures("a")
    assert list(drawn) == ["truth", "Model", "|Model − truth|", "a sample", "mean volume"]
    difference = read_picture(drawn["|Model − truth|"][0], tmp_path).astype(int).sum(axis=-1)
    assert difference[128, 200] > 600 and difference[128, 60] < 60


def test_the_report_holds_all_and_asks_for_nothing(written):
    text = written({"a": 21.0, "b": 25.0, "c": 23.0, "d": 22.0, "e": 24.0}, left_out={"f": "No body."})
    assert text.index("Not for diagnosis.") < text.index("Data")
    assert re.findall(r"The (\w+) case: (\w)<", text) == [("worst", "a"), ("median", "c"), ("best", "b")]
    assert "23.00 ± 1.97" in text and "No body." in text
    images = re.findall(r'<img src="data:image/([\w+]+);base64,([\w+/=]+)"', text)
    assert len(images) == text.count("<img") == 1 + 3 * (3 * 5 + 1)
    assert all(b64decode(content)[:3] == b"\xff\xd8\xff" for kind, content in images if kind == "jpeg")
    # Nothing but text and pictures: no script, no address.
    plain = re.sub(r"base64,[\w+/=]+", "", text)
    assert not re.search(r"<script|https?:|src=\"(?!data:)|href|url\(|@import", plain)


@pytest.mark.parametrize(("count", "titles"), [(1, ["worst and median and best"]), (2, ["worst", "median and best"])])
def test_few_cases(written, count, titles):
    text = written({name: 20.0 + n for n, name in enumerate("ab"[:count])})
    assert re.findall(r"The ([\w ]+) case: ", text) == titles


def test_many_cases_stay_readable(written, monkeypatch):
    monkeypatch.setattr("CTGANLib.evaluation.report._MOST_CASES", 3)
    text = written({f"case{n}": 20.0 + n for n in range(5)})
    listed = text[text.index("Each case") :]
    assert "The 3 worst of 5." in listed and "case2<" in listed and "case3<" not in listed


def test_all_text_is_escaped(tmp_path):
    evil = '<script>alert("1")</script>&'
    (tmp_path / "sheets").mkdir()
    sheets = Sheets(tmp_path / "sheets")
    table = [{"case": evil, "method": method, "psnr_true": 20.0} for method in (evil, "mean volume")]
    sheets(evil, {"truth": patient(), evil: patient(), "mean volume": patient()}, table)
    html_report(tmp_path / "r.html", evil, {evil: evil}, table, sheets, "psnr_true", [evil], {evil: evil})
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "<script" not in text and "&lt;script&gt;" in text
    (drawn,) = re.findall(r"svg\+xml;base64,([\w+/=]+)", text)
    ElementTree.fromstring(b64decode(drawn))
    _Balanced().feed(text)


class _Balanced(HTMLParser):
    """Checks that every element is closed where it should be."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs) -> None:
        if tag not in ("img", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag


def test_scores_that_are_no_numbers_do_not_stop_a_report(written):
    table = written({"a": float("inf"), "b": 20.0, "c": 21.0})
    assert "The best case: a" in table


def test_rows_may_be_scored_by_other_metrics(tmp_path):
    """As those of a generator's samples, beside its reconstructions."""
    scored = [{"case": case, "method": "M", "psnr": 20.0 + n} for n, case in enumerate("ab")]
    samples = {"case": "all", "method": "M, samples", "kid": 0.25}
    html_report(tmp_path / "r.html", "T", {}, [*scored, samples], Sheets(tmp_path), "psnr")
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "0.250" in text and "20.50" in text and "what one knows without a model" not in text


def test_the_chart_places_dots_by_score():
    drawn = ElementTree.fromstring(
        chart({"m": {"x": 30.0, "y": 10.0}, "n": {"x": 20.0, "y": float("inf")}}, "psnr_true")
    )
    dots = [e for e in drawn.iter() if e.tag.endswith("circle") and e.get("fill-opacity")]
    by_color = {}
    for dot in dots:
        by_color.setdefault(dot.get("fill"), []).append((float(dot.get("cx")), float(dot.get("cy"))))
    (x, y), other = by_color.values()
    assert x[0] > y[0] and x[1] < y[1]  # the worse case first, the better one higher
    assert len(other) == 1 and x[1] < other[0][1] < y[1]


@pytest.mark.parametrize("values", [[5.0], [0.0], [-1e-9, 1e9], [1.0, 1.0], [float("inf")]])
def test_the_chart_takes_any_numbers(values):
    text = chart({"m": {str(n): value for n, value in enumerate(values)}}, "x")
    ElementTree.fromstring(text)
    assert "nan" not in text and "inf" not in text


def test_what_was_evaluated_is_told():
    ours = {"trained_on": ["a", "b"], "settings": {"steps": 12}, "hours": 1.5, "device": "cpu", "license": "CC0"}
    model = SimpleNamespace(metadata={"name": "Title", "ctgan": {**ours, "sha256": "0" * 64}})
    cases = [SimpleNamespace(name=name, role="test" if name == "a" else "train") for name in "abc"]
    data = PreparedData(cases, {"x": "broken"}, {})
    told = facts("ct", recipe_kit("biplanar"), data, {"M": model})
    assert told["Scored"] == "1 case of the role test" and told["Left out"] == "1 case"
    assert told["Baselines"].endswith("the nearest of 2 training volumes")
    of_pyramids = facts("ct", recipe_kit("pyramid"), data, {"M": model})
    assert of_pyramids["Scored"] == "2 cases of the role train, 1 case of the role test"
    assert of_pyramids["Baselines"] == "next scale, enlarged"
    assert told["Model M"].startswith("Title; trained on 2 cases; steps 12; 1.5 hours on cpu; license CC0")
    (warning,) = seen_in_training({"M": model}, ["b", "c"])
    assert "M was trained on" in warning and ": b." in warning
    assert seen_in_training({"M": model}, ["c"]) == []


def test_a_table_of_combinations(tmp_path):
    lines = [{"recipe": "a", "seeds": 2, "psnr_true": 20.0, "psnr_true_ci95": 1.0}, {"recipe": "mean volume"}]
    means = [{"case": "x", "method": "a", "psnr_true": 20.0}, {"case": "x", "method": "mean volume", "psnr_true": 10.0}]
    ablation_report(tmp_path / "r.html", {"Seeds": "0, 1"}, lines, means, "psnr_true")
    assert "20.00 ± 1.00" in (tmp_path / "r.html").read_text(encoding="utf-8")


def detailed(score: float, own: str, method: str) -> dict:
    """A row with the details that have sections of their own."""
    volumes = {"Right <lung>": {"ml": score, "true_ml": 100.0, "error_ml": score - 100, "error_percent": score - 100}}
    correlations = {other: 0.8 if other == own else 0.1 for other in ("<a>", "b")}
    return {"case": own, "method": method, "psnr_true": 20.0, "volumes": volumes, "correlations": correlations}


def test_details_have_sections_of_their_own(tmp_path):
    (tmp_path / "sheets").mkdir()
    sheets, table, evil = Sheets(tmp_path / "sheets"), [], "<Model>"
    for case, score in (("<a>", 90.0), ("b", 120.0)):
        table += [detailed(score, case, evil), detailed(100.0, case, "mean volume")]
        sheets(case, {"truth": patient(), evil: patient(), "mean volume": patient()}, table[-2:])
    conditions = [
        {"case": case, "method": evil, "condition": condition, "psnr_true": 20.0 - worse}
        for case in ("<a>", "b")
        for condition, worse in (("<ideal>", 0.0), ("turned", 1.5))
    ]
    html_report(tmp_path / "r.html", "R", {}, table, sheets, "psnr_true", conditions=conditions)
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    _Balanced().feed(text)
    assert not re.search("<(Model|lung|ideal|a)>", text)
    plain = re.sub(r"base64,[\w+/=]+", "", text)
    volumes = plain[plain.index("Volumes of structures") : plain.index("Input that is not ideal")]
    # Errors of −10 and +20 %: 5 % on average, 15 % whatever the sign.
    assert "Right &lt;lung&gt;" in volumes and ">5.000 ±" in volumes and ">15.00 ±" in volumes
    assert "-1.500 ± 0.000" in plain[plain.index("Input that is not ideal") :]
    assert "<th>volumes" not in plain and "correlations" not in re.sub("correlations of the predictions", "", plain)
    # One matrix, that of the model.
    drawn = [b64decode(svg).decode() for svg in re.findall(r"svg\+xml;base64,([\w+/=]+)", text)]
    (matrix,) = [svg for svg in drawn if "<rect" in svg]
    ElementTree.fromstring(matrix)
    assert matrix.count(">0.80<") == 2 and matrix.count(">0.10<") == 2


def test_pdf_needs_its_package(tmp_path, written, monkeypatch):
    written({"a": 20.0})
    monkeypatch.setitem(sys.modules, "xhtml2pdf", None)
    with pytest.raises(UserError, match="xhtml2pdf"):
        pdf_report(tmp_path / "report.html", tmp_path / "report.pdf")


def test_pdf(tmp_path, written):
    pytest.importorskip("xhtml2pdf")
    written({"a": 20.0, "b": 21.0, "c": 22.0})
    pdf_report(tmp_path / "report.html", tmp_path / "report.pdf")
    content = (tmp_path / "report.pdf").read_bytes()
    assert content.startswith(b"%PDF") and content.count(b"/Subtype /Image") >= 6  # same pictures are kept once
