"""Radiograph files: bone is white, the picture is as a reader sees it, and every millimeter is where it was."""

import dataclasses
import json
import shutil
import subprocess

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from PIL import Image
from pydicom.uid import RLELossless

from CTGANLib.errors import UserError
from CTGANLib.imaging.attenuation import hu_to_attenuation
from CTGANLib.imaging.geometry import Acquisition, Grid, View, c_arm_rotation
from CTGANLib.imaging.pairs import check_pair
from CTGANLib.imaging.projection import ConeBeamProjector
from CTGANLib.imaging.radiographs import Radiograph, anonymous_study, read_radiograph, write_radiograph
from phantoms import CENTER, MARKER, chest, dicom, dicom_tags, picture, turned_grid

ANGLE = 0.15
ROTATION = ((np.cos(ANGLE), -np.sin(ANGLE), 0.0), (np.sin(ANGLE), np.cos(ANGLE), 0.0), (0.0, 0.0, 1.0))
SHAPE = (60, 80)


def acquired(view: View) -> Acquisition:
    return Acquisition(view, 1500, 1200, SHAPE, (4.0, 3.5), (10.0, -20.0, 30.0), (12.0, -7.0), ROTATION)


def radiograph(view: View, kind: str = "line integral") -> Radiograph:
    array = picture(*SHAPE).astype(np.float32)
    return Radiograph(array / (200 if kind == "line integral" else 2000), acquired(view), kind)


def scaled(array: np.ndarray) -> np.ndarray:
    return (array - array.min()) / np.ptp(array.astype(float))


@pytest.mark.parametrize("kind", ["line integral", "film"])
@pytest.mark.parametrize("view", list(View))
@pytest.mark.parametrize("ending", [".dcm", ".nrrd"])
def test_round_trip(tmp_path, view, ending, kind):
    written = radiograph(view, kind)
    write_radiograph(written, tmp_path / f"x{ending}")
    assert len(list(tmp_path.iterdir())) == 1
    read = read_radiograph(tmp_path / f"x{ending}", view)
    assert read.kind == kind and read.acquisition.view is view and read.view_is_certain
    np.testing.assert_allclose(read.array, written.array, atol=2e-4)
    np.testing.assert_allclose(read.acquisition.ijk_to_ras, written.acquisition.ijk_to_ras, atol=1e-6)
    np.testing.assert_allclose(read.acquisition.projection_matrix, written.acquisition.projection_matrix, atol=1e-6)
    np.testing.assert_allclose(read.acquisition.isocenter, written.acquisition.isocenter, atol=1e-6)


@pytest.mark.parametrize("view", [View.PA, View.LLAT])
def test_a_marker_of_the_patient_is_found_in_the_file(tmp_path, view):
    grid = turned_grid(np.diag([-1.0, -1.0, 1.0]), (180, 130, 120), (3.0, 3.0, 3.0))
    acquisition = Acquisition(view, 1200, 1000, (100, 90), (3.0, 3.0), tuple(CENTER), (5.0, 4.0))
    with_marker, without = (
        ConeBeamProjector(grid, acquisition)(hu_to_attenuation(torch.from_numpy(hu))[None, None])[0, 0].numpy()
        for hu in (chest(grid).array, np.minimum(chest(grid).array, 350))
    )
    write_radiograph(Radiograph(with_marker, acquisition), tmp_path / "x.dcm")
    read = read_radiograph(tmp_path / "x.dcm", view)
    difference = (read.array - without).clip(min=0.05) - 0.05
    rows, columns = np.indices(difference.shape)
    found = [(n * difference).sum() / difference.sum() for n in (columns, rows)]
    np.testing.assert_allclose(found, read.acquisition.project_points(MARKER), atol=0.3)


