"""What a folder holds, whatever its layout."""

import numpy as np
import pytest

from CTGANLib.datasets.find import find_cases
from CTGANLib.datasets.layouts import find_volumes
from CTGANLib.imaging.volumes import read_any_volume
from phantoms import DIRECTIONS, chest, dicom, dicom_series, turned_grid


def make(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def small_chest(name="upright"):
    return chest(turned_grid(DIRECTIONS[name], (230, 190, 130), (10.0, 10.0, 10.0)))


@pytest.mark.parametrize(
    ("files", "names"),
    [
        # KiTS19, TotalSegmentator, LUNA16, nnU-Net and the Medical Segmentation Decathlon
        (["case_00/imaging.nii.gz", "case_00/segmentation.nii.gz", "case_01/imaging.nii.gz"], ["case_00", "case_01"]),
        (["set/s0001/ct.nii.gz", "set/s0001/segmentations/liver.nii.gz", "set/meta.csv"], ["s0001"]),
        (["subset0/1.6.mhd", "subset0/1.6.raw", "subset1/1.7.mhd", "seg-lungs-LUNA16/1.6.mhd"], ["1.6", "1.7"]),
        (["imagesTr/a_0000.nii.gz", "labelsTr/a.nii.gz", "imagesTs/b_0000.nii.gz"], ["a_0000", "b_0000"]),
        (["x.nrrd", "x_organs.nrrd", "x_heart.nrrd", "x.seg.nrrd", "x-label.nii", "lungmask 3.mha"], ["x"]),
        # Names that only look like labels; names that several files have
        (["tseg_s1.nii.gz", "heart.nii.gz", "segal.nrrd", "ct.mha"], ["ct", "heart", "segal", "tseg_s1"]),
        (["p1/first.nrrd", "p2/first.nrrd", "p2/second.nrrd"], ["p1", "p2_first", "second"]),
        (["train/1.nrrd", "test/1.nrrd", "a.nrrd", "a.nii.gz"], ["a_nii_gz", "a_nrrd", "test_1", "train_1"]),
        (["a/b/ct.nrrd", "c/b/ct.nrrd", "größe/Fall 7.nrrd", ".x/x.nrrd", "._x.nrrd"], ["Fall 7", "a_b_ct", "c_b_ct"]),
    ],
)
def test_layouts_of_files(tmp_path, files, names):
    make(tmp_path, *files)
    found = sorted(case.name for case in find_volumes(tmp_path))
    assert found == names


def test_files_of_one_folder_layout_are_one_patient(tmp_path):
    make(tmp_path, "p1/ct.nrrd", "p1/late.nrrd", "p2/ct.nrrd", "imagesTr/1.nrrd", "imagesTr/2.nrrd")
    patients = {case.name: case.patient for case in find_volumes(tmp_path)}
    assert patients == {"p1_ct": "p1", "late": "late", "p2": "p2", "1": "1", "2": "2"}


def test_a_linked_folder_is_followed_once(tmp_path):
    make(tmp_path, "store/a.nrrd", "data/b.nrrd")
    (tmp_path / "data" / "link").symlink_to(tmp_path / "store")
    (tmp_path / "data" / "circle").symlink_to(tmp_path / "data")
    assert sorted(case.name for case in find_volumes(tmp_path / "data")) == ["a", "b"]


def test_empty_folders_are_named(tmp_path):
    make(tmp_path, "a.nrrd")
    (tmp_path / "nothing").mkdir()
    a, nothing = find_cases(tmp_path)
    assert (a.role, nothing.name, nothing.role) == ("train", "nothing", "drop") and "empty" in nothing.reason


def test_dicom_of_any_layout(tmp_path):
    """Two patients; several series in one folder; one series over two folders; files without ending; no CT."""
    first, second, third = small_chest(), small_chest("lps"), small_chest()
    same = {"PatientID": "Doe^Jane 1960", "StudyInstanceUID": "1.2.3", "StudyDescription": "CT chest"}
    dicom_series(tmp_path / "disk" / "all", first)
    dicom_series(tmp_path / "second", second, **same)
    for number, file in enumerate(sorted((tmp_path / "second").iterdir())):
        file.rename(tmp_path / "disk" / "all" / f"IM{number}")
    (tmp_path / "second").rmdir()
    dicom_series(tmp_path / "disk" / "third", third, **same)
    (tmp_path / "disk" / "more").mkdir()
    for number, file in enumerate(sorted((tmp_path / "disk" / "third").iterdir())[::2]):
        file.rename(tmp_path / "disk" / "more" / f"{number}.ima")
    dicom(tmp_path / "disk" / "dx.dcm", np.zeros((5, 5), np.uint16), StudyInstanceUID="9", SeriesInstanceUID="9.1")
    dicom(tmp_path / "disk" / "seg.dcm", np.zeros((5, 5), np.uint16), "SEG", SeriesInstanceUID="9.2")
    dicom_series(tmp_path / "disk" / "mr", small_chest(), modality="MR")
    make(tmp_path, "disk/DICOMDIR", "disk/damaged.dcm", "disk/LIDC.xml")
    cases = {case.modality + (" Jane" if case.description else ""): case for case in find_cases(tmp_path)}
    assert sorted(cases) == ["CT", "CT Jane", "DX", "MR", "damaged"]
    assert cases["damaged"].reason == "1 of its DICOM files cannot be read."
    jane = [case for case in find_cases(tmp_path) if case.description == "CT chest"]
    assert len(jane) == 2 and len({case.patient for case in jane}) == 1 and len({case.role for case in jane}) == 1
    assert cases["DX"].role == cases["MR"].role == "drop" and "of modality MR, not CT" in cases["MR"].reason
    assert not any("Doe" in f"{case.name} {case.patient} {case.series}" for case in cases.values())
    found = [case for case in find_cases(tmp_path) if case.modality == "CT"]
    volumes = {case.name: read_any_volume(case.path, case.slices) for case in found}
    assert len(volumes) == 3
    for volume in volumes.values():
        wanted = min((first, second), key=lambda v: np.abs(v.grid.ijk_to_ras - volume.grid.ijk_to_ras).max())
        np.testing.assert_allclose(volume.grid.ijk_to_ras, wanted.grid.ijk_to_ras, atol=1e-4)
        np.testing.assert_allclose(volume.array, wanted.array, atol=0.51)
