"""Body, lungs and bone: on the right side, at the right place, in a file that Slicer opens."""

import numpy as np
import pytest
import SimpleITK as sitk

from CTGANLib.errors import UserError
from CTGANLib.imaging.geometry import Grid
from CTGANLib.imaging.standardize import standardize
from CTGANLib.imaging.volumes import Volume, read_volume
from CTGANLib.segmentation.files import write_segmentation
from CTGANLib.segmentation.labels import BODY, BONE, LABELS, LEFT_LUNG, MEDIASTINUM, RIGHT_LUNG, structure
from CTGANLib.segmentation.segment import segment, volumes_ml
from phantoms import CENTER, DIRECTIONS, chest, points, turned_grid


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def small_chest(name: str, spacing: float = 3.0, **kwargs) -> Volume:
    return chest(turned_grid(DIRECTIONS[name], (200, 180, 130), (spacing,) * 3), **kwargs)


def true_lungs(volume: Volume) -> tuple[np.ndarray, np.ndarray]:
    """Where the phantom's right and left lung are, filled."""
    right, front, up = np.moveaxis(points(volume.grid) - CENTER, -1, 0)
    return (
        ((right - 40) / 28) ** 2 + (front / 40) ** 2 + (up / 55) ** 2 < 1,
        ((right + 42) / 22) ** 2 + (front / 36) ** 2 + ((up - 8) / 42) ** 2 < 1,
    )


def bridged(volume: Volume) -> Volume:
    """The lungs joined by a duct of air."""
    right, front, up = np.moveaxis(points(volume.grid) - CENTER, -1, 0)
    array = volume.array.copy()
    array[(np.abs(right) < 30) & (np.abs(front - 5) < 6) & (np.abs(up) < 6)] = -850
    return Volume(array, volume.grid)


@pytest.mark.parametrize("name", DIRECTIONS)
def test_lungs_are_on_their_side(name):
    volume = small_chest(name, couch=True)
    labels = segment(volume)
    assert labels.array.dtype == np.uint8 and labels.grid is volume.grid
    for label, truth in zip((RIGHT_LUNG, LEFT_LUNG), true_lungs(volume), strict=True):
        assert dice(structure(labels, label), truth) > 0.9
    right, front, up = np.moveaxis(points(volume.grid) - CENTER, -1, 0)
    away_from_the_ends = np.abs(up) < 50
    skin = (right / 85) ** 2 + (front / 60) ** 2 < 1
    assert dice(structure(labels, BODY) & away_from_the_ends, skin & away_from_the_ends) > 0.95
    spine = right**2 + (front + 45) ** 2 < 10**2
    assert dice(structure(labels, BONE) & (front < -20) & away_from_the_ends, spine & away_from_the_ends) > 0.75


@pytest.mark.parametrize("blur", [0.0, 4.0])
def test_joined_lungs_are_taken_apart(blur):
    volume = bridged(small_chest("lps", 2.5))
    if blur:
        volume = Volume.from_image(sitk.SmoothingRecursiveGaussian(volume.to_image(), blur))
    labels = segment(volume)
    for label, truth in zip((RIGHT_LUNG, LEFT_LUNG), true_lungs(volume), strict=True):
        assert dice(structure(labels, label), truth) > 0.9


@pytest.mark.parametrize("lung", [0, 1])
def test_one_lung(lung):
    volume = small_chest("upright", 2.5)
    array = volume.array.copy()
    array[true_lungs(volume)[1 - lung]] = 40
    labels = segment(Volume(array, volume.grid))
    present, absent = (RIGHT_LUNG, LEFT_LUNG) if lung == 0 else (LEFT_LUNG, RIGHT_LUNG)
    assert dice(structure(labels, present), true_lungs(volume)[lung]) > 0.9
    assert not structure(labels, absent).any()


def test_the_trachea_is_no_lung():
    volume = small_chest("upright", 2.5)
    right, front, up = np.moveaxis(points(volume.grid) - CENTER, -1, 0)
    trachea = (right**2 + (front - 5) ** 2 < 8**2) & (up > 5)
    array = volume.array.copy()
    array[trachea] = -980
    labels = segment(Volume(array, volume.grid))
    assert np.isin(labels.array[trachea], (RIGHT_LUNG.value, LEFT_LUNG.value)).mean() < 0.05


def test_contrast_in_the_heart_is_no_bone():
    volume = chest(turned_grid(np.eye(3), (290, 210, 150), (4.0,) * 3), scale=1.5)
    right, front, up = np.moveaxis(points(volume.grid) - CENTER, -1, 0)
    heart = right**2 + (front - 32) ** 2 + up**2 < 15**2
    array = volume.array.copy()
    array[heart] = 400
    labels = segment(Volume(array, volume.grid))
    assert (labels.array[heart] == MEDIASTINUM.value).all()
    assert (labels.array[(np.abs(right) < 8) & (np.abs(front + 67) < 8) & (np.abs(up) < 50)] == BONE.value).all()


def test_nothing_to_segment():
    grid = turned_grid(np.eye(3), (150, 150, 150), (3.0, 3.0, 3.0))
    with pytest.raises(UserError, match="no body"):
        segment(Volume(np.full(grid.shape, -1000.0, np.float32), grid))


