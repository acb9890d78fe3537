"""Input that is not ideal: each way of spoiling does what it says, on the right side, and is scored by itself."""

from types import SimpleNamespace

import numpy as np
import pytest

from CTGANLib.biplanar import condition_scores, conditions
from CTGANLib.biplanar.condition_scores import moved_to_fit, score_conditions
from CTGANLib.biplanar.conditions import CONDITIONS, IDEAL, breathed, covered, cropped, film_pair, not_told, taken
from CTGANLib.biplanar.suitability import Finding, SuitablePair
from CTGANLib.imaging.geometry import Acquisition, Grid, View
from CTGANLib.imaging.standardize import FIELD_SIZE, STANDARD_SIZE
from CTGANLib.imaging.volumes import Volume

# Of a result by its frontal radiograph: one without it is believed to be doubtful.
CONSISTENCY, WARNINGS = {"both": ({"ncc": 1.0},) * 2, None: ({"ncc": 0.9},)}, {"both": [], None: ["There is one view."]}
FINDING = Finding("note", "It is dark.", "Look.")
# Of the same extent as the true field, with fewer voxels.
COUNT = 40
SPACING = 400 / COUNT
MARKER = np.array([55.0, 25.0, 45.0])  # RAS, mm: to the right, the front and the head


@pytest.fixture(scope="module")
def field() -> Volume:
    """A block of water with a dense marker off its middle in all three directions."""
    grid = Grid.centered((COUNT,) * 3, SPACING)
    hu = np.full(grid.shape, -1000, np.float32)
    hu[5:-5, 10:-10, 6:-6] = 0
    i, j, k = np.rint(grid.to_ijk(MARKER)).astype(int)
    hu[k - 1 : k + 2, j - 1 : j + 2, i - 1 : i + 2] = 3000
    return Volume(hu, grid)


def marker_at(radiograph) -> np.ndarray:
    """(column, row) of the marker, as found in a picture by what it adds to its neighborhood."""
    array = radiograph.array - np.median(radiograph.array[radiograph.array > 1])
    bright = array > 0.6 * array.max()
    rows, columns = np.nonzero(bright)
    return np.array([columns.mean(), rows.mean()])


def test_each_condition_gives_a_frontal_and_a_lateral(field):
    usual = Acquisition()
    for name, condition in CONDITIONS.items():
        pa, lateral = condition.taken(field)
        assert condition.checked == ("film" in name and "not checked" not in name)
        assert (pa is None, lateral is None) == (name == "lateral only", name == "frontal only")
        for radiograph, frontal in ((pa, True), (lateral, False)):
            if radiograph is not None:
                assert radiograph.acquisition.view.is_frontal == frontal
                assert np.isfinite(radiograph.array).all() and np.ptp(radiograph.array) > 0.2
                if "told" not in name and "film" not in name and name != "AP":
                    assert radiograph.acquisition == Acquisition(radiograph.acquisition.view) != usual or frontal
    assert next(iter(CONDITIONS)) == IDEAL


def test_what_was_found_before_the_run_is_told(field, monkeypatch):
    monkeypatch.setattr(conditions, "make_suitable", lambda pa, lateral, mean_hu: SuitablePair(pa, lateral, [FINDING]))
    film, not_checked = CONDITIONS["inverted film"], CONDITIONS["inverted film, not checked"]
    assert film(field, None).warnings == ["It is dark. Look."] and not_checked(field, None).warnings == []


def test_what_is_told_fits_the_picture_and_what_is_not_does_not(field):
    for name in ("views 83° apart", "lateral tilted by 7°"):
        lateral, told = CONDITIONS[name].taken(field)[1], CONDITIONS[f"{name}, told"].taken(field)[1]
        assert np.linalg.norm(marker_at(told) - told.acquisition.project_points(MARKER)) < 1.5
        assert np.linalg.norm(marker_at(lateral) - lateral.acquisition.project_points(MARKER)) > 3


def test_the_angle_has_two_directions(field):
    ideal = marker_at(taken(field, View.LLAT))
    one, other = (marker_at(CONDITIONS[f"lateral tilted by {angle}7°"].taken(field)[1]) - ideal for angle in ("", "−"))
    assert one @ other < 0
    one, other = (marker_at(CONDITIONS[f"views {angle}° apart"].taken(field)[1]) - ideal for angle in (83, 97))
    assert one @ other < 0


def test_distances_change_the_magnification_only(field):
    middle = (np.array(Acquisition().detector_shape) - 1) / 2
    near, ideal, far = (
        np.linalg.norm(marker_at(CONDITIONS[name].taken(field)[0]) - middle)
        for name in ("distances 20 % shorter", IDEAL, "distances 20 % longer")
    )
    assert near > 1.005 * ideal and ideal > 1.005 * far


