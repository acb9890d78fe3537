"""The check before a run: what is spoiled is found, what can be put right is, and what is right is left alone."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from CTGANLib.biplanar.reconstruct import NETWORKS
from CTGANLib.biplanar.suitability import SuitablePair, make_suitable, suitability
from CTGANLib.errors import UserError
from CTGANLib.imaging.attenuation import unit_to_hu
from CTGANLib.imaging.collimation import exposed, filled, without_labels
from CTGANLib.imaging.drr import Patient
from CTGANLib.imaging.film import film
from CTGANLib.imaging.geometry import Acquisition, View
from CTGANLib.imaging.orientation import with_markers
from CTGANLib.imaging.radiographs import Radiograph, read_radiograph
from CTGANLib.imaging.volumes import read_volume
from CTGANLib.models.bundle import open_bundle

RESOURCES = Path(__file__).resolve().parents[2] / "Resources"


@pytest.fixture(scope="module")
def mean_hu() -> np.ndarray:
    """The mean volume of the shipped model."""
    network = open_bundle(RESOURCES / "Models" / "ChestBiplanar").load("biplanar", NETWORKS)
    return unit_to_hu(network.mean_volume[0, 0].numpy())


@pytest.fixture(scope="module")
def line_integrals() -> dict[View, Radiograph]:
    """Of the sample patient, who is in no training."""
    patient = Patient(read_volume(RESOURCES / "SampleData" / "chest_ct.nrrd"))
    return {
        view: patient.radiograph(Acquisition(view, isocenter=patient.isocenter)) for view in (View.PA, View.LLAT)
    }


@pytest.fixture
def pair(line_integrals) -> list[Radiograph]:
    """The sample patient's films as a reader of PNG files has them: nothing is told."""
    return [Radiograph(film(taken.array), Acquisition(view), "film") for view, taken in line_integrals.items()]


def changed(radiograph: Radiograph, change) -> Radiograph:
    array = np.ascontiguousarray(change(radiograph.array))
    return replace(radiograph, array=array, acquisition=replace(radiograph.acquisition, detector_shape=array.shape))


def severities(suitable: SuitablePair, *words: str) -> list[str]:
    """Of the findings with one of these words."""
    return [finding.severity for finding in suitable.findings if any(word in finding.message for word in words)]


TURNS = ("upside down", "on its side", "mirrored", "inverted", "looks like", "exchanged", "faces right")


def test_a_good_pair_gives_no_errors_or_warnings(pair, mean_hu):
    suitable = make_suitable(*pair, mean_hu)
    assert not severities(suitable, *TURNS)
    suitable.refuse()
    for given, taken in zip(pair, (suitable.pa, suitable.lateral), strict=True):
        middle = slice(40, 190)  # below, the CT ends
        assert np.abs(given.array - taken.array)[middle].max() < 0.05
        assert taken.acquisition.pixel_spacing[0] == pytest.approx(given.acquisition.pixel_spacing[0], rel=0.1)
        assert np.abs(taken.acquisition.detector_offset).max() < 15
    assert all(finding.message.endswith(".") and finding.advice for finding in suitable.findings)
    assert suitability(*pair, mean_hu) == suitable.findings


def test_inversion_and_a_lateral_that_faces_right_are_put_right(pair, mean_hu):
    expected = make_suitable(*pair, mean_hu)
    spoiled = [changed(pair[0], lambda a: 1 - a), changed(pair[1], lambda a: 1 - a[:, ::-1])]
    suitable = make_suitable(*spoiled, mean_hu)
    assert severities(suitable, "inverted", "faces right") == ["note"] * 3
    for right, again in zip((expected.pa, expected.lateral), (suitable.pa, suitable.lateral), strict=True):
        assert np.corrcoef(right.array.ravel(), again.array.ravel())[0, 1] > 0.995


def test_tags_are_believed(pair, mean_hu):
    spoiled = replace(changed(pair[1], lambda a: 1 - a[:, ::-1]), polarity_is_certain=True, directions_are_certain=True)
    suitable = make_suitable(pair[0], spoiled, mean_hu)
    assert severities(suitable, *TURNS) == ["warning"]
    assert np.corrcoef(spoiled.array.ravel(), suitable.lateral.array.ravel())[0, 1] > 0.97