def test_others_see_the_same_place(tmp_path):
    written = radiograph(View.PA)
    write_radiograph(written, tmp_path / "x.nrrd")
    write_radiograph(written, tmp_path / "x.dcm")
    expected = (written.acquisition.ijk_to_ras @ [17, 5, 0, 1])[:3] * [-1, -1, 1]

    image = sitk.ReadImage(str(tmp_path / "x.nrrd"))
    assert image.GetSize() == (SHAPE[1], SHAPE[0], 1)
    np.testing.assert_allclose(image.TransformIndexToPhysicalPoint((17, 5, 0)), expected, atol=1e-4)
    assert json.loads(image.GetMetaData("CTGAN.Acquisition")) == json.loads(json.dumps(written.acquisition.to_dict()))

    tags = dicom_tags(tmp_path / "x.dcm")
    across, down = np.reshape(tags.ImageOrientationPatient, (2, 3)).astype(float)
    found = np.array(tags.ImagePositionPatient, float) + 17 * 3.5 * across + 5 * 4.0 * down
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert (tags.Modality, tags.ViewPosition, list(tags.PatientOrientation)) == ("DX", "PA", ["L", "F"])
    assert tags.EstimatedRadiographicMagnificationFactor == 1.25
    assert str(tags.PatientName) == "Anonymous^CTGAN"


@pytest.mark.skipif(not shutil.which("dciodvfy"), reason="needs dciodvfy (Debian package dicom3tools)")
@pytest.mark.parametrize("kind", ["line integral", "film"])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_the_dicom_object_is_valid(tmp_path, kind, photometric):
    poses = [radiograph(view, kind) for view in View] + [turned((40, 10, 0)), turned((100, 0, 0))]
    for written in poses:
        write_radiograph(written, tmp_path / "x.dcm", photometric=photometric)
        report = subprocess.run(["dciodvfy", tmp_path / "x.dcm"], capture_output=True, text=True)
        assert "DXImageForPresentation" in report.stderr + report.stdout
        assert "Error" not in report.stderr + report.stdout


def test_monochrome_1_and_2_look_the_same(tmp_path):
    for number in (1, 2):
        write_radiograph(radiograph(View.PA), tmp_path / f"{number}.dcm", photometric=f"MONOCHROME{number}")
    first, second = (dicom_tags(tmp_path / f"{number}.dcm") for number in (1, 2))
    assert first.PhotometricInterpretation == "MONOCHROME1" and first.PresentationLUTShape == "INVERSE"
    np.testing.assert_array_equal(first.pixel_array, 65535 - second.pixel_array)
    assert first.WindowCenter == 65535 - second.WindowCenter
    first, second = (read_radiograph(tmp_path / f"{number}.dcm", View.PA) for number in (1, 2))
    np.testing.assert_allclose(first.array, second.array, atol=1e-5)


def turned(angles: tuple[float, ...]) -> Radiograph:
    written = radiograph(View.PA)
    acquisition = dataclasses.replace(written.acquisition, rotation=c_arm_rotation(*angles))
    return dataclasses.replace(written, acquisition=acquisition)


@pytest.mark.parametrize("ending", [".dcm", ".nrrd"])
@pytest.mark.parametrize(
    "angles", [(5, 3, 0), (35, -20, 0), (90, 0, 0), (-80, 10, 5), (135, 0, 0), (180, 30, 0), (-150, 0, 0)]
)
def test_a_c_arm_stands_where_it_stood(tmp_path, ending, angles):
    written = turned(angles)
    write_radiograph(written, tmp_path / f"x{ending}")
    read = read_radiograph(tmp_path / f"x{ending}", None)
    assert read.is_posed
    # Where points of the patient are, and how bright, in whichever way the picture is turned for its reader.
    rows, columns = np.indices(read.array.shape)
    corners = np.stack([columns, rows, 0 * rows, 0 * rows + 1], axis=-1)[::7, ::7] @ read.acquisition.ijk_to_ras.T
    column, row, *_ = np.moveaxis(np.rint(corners @ np.linalg.inv(written.acquisition.ijk_to_ras).T).astype(int), -1, 0)
    np.testing.assert_allclose(read.array[::7, ::7], written.array[row, column], atol=2e-4)
    np.testing.assert_allclose(read.acquisition.source, written.acquisition.source, atol=1e-4)
    np.testing.assert_allclose(read.acquisition.isocenter, written.acquisition.isocenter, atol=1e-4)


@pytest.mark.parametrize("angles", [(0, 0), (30, -20), (-120, 15), (90, 0)])
def test_angles_are_told(tmp_path, angles):
    write_radiograph(turned(angles), tmp_path / "x.dcm")
    tags = dicom_tags(tmp_path / "x.dcm")
    np.testing.assert_allclose([tags.PositionerPrimaryAngle, tags.PositionerSecondaryAngle], angles, atol=1e-6)


