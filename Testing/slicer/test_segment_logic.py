"""Segmentation by script: nodes, table and geometry in the scene, with a fake backend, and once with the real one."""

import numpy as np
import pytest

pytest.importorskip("slicer")
pytest.importorskip("PySide6.QtWidgets")
import slicer
import vtk

import harness
from CTGANReconstructLib.dependencies import missingPackages
from CTGANReconstructLib.models import installedModels
from CTGANReconstructLib.resources import sharedResource
from CTGANReconstructLib.surfaces import showIn3D

MODULE = "CTGANReconstruct/CTGANReconstruct.py"
SHAPE = (16, 20, 24)  # k, j, i
CENTER = np.array([30.0, -50.0, 120.0])  # RAS, mm
# What of the phantom is the right lung of the fake: a block far from the middle in all three directions, RAS, mm.
BLOCK = CENTER + np.array([14.0, 6.0, -9.0])
HALF = np.array([7.0, 5.0, 6.0])


def rotation(degrees, axis):
    transform = vtk.vtkTransform()
    transform.RotateWXYZ(degrees, *axis)
    return slicer.util.arrayFromVTKMatrix(transform.GetMatrix())[:3, :3]


def addPhantom(directions=None, spacing=(2.0, 2.5, 3.0), name="CT"):
    """A body of 40 HU with a block of 300 HU, in RAS, on a grid of these directions (columns i, j, k)."""
    toRAS = np.eye(4)
    toRAS[:3, :3] = (np.eye(3) if directions is None else directions) * np.array(spacing)
    toRAS[:3, 3] = CENTER - toRAS[:3, :3] @ (np.array(SHAPE[::-1]) - 1) / 2
    index = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij")[::-1], axis=-1)
    points = index @ toRAS[:3, :3].T + toRAS[:3, 3]
    array = np.full(SHAPE, -1000, np.int16)
    array[(np.abs(points - CENTER) < 28).all(axis=-1)] = 40
    array[(np.abs(points - BLOCK) < HALF).all(axis=-1)] = 300
    return slicer.util.addVolumeFromArray(array, ijkToRAS=toRAS, name=name)


def centroid(segmentation, segment):
    """Of a segment's voxels in the world, RAS, mm."""
    labelmap = slicer.vtkOrientedImageData()
    segmentation.GetBinaryLabelmapRepresentation(segment, labelmap)
    matrix = vtk.vtkMatrix4x4()
    labelmap.GetImageToWorldMatrix(matrix)
    toRAS = slicer.util.arrayFromVTKMatrix(matrix)
    extent = labelmap.GetExtent()
    values = vtk.util.numpy_support.vtk_to_numpy(labelmap.GetPointData().GetScalars())
    values = values.reshape(*(np.subtract(extent[1::2], extent[::2]) + 1)[::-1])
    middle = np.argwhere(values)[:, ::-1].mean(axis=0) + extent[::2]
    return toRAS[:3, :3] @ middle + toRAS[:3, 3]


def surfaceCenter(segmentation, segment):
    """The middle of the box around a segment's surface, RAS, mm."""
    surface = vtk.vtkPolyData()
    segmentation.GetClosedSurfaceRepresentation(segment, surface)
    return np.reshape(surface.GetBounds(), (3, 2)).mean(axis=1)


def truth(ct):
    """Where the block's voxels are in the world, RAS, mm."""
    matrix = vtk.vtkMatrix4x4()
    ct.GetIJKToRASMatrix(matrix)
    toRAS = slicer.util.arrayFromVTKMatrix(matrix)
    middle = np.argwhere(slicer.util.arrayFromVolume(ct) == 300)[:, ::-1].mean(axis=0)
    return toRAS[:3, :3] @ middle + toRAS[:3, 3]


def hierarchyParent(node):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    return hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node))


def tableRows(table):
    columns = [table.GetTable().GetColumn(column) for column in range(table.GetNumberOfColumns())]
    return [[column.GetValue(row) for column in columns] for row in range(table.GetNumberOfRows())]


