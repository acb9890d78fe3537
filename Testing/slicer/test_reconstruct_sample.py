"""The whole road on the sample patient: nodes in, the real backend, nodes out. Takes some seconds a test."""

import numpy as np
import pytest

pytest.importorskip("slicer")
pytest.importorskip("PySide6.QtWidgets")
import slicer
import vtk

import harness
from CTGANReconstructLib.dependencies import missingPackages
from CTGANReconstructLib.models import installedModels
from CTGANReconstructLib.sample_data import SAMPLE_NAME, sampleFiles

MODULE = "CTGANReconstruct/CTGANReconstruct.py"
LUNG, MUSCLE = -500, 0  # HU, well apart from each other

pytestmark = [
    pytest.mark.skipif(not all(file.is_file() for file in sampleFiles()), reason="the sample patient is not there"),
    pytest.mark.skipif(bool(missingPackages()), reason=f"missing packages: {', '.join(missingPackages())}"),
]
needsModel = pytest.mark.skipif(not installedModels("biplanar"), reason="no biplanar model is installed")


@pytest.fixture
def loaded(scene):
    module = harness.load_module(MODULE)
    harness.complete_startup()
    return module


@pytest.fixture
def sample(loaded):
    """PA, lateral and CT as a click in Slicer's Sample Data module loads them."""
    return harness.click_sample(SAMPLE_NAME)


def valuesAt(volume, points):
    """The nearest voxel values of a volume at RAS points [n, 3], and which of the points lie within it."""
    matrix = vtk.vtkMatrix4x4()
    volume.GetRASToIJKMatrix(matrix)
    rasToIJK = slicer.util.arrayFromVTKMatrix(matrix)
    ijk = np.rint(points @ rasToIJK[:3, :3].T + rasToIJK[:3, 3]).astype(int)
    array = slicer.util.arrayFromVolume(volume)
    inside = ((ijk >= 0) & (ijk < array.shape[::-1])).all(axis=1)
    i, j, k = np.where(inside[:, None], ijk, 0).T
    return array[k, j, i], inside


def samplePoints(volume, step=4):
    """RAS of every ``step``-th voxel."""
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    ijkToRAS = slicer.util.arrayFromVTKMatrix(matrix)
    i, j, k = volume.GetImageData().GetDimensions()
    grid = np.stack(np.meshgrid(*(np.arange(0, n, step) for n in (i, j, k)), indexing="ij"), -1).reshape(-1, 3)
    return grid @ ijkToRAS[:3, :3].T + ijkToRAS[:3, 3]


def centerOf(node):
    bounds = [0.0] * 6
    node.GetRASBounds(bounds)
    return np.mean(np.reshape(bounds, (3, 2)), axis=1)


@needsModel
def test_button_makes_a_ct_where_the_true_one_lies(loaded, sample):
    pa, lateral, ct = sample
    ui = loaded.widget.panels[0].ui
    ui.paSelector.setCurrentNode(pa)
    ui.lateralSelector.setCurrentNode(lateral)
    assert ui.reconstructButton.enabled
    ui.reconstructButton.click()
    harness.run_events(until=lambda: not loaded.widget.panels[0].job.running, timeout=300)
    assert harness.dialogs == []
    assert ui.statusLabel.text == "Done"
    assert "Agreement" in ui.resultLabel.text
    result = loaded.widget.panels[0].lastResult
    assert min(scores["ncc"] for scores in result.consistency.values()) > 0.85

    points = samplePoints(result.volume)
    made, _ = valuesAt(result.volume, points)
    truth, inside = valuesAt(ct, points)
    assert inside.mean() > 0.9
    assert np.corrcoef(truth[inside], made[inside])[0, 1] > 0.7

    # Right is toward +R; the detector of PA stands before the patient, that of the left lateral on the left side.
    segmentation = result.segmentation
    right, left = (
        np.array(segmentation.GetSegmentCenterRAS(segmentation.GetSegmentation().GetSegmentIdBySegmentName(name)))
        for name in ("Right lung", "Left lung")
    )
    assert right[0] > left[0] + 50
    middle = centerOf(result.volume)
    assert centerOf(result.reprojections["pa"])[1] > middle[1] + 100
    assert centerOf(result.reprojections["lateral"])[0] < middle[0] - 100
    assert all(node.GetAttribute("CTGAN.Acquisition") for node in result.reprojections.values())