def test_any_view_will_do(tmp_path):
    write_radiograph(radiograph(View.RLAT), tmp_path / "x.dcm")
    assert read_radiograph(tmp_path / "x.dcm", None).acquisition.view is View.RLAT
    plain = read_radiograph(dicom(tmp_path / "plain.dcm", picture()), None)
    assert plain.acquisition.view is View.PA and not plain.is_posed


def test_one_study_for_both_views(tmp_path):
    study = anonymous_study(PatientName="Sample^Patient")
    for view in (View.PA, View.LLAT):
        write_radiograph(radiograph(view), tmp_path / f"{view.value}.dcm", study)
    pa, lateral = (dicom_tags(tmp_path / name) for name in ("PA.dcm", "LLAT.dcm"))
    assert pa.FrameOfReferenceUID == lateral.FrameOfReferenceUID and pa.StudyInstanceUID == lateral.StudyInstanceUID
    assert pa.SOPInstanceUID != lateral.SOPInstanceUID and str(pa.PatientName) == "Sample^Patient"


@pytest.mark.parametrize(
    ("axes", "turn"),
    [
        ("LF", lambda a: a),
        ("RF", lambda a: a[:, ::-1]),
        ("LH", lambda a: a[::-1]),
        ("FL", lambda a: a.T),
        ("HR", lambda a: a[::-1, ::-1].T),
    ],
)
def test_turned_pictures_are_turned_back(tmp_path, axes, turn):
    spacing = [4.0, 3.0] if axes[0] in "LR" else [3.0, 4.0]
    for name, letters, view in (("pa", axes, View.PA), ("lat", axes.replace("L", "P").replace("R", "A"), View.LLAT)):
        path = dicom(tmp_path / name, turn(picture()), PatientOrientation=list(letters), ImagerPixelSpacing=spacing)
        read = read_radiograph(path, view)
        np.testing.assert_allclose(read.array, scaled(picture()), atol=1e-5)
        assert read.acquisition.pixel_spacing == (4.0, 3.0)


