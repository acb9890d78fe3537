"""What a look at a data set shows: reasons, duplicates, filters, pictures."""

import gzip
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk

from CTGANLib.datasets import inspection, workers
from CTGANLib.datasets.checking import Checked, as_text, as_values, check_data, write_checked
from CTGANLib.datasets.checks import Choice, decide
from CTGANLib.datasets.find import find_cases
from CTGANLib.datasets.fingerprints import SAME_PATIENT, fingerprint, same_patients, similarity
from CTGANLib.datasets.inspection import inspect
from CTGANLib.errors import UserError
from CTGANLib.imaging.geometry import Grid
from CTGANLib.imaging.volumes import Volume, read_volume, write_volume
from phantoms import CENTER, DIRECTIONS, chest, dicom_series, points, turned_grid

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def one_process(monkeypatch):
    """The cases are few and small; processes of their own are tested with the preparation."""
    monkeypatch.setattr(workers, "cores", lambda: 1)


@pytest.fixture(scope="module")
def spoiled(tmp_path_factory):
    """A folder with a good CT beside one case for each reason to be left out, its cases and what was found."""
    folder = tmp_path_factory.mktemp("spoiled")
    spoil(folder)
    cases = find_cases(folder)
    return folder, cases, [inspect(case)[0] for case in cases]


def patient(seed=0, directions="upright", spacing=(5.0, 5.0, 5.0)) -> Volume:
    """A chest large enough to be one, with bones and organs of its own."""
    random = np.random.default_rng(seed)
    volume = chest(turned_grid(DIRECTIONS[directions], (330, 260, 270), spacing), scale=random.uniform(1.4, 1.8))
    where = points(volume.grid) - CENTER
    for _ in range(30):
        place = random.uniform((-140, -90, -120), (140, 90, 120))
        near = np.linalg.norm(where - place, axis=-1) < random.uniform(15, 45)
        volume.array[near & (volume.array > -1000)] = random.choice([-850, 40, 60, 400])
    return volume


def with_values(array: np.ndarray) -> Volume:
    return Volume(np.ascontiguousarray(array), patient().grid)


def check(folder, **choice):
    return {values["case"]: values for values in map(as_values, check_data(folder, choice=Choice(**choice)))}


