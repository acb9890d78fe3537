"""The scripting API of CTGANReconstruct, on real nodes, with a fake backend."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("slicer")
pytest.importorskip("PySide6.QtWidgets")
import slicer
import vtk

ACQUISITION = {"view": "PA", "pixel_spacing": [0.5, 0.5]}


@pytest.fixture
def radiographs(scene):
    return [addRadiograph(name) for name in ("PA", "lateral ü")]


def addRadiograph(name, shape=(1, 16, 16)):
    node = slicer.util.addVolumeFromArray(np.ones(shape, np.float32), name=name)
    node.SetAttribute("CTGAN.Acquisition", json.dumps(ACQUISITION))
    return node


def dataNodes():
    """The nodes of the scene that a user sees or saves."""
    return {
        node.GetID()
        for kind in ("vtkMRMLVolumeNode", "vtkMRMLSegmentationNode", "vtkMRMLDisplayNode", "vtkMRMLStorageNode")
        for node in slicer.util.getNodesByClass(kind)
    }


def temporaryFolders():
    return list(Path(slicer.app.temporaryPath).glob("CTGAN-*"))


def test_reconstruct_brings_all_results(logic, radiographs):
    seen = []
    result = logic.reconstruct(*radiographs, onProgress=seen.append)

    matrix = vtk.vtkMatrix4x4()
    result.volume.GetIJKToRASMatrix(matrix)
    assert np.allclose([matrix.GetElement(row, 3) for row in range(3)], (-10, -20, -30))
    assert np.allclose(result.volume.GetSpacing(), (2.0, 3.0, 4.0))
    array = slicer.util.arrayFromVolume(result.volume)
    assert (array.shape, array.min(), array.max()) == ((8, 12, 10), -1000, 40)
    display = result.volume.GetDisplayNode()
    assert (display.GetWindow(), display.GetLevel(), display.GetAutoWindowLevel()) == (1500, -400, 0)

    segmentation = result.segmentation.GetSegmentation()
    assert [segmentation.GetNthSegment(n).GetName() for n in range(2)] == ["Body", "Right lung"]
    terminology = vtk.reference("")
    segmentation.GetNthSegment(1).GetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), terminology)
    assert "39607008" in str(terminology)
    reference = result.segmentation.GetNodeReference(
        slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
    )
    assert reference is result.volume
    assert segmentation.ContainsRepresentation("Closed surface")

    assert set(result.reprojections) == {"pa", "lateral"}
    assert result.reprojections["pa"].GetAttribute("CTGAN.Acquisition") == '{"view": "PA"}'
    assert result.consistency["pa"]["ncc"] == 0.98
    assert (result.modelSeconds, result.peakMemoryMb) == (2.1, 900.0)
    assert [progress.fraction for progress in seen] == [0.25, 0.5, 0.75]
    assert temporaryFolders() == []


def test_results_lie_beside_the_input(logic, radiographs):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "study")
    item = hierarchy.GetItemByDataNode(radiographs[0]) or hierarchy.CreateItem(study, radiographs[0])
    hierarchy.SetItemParent(item, study)
    result = logic.reconstruct(*radiographs)
    for node in (result.volume, result.segmentation, *result.reprojections.values()):
        assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == study


def test_given_outputs_are_filled(logic, radiographs):
    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "mine")
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "my segments")
    for _ in range(2):
        result = logic.reconstruct(*radiographs, volume, segmentation, reproject=False)
        assert result.volume is volume
        assert result.segmentation is segmentation
        assert result.reprojections == {}
        assert segmentation.GetSegmentation().GetNumberOfSegments() == 2
        assert slicer.util.arrayFromVolume(volume).max() == 40
        assert volume.GetName() == "mine"


def test_uncertainty_is_a_volume_of_its_own(logic, backend, radiographs):
    assert logic.reconstruct(*radiographs).uncertainty is None
    assert backend.value("--uncertainty") is None
    result = logic.reconstruct(*radiographs, uncertainty=True, sharpness=0.5)
    assert backend.value("--sharpness") == "0.5"
    assert result.uncertainty.GetName() == f"{result.volume.GetName()} uncertainty"
    assert (slicer.util.arrayFromVolume(result.uncertainty) == 123.5).all()
    places = []
    for node in (result.volume, result.uncertainty):
        matrix = vtk.vtkMatrix4x4()
        node.GetIJKToRASMatrix(matrix)
        places.append(slicer.util.arrayFromVTKMatrix(matrix).tolist())
    assert places[0] == places[1]
    display = result.uncertainty.GetDisplayNode()
    assert display.GetColorNodeID() == "vtkMRMLColorTableNodeIron"
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax(), display.GetAutoWindowLevel()) == (0, 400, 0)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    parents = [hierarchy.GetItemParent(hierarchy.GetItemByDataNode(n)) for n in (result.volume, result.uncertainty)]
    assert parents[0] == parents[1]
    mine = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "mine")
    assert logic.reconstruct(*radiographs, outputUncertainty=mine).uncertainty is mine
    with pytest.raises(ValueError, match="different volumes"):
        logic.reconstruct(*radiographs, mine, outputUncertainty=mine)


def test_warnings_stay_with_the_ct(logic, radiographs):
    result = logic.reconstruct(radiographs[0], None)
    assert result.warnings == ["The frontal radiograph was inverted."]
    assert result.volume.GetAttribute("CTGAN.Warnings") == result.warnings[0]
    assert list(result.reprojections) == ["pa"]


def test_without_segmentation(logic, backend, radiographs):
    assert logic.reconstruct(*radiographs, segment=False).segmentation is None
    assert backend.value("--segmentation") is None


def test_options_reach_the_backend(logic, backend, radiographs):
    logic.reconstruct(
        *radiographs,
        model="ChestBiplanar",
        device="cpu",
        paView="AP",
        lateralView="RLAT",
        sourceToDetectorDistance=1500,
        sourceToIsocenterDistance=1300.5,
        pixelSpacing=0.2,
    )
    expected = {
        "--model": "ChestBiplanar",
        "--device": "cpu",
        "--pa-view": "AP",
        "--lateral-view": "RLAT",
        "--source-to-detector-distance": "1500",
        "--source-to-isocenter-distance": "1300.5",
        "--pixel-spacing": "0.2",
    }
    assert {option: backend.value(option) for option in expected} == expected
    logic.reconstruct(*radiographs)
    assert backend.value("--model") is None
    assert backend.value("--pa-view") is None


def test_files_are_taken_as_they_are(logic, backend, tmp_path):
    files = [tmp_path / "pa bild ü.png", tmp_path / "lateral.dcm"]
    for file in files:
        file.touch()
    result = logic.reconstruct(str(files[0]), files[1])
    assert backend.value("--pa") == str(files[0])
    assert backend.value("--lateral") == str(files[1])
    assert result.volume.GetScene() is slicer.mrmlScene


class TestWrittenRadiographs:
    """What a node looks like to the backend; the temporary folder is kept to look into it."""

    @pytest.fixture(autouse=True)
    def keepFolders(self, monkeypatch):
        monkeypatch.setattr("CTGANReconstructLib.tasks.TaskRun._removeFolder", lambda self: None)
        yield
        for folder in temporaryFolders():
            shutil.rmtree(folder)

    def test_node_becomes_nrrd_with_its_acquisition(self, logic, backend, radiographs):
        import SimpleITK as sitk

        logic.reconstruct(*radiographs)
        image = sitk.ReadImage(backend.value("--lateral"))
        assert json.loads(image.GetMetaData("CTGAN.Acquisition")) == ACQUISITION
        assert image.GetSize() == (16, 16, 1)

    def test_dicom_node_is_given_with_its_tags(self, logic, backend, scene, tmp_path):
        file = writeDX(tmp_path / "röntgen.dcm")
        node = slicer.util.loadVolume(str(file), {"singleFile": True})
        logic.reconstruct(node, addRadiograph("lateral"))
        assert Path(backend.value("--pa")).name == "pa.dcm"
        assert Path(backend.value("--pa")).read_bytes() == file.read_bytes()

    def test_dicom_node_from_the_database(self, logic, backend, scene, tmp_path, monkeypatch):
        class Database:
            def fileForInstance(self, uid):
                return str(tmp_path / "stored") if uid == "1.2.3" else ""

        writeDX(tmp_path / "stored")
        monkeypatch.setattr(slicer, "dicomDatabase", Database(), raising=False)
        node = addRadiograph("PA")
        node.SetAttribute("DICOM.instanceUIDs", "1.2.3 4.5.6")
        logic.reconstruct(node, addRadiograph("lateral"))
        assert Path(backend.value("--pa")).name == "pa.dcm"

    def test_changed_pixels_go_before_the_file(self, logic, backend, scene, tmp_path):
        node = slicer.util.loadVolume(str(writeDX(tmp_path / "x.dcm")), {"singleFile": True})
        slicer.util.updateVolumeFromArray(node, slicer.util.arrayFromVolume(node) + 1)
        logic.reconstruct(node, addRadiograph("lateral"))
        assert Path(backend.value("--pa")).name == "pa.nrrd"

    def test_ct_is_written_where_it_is_in_the_world(self, logic, backend, scene):
        import SimpleITK as sitk

        ct = addRadiograph("CT", (4, 5, 6))
        transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        matrix = vtk.vtkMatrix4x4()
        matrix.SetElement(0, 3, 7.0)
        transform.SetMatrixTransformToParent(matrix)
        ct.SetAndObserveTransformNodeID(transform.GetID())
        logic.segment(ct)
        assert sitk.ReadImage(backend.arguments[1]).GetOrigin() == (-7.0, 0.0, 0.0)


def writeDX(path):
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

    tags = Dataset()
    tags.file_meta = FileMetaDataset()
    tags.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    tags.SOPClassUID = tags.file_meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    tags.SOPInstanceUID = tags.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    tags.StudyInstanceUID, tags.SeriesInstanceUID = generate_uid(), generate_uid()
    tags.Modality, tags.PatientName, tags.PatientID = "DX", "Nobody", "0"
    tags.Rows, tags.Columns, tags.SamplesPerPixel, tags.PhotometricInterpretation = 9, 8, 1, "MONOCHROME2"
    tags.BitsAllocated, tags.BitsStored, tags.HighBit, tags.PixelRepresentation = 16, 16, 15, 0
    tags.ImagerPixelSpacing = [0.5, 0.5]
    tags.PixelData = np.arange(72, dtype=np.uint16).tobytes()
    tags.save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize(
    ("behavior", "message"),
    [("error", "color photograph"), ("crash", "unexpectedly"), ("silent", "without a result"), ("partial", "be read")],
)
def test_failure_leaves_the_scene_untouched(logic, backend, radiographs, behavior, message):
    backend.behavior = behavior
    before = dataNodes()
    with pytest.raises(RuntimeError, match=message):
        logic.reconstruct(*radiographs)
    assert dataNodes() == before
    assert temporaryFolders() == []


def test_interrupted_script_leaves_nothing(logic, backend, radiographs):
    def interrupt(progress):
        raise KeyboardInterrupt

    backend.behavior = "slow"
    before = dataNodes()
    with pytest.raises(KeyboardInterrupt):
        logic.reconstruct(*radiographs, onProgress=interrupt)
    assert dataNodes() == before
    assert temporaryFolders() == []


def test_wrong_inputs_are_refused_before_the_backend_starts(logic, backend, radiographs):
    pa, lateral = radiographs
    wrong = [
        ((addRadiograph("CT", (4, 16, 16)), lateral), "CT is a 3D volume"),
        ((slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "void"), lateral), "void is empty"),
        ((pa, lateral, pa), "output must be another"),
        ((pa, lateral, None, None, lateral), "output must be another"),
        ((None, None), "Choose a PA or a lateral"),
    ]
    for arguments, message in wrong:
        with pytest.raises(ValueError, match=message):
            logic.reconstruct(*arguments)
    assert backend.arguments == []
    assert temporaryFolders() == []


def test_missing_packages_are_named(logic, backend, radiographs):
    backend.missing = ["torch>=2.4"]
    with pytest.raises(RuntimeError, match=r"torch>=2.4.*installPackages"):
        logic.reconstruct(*radiographs)
    logic.installPackages()
    assert logic.reconstruct(*radiographs).volume


def test_project(logic, backend, scene):
    ct = addRadiograph("CT", (4, 5, 6))
    radiograph = logic.project(ct, "LLAT", sourceToDetectorDistance=1800, detectorSize=256)
    assert radiograph.GetAttribute("CTGAN.Acquisition")
    assert "LLAT" in radiograph.GetName()
    assert backend.value("--view") == "LLAT"
    assert backend.value("--detector-size") == "256"
    with pytest.raises(ValueError, match="another volume"):
        logic.project(ct, outputVolume=ct)
    with pytest.raises(ValueError, match="PA is one picture"):
        logic.project(addRadiograph("PA"))


def test_project_at_angles(logic, backend, scene):
    output = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "mine")
    radiograph = logic.project(addRadiograph("CT", (4, 5, 6)), "AP", output, angles=(30, -10), energy=60, film=True)
    assert radiograph is output
    assert backend.arguments[2:5] == ["--angles", "30", "-10"]
    assert "--film" in backend.arguments and "--view" not in backend.arguments
    assert backend.value("--energy") == "60"


def test_acquisition_models_are_made_once(logic, scene):
    radiograph = logic.project(addRadiograph("CT", (4, 5, 6)))
    models = logic.showAcquisition(radiograph)
    assert logic.showAcquisition(radiograph) == models
    slicer.mrmlScene.RemoveNode(models[1])
    assert len({model.GetID() for model in logic.showAcquisition(radiograph)}) == 3
    with pytest.raises(ValueError, match="Not an acquisition"):
        logic.showAcquisition(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode"))