@pytest.mark.parametrize(
    "tags",
    [
        {"ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "ImagePositionPatient": [0, 0, 0]},
        {"PatientOrientation": ["L", "P"]},
        {"PatientOrientation": ["L", "L"]},
        {"PatientOrientation": ""},
    ],
)
def test_directions_that_cannot_be_are_passed_over(tmp_path, tags):
    read = read_radiograph(dicom(tmp_path / "x.dcm", picture(), **tags), View.PA)
    np.testing.assert_allclose(read.array, scaled(picture()), atol=1e-5)
    assert read.acquisition.isocenter == (0, 0, 0) and not read.view_is_certain


def test_a_mirrored_picture_with_a_pose_keeps_its_place(tmp_path):
    write_radiograph(radiograph(View.LLAT), tmp_path / "x.dcm")
    tags = dicom_tags(tmp_path / "x.dcm")
    across = np.array(tags.ImageOrientationPatient[:3], float)
    tags.ImagePositionPatient = (np.array(tags.ImagePositionPatient, float) + 79 * 3.5 * across).tolist()
    tags.ImageOrientationPatient = [*(-across).tolist(), *tags.ImageOrientationPatient[3:]]
    tags.PixelData = np.ascontiguousarray(tags.pixel_array[:, ::-1]).tobytes()
    tags.save_as(tmp_path / "mirrored.dcm")
    plain, mirrored = (read_radiograph(tmp_path / name, View.LLAT) for name in ("x.dcm", "mirrored.dcm"))
    np.testing.assert_array_equal(plain.array, mirrored.array)
    np.testing.assert_allclose(plain.acquisition.projection_matrix, mirrored.acquisition.projection_matrix, atol=1e-6)


INVERTED = 5000 - picture()


@pytest.mark.parametrize(
    ("stored", "tags"),
    [
        (picture(), {}),
        (INVERTED, {"PhotometricInterpretation": "MONOCHROME1"}),
        (picture(), {"WindowCenter": 300, "WindowWidth": 20}),
        (picture(), {"RescaleSlope": 2, "RescaleIntercept": -500}),
        (INVERTED, {"RescaleSlope": -1, "RescaleIntercept": 5000}),
        # Made for looking at: the picture is believed, not the sign.
        (picture(), {"PresentationIntentType": "FOR PRESENTATION", "PixelIntensityRelationshipSign": 1}),
        (picture(), {"PresentationIntentType": "FOR PROCESSING", "PixelIntensityRelationshipSign": -1}),
        (INVERTED, {"PresentationIntentType": "FOR PROCESSING", "PixelIntensityRelationshipSign": 1}),
        (
            INVERTED,
            {
                "PresentationIntentType": "FOR PROCESSING",
                "PixelIntensityRelationshipSign": 1,
                "PhotometricInterpretation": "MONOCHROME1",
            },
        ),
    ],
)
@pytest.mark.parametrize("compressed", [False, True])
def test_bone_is_white(tmp_path, stored, tags, compressed):
    path = dicom(tmp_path / "x.dcm", stored, **tags)
    if compressed:
        dataset = dicom_tags(path)
        dataset.compress(RLELossless)
        dataset.save_as(path)
    np.testing.assert_allclose(read_radiograph(path, View.PA).array, scaled(picture()), atol=1e-5)


def test_raw_detector_values_become_logarithmic(tmp_path):
    exposure = (60_000 * np.exp(-scaled(picture()) * 3)).astype(np.uint16)
    raw = {"PresentationIntentType": "FOR PROCESSING", "PixelIntensityRelationship": "LIN"}
    path = dicom(tmp_path / "x.dcm", exposure, PixelIntensityRelationshipSign=1, **raw)
    np.testing.assert_allclose(read_radiograph(path, View.PA).array, scaled(picture()), atol=1e-3)


def test_geometry_from_tags_and_its_overrides(tmp_path):
    tags = {"DistanceSourceToDetector": 1500, "ImagerPixelSpacing": [4, 5]}
    path = dicom(tmp_path / "a.dcm", picture(), EstimatedRadiographicMagnificationFactor=1.25, **tags)
    acquisition = read_radiograph(path, View.PA).acquisition
    assert (acquisition.source_to_detector_distance, acquisition.source_to_isocenter_distance) == (1500, 1200)
    assert acquisition.pixel_spacing == (4.0, 5.0)

    path = dicom(tmp_path / "b.dcm", picture(), DistanceSourceToPatient=1350, **tags)
    assert read_radiograph(path, View.PA).acquisition.source_to_isocenter_distance == 1350

    given = {"source_to_detector_distance": 1100, "source_to_isocenter_distance": 950, "pixel_spacing": 3.0}
    acquisition = read_radiograph(path, View.PA, **given).acquisition
    assert (acquisition.source_to_detector_distance, acquisition.source_to_isocenter_distance) == (1100, 950)
    assert acquisition.pixel_spacing == (3.0, 3.0)


def test_calibrated_spacing_is_carried_to_the_detector(tmp_path):
    tags = {"PixelSpacing": [4, 4], "DistanceSourceToDetector": 1500, "EstimatedRadiographicMagnificationFactor": 1.25}
    path = dicom(tmp_path / "a.dcm", picture(), **tags)
    assert read_radiograph(path, View.PA).acquisition.pixel_spacing == (4, 4)
    path = dicom(tmp_path / "b.dcm", picture(), PixelSpacingCalibrationType="GEOMETRY", **tags)
    assert read_radiograph(path, View.PA).acquisition.pixel_spacing == (5, 5)


def test_defaults_where_tags_are_missing_or_zero(tmp_path):
    path = dicom(tmp_path / "x.dcm", picture(), "CR", DistanceSourceToDetector=0, DistanceSourceToPatient=0)
    read = read_radiograph(path, View.PA)
    expected = Acquisition(View.PA, 1800, 1600, SHAPE, (430 / 80, 430 / 80))
    assert read.acquisition == expected and read.kind == "film" and not read.view_is_certain


@pytest.mark.parametrize(("position", "asked", "found"), [("AP", View.PA, View.AP), ("RL", View.LLAT, View.RLAT)])
def test_the_file_knows_its_view_better(tmp_path, position, asked, found):
    path = dicom(tmp_path / "x.dcm", picture(), ViewPosition=position)
    assert read_radiograph(path, asked).acquisition.view is found
    assert read_radiograph(path, asked, keep_view=True).acquisition.view is asked


@pytest.mark.parametrize(
    ("tags", "view"),
    [({"ViewPosition": "LL"}, View.PA), ({"ViewPosition": "PA"}, View.LLAT), ({"PatientOrientation": "AF"}, View.AP)],
)
def test_exchanged_files_are_known_by_their_tags(tmp_path, tags, view):
    tags = {key: list(value) if key == "PatientOrientation" else value for key, value in tags.items()}
    with pytest.raises(UserError, match="Exchange"):
        read_radiograph(dicom(tmp_path / "x.dcm", picture(), **tags), view)


def test_exchanged_nrrd(tmp_path):
    write_radiograph(radiograph(View.RLAT), tmp_path / "x.nrrd")
    with pytest.raises(UserError, match="Exchange"):
        read_radiograph(tmp_path / "x.nrrd", View.PA)


def test_what_the_file_tells_is_known_afterwards(tmp_path):
    def certain(path, **given) -> tuple[bool, ...]:
        read = read_radiograph(path, View.PA, **given)
        return read.spacing_is_certain, read.directions_are_certain, read.polarity_is_certain

    write_radiograph(radiograph(View.PA), tmp_path / "ours.nrrd")
    assert certain(tmp_path / "ours.nrrd") == (True, True, True)
    assert certain(dicom(tmp_path / "bare.dcm", picture())) == (False, False, True)
    tags = {"ImagerPixelSpacing": [4, 4], "PatientOrientation": ["L", "F"]}
    assert certain(dicom(tmp_path / "told.dcm", picture(), **tags)) == (True, True, True)
    Image.fromarray(picture()).save(tmp_path / "x.png")
    assert certain(tmp_path / "x.png") == (False, False, False)
    assert certain(tmp_path / "x.png", pixel_spacing=4.0) == (True, False, False)


EIGHT_BIT = (scaled(picture()) * 255).round().astype(np.uint8)


@pytest.mark.parametrize(
    ("name", "image", "tolerance"),
    [
        ("x.png", Image.fromarray(EIGHT_BIT), 0.003),
        ("x.png", Image.fromarray(picture()), 1e-5),
        ("x.tiff", Image.fromarray(EIGHT_BIT), 0.003),
        ("x.tif", Image.fromarray(picture()), 1e-5),
        ("x.jpg", Image.fromarray(EIGHT_BIT), 0.1),
        ("x.jpeg", Image.fromarray(EIGHT_BIT).convert("RGB"), 0.1),
        ("x.png", Image.fromarray(EIGHT_BIT).convert("RGB"), 0.003),
        ("x.png", Image.fromarray(EIGHT_BIT).convert("RGBA"), 0.003),
    ],
)
def test_pictures(tmp_path, name, image, tolerance):
    image.save(tmp_path / name)
    read = read_radiograph(tmp_path / name, View.LLAT)
    np.testing.assert_allclose(read.array, scaled(picture()), atol=tolerance)
    assert read.acquisition == Acquisition(View.LLAT, 1800, 1600, SHAPE, (430 / 80, 430 / 80))


def test_png_keeps_the_look(tmp_path):
    write_radiograph(radiograph(View.PA), tmp_path / "x.png")
    assert sitk.ReadImage(str(tmp_path / "x.png")).GetPixelIDValue() == sitk.sitkUInt16
    read = read_radiograph(tmp_path / "x.png", View.PA)
    below = slice(12, None)  # the markers stand above
    assert np.corrcoef(read.array[below].ravel(), picture()[below].ravel())[0, 1] > 0.999


@pytest.mark.parametrize("name", ["x.nii.gz", "x.nrrd"])
@pytest.mark.parametrize("placed", [False, True])
def test_one_slice_images(tmp_path, name, placed):
    image = sitk.GetImageFromArray(picture().astype(np.float32)[:, ::-1] if placed else picture().astype(np.float32))
    image.SetSpacing((5.0, 4.0))
    if placed:
        # A volume of one slice in patient space whose columns grow to the patient's right, rows to the feet.
        image = sitk.JoinSeries(image)
        image.SetDirection((-1, 0, 0, 0, 0, 1, 0, -1, 0))
    sitk.WriteImage(image, str(tmp_path / name))
    read = read_radiograph(tmp_path / name, View.PA)
    np.testing.assert_allclose(read.array, scaled(picture()), atol=1e-5)
    np.testing.assert_allclose(read.acquisition.pixel_spacing, (4.0, 5.0))


def _saved(image: Image.Image, path):
    image.save(path)
    return path


def _truncate(path, keep=0.6):
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data))])
    return path


