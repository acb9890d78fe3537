"""Cases, roles and splits by patient."""

import pytest

from CTGANLib.errors import UserError
from CTGANLib.training.datasets import check_patients, find_cases, split_by_patient


def touch(folder, *names):
    for name in names:
        (folder / name).touch()


def test_manifest_gives_roles_and_leaves_label_files_out(tmp_path):
    touch(tmp_path, "one.nii.gz", "one_rules.nii.gz", "two.nrrd")
    (tmp_path / "MANIFEST.tsv").write_text(
        "id\trole\tpatient_key\tlicence\none\ttrain\tP1\tCC-BY-4.0\ntwo\ttest\tP2\t\nabsent\ttrain\tP3\t\n"
    )
    one, two = find_cases(tmp_path)
    assert (one.name, one.role, one.patient, one.source) == ("one", "train", "P1", "CC-BY-4.0")
    assert (two.path.name, two.role) == ("two.nrrd", "test")


def test_without_manifest_every_file_and_folder_is_a_patient(tmp_path):
    touch(tmp_path, *(f"p{number}.nii.gz" for number in range(9)), "notes.txt")
    (tmp_path / "series").mkdir()
    cases = find_cases(tmp_path)
    assert len(cases) == 10
    assert sum(case.role == "test" for case in cases) == 2
    assert [case.role for case in cases] == [case.role for case in find_cases(tmp_path)]


def test_split_keeps_patients_whole_and_depends_on_the_seed():
    patients = [f"p{number // 2}" for number in range(40)]
    first = split_by_patient(patients, seed=1)
    assert len(first) == 20 and list(first.values()).count("test") == 4
    assert first == split_by_patient(patients[::-1], seed=1)
    assert first != split_by_patient(patients, seed=2)
    assert split_by_patient(["alone"], seed=0) == {"alone": "train"}


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
