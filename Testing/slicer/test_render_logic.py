"""Rendering by script: pictures and transfer functions in the scene, with a fake backend, once with the real one."""

from pathlib import Path

import numpy as np
import pytest
from test_segment_logic import BLOCK, CENTER, DIRECTIONS, addPhantom, hierarchyParent, rotation, truth

pytest.importorskip("slicer")
pytest.importorskip("PySide6.QtWidgets")
import slicer
import vtk

import harness
from CTGANLib.errors import UserError
from CTGANLib.rendering.functions import from_slicer
from CTGANReconstructLib.dependencies import missingPackages
from CTGANReconstructLib.models import installedModels
from CTGANReconstructLib.render_functions import FunctionsHistory, propertyOf, readFunctions
from CTGANReconstructLib.render_pictures import readPNG, showPicture

MODULE = "CTGANReconstruct/CTGANReconstruct.py"


def placeCamera(position, up=(0, 0, 1), parallelScale=None):
    """The camera of the 3D view, at a place relative to the phantom's center, RAS, mm."""
    camera = slicer.modules.cameras.logic().GetViewActiveCameraNode(slicer.util.getNode("View1"))
    camera.SetPosition(*(CENTER + position))
    camera.SetFocalPoint(*CENTER)
    camera.SetViewUp(*up)
    camera.SetParallelProjection(parallelScale is not None)
    camera.SetParallelScale(parallelScale or 1.0)
    return camera


def pixels(node):
    """Rows from the top, columns, channels."""
    return slicer.util.arrayFromVolume(node)[0].astype(int)


def pixelInWorld(node, row, column):
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return np.array(matrix.MultiplyPoint((column, row, 0, 1)))[:3]


def brightest(node):
    """Row and column of the middle of what is brightest."""
    light = pixels(node).sum(axis=-1)
    return np.argwhere(light == light.max()).mean(axis=0)


def offSight(camera, point, block):
    """How far the middle of a block is from the line of sight through a point, mm."""
    eye = np.array(camera.GetPosition())
    sight = np.array(camera.GetFocalPoint()) - eye if camera.GetParallelProjection() else point - eye
    sight = sight / np.linalg.norm(sight)
    away = block - point
    return np.linalg.norm(away - away @ sight * sight)


def addPropertyTo(volume):
    display = slicer.modules.volumerendering.logic().CreateDefaultVolumeRenderingNodes(volume)
    node = display.GetVolumePropertyNode()
    opacity, color = vtk.vtkPiecewiseFunction(), vtk.vtkColorTransferFunction()
    for hu, value in ((200, 0.0), (290, 0.9)):
        opacity.AddPoint(hu, value)
    color.AddRGBPoint(200, 1, 0.5, 0.25)
    node.SetScalarOpacity(opacity)
    node.SetColor(color)
    return node


CAMERAS = {
    "front": ((0, 400, 0), (0, 0, 1), None),
    "left, from above": ((-300, 50, 200), (0, 0, 1), None),
    "feet, turned": ((30, -20, -350), (0.3, 1, 0), None),
    "parallel": ((100, 300, -40), (0, 0, 1), 80.0),
}


TURNED = ("oblique", "mirrored", "sagittal", "LPS")


@pytest.mark.parametrize(("directions", "place"), list(zip(TURNED, CAMERAS.values(), strict=True)), ids=CAMERAS)
def test_a_picture_stands_where_it_was_seen(logic, directions, place):
    volume, camera = addPhantom(DIRECTIONS[directions]), placeCamera(*place)
    picture = logic.render(volume, view=slicer.util.getNode("View1")).volume
    assert pixels(picture).shape == (256, 256, 3)
    row, column = brightest(picture)
    assert offSight(camera, pixelInWorld(picture, row, column), truth(volume)) < 1.0
    np.testing.assert_allclose(pixelInWorld(picture, 127.5, 127.5), CENTER, atol=1e-3)
    height = np.linalg.norm(pixelInWorld(picture, 256, 0) - pixelInWorld(picture, 0, 0))
    expected = 2 * place[2] if place[2] else 2 * np.linalg.norm(place[0]) * np.tan(np.radians(15))
    assert height == pytest.approx(expected, rel=1e-5)