@pytest.mark.parametrize(
    ("number", "change", "word"),
    [
        (0, lambda a: a[::-1, ::-1], "upside down"),
        (0, lambda a: a[::-1], "upside down"),
        (0, np.rot90, "on its side"),
        (1, lambda a: a.T, "on its side"),
    ],
)
def test_a_turned_picture_is_refused(pair, mean_hu, number, change, word):
    pair[number] = changed(pair[number], change)
    with pytest.raises(UserError, match=word):
        make_suitable(*pair, mean_hu).refuse()


def test_a_mirrored_frontal_picture_is_only_a_warning(pair, mean_hu):
    suitable = make_suitable(changed(pair[0], lambda a: a[:, ::-1]), pair[1], mean_hu)
    assert severities(suitable, *TURNS) == ["warning"]
    suitable.refuse()


def test_exchanged_views_and_the_same_view_twice(pair, mean_hu):
    def as_view(radiograph: Radiograph, view: View) -> Radiograph:
        return replace(radiograph, acquisition=replace(radiograph.acquisition, view=view))

    exchanged = make_suitable(as_view(pair[1], View.PA), as_view(pair[0], View.LLAT), mean_hu)
    assert [finding.message for finding in exchanged.findings if finding.severity == "error"] == [
        "The frontal and the lateral radiograph seem to be exchanged."
    ]
    twice = make_suitable(pair[0], as_view(changed(pair[0], lambda a: a * 0.9), View.LLAT), mean_hu)
    assert severities(twice, "looks like a frontal one") == ["error"]


def test_what_this_program_made_is_passed_on(line_integrals, mean_hu):
    sample = [
        read_radiograph(RESOURCES / "SampleData" / f"chest_{name}.dcm", view)
        for name, view in (("pa", View.PA), ("lateral", View.LLAT))
    ]
    for taken in (list(line_integrals.values()), sample):
        suitable = make_suitable(*taken, mean_hu)
        assert (suitable.pa, suitable.lateral) == tuple(taken) and not suitable.findings


def test_noise_is_no_chest(mean_hu):
    noise = np.random.default_rng(0).random((200, 200)).astype(np.float32)
    pair = [
        Radiograph(np.roll(noise, n), Acquisition(view, detector_shape=noise.shape), "film")
        for n, view in enumerate((View.PA, View.LLAT))
    ]
    assert severities(make_suitable(*pair, mean_hu), "not look like") == ["warning", "warning"]


def test_blades_are_found_and_filled(pair):
    lateral = pair[1].array
    covered = lateral.copy()
    # Slanted by 2 pixels, over the neck; and the picture's right border.
    rows, columns = np.indices(covered.shape)
    blade = (rows < 60 + columns / 128) | (columns > 200)
    covered[blade] = 0
    seen = exposed(covered)
    assert not seen[rows < 58].any()
    assert seen[70:190, 100:190].all()
    restored = filled(covered, seen)
    assert np.array_equal(restored[70:180, 100:190], covered[70:180, 100:190])
    middle = slice(110, 150)
    np.testing.assert_allclose(restored[:50, middle].mean(), lateral[66, middle].mean(), atol=0.1)
    # Air beside a body that is not cut is no blade.
    round_body = np.clip(1.2 - np.hypot(rows - 128, columns - 128) / 90, 0, 1).astype(np.float32)
    assert exposed(round_body).all()


def test_a_thin_frame_does_not_go_on_beyond_the_picture(pair):
    array = pair[0].array.copy()
    array[:, -1] = 1.0
    restored = filled(array, np.ones(array.shape, bool))
    assert np.abs(restored[:, -1] - array[:, -5]).max() < 0.05
    assert np.array_equal(restored[5:-5, 5:-5], array[5:-5, 5:-5])


def test_labels_vanish_and_anatomy_stays(pair):
    array = pair[0].array
    np.testing.assert_allclose(without_labels(array), array, atol=0.05)
    labeled = with_markers(array, Acquisition())
    assert np.abs(labeled - array).max() > 0.5
    assert np.abs(without_labels(labeled) - array).max() < 0.35


def test_real_pairs_are_put_right_and_none_is_refused(shared_cxr, mean_hu):
    """Some of them face right, one lies under labels; all of them are known to be upright frontal and lateral ones."""
    for name, faces_right in (("p109_dNA", True), ("p20_dNA", False), ("p340_d7", True)):
        pa = read_radiograph(shared_cxr / f"covidcxr_{name}_pa.png", View.PA)
        lateral = read_radiograph(shared_cxr / f"covidcxr_{name}_lat.png", View.LLAT)
        suitable = make_suitable(pa, lateral, mean_hu)
        suitable.refuse()
        assert severities(suitable, *TURNS) == ["note"] * faces_right
