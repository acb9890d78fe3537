"""The command line: the main job on the sample patient, events, exit statuses, and every kind of bad input."""

import csv
import json
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from CTGANLib.__main__ import TASKS, main
from CTGANLib.biplanar.evaluate import Truth
from CTGANLib.biplanar.radiographs import on_standard_detector
from CTGANLib.biplanar.reconstruct import Reconstructor
from CTGANLib.imaging.geometry import View
from CTGANLib.imaging.radiographs import read_radiograph
from CTGANLib.imaging.volumes import read_volume, write_volume
from CTGANLib.models.store import first_model
from phantoms import chest, dicom_series, dicom_tags, turned_grid
from processes import environment

SAMPLE = Path(__file__).resolve().parents[2] / "Resources" / "SampleData"
PA, LATERAL, CT = SAMPLE / "chest_pa.dcm", SAMPLE / "chest_lateral.dcm", SAMPLE / "chest_ct.nrrd"


def run(capsys, *arguments) -> tuple[int, list[dict]]:
    """Exit status and events of a task that runs in this process."""
    status = main([*map(str, arguments), "--events"])
    return status, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.fixture(scope="module")
def reconstructed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("Übung mit Leerzeichen")
    outputs = ["--segmentation", folder / "ct.seg.nrrd", "--reprojections", folder / "again"]
    command = [sys.executable, "-m", "CTGANLib", "reconstruct", "--pa", PA, "--lateral", LATERAL, "--events"]
    command += ["--out", folder / "ct.nrrd", *outputs]
    done = subprocess.run(command, capture_output=True, text=True, env=environment())
    return folder, done, [json.loads(line) for line in done.stdout.splitlines()]