def labeled() -> Volume:
    """A label map whose structures differ in size and place, on turned voxels of three sizes."""
    array = np.zeros((12, 14, 16), np.uint8)
    array[1:11, 2:13, 1:15] = BODY.value
    array[3:9, 4:9, 9:13] = RIGHT_LUNG.value
    array[4:9, 4:8, 3:6] = LEFT_LUNG.value
    array[4:8, 4:8, 7:9] = MEDIASTINUM.value
    array[2:10, 11, 7] = BONE.value
    matrix = np.eye(4)
    matrix[:3, :3] = DIRECTIONS["oblique"] * [2.0, 3.0, 4.0]
    matrix[:3, 3] = [11.0, -22.0, 33.0]
    return Volume(array, Grid(array.shape, matrix))


def test_volumes():
    assert volumes_ml(labeled()) == {"Body": 37.0, "Right lung": 2.9, "Left lung": 1.4, "Mediastinum": 0.8, "Bone": 0.2}


def test_the_file_holds_all_segments(tmp_path):
    write_segmentation(labeled(), tmp_path / "s.seg.nrrd")
    assert [file.name for file in tmp_path.iterdir()] == ["s.seg.nrrd"]
    image = sitk.ReadImage(str(tmp_path / "s.seg.nrrd"))
    expected = labeled().to_image()
    np.testing.assert_allclose(image.GetDirection(), expected.GetDirection(), atol=1e-9)
    np.testing.assert_allclose(image.GetOrigin(), expected.GetOrigin(), atol=1e-9)
    array = sitk.GetArrayFromImage(image)
    for number, label in enumerate(LABELS):
        key = {name: image.GetMetaData(f"Segment{number}_{name}") for name in ("Name", "Layer", "LabelValue", "Extent")}
        mask = array[..., int(key["Layer"])] == int(key["LabelValue"])
        np.testing.assert_array_equal(mask, structure(labeled(), label))
        assert key["Name"] == label.name
        low, high = np.argwhere(mask).min(axis=0)[::-1], np.argwhere(mask).max(axis=0)[::-1]
        assert key["Extent"] == " ".join(f"{a} {b}" for a, b in zip(low, high, strict=True))


def test_a_missing_structure_is_an_empty_segment(tmp_path):
    labels = labeled()
    labels.array[labels.array == LEFT_LUNG.value] = BODY.value
    write_segmentation(labels, tmp_path / "s.seg.nrrd")
    assert sitk.ReadImage(str(tmp_path / "s.seg.nrrd")).GetMetaData("Segment2_Extent") == "0 -1 0 -1 0 -1"


@pytest.mark.parametrize("name", ["s.nrrd", "s.seg.nii.gz", "file/s.seg.nrrd"])
def test_bad_output(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(UserError):
        write_segmentation(labeled(), tmp_path / name)
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_the_slicer_runtime_opens_it(tmp_path):
    pytest.importorskip("harness", reason="needs slicer-core and PySide6-Essentials")
    import slicer
    import vtk
    from vtk.util.numpy_support import vtk_to_numpy

    write_segmentation(labeled(), tmp_path / "s.seg.nrrd")
    scene, application = slicer.vtkMRMLScene(), slicer.vtkSlicerApplicationLogic()
    application.SetMRMLScene(scene)
    logic = slicer.vtkSlicerSegmentationsModuleLogic()
    logic.SetMRMLScene(scene)
    logic.SetMRMLApplicationLogic(application)
    segmentation = logic.LoadSegmentationFromFile(str(tmp_path / "s.seg.nrrd")).GetSegmentation()
    assert segmentation.GetNumberOfSegments() == len(LABELS)
    assert segmentation.GetConversionParameter("Reference image geometry")
    for number, label in enumerate(LABELS):
        segment_ = segmentation.GetNthSegment(number)
        assert segment_.GetName() == label.name
        np.testing.assert_allclose(segment_.GetColor(), label.color, atol=1e-5)
        entry = vtk.mutable("")
        assert segment_.GetTag("TerminologyEntry", entry) and str(entry) == label.terminology_entry
        picture = segment_.GetRepresentation("Binary labelmap")
        extent, matrix = picture.GetExtent(), vtk.vtkMatrix4x4()
        picture.GetImageToWorldMatrix(matrix)
        array = vtk_to_numpy(picture.GetPointData().GetScalars()).reshape(picture.GetDimensions()[::-1])
        ijk = np.argwhere(array == segment_.GetLabelValue())[:, ::-1] + extent[::2]
        truth = np.argwhere(structure(labeled(), label))[:, ::-1]
        assert len(ijk) == len(truth)
        found = matrix.MultiplyPoint((*ijk.mean(axis=0), 1))[:3]
        np.testing.assert_allclose(found, labeled().grid.to_ras(truth.mean(axis=0)), atol=1e-4)


def test_terminology():
    assert RIGHT_LUNG.terminology_entry == (
        "Segmentation category and type - 3D Slicer General Anatomy list~SCT^123037004^Anatomical Structure"
        "~SCT^39607008^Lung~SCT^24028007^Right~Anatomic codes - DICOM master list~^^~^^"
    )
    assert [label.value for label in LABELS] == [1, 2, 3, 6, 4]


def test_real_lungs(shared_ct):
    case = "tseg_s0024"  # wider than the grid, with contrast in the heart
    volume = standardize(read_volume(shared_ct / f"{case}.nii.gz"))
    rules = Volume.from_image(sitk.ReadImage(str(shared_ct / f"{case}_rules.nii.gz")))
    rules = rules.resample(volume.grid, 0, nearest=True).array
    labels = segment(volume)
    assert dice(structure(labels, RIGHT_LUNG), rules == 1) > 0.94
    assert dice(structure(labels, LEFT_LUNG), rules == 2) > 0.96
    assert dice(structure(labels, BONE), rules == 4) > 0.8