def test_the_phantom_s_right_is_on_the_left_of_a_view_from_the_front(logic):
    volume = addPhantom(DIRECTIONS["oblique"])
    camera = placeCamera((0, 400, 0))
    row, column = brightest(logic.render(volume, view=camera).volume)
    assert column < 125 and row > 131  # the block lies to the right and below
    camera.SetPosition(*(CENTER - [0, 400, 0]))
    row, column = brightest(logic.render(volume, view=camera).volume)
    assert column > 131 and row > 131


def test_all_of_the_view_reaches_the_backend(logic, backend, tmp_path):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "study")
    volume = addPhantom(name="Thorax ü")
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(volume) or hierarchy.CreateItem(study, volume), study)
    placeCamera((0, 400, 0))
    view, seen = slicer.util.getNode("View1"), []
    view.SetBackgroundColor(1, 0, 0)
    view.SetBackgroundColor2(0, 0, 1)
    result = logic.render(volume, view=view, size=128, truth=True, model="Mine", device="cpu", onProgress=seen.append)
    at = backend.arguments.index("--background") + 1
    assert backend.arguments[at : at + 6] == ["1.0", "0.0", "0.0", "0.0", "0.0", "1.0"]
    assert [backend.value(f"--{name}") for name in ("size", "model", "device")] == ["128", "Mine", "cpu"]
    assert (result.seconds, result.truthSeconds, result.scores["ssim"]) == (0.25, 1.5, 0.9125)
    assert result.volume.GetName() == "Thorax ü picture" and hierarchyParent(result.volume) == study
    assert readPNG(result.truthPng).shape == readPNG(result.differencePng).shape == (128, 128, 3)
    result.writePNG(tmp_path / "ü.png")
    np.testing.assert_array_equal(readPNG((tmp_path / "ü.png").read_bytes()), pixels(result.volume))
    assert pixels(result.volume)[0, 0].tolist() == [255, 0, 0]
    assert seen and backend.value("--transfer") == "CT-Chest-Contrast-Enhanced" and result.warnings == []


def test_without_truth_nothing_is_compared(logic, backend):
    result = logic.render(addPhantom())
    assert (result.truthPng, result.differencePng, result.truthSeconds, result.scores) == (None, None, None, {})
    assert backend.value("--truth") is None and backend.value("--camera") is None
    again = logic.render(addPhantom(), result.volume)
    assert again.volume is result.volume
    assert len(slicer.util.getNodesByClass("vtkMRMLVectorVolumeNode")) == 1


def test_a_picture_is_shown_as_it_is(logic):
    camera = placeCamera((-300, -200, 100))  # from behind, where a coronal slice would mirror it
    picture = logic.render(addPhantom(), view=camera).volume
    showPicture(picture)
    widget = slicer.app.layoutManager().sliceWidget("Red")
    assert widget.sliceLogic().GetSliceCompositeNode().GetBackgroundVolumeID() == picture.GetID()
    toRAS = slicer.util.arrayFromVTKMatrix(widget.mrmlSliceNode().GetSliceToRAS())
    right = pixelInWorld(picture, 0, 10) - pixelInWorld(picture, 0, 0)
    down = pixelInWorld(picture, 10, 0) - pixelInWorld(picture, 0, 0)
    np.testing.assert_allclose(toRAS[:3, 0], right / np.linalg.norm(right), atol=1e-6)
    np.testing.assert_allclose(toRAS[:3, 1], -down / np.linalg.norm(down), atol=1e-6)
    assert np.linalg.det(toRAS[:3, :3]) == pytest.approx(1)