def test_help_lists_the_tasks(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert all(task in text for task in TASKS)


def test_wrong_use_exits_with_2(capsys):
    for arguments in ([], ["paint"], ["reconstruct", "--pa", "x.dcm"], ["project", "ct.nrrd", "--view", "TOP"]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 2


def test_reconstruct_reports_progress_and_result(reconstructed):
    folder, done, events = reconstructed
    assert done.returncode == 0, done.stderr
    *progress, result = events
    fractions = [event["fraction"] for event in progress]
    assert fractions == sorted(fractions) and fractions[-1] > 0.9
    assert all(event["event"] == "progress" and event["message"] for event in progress)
    assert result["event"] == "result"
    for path in (result["volume"], result["segmentation"], *result["reprojections"].values()):
        assert Path(path).is_file()
    assert sorted(path.name for path in folder.iterdir()) == ["again", "ct.nrrd", "ct.seg.nrrd"]


def test_the_sample_patient_is_reconstructed_better_than_the_mean(reconstructed):
    folder, _, events = reconstructed
    field, volume = read_volume(CT), read_volume(folder / "ct.nrrd")
    views = ((PA, View.PA), (LATERAL, View.LLAT))
    inputs = tuple(on_standard_detector(read_radiograph(path, view)) for path, view in views)
    truth = Truth(field, inputs)
    ours = truth.score(volume.array)
    mean = truth.score(Reconstructor.from_model(first_model("biplanar")).mean_hu)
    assert ours["psnr_true"] > mean["psnr_true"] + 2.5
    assert ours["mae_hu"] < 0.75 * mean["mae_hu"]
    assert ours["lung_dice"] > 0.8
    assert all(view["ncc"] > 0.95 for view in events[-1]["consistency"].values())
    assert events[-1]["consistency"]["pa"]["ncc"] + events[-1]["consistency"]["lateral"]["ncc"] == pytest.approx(
        2 * ours["ncc"], abs=1e-3
    )


def test_the_reconstruction_lies_where_the_patient_lies(reconstructed):
    folder, _, _ = reconstructed
    true, volume = read_volume(CT), read_volume(folder / "ct.nrrd")
    np.testing.assert_allclose(volume.grid.center, true.grid.center, atol=1e-3)
    # Shifted by two voxels along any axis it fits worse.
    moved = true.resample(volume.grid).array.astype(float)
    error = np.mean((volume.array - moved) ** 2)
    for axis in range(3):
        for step in (-2, 2):
            assert np.mean((np.roll(volume.array, step, axis) - moved) ** 2) > error


def test_other_readers_see_the_same_millimeters(reconstructed, tmp_path, capsys):
    folder, _, _ = reconstructed
    volume = read_volume(folder / "ct.nrrd")
    sitk.WriteImage(sitk.ReadImage(str(folder / "ct.nrrd")), str(tmp_path / "ct.nii.gz"))
    nifti = nibabel.load(tmp_path / "ct.nii.gz")
    np.testing.assert_allclose(nifti.affine, volume.grid.ijk_to_ras, atol=1e-4)
    np.testing.assert_array_equal(np.asarray(nifti.dataobj).T, volume.array)


def test_project_then_reconstruct_from_nrrd_and_png(tmp_path, capsys):
    out = [tmp_path / "pa.nrrd", tmp_path / "lateral.png"]
    status, events = run(capsys, "project", CT, "--view", "PA", "LLAT", "--out", *out)
    assert status == 0 and events[-1]["radiographs"] == [str(path) for path in out]
    status, events = run(
        capsys, "reconstruct", "--pa", out[0], "--lateral", out[1], "--out", tmp_path / "ct.nii.gz", "--device", "cpu"
    )
    assert status == 0 and (tmp_path / "ct.nii.gz").is_file()
    assert events[-1]["segmentation"] is None and events[-1]["reprojections"] is None


def test_project_many_views_in_one_call(tmp_path, capsys):
    names = ("pa.nrrd", "rlat.dcm", "lao.nrrd", "tilted.png", "like.nrrd")
    out = [tmp_path / name for name in names]
    poses = ["--view", "PA", "RLAT", "--angles", "30", "0", "--angles", "-20", "-10", "5", "--like", PA]
    status, events = run(capsys, "project", CT, *poses, "--out", *out, "--detector-size", "96")
    assert status == 0 and events[-1]["radiographs"] == [str(path) for path in out]
    assert len({event["message"] for event in events[:-1]}) == 2 + len(names)
    pa, rlat, lao, _, like = (read_radiograph(path, None) for path in out)
    assert (pa.acquisition.view, rlat.acquisition.view) == (View.PA, View.RLAT)
    assert pa.array.shape == (96, 96) and pa.acquisition.pixel_spacing[0] == pytest.approx(430 / 96)
    np.testing.assert_allclose(lao.acquisition.beam_direction, [-0.5, np.cos(np.pi / 6), 0], atol=1e-6)
    # Taken as the sample's radiograph was, the sample's CT looks as that one.
    sample = read_radiograph(PA, View.PA)
    assert like.acquisition == sample.acquisition
    assert np.corrcoef(like.array.ravel(), sample.array.ravel())[0, 1] > 0.99


def test_project_like_a_radiograph_without_a_place(tmp_path, capsys):
    """Distances and detector are those of the file, the place is that of the patient."""
    sitk.WriteImage(sitk.GetImageFromArray(NOISE), str(tmp_path / "film.png"))
    out = [tmp_path / "pa.nrrd", tmp_path / "x.nrrd"]
    status, _ = run(capsys, "project", CT, "--like", tmp_path / "film.png", "--view", "PA", "--out", *out)
    assert status == 0
    pa, like = (read_radiograph(path, None).acquisition for path in out)
    assert like.detector_shape == (64, 64) and like.isocenter == pa.isocenter


def test_project_exposure_and_film(tmp_path, capsys):
    def projected(name, *options):
        asked = ["--view", "PA", "--out", tmp_path / name, "--detector-size", "64", *options]
        status, _ = run(capsys, "project", CT, *asked)
        assert status == 0
        return read_radiograph(tmp_path / name, View.PA)

    usual = projected("a.nrrd")
    soft, hard = projected("b.nrrd", "--energy", "40"), projected("c.nrrd", "--energy", "150")
    assert soft.array.max() > usual.array.max() > hard.array.max()
    film = projected("d.dcm", "--film", "--monochrome1", "--scatter", "0.3", "--photons", "5000")
    assert film.kind == "film" and film.array.max() <= 1
    assert dicom_tags(tmp_path / "d.dcm").PhotometricInterpretation == "MONOCHROME1"
    assert np.corrcoef(film.array.ravel(), usual.array.ravel())[0, 1] > 0.9


def test_preview_answers_each_request(tmp_path):
    requests = [
        {"view": "PA"},
        {"angles": [25, -5, 0], "pixel_spacing": 0.84, "detector_size": 512},
        {"view": "PA", "source_to_detector_distance": 100},
    ]
    command = [sys.executable, "-m", "CTGANLib", "preview", CT, "--out", tmp_path, "--size", "64", "--events"]
    text = "".join(json.dumps(request) + "\n" for request in requests)
    done = subprocess.run(command, input=text, capture_output=True, text=True, env=environment())
    assert done.returncode == 0, done.stderr
    pa, oblique, wrong, end = [json.loads(line) for line in done.stdout.splitlines() if "progress" not in line]
    picture = sitk.ReadImage(pa["picture"])
    assert picture.GetSize() == (64, 64) and picture.GetPixelIDValue() == sitk.sitkUInt8
    assert oblique["acquisition"]["pixel_spacing"] == [6.72, 6.72]
    assert wrong["event"] == "error" and "between source and detector" in wrong["message"]
    assert end["pictures"] == 3


def test_segment(tmp_path, capsys):
    out, table = tmp_path / "ct.seg.nrrd", tmp_path / "ct.csv"
    status, events = run(capsys, "segment", CT, "--out", out, "--table", table)
    result = events[-1]
    assert status == 0 and out.exists() and result["model"] == "ChestSegmentation" and result["warnings"] == []
    assert any("about" in event["message"] for event in events[:-1])  # the time is told before the start
    volumes = {row["name"]: row["volume_ml"] for row in result["segments"]}
    assert 1000 < volumes["Left lung"] < volumes["Right lung"] * 1.2 < 5000
    assert volumes["Body"] > sum(volume for name, volume in volumes.items() if name != "Body")
    with table.open() as file:
        assert [row["name"] for row in csv.DictReader(file)] == list(volumes)
    assert result["seconds"] > 0 and result["peak_memory_mb"] > 0


def test_models(capsys):
    status, events = run(capsys, "models", "list")
    assert status == 0
    (model,) = [model for model in events[-1]["models"] if model["name"] == "ChestBiplanar"]
    assert model["task"] == "biplanar" and model["license"]
    assert max(file.stat().st_size for file in Path(model["path"]).rglob("*.pt")) <= 20e6
    assert run(capsys, "models", "verify", "ChestBiplanar")[0] == 0
    assert run(capsys, "models", "verify", "Nobody")[0] == 1


@pytest.mark.parametrize("task", ["biplanar", "segmentation"])
def test_the_shipped_models_never_saw_a_test_patient(task):
    trained_on = first_model(task).metadata["ctgan"]["trained_on"]
    test = {"lidc_0001", "lidc_0003", "lungdiag_R239", "rider_1129164940", "ts_aorta", "tseg_s0029"}
    assert trained_on and not test & set(trained_on)


def test_dataset_check_says_why_a_case_is_left_out(tmp_path, capsys):
    (tmp_path / "good.nrrd").symlink_to(CT)
    (tmp_path / "cut.nrrd").write_bytes(CT.read_bytes()[:100_000])
    (tmp_path / "empty.nii.gz").touch()
    status, events = run(capsys, "dataset", "check", tmp_path)
    rows = {row["case"]: row for row in events[-1]["cases"]}
    assert status == 0 and rows["good"]["role"] == "train" and not rows["good"]["reason"]
    for name in ("cut", "empty"):
        assert rows[name]["role"] == "drop" and rows[name]["reason"]


def test_train_evaluate_and_use_the_model(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("CTGAN_MODELS", str(tmp_path / "models"))
    data = tmp_path / "data"
    data.mkdir()
    for name, scale in (("a", 1.0), ("b", 0.9), ("c", 0.95)):
        write_volume(chest(turned_grid(np.eye(3), (320, 240, 260), (4, 4, 4)), scale=scale), data / f"{name}.nrrd")
    (data / "d.nrrd").write_text("damaged")
    lines = ["id role licence", "a train CC0", "b train CC0", "c test -", "d train -"]
    (data / "MANIFEST.tsv").write_text("\n".join(line.replace(" ", "\t") for line in lines))
    train = ["train", "--recipe", "biplanar", "--data", data, "--out", tmp_path / "run", "--steps", 2, "--batch", 1]
    status, events = run(capsys, *train)
    assert status == 0, events[-1]
    assert list(events[-1]["left_out"]) == ["d"]
    assert [row["method"] for row in events[-1]["metrics"]] == ["run", "mean volume", "nearest training volume"]
    assert run(capsys, *train)[1][-1] == events[-1]  # all is done already
    model = events[-1]["name"]
    assert (tmp_path / "models" / model / "docs" / "README.md").read_text().count("`a`: CC0") == 1

    out = tmp_path / "rows.json"
    status, events = run(capsys, "evaluate", "--data", data, "--model", model, "--out", out)
    assert status == 0 and json.loads(out.read_text()) == events[-1]["rows"]
    assert {row["case"] for row in events[-1]["rows"]} == {"c"}
    options = ["--out", tmp_path / "ct.nrrd", "--model", model]
    assert run(capsys, "reconstruct", "--pa", PA, "--lateral", LATERAL, *options)[0] == 0


def _text(path):
    path.write_text("hello")


def _picture(array):
    return lambda path: sitk.WriteImage(sitk.GetImageFromArray(array), str(path))


def _color(path):
    array = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    sitk.WriteImage(sitk.GetImageFromArray(array, isVector=True), str(path))


NOISE = np.random.default_rng(0).integers(0, 60000, (64, 64), np.uint16)
BAD_RADIOGRAPHS = {
    "missing.png": lambda path: None,
    "empty.png": lambda path: path.touch(),
    "text.dcm": _text,
    "truncated.dcm": lambda path: path.write_bytes(PA.read_bytes()[:50_000]),
    "photo.png": _color,
    "constant.png": _picture(np.full((64, 64), 7, np.uint16)),
    "nan.nrrd": _picture(np.where(NOISE > 100, NOISE, np.nan).astype(np.float32)),
    "volume.nrrd": _picture(np.stack([NOISE] * 20)),
    "lateral.dcm": lambda path: path.write_bytes(LATERAL.read_bytes()),
}


@pytest.mark.parametrize("name", BAD_RADIOGRAPHS)
def test_bad_radiographs(name, tmp_path, capsys):
    path = tmp_path / "in" / name
    path.parent.mkdir()
    BAD_RADIOGRAPHS[name](path)
    _expect_failure(capsys, tmp_path / "out", "reconstruct", "--pa", path, "--lateral", LATERAL)


@pytest.mark.parametrize(
    "options",
    [
        ["--pixel-spacing", "50"],
        ["--source-to-detector-distance", "10"],
        ["--source-to-isocenter-distance", "5000"],
        ["--model", "Nobody"],
        ["--model", str(SAMPLE)],
        ["--device", "mps"],
    ],
)
def test_bad_options(options, tmp_path, capsys):
    _expect_failure(capsys, tmp_path / "out", "reconstruct", "--pa", PA, "--lateral", LATERAL, *options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--source-to-isocenter-distance", "60"], "outside"),  # the source stands in the volume
        (["--source-to-detector-distance", "900", "--source-to-isocenter-distance", "950"], "between source and"),
        (["--source-to-detector-distance", "-1000"], "between source and detector"),
        (["--pixel-spacing", "0"], "spacing above zero"),
        (["--pixel-spacing", "-1"], "spacing above zero"),
        (["--pixel-spacing", "nan"], "not a number"),
        (["--detector-size", "0"], "0 pixels a side"),
        (["--detector-size", "100000"], "100000 pixels a side"),
        (["--energy", "5"], "between 20 and 200 keV"),
        (["--photons", "0"], "number of photons"),
        (["--scatter", "-1"], "share of scatter"),
        (["--angles", "5"], "files are named"),
        (["--like", "nobody.dcm"], "files are named"),
    ],
)
def test_projections_that_cannot_be(options, message, tmp_path, capsys):
    events = _expect_failure(capsys, tmp_path / "out", "project", CT, "--view", "PA", *options)
    assert message in events[-1]["message"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "No radiograph is asked for"),
        (["--angles", "5"], "two or three angles"),
        (["--angles", "1", "2", "3", "4"], "two or three angles"),
        (["--angles", "nan", "0"], "angles"),
        (["--like", "nobody.dcm"], "no file nobody.dcm"),
    ],
)
def test_poses_that_cannot_be(options, message, tmp_path, capsys):
    events = _expect_failure(capsys, tmp_path / "out", "project", CT, *options)
    assert message in events[-1]["message"]