def _text(path):
    path.write_text("patient,age\n1,70\n" * 20)
    return path


def _nrrd(array: np.ndarray, path, **keys):
    image = sitk.GetImageFromArray(array)
    for key, value in keys.items():
        image.SetMetaData(key.replace("_", "."), value)
    sitk.WriteImage(image, str(path))
    return path


def _mirrored_nrrd(path):
    """The same anatomy at the same place, but the columns in reverse, as some programs store it."""
    write_radiograph(radiograph(View.PA), path)
    image = sitk.ReadImage(str(path))
    mirrored = sitk.GetImageFromArray(sitk.GetArrayFromImage(image)[:, :, ::-1])
    mirrored.SetSpacing(image.GetSpacing())
    mirrored.SetDirection((np.reshape(image.GetDirection(), (3, 3)) * [-1, 1, 1]).ravel().tolist())
    mirrored.SetOrigin(image.TransformIndexToPhysicalPoint((SHAPE[1] - 1, 0, 0)))
    for key in image.GetMetaDataKeys():
        if key.startswith("CTGAN"):
            mirrored.SetMetaData(key, image.GetMetaData(key))
    sitk.WriteImage(mirrored, str(path))
    return path


def _compressed(path):
    dataset = dicom_tags(dicom(path, picture(200, 200)))
    dataset.compress(RLELossless)
    dataset.save_as(path)
    return path