def test_a_breath_lowers_the_diaphragm_and_leaves_the_apex():
    grid = Grid.centered((FIELD_SIZE,) * 3, 2.5)
    hu = np.full(grid.shape, -1000, np.float32)
    diaphragm, apex = (round(FIELD_SIZE / 2 + place / 2.5) for place in (-90, 110))
    hu[:diaphragm] = 50
    hu[apex:] = 50
    after = breathed(Volume(hu, grid)).array[:, 80, 80]
    air = np.flatnonzero(after < -500)
    assert (diaphragm - air[0]) * 2.5 == pytest.approx(15, abs=2.5) and air[-1] == apex - 1


def test_films_are_spoiled_where_they_should_be():
    picture = np.tile(np.linspace(0.2, 0.8, 200, dtype=np.float32), (100, 1))
    cut = cropped(picture)
    assert cut.shape == (85, 170) and cut[0, 0] == picture[0, 20] and cut[0, -1] == picture[0, -11]
    shown = covered(np.tile(np.linspace(0.2, 0.8, 256, dtype=np.float32), (256, 1)))
    assert (shown[:20] == 0).all() and (shown[120:, :20] == 0).all() and (shown[120:, 20:] > 0.2).all()
    assert (shown[20:100] == shown.max()).any()  # the letters


def test_films_have_8_bits_and_no_tags(field):
    for film in film_pair(field):
        levels = np.unique(film.array * 255)
        np.testing.assert_allclose(levels, np.rint(levels), atol=1e-4)
        assert film.kind == "film" and not (film.spacing_is_certain or film.view_is_certain or film.is_posed)
    ap = not_told(taken(field, View.AP), View.PA)
    assert ap.acquisition == Acquisition(View.PA)
    assert np.abs(marker_at(ap) - marker_at(taken(field))).max() > 1  # it is magnified otherwise


def test_the_place_is_forgiven_up_to_20_mm():
    rng = np.random.default_rng(0)
    true = np.full((48,) * 3, -1000.0)
    true[12:36, 14:30, 16:36] = rng.uniform(-200, 300, (24, 16, 20))
    for steps, whole in (((3, -5, 8), True), ((0, 0, 0), True), ((0, 11, 0), False)):
        moved = moved_to_fit(np.roll(true, steps, (0, 1, 2)), true)
        assert np.array_equal(moved, true) == whole


def test_rows_of_each_condition(monkeypatch, tmp_path):
    hu = np.full((FIELD_SIZE,) * 3, -1000, np.int16)
    hu[40:120, 50:110, 45:100] = 0
    np.save(tmp_path / "a.npy", hu)
    asked = {
        "ideal": lambda field, mean: SuitablePair("both", None),
        "told": lambda field, mean: SuitablePair("both", None, [FINDING]),
        "worse": lambda field, mean: SuitablePair(None, mean),
    }
    monkeypatch.setattr(condition_scores, "CONDITIONS", asked)
    monkeypatch.setattr(condition_scores, "usual_pair", lambda field: ())
    monkeypatch.setattr("CTGANLib.biplanar.evaluate.segment", lambda volume: Volume(volume.array > -500, volume.grid))
    middle = slice((FIELD_SIZE - STANDARD_SIZE) // 2, (FIELD_SIZE + STANDARD_SIZE) // 2)
    true, heard = hu[middle, middle, middle], []

    class Predictor:
        mean_hu = "the mean volume"

        def __init__(self, steps: int) -> None:
            self.steps = steps

        def __call__(self, pa, lateral):
            assert pa == "both" or lateral == "the mean volume"
            shift = self.steps if pa is None else 0
            volume = Volume(np.roll(true, shift, 1), Grid.centered((STANDARD_SIZE,) * 3, 2.5))
            return SimpleNamespace(volume=volume, consistency=CONSISTENCY[pa], warnings=WARNINGS[pa])

    predictors, cases = {"m": Predictor(4), "n": Predictor(20)}, {"a": tmp_path / "a.npy"}
    rows = score_conditions(predictors, cases, lambda share, text: heard.append((share, text)))
    assert [(row["method"], row["condition"]) for row in rows] == [
        (method, condition) for condition in asked for method in "mn"
    ]
    ideal, _, told, _, worse, worst = rows
    assert told["warned"] == 1
    assert ideal["psnr_true"] == ideal["psnr_moved"] == np.inf and ideal["ncc"] == 1 and worse["ncc"] == 0.9
    assert ideal["warned"] == 0 and worse["warned"] == 1
    assert worse["psnr_true"] < 30 and worse["psnr_moved"] == np.inf  # 10 mm, and nothing else is wrong
    assert worst["psnr_moved"] < 40
    assert [share for share, _ in heard] == pytest.approx([n / 6 for n in range(6)])
    assert heard[-1][1] == "Scoring a: worse"