def test_exchanged_radiographs(tmp_path, capsys):
    _expect_failure(capsys, tmp_path / "out", "reconstruct", "--pa", LATERAL, "--lateral", PA)


BAD_CTS = {
    "missing.nrrd": lambda path: None,
    "text.nii.gz": _text,
    "truncated.nrrd": lambda path: path.write_bytes(CT.read_bytes()[:100_000]),
    "empty_folder": lambda path: path.mkdir(),
    "mr_series": lambda path: dicom_series(path, chest(turned_grid(np.eye(3), (200, 200, 200), (10, 10, 10))), "MR"),
    "radiograph.dcm": lambda path: path.write_bytes(PA.read_bytes()),
    "no_hu.nrrd": _picture(np.stack([NOISE] * 20)),
    "constant.nrrd": _picture(np.zeros((8, 8, 8), np.int16)),
    "nan.nrrd": _picture(np.where(np.arange(512).reshape(8, 8, 8) > 5, -1000.0, np.nan)),
    "four.nii.gz": lambda path: sitk.WriteImage(sitk.Image([8, 8, 8, 3], sitk.sitkInt16), str(path)),
    "vectors.nrrd": lambda path: sitk.WriteImage(sitk.Image([8, 8, 8], sitk.sitkVectorInt16, 5), str(path)),
    "air.nrrd": _picture(np.random.default_rng(1).integers(-1024, -500, (30, 30, 30)).astype(np.int16)),
}