def test_the_functions_of_a_volume_property_are_read_as_they_are(scene):
    volume = addPhantom()
    node = addPropertyTo(volume)
    node.GetVolumeProperty().SetShade(True)
    node.GetVolumeProperty().SetDiffuse(0.625)
    node.GetVolumeProperty().SetScalarOpacityUnitDistance(0.75)
    functions, notes = readFunctions(node)
    component = functions["volumeProperties"][0]["components"][0]
    opacity = [(point["x"], round(point["y"], 6)) for point in component["scalarOpacity"]["points"]]
    assert opacity == [(200, 0), (290, 0.9)]
    assert component["rgbTransferFunction"]["points"][0]["color"] == [1, 0.5, 0.25]
    assert (component["shade"], component["lighting"]["diffuse"]) == (True, 0.625)
    assert component["scalarOpacityUnitDistance"] == 0.75 and notes == []


def test_what_is_ignored_is_said(logic, backend):
    volume = addPhantom()
    node = addPropertyTo(volume)
    assert logic.render(volume).warnings == []
    gradient = vtk.vtkPiecewiseFunction()
    gradient.AddPoint(0, 0.25)
    gradient.AddPoint(100, 1)
    node.SetGradientOpacity(gradient)
    slicer.modules.volumerendering.logic().GetFirstVolumeRenderingDisplayNode(volume).SetCroppingEnabled(True)
    warnings = logic.render(volume).warnings
    assert warnings == [
        f"The gradient opacity of {node.GetName()} is ignored.",
        "The cropping box is ignored: pictures show the whole volume.",
    ]
    assert backend.value("--transfer").endswith(".vp.json")


def test_sensitivity_of_a_region(logic, backend):
    result = logic.renderSensitivity(addPhantom(), region=(10, 20, 30, 40), hu=(0, 90), size=64)
    at = backend.arguments.index("--region") + 1
    assert backend.arguments[at : at + 4] == ["10", "20", "30", "40"]
    assert result.hu.shape == result.opacity.shape == (256,) and result.color.shape == (256, 3)
    assert result.opacity.argmax() == 80 and result.functionOpacity[0] == 0.5
    assert readPNG(result.mapPNG).shape == (64, 64)
    assert not slicer.util.getNodesByClass("vtkMRMLVectorVolumeNode")


def points(function):
    node = [0.0] * 4
    return [(function.GetNodeValue(number, node), tuple(node[:2]))[1] for number in range(function.GetSize())]


def test_found_functions_can_be_applied_and_taken_back(logic):
    volume = addPhantom()
    found = logic.exploreFunctions(volume, 3, seed=5)
    assert [(each.row, each.column) for each in found] == [(0, 0), (0, 1), (1, 0)]
    assert readPNG(found[2].png).shape == (64, 64, 3)
    node = addPropertyTo(volume)
    before = points(node.GetScalarOpacity())
    history = FunctionsHistory()
    assert history.apply(found[2].functions, volume) is node and node.GetScene() is slicer.mrmlScene
    assert points(node.GetScalarOpacity()) == [(20, 0), (500, 1)]
    history.apply(found[1].functions, volume)
    history.undo()
    assert points(node.GetScalarOpacity()) == [(20, 0), (500, 1)] and history.canUndo
    history.undo()
    assert points(node.GetScalarOpacity()) == before and not history.canUndo
    node.GetScalarOpacity().AddPoint(1000, 0.5)
    assert points(found[1].functions.GetScalarOpacity()) == [(10, 0), (500, 1)]  # nothing is shared


def test_a_volume_without_volume_rendering_gets_one_and_loses_it_again(logic):
    volume = addPhantom()
    found = logic.exploreFunctions(volume, 2)
    count = slicer.mrmlScene.GetNumberOfNodes()
    history = FunctionsHistory()
    history.apply(found[1].functions, volume)
    assert points(propertyOf(volume).GetScalarOpacity()) == [(10, 0), (500, 1)]
    history.undo()
    assert propertyOf(volume) is None and slicer.mrmlScene.GetNumberOfNodes() == count
    assert logic.applyFunctions(volume, found[0].functions) is propertyOf(volume)


