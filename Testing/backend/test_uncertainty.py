"""One view, sharpness and ensembles: what the reconstructor makes of them, and how honest it is about it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from CTGANLib.__main__ import main
from CTGANLib.biplanar.network import BiplanarGenerator
from CTGANLib.biplanar.publish import publish
from CTGANLib.biplanar.recipe import BiplanarSettings
from CTGANLib.biplanar.reconstruct import Reconstructor
from CTGANLib.biplanar.suitability import make_suitable
from CTGANLib.biplanar.uncertainty import expected_error
from CTGANLib.errors import UserError
from CTGANLib.imaging.attenuation import hu_to_unit
from CTGANLib.imaging.geometry import Acquisition, Grid, View
from CTGANLib.imaging.projection import project
from CTGANLib.imaging.volumes import Volume
from CTGANLib.models.combine import combine
from phantoms import CENTER, ball, chest

CUBE = Grid.centered((128,) * 3, 2.5, tuple(CENTER))
VIEWS = (View.PA, View.LLAT)
SAMPLE = Path(__file__).resolve().parents[2] / "Resources" / "SampleData"


class Always(torch.nn.Module):
    """A generator that makes the same CT of everything, keeps what it was shown, and knows a mean patient."""

    def __init__(self, hu: np.ndarray, mean: np.ndarray | None = None) -> None:
        super().__init__()
        self.unit, self.mean_volume = (
            hu_to_unit(torch.from_numpy(one.astype(np.float32)))[None, None]
            for one in (hu, hu if mean is None else mean)
        )

    def forward(self, pictures: torch.Tensor, cameras: torch.Tensor) -> torch.Tensor:
        self.pictures, self.cameras = pictures, cameras
        return self.unit


def radiographs_of(volume: Volume, *views: View):
    return [project(volume, Acquisition(view, isocenter=tuple(CENTER))) for view in views or VIEWS]


@pytest.fixture(scope="module")
def body() -> Volume:
    return chest(CUBE, scale=1.5)


@pytest.fixture(scope="module")
def mean(body) -> np.ndarray:
    """Another patient: all is 25 mm further to the front and the left lung has a large mass."""
    moved = np.roll(body.array, 10, axis=1)
    return moved + (40 - moved) * ball(CUBE, CENTER + np.array([-60.0, 0.0, 20.0]), 30)


def test_the_usual_error_is_large_at_edges_and_small_in_air(body):
    error = expected_error(body)
    assert (error.grid, error.array.dtype) == (body.grid, np.float32)
    steep = np.abs(np.diff(body.array, axis=2))[:, :, :127] > 500
    assert np.median(error.array[:, :, :127][steep]) > 2 * np.median(error.array[body.array > 0])
    assert error.array[0, 0, 0] < 60


def test_what_the_members_disagree_about_is_less_certain(body):
    disputed = ball(CUBE, CENTER + np.array([30.0, -20.0, 10.0]), 25) > 0
    variance = np.where(disputed, 60.0**2, 0.0).astype(np.float32)
    plain, error = (expected_error(body, each).array for each in (np.zeros_like(variance), variance))
    middle = ball(CUBE, CENTER + np.array([30.0, -20.0, 10.0]), 12) > 0
    mirrored = ball(CUBE, CENTER + np.array([-30.0, -20.0, 10.0]), 12) > 0
    assert (error[middle] > plain[middle] + 60).all()
    np.testing.assert_array_equal(error[mirrored], plain[mirrored])


def test_sharpened_detail_and_a_missing_view_add_to_the_error(body):
    plain = expected_error(body).array
    added = np.full(body.grid.shape, 50.0, np.float32)
    np.testing.assert_allclose(expected_error(body, None, added).array, np.hypot(plain, 50), rtol=1e-4)
    for view in ("pa", "lateral"):
        assert (expected_error(body, views=(view,)).array > 1.2 * plain).all()


def test_the_ct_is_the_mean_of_the_ensemble(body):
    members = [np.clip(body.array + step, -1024, 1476) for step in (-30, 0, 90)]
    first, *others = map(Always, members)
    result = Reconstructor(first, refine=False, uncertainty=True, others=others)(*radiographs_of(body))
    np.testing.assert_array_equal(result.volume.array, np.mean(members, axis=0).round())
    assert result.uncertainty.grid == result.volume.grid
    expected = expected_error(result.volume, np.var(members, axis=0, ddof=1))
    np.testing.assert_allclose(result.uncertainty.array, expected.array, rtol=1e-3)
    assert result.warnings == []
    sharp = Reconstructor(first, "cpu", False, True, others, Always(members[2]))(*radiographs_of(body))
    np.testing.assert_array_equal(sharp.volume.array, np.round(members[2]))
    added = np.abs(members[2] - np.mean(members, axis=0))
    assert (sharp.uncertainty.array >= added - 0.01).all()


def test_without_an_ensemble_the_uncertainty_is_the_usual_error_and_that_is_said(body):
    result = Reconstructor(Always(body.array), refine=False, uncertainty=True)(*radiographs_of(body))
    np.testing.assert_array_equal(result.uncertainty.array, expected_error(result.volume).array)
    assert len(result.warnings) == 1 and "no snapshots" in result.warnings[0]
    plain = Reconstructor(Always(body.array), refine=False)(*radiographs_of(body))
    assert plain.uncertainty is None and plain.warnings == []


@pytest.mark.parametrize(("view", "place"), [(View.AP, 0), (View.RLAT, 1)])
def test_the_missing_view_is_that_of_the_mean_patient(body, mean, view, place):
    network = Always(body.array, mean)
    (known,) = radiographs_of(body, view)
    pair = [None, None]
    pair[place] = known
    result = Reconstructor(network, refine=False)(*pair)
    shown = network.pictures
    both = radiographs_of(Volume(mean, CUBE), *VIEWS)
    both[place] = known
    Reconstructor(network, refine=False)(*both)
    torch.testing.assert_close(shown, network.pictures, atol=1e-3, rtol=0)
    assert result.views == (("pa", "lateral")[place],)
    assert len(result.inputs) == len(result.reprojections) == len(result.consistency) == 1
    assert result.inputs[0] is known and result.consistency[0]["ncc"] > 0.99
    assert len(result.warnings) == 1 and "mean patient" in result.warnings[0]


def test_only_the_given_view_is_refined_against(body, mean):
    """A CT that explains the frontal radiograph stays, although it is not what the mean patient's lateral shows."""
    pa, _ = radiographs_of(body)
    shifted = np.roll(body.array, 4, axis=0)
    kept, changed = (Reconstructor(Always(hu, mean))(pa, None) for hu in (body.array, shifted))
    assert np.abs(kept.volume.array.astype(int) - body.array).mean() < 3
    assert changed.refinement in ("full", "cautious")
    assert changed.consistency[0]["ncc"] > changed.consistency_before[0]["ncc"]


