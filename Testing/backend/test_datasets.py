"""Cases, roles, splits by patient, and tables of cases."""

import csv
from dataclasses import replace

import pytest

from CTGANLib.datasets.cases import Case, check_patients, split_by_patient
from CTGANLib.datasets.find import find_cases
from CTGANLib.datasets.tables import read_table, write_table
from CTGANLib.errors import UserError
from phantoms import DIRECTIONS, chest, dicom_series, turned_grid


def touch(folder, *names):
    for name in names:
        (folder / name).touch()


def small_chest():
    return chest(turned_grid(DIRECTIONS["upright"], (230, 190, 130), (10.0, 10.0, 10.0)))


def test_manifest_gives_roles_and_leaves_label_files_out(tmp_path):
    touch(tmp_path, "one.nii.gz", "one_rules.nii.gz", "two.nrrd")
    (tmp_path / "MANIFEST.tsv").write_text(
        "id\trole\tpatient_key\tlicence\none\ttrain\tP1\tCC-BY-4.0 - by name\ntwo\ttest\tP2\t\nabsent\ttrain\tP3\t\n"
    )
    absent, one, two = find_cases(tmp_path)
    assert (one.name, one.role, one.patient, one.source) == ("one", "train", "P1", "CC-BY-4.0")
    assert (two.path.name, two.role) == ("two.nrrd", "test")
    assert absent.role == "drop" and "no file" in absent.reason


def test_without_manifest_every_file_is_a_patient(tmp_path):
    touch(tmp_path, *(f"p{number}.nii.gz" for number in range(10)), "notes.txt")
    cases = find_cases(tmp_path)
    assert len(cases) == 10 and len({case.patient for case in cases}) == 10
    assert sum(case.role == "test" for case in cases) == 2
    assert [case.role for case in cases] == [case.role for case in find_cases(tmp_path)]


def test_split_keeps_patients_whole_and_depends_on_the_seed():
    patients = [f"p{number // 2}" for number in range(40)]
    first = split_by_patient(patients, seed=1)
    assert len(first) == 20 and list(first.values()).count("test") == 4
    assert first == split_by_patient(patients[::-1], seed=1)
    assert first != split_by_patient(patients, seed=2)
    assert split_by_patient(["alone"], seed=0) == {"alone": "train"}
    shares = list(split_by_patient(patients, seed=1, validation_share=0.1).values())
    assert (shares.count("test"), shares.count("validation"), shares.count("train")) == (4, 2, 14)


def test_one_patient_more_hardly_moves_the_others():
    patients = [f"p{number}" for number in range(50)]
    before, after = split_by_patient(patients, 0), split_by_patient([*patients, "new"], 0)
    assert sum(before[patient] != after[patient] for patient in patients) <= 1


def test_one_patient_with_two_roles_is_refused(tmp_path):
    touch(tmp_path, "a.nrrd", "b.nrrd")
    (tmp_path / "MANIFEST.tsv").write_text("id\trole\tpatient_key\na\ttrain\tP\nb\ttest\tP\n")
    with pytest.raises(UserError, match="same patient"):
        check_patients(find_cases(tmp_path))


@pytest.mark.parametrize("make", [lambda f: None, lambda f: f.mkdir(), lambda f: f.touch()])
def test_a_folder_without_cts_is_refused(tmp_path, make):
    folder = tmp_path / "data"
    make(folder)
    with pytest.raises(UserError):
        find_cases(folder)


def test_a_manifest_without_roles_is_refused(tmp_path):
    (tmp_path / "MANIFEST.tsv").write_text("id\tname\na\tb\n")
    with pytest.raises(UserError, match="columns"):
        find_cases(tmp_path)


def test_a_table_must_name_a_case_once(tmp_path):
    (tmp_path / "t.tsv").write_text("id\trole\na\ttrain\na\ttest\n")
    with pytest.raises(UserError, match="more than once"):
        find_cases(tmp_path / "t.tsv")


def test_a_table_comes_back_as_it_was_written(tmp_path):
    data, tables = tmp_path / "größe und mehr", tmp_path / "elsewhere"
    data.mkdir()
    touch(data, "fall 1.nii.gz", "b.nrrd")
    dicom_series(data / "all", small_chest())
    dicom_series(data / "all" / "deeper", small_chest())
    cases = find_cases(data)
    assert len(cases) == 4
    cases[0] = replace(cases[0], role="drop", reason="It is\tnot 'good', \"I think\"", source="CC-BY-4.0")
    write_table(tables / "cases.tsv", cases, ({"note": "x"} for _ in cases))
    assert [replace(case, path=case.path.resolve()) for case in read_table(tables / "cases.tsv")] == cases
    # As a spreadsheet might save it.
    with (tables / "cases.tsv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert not any(row["path"].startswith("/") for row in rows)
    with (tables / "saved.tsv").open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, list(rows[0])[::-1], delimiter="\t", lineterminator="\r\n")
        writer.writeheader()
        writer.writerows([{**row, "role": "validation"} for row in rows])
    assert {case.role for case in find_cases(tables / "saved.tsv")} == {"validation"}


def test_a_series_that_is_gone_is_left_out(tmp_path):
    folder = dicom_series(tmp_path / "series", small_chest())
    (case,) = find_cases(tmp_path)
    write_table(tmp_path / "cases.tsv", [case, Case("other", folder, "p", "train", series="gone")], [{}, {}])
    found = {case.name: case for case in find_cases(tmp_path / "cases.tsv")}
    assert found[case.name].slices == case.slices and found["other"].role == "drop"
