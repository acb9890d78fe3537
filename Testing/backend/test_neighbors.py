"""Generated samples beside the nearest training samples, in the reports of generators."""

import re
from base64 import b64decode
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk

from CTGANLib.evaluation import features
from CTGANLib.evaluation.generation import Estimate
from CTGANLib.evaluation.neighbors import shown_samples, told_distance
from CTGANLib.evaluation.report import html_report
from CTGANLib.evaluation.sheets import Sheets
from CTGANLib.pipeline.model import KeptSheets
from CTGANLib.pyramid.pairs import show_pairs
from CTGANLib.pyramid.patches import PATCH, matches
from CTGANLib.slices import evaluate as slices_evaluate
from CTGANLib.slices.evaluate import HELD_OUT, TRAINING, evaluate
from CTGANLib.slices.preparation import records
from CTGANLib.slices.settings import CT

RANDOM = np.random.default_rng(0)


def slices(count: int) -> np.ndarray:
    """Smooth pictures of 64 pixels in HU, bright in one corner: low i and low j."""
    coarse = RANDOM.uniform(-900, 300, (count, 8, 8))
    pictures = coarse.repeat(8, 1).repeat(8, 2).astype(np.int16)
    pictures[:, 4:20, 4:20] = 390
    return pictures


class Maker:
    """Makes copies of given pictures, changed by so many HU."""

    kind, window, network = CT, (-1000.0, 400.0), SimpleNamespace(spacing=(2.0, 2.0))

    def __init__(self, pictures: np.ndarray, change: float) -> None:
        self._made = pictures.astype(np.float32) + change

    def pictures(self, seeds, labels=None) -> np.ndarray:
        return self._made[np.arange(len(seeds)) % len(self._made)]


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Prepared slices of two training patients and of one to test."""
    monkeypatch.setattr(slices_evaluate, "_LEAST_MADE", 12)
    monkeypatch.setattr(features, "_SIZE", 32)
    monkeypatch.setattr(slices_evaluate, "pairwise_ms_ssim", lambda *_: Estimate(0.5, 0.4, 0.6))  # slow
    paths = {}
    for name in ("a", "b", "test"):
        values = slices(12)
        paths[name] = tmp_path / f"{name}.npy"
        np.save(paths[name], records(values, np.zeros(len(values), np.int16)))
    return paths


def pictures_of(content: list[bytes], folder) -> list[np.ndarray]:
    pictures = []
    for jpeg in content:
        (folder / "picture.jpg").write_bytes(jpeg)
        pictures.append(sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "picture.jpg")))[..., 0].astype(float))
    return pictures


def test_the_nearest_are_shown_and_some_of_the_others():
    distances = np.array([9.0, 1.0, np.inf, 8.0, 2.0, 7.0, 3.0, 6.0, 4.0, 5.0])
    assert distances[shown_samples(distances)].tolist() == [1, 2, 3, 5, 7]
    assert shown_samples(np.array([np.inf, 4.0])) == [1] and shown_samples(np.array([])) == []
    assert (told_distance(3.14), told_distance(123.4)) == ("3.1 HU", "123 HU")


def test_a_model_that_copies_is_seen_in_the_report(tmp_path, files):
    training = [files["a"], files["b"]]
    learned = np.load(files["a"])["values"]
    sheets = Sheets(tmp_path)
    rows = evaluate({"copies": Maker(learned, 5.0)}, {"test": files["test"]}, training, show=sheets)
    ours, real = rows
    # What was held out is as far away as one training patient is from the other; a copy is not.
    assert ours["nearest_hu"] == pytest.approx(5, abs=0.1) and real["method"] == TRAINING
    assert ours["held_out_nearest_hu"] == pytest.approx(real["nearest_hu"], rel=0.2)
    assert ours["held_out_nearest_least_hu"] > 100 and "held_out_nearest_hu" not in real
    made, held_out = sheets.pairs.values()
    assert [name.split(";")[0] for name in sheets.pairs] == ["copies", HELD_OUT]
    assert all(told.endswith("5.0 HU") for told in made) and not any(told.endswith(" 5.0 HU") for told in held_out)
    above, below = pictures_of(next(iter(made.values())), tmp_path)
    assert above.shape == (256, 256) and np.abs(above - below).mean() < 6
    # As readers see it: the patient's right on the left, the front up. Low i is the left side, low j the back.
    assert above[180:240, 180:240].mean() > 200 > above[20:80, 20:80].mean()
    above, below = pictures_of(next(iter(held_out.values())), tmp_path)
    assert np.abs(above - below).mean() > 15

    html_report(tmp_path / "r.html", "R", {}, rows, sheets, "minus_kid")
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    section = text[text.index("Nearest training samples") :]
    assert "copies; distances of slices averaged to 32 x 32 pixels" in section and HELD_OUT in section
    shown = re.findall(r"image/jpeg;base64,([\w+/=]+)", section)
    assert len(shown) == 2 * (len(made) + len(held_out))
    assert b64decode(shown[0]) == next(iter(made.values()))[0]
    assert "held out from training: what nearest_hu is to be compared with" in text


def test_patients_with_the_same_number_are_not_passed_over(tmp_path, files):
    copied = tmp_path / "copied.npy"
    copied.write_bytes(files["a"].read_bytes())  # a test patient who is the first training patient
    (ours, _) = evaluate({"m": Maker(slices(12), 0.0)}, {"t": copied}, [files["a"], files["b"]])
    assert ours["held_out_nearest_hu"] == 0


def test_patches_are_shown_where_they_were_found(tmp_path):
    volume = RANDOM.uniform(-900, 300, (8, 40, 50)).astype(np.float32)
    moved = np.full((8, 44, 60), -1000, np.float32)
    moved[:, 4:, 10:] = volume  # everything is 4 and 10 voxels further
    found = matches([volume], [moved], within=False, count=6)
    assert np.allclose([match.distance for match in found], 0, atol=2)
    assert all(np.subtract(match.other_place, match.place).tolist() == [0, 4, 10] for match in found)
    apart = matches([volume], [volume], within=True, count=6)
    assert all((np.abs(np.subtract(m.other_place, m.place)) >= PATCH).any() and m.distance > 200 for m in apart)

    sheets = KeptSheets(tmp_path)
    show_pairs(sheets, "model", found, [volume], [moved])
    sheets.save()
    ((title, drawn),) = KeptSheets(tmp_path).pairs.items()  # another process goes on with them
    assert title.startswith("model; distances of patches of 12 x 12 x 4 voxels")
    for told, content in drawn.items():
        assert told.endswith(" HU")
        above, below = pictures_of(content, tmp_path)
        middle = slice(len(above) // 2 - 35, len(above) // 2 + 35)
        assert np.abs(above[middle, middle] - below[middle, middle]).mean() < 3
        line = above[int(len(above) * 11.5 / 36), len(above) // 3 : 2 * len(above) // 3]
        assert line.mean() > 225  # the frame


def test_without_samples_there_is_no_section(tmp_path):
    sheets = Sheets(tmp_path)
    rows = [{"case": "all", "method": "m", "score": 1.0}]
    html_report(tmp_path / "r.html", "R", {}, rows, sheets, "score")
    assert "Nearest training samples" not in (tmp_path / "r.html").read_text(encoding="utf-8")