DIRECTIONS = {
    "upright": np.eye(3),
    "LPS": np.diag([-1.0, -1.0, 1.0]),
    "sagittal": np.array([[0, 0, -1.0], [-1.0, 0, 0], [0, 1.0, 0]]),
    "oblique": rotation(25, (0, 0, 1)) @ rotation(-15, (1, 0, 0)),
    "mirrored": rotation(12, (0, 1, 0)) @ np.diag([-1.0, 1.0, 1.0]),  # a left-handed grid
}


@pytest.mark.parametrize("directions", DIRECTIONS.values(), ids=DIRECTIONS)
def test_segments_lie_where_they_are_in_the_ct(logic, directions):
    ct = addPhantom(directions)
    segmentation = logic.segment(ct).segmentation
    np.testing.assert_allclose(truth(ct), BLOCK, atol=1.5)  # the phantom itself, as far as its voxels allow
    np.testing.assert_allclose(centroid(segmentation, "Rightlung"), truth(ct), atol=0.01)
    np.testing.assert_allclose(surfaceCenter(segmentation, "Rightlung"), truth(ct), atol=1.0)


@pytest.mark.parametrize("directions", DIRECTIONS.values(), ids=DIRECTIONS)
def test_surfaces_of_fine_voxels_are_coarse_and_where_the_segments_are(scene, directions):
    toRAS = np.eye(4)
    toRAS[:3, :3], toRAS[:3, 3] = directions * np.array([0.8, 1.1, 2.5]), CENTER
    mask = np.zeros((16, 40, 60), np.uint8)
    mask[4:12, 5:30, 10:52] = 1
    ct = slicer.util.addVolumeFromArray(mask, ijkToRAS=toRAS)
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(ct)
    segments = segmentation.GetSegmentation()
    for name in ("Block", "Empty"):
        segments.AddEmptySegment(name, name)
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, segmentation, "Block", ct)
    surfaces = []
    for make in (segmentation.CreateClosedSurfaceRepresentation, lambda: showIn3D(segmentation, True)):
        segmentation.RemoveClosedSurfaceRepresentation()
        make()
        surfaces.append(vtk.vtkPolyData())
        segmentation.GetClosedSurfaceRepresentation("Block", surfaces[-1])
    fine, coarse = surfaces
    assert 0 < coarse.GetNumberOfCells() < 0.4 * fine.GetNumberOfCells()
    np.testing.assert_allclose(coarse.GetBounds(), fine.GetBounds(), atol=2.0)
    np.testing.assert_allclose(coarse.GetCenter(), fine.GetCenter(), atol=0.5)
    volumes = []
    for surface in surfaces:
        mass = vtk.vtkMassProperties()
        mass.SetInputData(surface)
        volumes.append(mass.GetVolume())
    assert volumes[1] == pytest.approx(volumes[0], rel=0.1)  # smoothing rounds corners
    assert segments.ContainsRepresentation("Closed surface")


@pytest.mark.parametrize("matrix", [rotation(40, (1, 2, 3)), np.eye(3) + np.eye(3, k=1) / 5], ids=["turn", "shear"])
def test_segments_follow_the_transform_of_the_ct(logic, matrix):
    ct = addPhantom(DIRECTIONS["oblique"])
    inItself = truth(ct)
    move = np.eye(4)
    move[:3, :3], move[:3, 3] = matrix, (10, 20, -30)
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(move))
    ct.SetAndObserveTransformNodeID(transform.GetID())
    segmentation = logic.segment(ct).segmentation
    inWorld = move[:3, :3] @ inItself + move[:3, 3]
    np.testing.assert_allclose(centroid(segmentation, "Rightlung"), inWorld, atol=0.01)
    parameter = slicer.vtkSegmentationConverter.GetReferenceImageGeometryParameterName()
    grid = slicer.vtkOrientedImageData()
    slicer.vtkSegmentationConverter.DeserializeImageGeometry(
        segmentation.GetSegmentation().GetConversionParameter(parameter), grid, False
    )
    matrix = vtk.vtkMatrix4x4()
    grid.GetImageToWorldMatrix(matrix)
    ctMatrix = vtk.vtkMatrix4x4()
    ct.GetIJKToRASMatrix(ctMatrix)
    expected = move @ slicer.util.arrayFromVTKMatrix(ctMatrix)
    np.testing.assert_allclose(slicer.util.arrayFromVTKMatrix(matrix), expected, atol=1e-4)