def test_registered_volumes_are_fused(logic, backend):
    first, second = addPhantom(), addPhantom(DIRECTIONS["LPS"], name="other")
    fused = logic.fuse([first, second], method="average")
    assert backend.value("--fusion") == "average" and fused.GetName() == "CT + other fused"
    np.testing.assert_allclose(slicer.util.arrayFromVolume(fused).max(), 300, atol=130)
    assert fused.GetImageData().GetDimensions() == first.GetImageData().GetDimensions()
    logic.fuse([first, second], fused, uncertainties=[second, first])
    at = backend.arguments.index("--deviations") + 1
    assert [Path(path).name for path in backend.arguments[at : at + 2]] == ["deviation0.nrrd", "deviation1.nrrd"]
    assert len(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")) == 3
    with pytest.raises(ValueError, match="two volumes"):
        logic.fuse([first])
    with pytest.raises(ValueError, match="another volume"):
        logic.fuse([first, second], second)


@pytest.mark.parametrize(
    ("behavior", "message"),
    [("error", "color photograph"), ("crash", "unexpectedly"), ("silent", "without a result")],
)
def test_failure_leaves_the_scene_untouched(logic, backend, behavior, message):
    backend.behavior = behavior
    volume = addPhantom()
    count = slicer.mrmlScene.GetNumberOfNodes()
    for call in (logic.render, logic.renderSensitivity, logic.exploreFunctions):
        with pytest.raises(RuntimeError, match=message):
            call(volume)
    assert slicer.mrmlScene.GetNumberOfNodes() == count


def test_wrong_inputs_are_refused_before_the_backend_starts(logic, backend):
    picture = slicer.util.addVolumeFromArray(np.ones((1, 16, 16), np.float32), name="PA")
    void = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "void")
    for node, message in ((picture, "PA is one picture"), (void, "void is empty")):
        with pytest.raises(ValueError, match=message):
            logic.render(node)
    assert backend.arguments == []


needsBackend = pytest.mark.skipif(
    bool(missingPackages()) or not installedModels("rendering"), reason="packages or the model are missing"
)


@needsBackend
def test_the_shipped_model_shows_the_patient_s_left_on_the_right(scene):
    """The phantom's block is all that is opaque; the volume is oblique and moved, and the camera is turned."""
    volume = addPhantom(DIRECTIONS["oblique"], spacing=(4.0, 4.0, 4.0))
    move = np.eye(4)
    move[:3, :3], move[:3, 3] = rotation(180, (0, 0, 1)), CENTER - rotation(180, (0, 0, 1)) @ CENTER
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(move))
    volume.SetAndObserveTransformNodeID(transform.GetID())
    block = (move @ [*BLOCK, 1])[:3]
    assert block[0] < CENTER[0] - 10  # on the patient's left now
    addPropertyTo(volume)
    camera = placeCamera((60, 350, 40))
    realLogic = harness.load_module(MODULE, widget=False).python.CTGANReconstructLogic()
    result = realLogic.render(volume, view=camera, size=128, truth=True, device="cpu")
    assert result.seconds > 0 and result.truthSeconds > 0 and result.model == "ChestRendering"
    background = pixels(result.volume)[0, 0]
    for picture in (pixels(result.volume), readPNG(result.truthPng).astype(int)):
        weights = np.abs(picture - background).sum(axis=-1) * 1.0
        weights[weights < 60] = 0
        row, column = np.average(np.argwhere(weights), axis=0, weights=weights[weights > 0])
        assert column > 66
        assert offSight(camera, pixelInWorld(result.volume, row, column), block) < 5
    assert result.scores["rmse"] < 0.1


def test_bad_functions_are_said_in_one_sentence(scene):
    """As the backend says it, of what a volume property can hold."""
    opacity, node = vtk.vtkPiecewiseFunction(), slicer.vtkMRMLVolumePropertyNode()
    opacity.AddPoint(5000, 0)
    opacity.AddPoint(6000, 1)
    node.SetScalarOpacity(opacity)
    with pytest.raises(UserError, match="No CT number from -1024 to 3071 HU has any opacity"):
        from_slicer(readFunctions(node)[0])
    node.GetScalarOpacity().RemoveAllPoints()
    with pytest.raises(UserError, match="The opacity function has no points"):
        from_slicer(readFunctions(node)[0])
