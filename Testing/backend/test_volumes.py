"""CT files: the same anatomy lands at the same millimeter, whatever the format and the direction of its axes."""

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from CTGANLib.errors import UserError
from CTGANLib.imaging.volumes import Volume, read_volume, write_volume
from phantoms import DIRECTIONS, MARKER, centroid, chest, dicom, dicom_series, turned_grid

ABOVE = 400  # HU, only the marker
RAS = np.array([-1.0, -1.0, 1.0])  # from and to LPS


def small_chest(name: str) -> Volume:
    return chest(turned_grid(DIRECTIONS[name], (130, 90, 100), (3.0, 3.5, 4.0)))


def world_of(array: np.ndarray, to_world) -> np.ndarray:
    """Middle of the marker in an array [k, j, i] by somebody else's index-to-world function."""
    weights = np.clip(array.astype(float) - ABOVE, 0, None)
    return sum(weights[tuple(n)] * np.asarray(to_world(n[::-1].tolist())) for n in np.argwhere(weights)) / weights.sum()


@pytest.mark.parametrize("name", DIRECTIONS)
def test_the_phantom_itself(name):
    np.testing.assert_allclose(centroid(small_chest(name), ABOVE), MARKER, atol=0.5)


@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize("name", DIRECTIONS)
def test_files_keep_the_place(tmp_path, name, ending):
    volume = small_chest(name)
    write_volume(volume, tmp_path / f"ct{ending}")
    assert [file.name for file in tmp_path.iterdir()] == [f"ct{ending}"]

    back = read_volume(tmp_path / f"ct{ending}")
    np.testing.assert_array_equal(back.array, volume.array)
    np.testing.assert_allclose(back.grid.ijk_to_ras, volume.grid.ijk_to_ras, atol=1e-4)

    image = sitk.ReadImage(str(tmp_path / f"ct{ending}"))
    found = world_of(sitk.GetArrayFromImage(image), image.TransformIndexToPhysicalPoint) * RAS
    np.testing.assert_allclose(found, MARKER, atol=0.5)


def test_values_outlive_the_image_they_are_shared_with():
    volume = Volume.from_image(sitk.Image(64, 64, 64, sitk.sitkInt16) + 7)
    others = [sitk.Image(64, 64, 64, sitk.sitkInt16) for _ in range(20)]  # would take the memory of the image
    assert (volume.array == 7).all() and others
    volume.array[0] = 1
    assert volume.array.sum() == 64**2 + 63 * 64**2 * 7


@pytest.mark.parametrize("name", DIRECTIONS)
def test_nibabel_finds_the_same_place(tmp_path, name):
    write_volume(small_chest(name), tmp_path / "ct.nii.gz")
    image = nibabel.load(tmp_path / "ct.nii.gz")
    found = world_of(image.get_fdata().T, lambda ijk: nibabel.affines.apply_affine(image.affine, ijk))
    np.testing.assert_allclose(found, MARKER, atol=0.5)


@pytest.mark.parametrize("name", DIRECTIONS)
def test_dicom_series(tmp_path, name):
    folder = dicom_series(tmp_path / "series", small_chest(name))
    volume = read_volume(folder)
    np.testing.assert_allclose(centroid(volume, ABOVE), MARKER, atol=0.5)
    assert (volume.array.min(), volume.array.max()) == (-1000, 1000)


def test_the_largest_ct_series_of_a_folder_is_read(tmp_path):
    dicom_series(tmp_path, small_chest("lps"))
    scout = np.arange(64 * 64, dtype=np.int16).reshape(64, 64)
    dicom(tmp_path / "scout.dcm", scout, "CT", SeriesInstanceUID="1.2.3", PixelSpacing=[1, 1])
    dicom(tmp_path / "xray.dcm", scout.view(np.uint16), "DX", SeriesInstanceUID="1.2.4")
    np.testing.assert_allclose(centroid(read_volume(tmp_path), ABOVE), MARKER, atol=0.5)