def test_all_of_the_result_is_in_the_scene(logic, backend):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "study")
    ct = addPhantom(name="Thorax ü")
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(ct) or hierarchy.CreateItem(study, ct), study)
    seen = []
    result = logic.segment(ct, onProgress=seen.append)

    segments = result.segmentation.GetSegmentation()
    assert [segments.GetNthSegment(n).GetName() for n in range(2)] == ["Body", "Right lung"]
    np.testing.assert_allclose(segments.GetSegment("Rightlung").GetColor(), (0.8, 0.6, 0.5), atol=1e-6)
    terminology = vtk.reference("")
    segments.GetSegment("Rightlung").GetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), terminology)
    assert "39607008" in str(terminology)
    role = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
    assert result.segmentation.GetNodeReference(role) is ct
    assert segments.ContainsRepresentation("Closed surface")
    display = result.segmentation.GetDisplayNode()
    assert display.GetSegmentOpacity3D("Body") < display.GetSegmentOpacity3D("Rightlung")
    assert (result.segmentation.GetName(), result.table.GetName()) == (
        "Thorax ü segmentation",
        "Thorax ü segmentation measurements",
    )
    assert [hierarchyParent(node) for node in (result.segmentation, result.table)] == [study, study]
    assert (result.model, result.seconds, result.peakMemoryMb, result.warnings) == ("ChestSegmentation", 42.4, 1900, [])
    assert [progress.fraction for progress in seen] == [0.25, 0.5, 0.75]
    assert backend.value("--model") is None and backend.value("--device") == "auto"


def test_the_table_measures_each_segment(logic):
    ct = addPhantom()
    result = logic.segment(ct)
    block = int((slicer.util.arrayFromVolume(ct) == 300).sum()) * 2.0 * 2.5 * 3.0 / 1000
    assert result.volumesMl["Right lung"] == pytest.approx(block) and block > 1
    rows = tableRows(result.table)
    assert [row[0] for row in rows] == ["Body", "Right lung"]
    assert rows[1][1:] == [pytest.approx(block), 300.0, 25.0]
    names = ["segment", "volume_ml", "mean_hu", "surface_cm2"]
    types = [result.table.GetTable().GetColumnByName(name).GetDataTypeAsString() for name in names]
    assert types == ["string", "double", "double", "double"]
    assert [result.table.GetColumnUnitLabel(name) for name in names[1:]] == ["ml", "HU", "cm2"]
    titles = ["Segment", "Volume (ml)", "Mean (HU)", "Surface (cm²)"]
    assert [result.table.GetColumnTitle(name) for name in names] == titles
    assert result.table.GetUseColumnTitleAsColumnHeader()


def test_a_given_segmentation_is_filled_again_and_its_table_too(logic):
    first = logic.segment(addPhantom())
    other = addPhantom(DIRECTIONS["oblique"], name="other")
    slicer.util.arrayFromVolume(other)[slicer.util.arrayFromVolume(other) == 300] = 0  # an empty segment
    again = logic.segment(other, first.segmentation)
    assert again.segmentation is first.segmentation and again.table is first.table
    assert len(slicer.util.getNodesByClass("vtkMRMLTableNode")) == 1
    role = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
    assert again.segmentation.GetNodeReference(role) is other
    assert [row[0] for row in tableRows(again.table)] == ["Body", "Right lung"]
    assert again.volumesMl["Right lung"] == 0 and np.isnan(tableRows(again.table)[1][2:]).all()
    table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", "mine")
    assert logic.segment(other, first.segmentation, outputTable=table).table is table
    assert table.GetNumberOfRows() == 2


def test_a_refilled_segmentation_comes_back_with_undo(logic):
    scene = slicer.mrmlScene
    mine = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "mine")
    mine.GetSegmentation().AddEmptySegment("Tumor", "Tumor")
    mine.SetUndoEnabled(True)
    scene.SetUndoOn()
    try:
        logic.segment(addPhantom(), mine)
        assert mine.GetSegmentation().GetNumberOfSegments() == 2
        scene.Undo()
        assert mine.GetSegmentation().GetSegmentIDs() == ("Tumor",)
    finally:
        scene.ClearUndoStack()
        scene.SetUndoOff()