@pytest.mark.parametrize("name", BAD_CTS)
@pytest.mark.parametrize("task", ["project", "segment"])
def test_bad_cts(name, task, tmp_path, capsys):
    path = tmp_path / name
    BAD_CTS[name](path)
    options = ["--view", "PA"] if task == "project" else []
    _expect_failure(capsys, tmp_path / "out", task, path, *options)


def _expect_failure(capsys, folder: Path, *arguments) -> list[dict]:
    """The events of a failure: exit status 1, one error event with advice, no traceback, and nothing written."""
    ending = {"project": "pa.dcm", "segment": "ct.seg.nrrd"}.get(arguments[0], "ct.nrrd")
    status = main([*map(str, arguments), "--out", str(folder / ending), "--events"])
    captured = capsys.readouterr()
    events = [json.loads(line) for line in captured.out.splitlines()]
    assert status == 1
    assert events[-1]["event"] == "error" and events[-1]["advice"], events
    assert events[-1]["message"].endswith((".", ")")) and "\n" not in events[-1]["message"]
    assert "unexpectedly" not in events[-1]["message"] and "Traceback" not in captured.err, captured.err
    assert not folder.exists() or not any(folder.iterdir())
    return events


def test_an_output_folder_that_cannot_be(tmp_path, capsys):
    (tmp_path / "file").touch()
    out = tmp_path / "file" / "ct.nrrd"
    status, events = run(capsys, "reconstruct", "--pa", PA, "--lateral", LATERAL, "--out", out)
    assert status == 1 and events[-1]["event"] == "error" and "Cannot write" in events[-1]["message"]


def test_no_disk_space_leaves_nothing(tmp_path):
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    out = tmp_path / "out" / "ct.nrrd"
    command = [sys.executable, "-m", "CTGANLib", "reconstruct", "--pa", PA, "--lateral", LATERAL, "--out", out]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), preexec_fn=limit)
    assert done.returncode == 1
    assert "Error: Cannot write" in done.stderr and "Traceback" not in done.stderr
    assert list(out.parent.iterdir()) == []


def test_cancel_ends_with_130_and_leaves_nothing(tmp_path):
    out = tmp_path / "out" / "ct.nrrd"
    command = [sys.executable, "-m", "CTGANLib", "reconstruct", "--pa", PA, "--lateral", LATERAL, "--out", out]
    child = subprocess.Popen([*command, "--events"], stdout=subprocess.PIPE, text=True, env=environment())
    while "Reconstructing" not in child.stdout.readline():
        assert child.poll() is None
    child.send_signal(signal.SIGTERM)
    start = time.monotonic()
    assert child.wait(timeout=60) == 130
    assert time.monotonic() - start < 30
    assert list(out.parent.iterdir()) == []