def spoil(folder):
    ct = patient()
    hu = ct.array
    write_volume(ct, folder / "good.nii.gz")
    write_volume(with_values(np.where(hu < -500, 3, 400 - np.abs(hu) / 4).astype(np.float32)), folder / "mr.nrrd")
    write_volume(with_values(hu + 1000), folder / "plus_1000.nrrd")
    write_volume(with_values(hu.astype(np.int16).view(np.uint16)), folder / "unsigned.nrrd")
    write_volume(with_values((hu + 1000) / 2000), folder / "fractions.nrrd")
    gray = (hu + 1000) / 2000 * 220 + RNG.normal(10, 3, hu.shape)
    write_volume(with_values(gray.clip(0, 255).astype(np.uint8)), folder / "eight_bit.nrrd")
    write_volume(with_values((hu > 0).astype(np.uint8) * 3), folder / "classes.nrrd")
    padded = (hu + 500).copy()
    padded[:, :5, :5] = -2000
    write_volume(with_values(padded), folder / "shifted.nrrd")
    write_volume(with_values(np.where(np.indices(hu.shape).sum(0) == 9, np.nan, hu)), folder / "nan.nrrd")
    write_volume(with_values(np.full_like(hu, -1000)), folder / "constant.mha")
    write_volume(with_values(np.where(hu == -850, 20, hu)), folder / "no_lungs.nrrd")
    write_volume(Volume(hu[25:31].copy(), Grid((6, *hu.shape[1:]), ct.grid.ijk_to_ras)), folder / "thin.nrrd")
    write_volume(Volume(hu[25:28].copy(), Grid((3, *hu.shape[1:]), ct.grid.ijk_to_ras)), folder / "three.nrrd")
    whole = (folder / "good.nii.gz").read_bytes()
    (folder / "cut_off.nii.gz").write_bytes(whole[: len(whole) // 2])
    (folder / "one_bit.nii.gz").write_bytes(whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:])
    (folder / "text.nii.gz").write_text("not an image")
    (folder / "zipped text.nii.gz").write_bytes(gzip.compress(b"not an image"))
    sitk.WriteImage(ct.to_image()[:, :, 9], str(folder / "flat.nrrd"))
    (folder / "empty").mkdir()
    dicom_series(folder / "magnet", patient(5, spacing=(20.0, 20.0, 20.0)), modality="MR")
    dicom_series(folder / "gap", patient(6, spacing=(10.0, 10.0, 10.0)), leave_out=7)


REASONS = {
    "mr": "MR",
    "plus_1000": "plus 1024",
    "unsigned": "without their sign",
    "fractions": "fractions",
    "eight_bit": "gray values",
    "classes": "label map",
    "shifted": "shifted",
    "nan": "not numbers",
    "constant": "empty",
    "three": "x 3 voxels are too few",
    "no_lungs": "no lungs",
    "thin": "only 6 slices",
    "cut_off": "cannot be read",
    "one_bit": "cannot be read",
    "text": "cannot be read",
    "zipped text": "cannot be read",
    "flat": "not a 3D volume",
    "empty": "is empty",
    "MR": "modality MR",
    "CT": "mm apart",
}


def decided(spoiled, **choice):
    _, cases, findings = spoiled
    decisions = decide(cases, findings, Choice(**choice))
    return {values["case"]: values for values in (as_values(Checked(decision, None)) for decision in decisions)}


def test_every_left_out_case_has_its_reason(spoiled):
    cases = decided(spoiled)
    good = cases.pop("good")
    assert (good["role"], good["reason"], good["modality"], good["orientation"]) == ("train", "", "CT", "RAS")
    assert good["coverage"] == "whole thorax" and good["shape"] == [66, 52, 54] and good["spacing"] == [5, 5, 5]
    assert good["extent"] == [330, 260, 270] and good["hu_range"][0] == -1000
    by_name = {name if name in REASONS else values["modality"]: values for name, values in cases.items()}
    assert by_name.keys() == REASONS.keys()
    for name, values in by_name.items():
        assert values["role"] == "drop" and REASONS[name] in values["reason"], values
        assert str(spoiled[0]) not in values["reason"]
    json.dumps(list(cases.values()), allow_nan=False)


def test_keep_and_drop(spoiled):
    cases = decided(spoiled, keep=("no_lungs", "shifted", "text"), drop=("good",))
    assert cases["good"]["reason"] == "Left out by choice."
    assert {cases[name]["role"] for name in ("no_lungs", "shifted")} <= {"train", "test"}
    assert cases["text"]["role"] == "drop"  # cannot be read at all
    with pytest.raises(UserError, match="no case nobody"):
        decided(spoiled, keep=("nobody",))
    with pytest.raises(UserError, match="both"):
        decided(spoiled, keep=("good",), drop=("good",))


def test_the_same_image_twice_in_whatever_format(tmp_path):
    ct = patient()
    array = ct.array.round().astype(np.int16)
    write_volume(Volume(array, ct.grid), tmp_path / "a.nii.gz")
    # The same voxels with other axes, as converters write them.
    matrix = ct.grid.ijk_to_ras.copy()
    matrix[:3, 3] = ct.grid.to_ras([array.shape[2] - 1, array.shape[1] - 1, 0])
    matrix[:3, :2] *= -1
    turned = Volume(np.ascontiguousarray(array[:, ::-1, ::-1]).astype(np.float32), Grid(array.shape, matrix))
    write_volume(turned, tmp_path / "b.nrrd")
    dicom_series(tmp_path / "c", Volume(array, ct.grid))
    cases = check(tmp_path)
    twice = [values for values in cases.values() if values["role"] == "drop"]
    original = next(name for name, values in cases.items() if values["role"] != "drop")
    assert len(twice) == 2
    for values in twice:
        assert values["duplicate_of"] == original and values["reason"] == f"It is the same image as {original}."
    kept = check(tmp_path, keep=tuple(cases))
    assert len({(values["patient"], values["role"]) for values in kept.values()}) == 1


def test_the_same_patient_twice_has_one_role(tmp_path):
    for seed in range(5):
        write_volume(patient(seed), tmp_path / f"p{seed}.nrrd")
    again = patient(3, spacing=(6.0, 6.0, 7.0))
    noise = RNG.normal(0, 30, again.array.shape).astype(np.float32)
    write_volume(Volume(again.array + noise, again.grid), tmp_path / "again.nrrd")
    cases = check(tmp_path)
    assert len({values["patient"] for values in cases.values()}) == 5
    assert cases["again"]["patient"] == cases["p3"]["patient"] and cases["again"]["role"] == cases["p3"]["role"]
    assert "same patient as p3" in " ".join(cases["again"]["warnings"])
    # Where a table gives them two roles, the one that tests stays.
    (tmp_path / "MANIFEST.tsv").write_text("id\trole\np1\ttrain\np3\ttrain\nagain\ttest\n")
    cases = check(tmp_path)
    assert [cases[name]["role"] for name in ("again", "p1", "p3")] == ["test", "train", "drop"]
    assert "same patient as again" in cases["p3"]["reason"] and cases["p3"]["duplicate_of"] == "again"


def test_the_same_dicom_patient_has_one_role(tmp_path):
    for number in range(4):
        series = patient(number, spacing=(10.0, 10.0, 10.0))
        dicom_series(tmp_path / str(number), series, PatientID=f"person {number // 2}", StudyDescription=f"No {number}")
    cases = check(tmp_path)
    assert len(cases) == 4 and len({values["patient"] for values in cases.values()}) == 2
    assert len({(values["patient"], values["role"]) for values in cases.values()}) == 2
    wanted = check(tmp_path, study_description="no [12]")
    assert sorted(v["study_description"] for v in wanted.values() if v["role"] != "drop") == ["No 1", "No 2"]
    with pytest.raises(UserError, match="not a regular expression"):
        check(tmp_path, study_description="[")


def test_a_case_that_fails_unexpectedly_is_left_out(tmp_path, monkeypatch):
    def fail(*_):
        raise MemoryError

    write_volume(patient(), tmp_path / "a.nrrd")
    write_volume(patient(1), tmp_path / "b.nrrd")
    monkeypatch.setattr(inspection, "coverage", fail)
    assert {values["reason"] for values in check(tmp_path).values()} == {"It cannot be used (MemoryError)."}


def test_only_similar_cases(tmp_path):
    write_volume(patient(1), tmp_path / "one.nrrd")
    write_volume(patient(1, spacing=(6.0, 6.0, 6.0)), tmp_path / "near.nrrd")
    write_volume(patient(2), tmp_path / "far.nrrd")
    cases = check(tmp_path, similar_to="one", similarity=0.8)
    assert [cases[name]["role"] == "drop" for name in ("one", "near", "far")] == [False, False, True]
    assert "similarity to one" in cases["far"]["reason"]


def test_a_checked_table_is_a_data_set(spoiled, tmp_path):
    _, cases, findings = spoiled
    checked = [Checked(decision, None) for decision in decide(cases, findings, Choice(keep=("no_lungs",)))]
    assert "21 cases, 19 left out" in as_text(checked)
    table = tmp_path / "cases.tsv"
    write_checked(table, checked)
    again = find_cases(table)
    assert [case.path.resolve() for case in again] == [case.path.resolve() for case in cases]
    assert [(case.role, case.reason) for case in again] == [
        (each.decision.case.role, each.decision.case.reason) for each in checked
    ]
    # What the table leaves out can be taken back, and the roles of all others hold.
    back = decide(again, findings, Choice(keep=("no_lungs", "shifted")), fixed_roles=True)
    roles = {decision.case.name: decision.case.role for decision in back}
    assert roles.pop("shifted") == "train"
    assert roles == {case.name: case.role for case in again if case.name != "shifted"}


@pytest.mark.parametrize("directions", ["upright", "lps", "permuted"])
def test_pictures_show_the_patient_upright(tmp_path, directions):
    """The dense marker of the phantom is to the patient's right, in front and on top: left, and up, in both."""
    volume = patient(directions=directions)
    # No organs here, so that the marker is the brightest thing in both middle slices.
    volume = chest(volume.grid, scale=1.7)
    where = points(volume.grid) - CENTER
    right, front, up = np.moveaxis(where, -1, 0)
    volume.array[(right > 90) & (up > 60) & (np.abs(front) < 20)] = 3000
    volume.array[(right > 90) & (front > 40) & (np.abs(up) < 20)] = 3000
    volume.array[(right**2 + (front + 76) ** 2) < 20**2] = 40
    write_volume(volume, tmp_path / "ct.nrrd")
    (checked,) = check_data(tmp_path, thumbnails=tmp_path / "pictures")
    picture = sitk.GetArrayFromImage(sitk.ReadImage(as_values(checked)["thumbnail"])).astype(float)
    assert picture.shape == (128, 256)
    # 330 mm fill 128 pixels; the marker's places in mm from the middle, through the picture's scale.
    scale = 128 / 330
    for left_edge, down in ((0, -97), (128, -70)):
        row, column = round(64 + down * scale), round(left_edge + 64 - 120 * scale)
        assert picture[row, column] == 255
        mirrored = round(left_edge + 64 + 120 * scale)
        assert picture[row, mirrored] < 250 or picture[round(64 - down * scale), column] < 250


def test_the_command_prints_a_table_or_events(tmp_path):
    data = tmp_path / "mit Ümlaut"
    data.mkdir()
    write_volume(patient(), data / "a.nrrd")
    (data / "b.nrrd").write_text("")
    command = [sys.executable, "-m", "CTGANLib", "dataset", "check", str(data), "--out", str(tmp_path / "t.tsv")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    people = subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout
    assert "2 cases, 1 left out" in people and "{" not in people
    events = subprocess.run([*command, "--events"], capture_output=True, text=True, env=environment, check=True).stdout
    result = json.loads(events.splitlines()[-1])
    assert result["table"] == str(tmp_path / "t.tsv") and "text" not in result
    assert [case["role"] for case in result["cases"]] == ["train", "drop"]


def test_fingerprints_tell_real_patients_apart(shared_ct):
    from CTGANLib.imaging.standardize import standardize

    names = ("lidc_0306", "lidc_0350", "rider_1129164940")  # as alike as different patients are
    volumes = [read_volume(shared_ct / f"{name}.nii.gz") for name in names]
    prints = [fingerprint(standardize(volume, 160).array) for volume in volumes]
    assert max(similarity(prints[a], prints[b]) for a, b in ((0, 1), (0, 2), (1, 2))) < SAME_PATIENT
    ct = volumes[0]
    matrix = ct.grid.ijk_to_ras.copy()
    matrix[:3, 3] = ct.grid.to_ras([0, 0, 15])
    noisy = ct.array[15:] + RNG.normal(0, 40, ct.array[15:].shape).astype(np.float32)
    prints.append(fingerprint(standardize(Volume(noisy, Grid(noisy.shape, matrix)), 160).array))
    assert [(one, two) for one, two, _ in same_patients(prints, "abcd")] == [(0, 3)]
    assert not list(same_patients(prints, "abca"))