FLOATS = picture().astype(np.float32)
HOLE = np.isclose(FLOATS, FLOATS[9, 9])
BAD = {
    "missing": lambda p: p / "none.png",
    "folder": lambda p: p,
    "empty PNG": lambda p: (p / "x.png").touch() or p / "x.png",
    "empty DICOM": lambda p: (p / "x.dcm").touch() or p / "x.dcm",
    "text as DICOM": lambda p: _text(p / "x.dcm"),
    "text as PNG": lambda p: _text(p / "x.png"),
    "only the DICOM mark": lambda p: (p / "x.dcm").write_bytes(bytes(128) + b"DICM" + bytes(50)) and p / "x.dcm",
    "truncated DICOM": lambda p: _truncate(dicom(p / "x.dcm", picture())),
    "truncated compressed DICOM": lambda p: _truncate(_compressed(p / "x.dcm")),
    "truncated PNG": lambda p: _truncate(_saved(Image.fromarray(picture()), p / "x.png")),
    "truncated JPEG": lambda p: _truncate(_saved(Image.fromarray(EIGHT_BIT), p / "x.jpg")),
    "truncated TIFF": lambda p: _truncate(_saved(Image.fromarray(picture()), p / "x.tif")),
    "truncated NIfTI": lambda p: _truncate(_nrrd(FLOATS, p / "x.nii.gz")),
    "truncated NRRD": lambda p: _truncate(_nrrd(FLOATS, p / "x.nrrd")),
    "CT slice": lambda p: dicom(p / "x.dcm", picture(), "CT"),
    "MR slice": lambda p: dicom(p / "x.dcm", picture(), "MR"),
    "CT volume": lambda p: _nrrd(np.zeros((40, 50, 60), np.float32), p / "ct.nii.gz"),
    "3D NRRD": lambda p: _nrrd(np.zeros((40, 50, 60), np.float32), p / "ct.nrrd"),
    "several frames": lambda p: dicom(p / "x.dcm", np.tile(picture(), (2, 1)), Rows=60, NumberOfFrames=2),
    "photograph": lambda p: _saved(
        Image.merge("RGB", [Image.effect_noise((64, 64), n) for n in (9, 50, 90)]), p / "x.png"
    ),
    "color DICOM": lambda p: dicom(
        p / "x.dcm", np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8), PhotometricInterpretation="RGB"
    ),
    "constant PNG": lambda p: _saved(Image.new("L", (64, 64), 7), p / "x.png"),
    "constant DICOM": lambda p: dicom(p / "x.dcm", np.full((64, 64), 7, np.uint16)),
    "NaN": lambda p: _nrrd(np.where(HOLE, np.nan, FLOATS), p / "x.nrrd"),
    "infinite": lambda p: _nrrd(np.where(HOLE, np.inf, FLOATS), p / "x.nrrd"),
    "tiny": lambda p: _saved(Image.fromarray(picture(20, 80)), p / "x.png"),
    "huge pixels": lambda p: dicom(p / "x.dcm", picture(), ImagerPixelSpacing=[50, 50]),
    "minute pixels": lambda p: dicom(p / "x.dcm", picture(), ImagerPixelSpacing=[0.01, 0.01]),
    "negative pixels": lambda p: dicom(p / "x.dcm", picture(), ImagerPixelSpacing=[-4, -4]),
    "patient behind the detector": lambda p: dicom(
        p / "x.dcm", picture(), DistanceSourceToDetector=1000, DistanceSourceToPatient=1200
    ),
    "source in the patient": lambda p: dicom(
        p / "x.dcm", picture(), DistanceSourceToDetector=180, DistanceSourceToPatient=150
    ),
    "acquisition that is none": lambda p: _nrrd(FLOATS, p / "x.nrrd", CTGAN_Acquisition="{}"),
    "acquisition of another picture": lambda p: _nrrd(
        FLOATS, p / "x.nrrd", CTGAN_Acquisition=json.dumps(Acquisition().to_dict())
    ),
    "mirrored after it was placed": lambda p: _mirrored_nrrd(p / "x.nrrd"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_one_sentence_with_advice(tmp_path, kind):
    path = BAD[kind](tmp_path)
    with pytest.raises(UserError) as raised:
        read_radiograph(path, View.PA)
    assert str(path) in raised.value.message
    assert raised.value.message.endswith(".") and raised.value.advice.endswith(".")


@pytest.mark.parametrize(
    "given",
    [
        {"source_to_detector_distance": 1000, "source_to_isocenter_distance": 1000},
        {"source_to_detector_distance": -1800},
        {"pixel_spacing": 0.0},
        {"pixel_spacing": 100.0},
        {"source_to_isocenter_distance": 20_000, "source_to_detector_distance": 20_200},
    ],
)
def test_bad_geometry_from_the_caller(tmp_path, given):
    with pytest.raises(UserError):
        read_radiograph(_saved(Image.fromarray(picture()), tmp_path / "x.png"), View.PA, **given)


@pytest.mark.parametrize("name", ["x.bmp", "x", "folder/x.dcm"])
def test_bad_output(tmp_path, name):
    (tmp_path / "folder").touch()
    with pytest.raises(UserError):
        write_radiograph(radiograph(View.PA), tmp_path / name)
    assert [file.name for file in tmp_path.iterdir()] == ["folder"]


def test_picture_and_detector_must_fit():
    with pytest.raises(ValueError, match="shape"):
        Radiograph(picture(50, 50).astype(np.float32), acquired(View.PA))


def _pair() -> list[Radiograph]:
    """Frontal and lateral of a chest with two lungs, as films whose view nobody told."""
    grid = Grid.centered((70, 70, 70), 4.0, tuple(CENTER))
    mu = hu_to_attenuation(torch.from_numpy(chest(grid).array))[None, None]
    acquisitions = [Acquisition(view, 1800, 1600, (96, 96), (3.0, 3.0), tuple(CENTER)) for view in (View.PA, View.LLAT)]
    return [Radiograph(ConeBeamProjector(grid, a)(mu)[0, 0].numpy(), a) for a in acquisitions]


def test_an_exchanged_pair_is_known_by_its_content():
    pa, lateral = _pair()
    check_pair(pa, lateral)
    with pytest.raises(UserError, match="exchanged"):
        check_pair(lateral, pa)
    # The tags of the files are believed.
    check_pair(dataclasses.replace(lateral, view_is_certain=True), pa)


def test_the_same_picture_twice():
    pa, _ = _pair()
    with pytest.raises(UserError, match="same picture"):
        check_pair(pa, pa)


def test_real_pairs_are_never_refused_and_mostly_known_when_exchanged(shared_cxr):
    names = sorted(path.name[:-7] for path in shared_cxr.glob("*_pa.png"))
    caught = 0
    for name in names:
        pa = read_radiograph(shared_cxr / f"{name}_pa.png", View.PA)
        lateral = read_radiograph(shared_cxr / f"{name}_lat.png", View.LLAT)
        check_pair(pa, lateral)
        try:
            check_pair(lateral, pa)
        except UserError:
            caught += 1
    assert caught >= 0.9 * len(names) > 0