@pytest.mark.parametrize("name", DIRECTIONS)
def test_resampling_keeps_the_place(name):
    target = turned_grid(DIRECTIONS["oblique"], (130, 90, 100), (2.5, 2.5, 2.5))
    resampled = small_chest(name).resample(target)
    np.testing.assert_allclose(centroid(resampled, ABOVE), MARKER, atol=0.7)


def test_outside_and_nearest():
    volume = small_chest("lps")
    wider = turned_grid(np.eye(3), (300, 90, 100), (4.0, 4.0, 4.0))
    assert volume.resample(wider).array[0, 0, 0] == -1024
    labels = Volume((volume.array > 0).astype(np.uint8) * 3, volume.grid)
    assert set(np.unique(labels.resample(wider, 0, nearest=True).array)) == {0, 3}


def _write(volume: Volume, path):
    write_volume(volume, path)
    return path


def _truncate(path, keep=0.6):
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data))])
    return path


def _image(array: np.ndarray, path, vector: bool = False):
    sitk.WriteImage(sitk.GetImageFromArray(array, isVector=vector), str(path))
    return path


def _text(path):
    path.write_text("patient,age\n1,70\n")
    return path


def _nan(volume: Volume):
    array = volume.array.copy()
    array[3, 4, 5] = np.nan
    return Volume(array, volume.grid)


def _damaged_series(folder):
    file = sorted(dicom_series(folder, small_chest("lps")).iterdir())[3]
    _truncate(file)
    return folder


BAD = {
    "missing": lambda p: p / "none.nii.gz",
    "empty file": lambda p: (p / "ct.nrrd").touch() or p / "ct.nrrd",
    "text": lambda p: _text(p / "ct.nii.gz"),
    "truncated NIfTI": lambda p: _truncate(_write(small_chest("lps"), p / "ct.nii.gz")),
    "truncated plain NIfTI": lambda p: _truncate(_write(small_chest("lps"), p / "ct.nii")),
    "truncated NRRD": lambda p: _truncate(_write(small_chest("lps"), p / "ct.nrrd")),
    "truncated MHA": lambda p: _truncate(_write(small_chest("lps"), p / "ct.mha")),
    "truncated DICOM slice": lambda p: _damaged_series(p / "series"),
    "a slice is missing": lambda p: dicom_series(p / "series", small_chest("lps"), leave_out=9),
    "empty folder": lambda p: p,
    "MR series": lambda p: dicom_series(p / "mr", small_chest("lps"), "MR"),
    "one DICOM file": lambda p: next(dicom_series(p / "series", small_chest("lps")).iterdir()),
    "2D picture": lambda p: _image(np.arange(4096, dtype=np.uint8).reshape(64, 64), p / "picture.png"),
    "color photograph": lambda p: Image.effect_noise((64, 64), 50).convert("RGB").save(p / "p.png") or p / "p.png",
    "color volume": lambda p: _image(np.zeros((9, 9, 9, 3), np.uint8), p / "rgb.nrrd", vector=True),
    "4D": lambda p: nibabel.save(nibabel.Nifti1Image(np.zeros((9, 8, 7, 5)), np.eye(4)), p / "4.nii") or p / "4.nii",
    "NaN": lambda p: _write(_nan(small_chest("lps")), p / "ct.nrrd"),
    "constant": lambda p: _image(np.full((9, 9, 9), -1000, np.int16), p / "ct.nrrd"),
    "no HU": lambda p: _image(np.arange(729, dtype=np.int16).reshape(9, 9, 9), p / "ct.nrrd"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_one_sentence_with_advice(tmp_path, kind, capfd):
    path = BAD[kind](tmp_path)
    with pytest.raises(UserError) as raised:
        read_volume(path)
    assert str(path) in raised.value.message
    assert raised.value.message.endswith(".") and raised.value.advice.endswith(".")


def test_unknown_ending(tmp_path):
    with pytest.raises(UserError, match=r"\.xyz"):
        write_volume(small_chest("lps"), tmp_path / "ct.xyz")
    assert not list(tmp_path.iterdir())


def test_array_and_grid_must_fit():
    volume = small_chest("lps")
    with pytest.raises(ValueError, match="shape"):
        Volume(volume.array[1:], volume.grid)