@needsModel
def test_project_the_true_ct_and_reconstruct_from_that(loaded, sample):
    """Three clicks: the tab, which finds the CT, Project, and Reconstruct from these."""
    for node in sample[:2]:
        slicer.mrmlScene.RemoveNode(node)
    ct = sample[2]
    reconstruct, project = loaded.widget.panels[:2]
    loaded.widget.showPanel(project)
    project.ui.projectButton.click()
    harness.run_events(until=lambda: not project.job.running, timeout=300)
    pa, lateral = project.radiographs["PA"], project.radiographs["LLAT"]
    # Each lies on its detector: before the patient, and on the left.
    assert centerOf(pa)[1] == pytest.approx(centerOf(ct)[1] + 200, abs=30)
    assert centerOf(lateral)[0] == pytest.approx(centerOf(ct)[0] - 200, abs=30)
    project.ui.reconstructFromTheseButton.click()
    harness.run_events(until=lambda: not reconstruct.job.running, timeout=300)
    assert harness.dialogs == []
    result = reconstruct.lastResult
    assert min(scores["ncc"] for scores in result.consistency.values()) > 0.85
    points = samplePoints(result.volume)
    made, truth, inside = valuesAt(result.volume, points)[0], *valuesAt(ct, points)
    assert np.corrcoef(truth[inside], made[inside])[0, 1] > 0.7


def test_an_oblique_projection_lies_on_its_detector(loaded, sample):
    ct, logic = sample[2], loaded.widget.logic
    radiograph = logic.project(ct, angles=(30, -10), detectorSize=128, film=True, energy=60)
    values = slicer.util.arrayFromVolume(radiograph)
    assert (values.shape, values.min()) == ((1, 128, 128), 0) and 0.7 < values.max() <= 1
    source, detector, beam = logic.showAcquisition(radiograph)
    # The beam goes to the front and left, and toward the feet.
    way = centerOf(radiograph) - centerOf(source)
    np.testing.assert_allclose(way / np.linalg.norm(way), [-0.4924, 0.8529, -0.1736], atol=1e-3)
    assert np.linalg.norm(way) == pytest.approx(1800, abs=1)
    corners = slicer.util.arrayFromModelPoints(detector)
    np.testing.assert_allclose(np.linalg.norm(corners[0] - corners[1]), 430, atol=0.1)
    assert beam.GetPolyData().GetNumberOfPolys() == 4
    assert logic.showAcquisition(radiograph) == [source, detector, beam]


def test_projection_of_the_ct_looks_like_the_radiograph(loaded, sample):
    ct = sample[2]
    radiograph = loaded.widget.logic.project(ct, "PA", detectorSize=256)
    values = slicer.util.arrayFromVolume(radiograph)
    assert values.shape == (1, 256, 256)
    assert radiograph.GetAttribute("CTGAN.Acquisition")
    assert 2 < values.max() < 20  # line integrals: some 10 to 40 cm of tissue at 0.2 / cm


def test_backend_errors_come_out_as_one_sentence(loaded, sample, tmp_path):
    file = tmp_path / "broken ü.dcm"
    file.write_bytes(sampleFiles()[0].read_bytes()[:5000])
    before = slicer.mrmlScene.GetNumberOfNodes()
    with pytest.raises(RuntimeError) as caught:
        loaded.widget.logic.reconstruct(file, sample[1])
    assert "Traceback" not in str(caught.value)
    assert "broken" in str(caught.value)
    assert slicer.mrmlScene.GetNumberOfNodes() == before
