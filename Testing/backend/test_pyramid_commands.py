"""``train --recipe pyramid`` and ``synthesize``: files in, files out, and bad input."""

import json

import numpy as np
import pytest

from CTGANLib.__main__ import main
from CTGANLib.evaluation import features
from CTGANLib.imaging.volumes import read_any_volume, write_volume
from phantoms import DIRECTIONS, chest, turned_grid

SETTINGS = ["size=12", "slices=6", "coarsest=8", "validations=2"]


def run(capsys, *arguments) -> tuple[int, dict]:
    """Exit status and last event of a task that runs in this process."""
    status = main([*map(str, arguments), "--events"])
    return status, json.loads(capsys.readouterr().out.splitlines()[-1])


def options(settings) -> list[str]:
    return [part for setting in settings for part in ("--set", setting)]


def data_set(folder, spacing):
    folder.mkdir()
    grid = turned_grid(DIRECTIONS["lps"], (220.0, 170.0, 140.0), np.array(spacing))
    write_volume(chest(grid), folder / "phantom.nii.gz")
    (folder / "MANIFEST.tsv").write_text("id\trole\tsource\nphantom\ttrain\tmade\n")
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A store with one tiny pyramid, learned by the command."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CTGAN_MODELS", str(folder / "models"))
        patch.setattr(features, "_SIZE", 32)
        data = data_set(folder / "data", (2.5, 2.5, 5.0))
        command = ["train", "--recipe", "pyramid", "--data", data, "--out", folder / "run", "--name", "Tiny"]
        assert main([*map(str, command), "--steps", "4", "--device", "cpu", *options(SETTINGS)]) == 0
        yield folder


def test_the_run_is_scored_on_what_it_learned_from(home):
    rows = json.loads((home / "run" / "evaluation.json").read_text())
    assert rows[0]["case"] == "phantom" and rows[0]["mse"] > 0


def test_volumes_are_written_with_their_spacing(home, capsys, tmp_path):
    status, result = run(
        *(capsys, "synthesize", "--model", "Tiny", "--out", tmp_path / "set", "--count", 2, "--seed", 7),
        *("--sheet", tmp_path / "sheet.png", "--device", "cpu"),
    )
    assert status == 0 and len(result["volumes"]) == 2 and (tmp_path / "sheet.png").stat().st_size > 100
    status, alone = run(
        capsys, "synthesize", "--model", "Tiny", "--out", tmp_path / "one.nii.gz", "--seed", 8, "--device", "cpu"
    )
    first, second = (read_any_volume(path) for path in (result["volumes"][1], alone["volumes"][0]))
    assert np.array_equal(first.array, second.array)
    assert first.grid.spacing[2] > 1.2 * first.grid.spacing[0]
    assert np.allclose(first.grid.center, 0, atol=1e-3)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (["--seed", -1], "The seed cannot be -1."),
        (["--model", "ChestBiplanar"], "The model ChestBiplanar is for biplanar, not pyramid or slices."),
        (["--size", 4, 4, 4], "The size is smaller than the coarsest scale."),
        (["--count", 3], "3 volumes do not fit into one file."),
        (["--start-scale", 9], "There is no scale 9."),
        (["--class", "nodule"], "This model knows no class nodule."),
    ],
)
def test_bad_wishes_are_told_in_one_sentence(home, capsys, tmp_path, asked, told):
    model = [] if "--model" in asked else ["--model", "Tiny"]
    status, event = run(capsys, "synthesize", *model, "--out", tmp_path / "a.nrrd", "--device", "cpu", *asked)
    assert status == 1 and event["message"] == told and event["advice"]
    assert not list(tmp_path.iterdir())


def test_a_volume_smaller_than_the_coarsest_scale_is_told(home, capsys, tmp_path):
    data = data_set(tmp_path / "small", (30.0, 30.0, 10.0))
    status, event = run(
        *(capsys, "train", "--recipe", "pyramid", "--data", data, "--out", tmp_path / "run", "--device", "cpu"),
        *("--steps", 4, *options(SETTINGS)),
    )
    assert status == 1 and "voxels are fewer than the 8 x 8 x" in event["advice"]