def test_outputs_that_are_gone_meanwhile_are_made_anew(logic):
    ct = addPhantom()
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "mine")
    table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", "mine")

    def remove(progress):
        for node in (segmentation, table, ct):
            slicer.mrmlScene.RemoveNode(node)

    result = logic.segment(ct, segmentation, outputTable=table, onProgress=remove)
    assert result.segmentation.GetScene() is result.table.GetScene() is slicer.mrmlScene
    assert result.segmentation.GetSegmentation().GetNumberOfSegments() == 2


def test_a_ct_without_organs_says_so(logic):
    result = logic.segment(slicer.util.addVolumeFromArray(np.full(SHAPE, -1000, np.int16), name="air"))
    assert result.warnings == ["No organ was found in this CT."]
    assert result.volumesMl == {"Body": 0, "Right lung": 0}
    assert result.segmentation.GetSegmentation().GetNumberOfSegments() == 2


def test_options_reach_the_backend(logic, backend):
    logic.segment(addPhantom(), model="Kidney", device="cpu")
    assert (backend.value("--model"), backend.value("--device")) == ("Kidney", "cpu")


@pytest.mark.parametrize(
    ("behavior", "message"),
    [("error", "color photograph"), ("crash", "unexpectedly"), ("silent", "without a result")],
)
def test_failure_leaves_the_scene_untouched(logic, backend, behavior, message):
    backend.behavior = behavior
    ct = addPhantom()
    mine = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "mine")
    mine.GetSegmentation().AddEmptySegment("Tumor", "Tumor")
    count = slicer.mrmlScene.GetNumberOfNodes()
    with pytest.raises(RuntimeError, match=message):
        logic.segment(ct, mine)
    assert slicer.mrmlScene.GetNumberOfNodes() == count
    assert mine.GetSegmentation().GetSegmentIDs() == ("Tumor",)


def test_wrong_inputs_are_refused_before_the_backend_starts(logic, backend):
    picture = slicer.util.addVolumeFromArray(np.ones((1, 16, 16), np.float32), name="PA")
    bent = addPhantom()
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLBSplineTransformNode")
    transform.SetAndObserveTransformToParent(vtk.vtkThinPlateSplineTransform())
    bent.SetAndObserveTransformNodeID(transform.GetID())
    for node, message in ((picture, "PA is one picture"), (bent, "nonlinear transform")):
        with pytest.raises(ValueError, match=message):
            logic.segment(node)
    assert backend.arguments == []


needsBackend = pytest.mark.skipif(
    bool(missingPackages()) or not installedModels("segmentation"), reason="packages or the model are missing"
)


@needsBackend
def test_the_shipped_model_on_the_sample_patient(scene):
    """The patient is turned by a transform, so that sides and directions are told by the world alone."""
    ct = slicer.util.loadVolume(str(sharedResource("SampleData/chest_ct.nrrd")))
    move = np.eye(4)
    move[:3, :3], move[:3, 3] = rotation(35, (0, 1, 0)) @ rotation(20, (0, 0, 1)), (50, -20, 30)
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(move))
    ct.SetAndObserveTransformNodeID(transform.GetID())
    result = harness.load_module(MODULE, widget=False).python.CTGANReconstructLogic().segment(ct, device="cpu")

    assert result.model == "ChestSegmentation" and result.seconds > 0
    assert all(1000 < result.volumesMl[name] < 5000 for name in ("Right lung", "Left lung"))
    rows = {row[0]: row[1:] for row in tableRows(result.table)}
    assert -950 < rows["Right lung"][1] < -600 and 500 < rows["Right lung"][2] < 4000  # HU, cm²
    segments = result.segmentation.GetSegmentation()
    ids = [segments.GetSegmentIdBySegmentName(name) for name in ("Right lung", "Left lung")]
    right, left = (centroid(result.segmentation, segment) for segment in ids)
    across = move[:3, :3].T @ (left - right)
    assert -200 < across[0] < -100 and np.abs(across[1:]).max() < 60  # RAS, mm