def test_without_any_radiograph(body):
    with pytest.raises(UserError, match="no radiograph"):
        Reconstructor(Always(body.array))(None, None)


def test_a_misfit_is_told_with_its_value(body):
    pa, lateral = radiographs_of(body)
    inverted = replace(lateral, array=lateral.array.max() - lateral.array)
    result = Reconstructor(Always(body.array), refine=False)(pa, inverted)
    (warning,) = result.warnings
    assert "lateral" in warning and f"{result.consistency[1]['ncc']:.2f}" in warning and "inverted" in warning
    assert Reconstructor(Always(body.array), refine=False)(pa, lateral).warnings == []


def test_one_view_is_checked_like_two(body):
    pa, lateral = (replace(radiograph, kind="film") for radiograph in radiographs_of(body))
    alone = make_suitable(None, lateral, body.array)
    assert alone.pa is None
    both = make_suitable(pa, lateral, body.array)
    np.testing.assert_array_equal(alone.lateral.array, both.lateral.array)
    assert {f.message for f in alone.findings} == {f.message for f in both.findings if "frontal" not in f.message}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A small generator with texture weights and a snapshot."""
    folder = tmp_path_factory.mktemp("models")
    parts = []
    for seed in range(3):
        torch.manual_seed(seed)
        network = BiplanarGenerator((8,) * 4, (8,) * 4, heads=(), corrected=())
        for head in network.heads.values():
            torch.nn.init.normal_(head[1].weight, std=0.01)
        network.mean_volume.fill_(0.4)
        settings = BiplanarSettings(steps=100 + seed)
        parts.append(publish(folder / f"part{seed}", network, settings, [], [], 0.5 + seed, "cpu"))
    return combine(parts[0], parts[1], [parts[2]], folder / "Small")


def test_sharpness_is_a_line_between_two_sets_of_weights(model):
    ends = [model.weights(name) for name in ("model", "texture")]
    for sharpness in (0.0, 0.25, 1.0):
        state = Reconstructor.from_model(model, sharpness=sharpness)._network.state_dict()
        for name, value in state.items():
            first, second = (end[name].float() for end in ends)
            torch.testing.assert_close(value, (1 - sharpness) * first + sharpness * second, atol=1e-5, rtol=1e-4)


def test_sharpness_that_cannot_be(model):
    for sharpness in (-0.1, 1.1, float("nan")):
        with pytest.raises(UserError, match="sharpness"):
            Reconstructor.from_model(model, sharpness=sharpness)
    with pytest.raises(UserError, match="no texture"):
        Reconstructor.from_model(replace(model, metadata=_without_further(model)), sharpness=0.5)


def _without_further(model) -> dict:
    ours = {name: value for name, value in model.metadata["ctgan"].items() if name != "further"}
    return {**model.metadata, "ctgan": ours}


def test_the_command_makes_ct_and_uncertainty_of_one_view(model, tmp_path, capsys):
    out, error = tmp_path / "ct.nrrd", tmp_path / "error.nrrd"
    arguments = ["reconstruct", "--pa", SAMPLE / "chest_pa.dcm", "--out", out, "--uncertainty", error]
    arguments += ["--sharpness", 0.5, "--model", model.folder, "--reprojections", tmp_path / "again", "--no-refine"]
    assert main([*map(str, arguments), "--events"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["uncertainty"] == str(error)
    assert list(result["consistency"]) == list(result["reprojections"]) == ["pa"]
    assert any("mean patient" in warning for warning in result["warnings"])
    ct, uncertainty = (Volume.from_image(sitk.ReadImage(str(path))) for path in (out, error))
    np.testing.assert_allclose(uncertainty.grid.ijk_to_ras, ct.grid.ijk_to_ras)
    assert uncertainty.array.shape == ct.array.shape and uncertainty.array.min() > 0


def test_a_failed_run_leaves_nothing(model, tmp_path, capsys):
    arguments = ["reconstruct", "--out", tmp_path / "ct.nrrd", "--uncertainty", tmp_path / "error.nrrd"]
    assert main([*map(str, arguments), "--model", str(model.folder), "--events"]) == 1
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["message"] == "There is no radiograph."
    assert list(tmp_path.iterdir()) == []
