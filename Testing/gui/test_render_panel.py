"""The Render panel of CTGANReconstruct: what a user sees and clicks, with a fake backend."""

import os

import numpy as np
import pytest
from fake_tasks import writeModel

pytest.importorskip("slicer")
pytest.importorskip("PySide6.QtWidgets")
import qt
import slicer
import vtk

import harness
from CTGANReconstructLib.render_functions import propertyOf

MODULE = "CTGANReconstruct/CTGANReconstruct.py"
FAR = [0.0, 500.0, 0.0]


def addVolume(name, shape=(12, 14, 16)):
    array = np.full(shape, -1000, np.int16)
    array[2:-2, 2:-2, 2:-2] = 40
    array[8:10, 9:11, 12:14] = 900  # to the patient's right, front and top
    return slicer.util.addVolumeFromArray(array, ijkToRAS=np.diag([8.0, 8.0, 8.0, 1.0]), name=name)


@pytest.fixture
def volume(scene):
    return addVolume("CT")


@pytest.fixture
def camera(scene):
    node = slicer.modules.cameras.logic().GetViewActiveCameraNode(slicer.util.getNode("View1"))
    node.SetPosition(*FAR)
    node.SetFocalPoint(0, 0, 0)
    node.SetViewUp(0, 0, 1)
    node.SetParallelProjection(False)
    return node


@pytest.fixture
def models(backend, tmp_path):
    writeModel(tmp_path / "shipped" / "ChestRendering", "Chest pictures", "rendering")
    writeModel(tmp_path / "models" / "A", "Mine", "rendering")
    return tmp_path


def panelOf(loaded):
    return next(panel for panel in loaded.widget.panels if type(panel).__name__ == "RenderPanel")


def openPanel():
    loaded = harness.load_module(MODULE)
    loaded.widget.showPanel(panelOf(loaded))
    return loaded


@pytest.fixture
def loaded(volume, camera, models, backend):
    return openPanel()


@pytest.fixture
def panel(loaded):
    return panelOf(loaded)


@pytest.fixture
def ui(panel):
    return panel.ui


def waitForPicture(panel, compared=True):
    harness.run_events(until=lambda: panel.last is not None, timeout=30)
    if compared:
        harness.run_events(until=lambda: panel._views[1].pixmap is not None, timeout=30)


def spot(pixmap):
    """Row and column of the middle of what is white."""
    image = pixmap.toImage()
    size = image.width()
    white = [
        (row, column)
        for row in range(size)
        for column in range(size)
        if image.pixelColor(column, row).lightness() > 250
    ]
    return np.mean(white, axis=0)


def shownSpot(panel):
    return spot(panel._views[0].pixmap)


def test_three_pictures_come_by_themselves(ui, panel, backend, volume):
    assert ui.renderVolumeSelector.currentNode() is volume
    assert ui.renderViewSelector.currentNode() is slicer.util.getNode("View1")
    waitForPicture(panel)
    assert backend.arguments[:1] == ["render"] and "--follow" in backend.arguments
    assert (backend.value("--model"), backend.value("--device")) == ("ChestRendering", "auto")
    assert [label.text for label in (ui.neuralLabel, ui.truthLabel, ui.differenceLabel)] == [
        "Neural\n0.25 s", "VTK\n1.50 s", "RMSE 0.025\nSSIM 0.912",
    ]  # fmt: skip
    assert all(view.pixmap.width() == 256 for view in panel._views)
    assert ui.functionsLabel.text == (
        "Transfer functions: CT-Chest-Contrast-Enhanced, as this volume has no volume rendering"
    )
    assert "Not for diagnosis" in ui.renderDisclaimerLabel.text and not ui.renderDisclaimerLabel.isHidden()
    assert ui.renderButton.text == "Render" and ui.renderProgressBar.isHidden()
    assert harness.dialogs == []


def test_the_background_is_that_of_the_view(panel):
    waitForPicture(panel)
    color = panel._views[0].pixmap.toImage().pixelColor(0, 0)
    expected = slicer.util.getNode("View1").GetBackgroundColor()
    np.testing.assert_allclose([color.redF(), color.greenF(), color.blueF()], expected, atol=0.01)


def test_pictures_follow_the_camera(panel, camera):
    waitForPicture(panel)
    row, column = shownSpot(panel)
    assert column < 100 and row < 100  # the patient's right is on the left
    before = panel.last
    for step in range(1, 11):
        camera.SetPosition(0, -50.0 * step, 20)
    assert panel._views[1].pixmap is not None
    harness.run_events(until=lambda: panel.last is not before, timeout=20)
    assert panel.last.camera["position"] == [0, -500, 20]  # the last one counts
    assert shownSpot(panel)[1] > 150
    assert panel._views[1].pixmap is None and panel.ui.truthLabel.text == "VTK\n"  # not of this camera
    waitForPicture(panel)
    assert panel.ui.truthLabel.text == "VTK\n1.50 s"


def test_pictures_follow_the_volume_property(ui, panel, volume):
    waitForPicture(panel)
    asked = []
    panel.follower.server.request = lambda request: asked.append(request) or True
    display = slicer.modules.volumerendering.logic().CreateDefaultVolumeRenderingNodes(volume)
    harness.run_events(until=lambda: len(asked) > 1)
    assert ui.functionsLabel.text == f"Transfer functions: {display.GetVolumePropertyNode().GetName()}"
    asked.clear()
    display.GetVolumePropertyNode().GetScalarOpacity().AddPoint(123, 0.5)
    harness.run_events(until=lambda: len(asked) > 1)
    live, compared = asked
    assert "truth" not in live and "truth" in compared
    points = live["transfer"]["volumeProperties"][0]["components"][0]["scalarOpacity"]["points"]
    assert 123 in [point["x"] for point in points]
    gradient = vtk.vtkPiecewiseFunction()
    gradient.AddPoint(0, 0.5)
    display.GetVolumePropertyNode().SetGradientOpacity(gradient)
    harness.run_events(until=lambda: "gradient opacity" in ui.functionsLabel.text)


def test_what_does_not_matter_makes_no_new_picture(panel, volume):
    waitForPicture(panel)
    before = panel.last
    volume.GetDisplayNode().SetWindowLevel(123, 45)
    harness.run_events(until=lambda: not panel.follower._soon.isActive())
    harness.run_events()
    assert panel.last is before and panel._views[1].pixmap is not None


def test_another_volume_or_changed_voxels_begin_anew(ui, panel, volume):
    waitForPicture(panel)
    first = panel.follower.server
    ui.renderVolumeSelector.setCurrentNode(addVolume("other"))
    harness.run_events(until=lambda: panel.follower.server is not first)
    waitForPicture(panel)
    assert not first.running and panel.last.shot.volume.GetName() == "other"
    second, row = panel.follower.server, shownSpot(panel)[0]
    array = slicer.util.arrayFromVolume(panel.last.shot.volume)
    array[8:10, 9:11, 12:14], array[2, 9:11, 12:14] = 40, 900
    slicer.util.arrayFromVolumeModified(panel.last.shot.volume)
    harness.run_events(until=lambda: panel.follower.server is not second)
    harness.run_events(until=lambda: panel._views[0].pixmap is not None and shownSpot(panel)[0] > row + 10, timeout=20)
    assert not second.running


def test_a_moved_volume_is_served_anew_when_it_rests(panel, volume):
    waitForPicture(panel)
    server, column = panel.follower.server, shownSpot(panel)[1]
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    volume.SetAndObserveTransformNodeID(transform.GetID())
    for step in range(1, 4):
        matrix = np.eye(4)
        matrix[0, 3] = -10 * step  # to the patient's left
        transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
        harness.run_events(until=lambda: not panel.follower._soon.isActive())
        assert panel.follower.server is server
    harness.run_events(until=lambda: panel.follower.server is not server)
    harness.run_events(until=lambda: panel._views[1].pixmap is not None and shownSpot(panel)[1] > column + 20)


def test_the_comparison_can_be_switched(ui, panel):
    ui.compareCheckBox.checked = False
    waitForPicture(panel, compared=False)
    harness.run_events(until=lambda: not panel.follower.waiting)
    assert panel._views[1].pixmap is None and not panel.follower._rest.isActive()
    ui.compareCheckBox.checked = True
    waitForPicture(panel)


def test_without_following_pictures_come_when_asked(ui, panel, camera, backend):
    ui.compareCheckBox.checked = False
    waitForPicture(panel, compared=False)
    ui.followCheckBox.checked = False
    before = panel.last
    camera.SetPosition(0, -500, 0)
    harness.run_events()
    assert not panel.follower._soon.isActive() and panel.last is before
    ui.renderButton.click()
    harness.run_events(until=lambda: panel.last is not before)
    assert panel.last.camera["position"] == [0, -500, 0] and panel.last.truthPng is None
    assert ui.renderButton.text == "Render"


def childIsGone(process):
    harness.run_events(until=lambda: process.poll() is not None)
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)
    return True


@pytest.mark.parametrize("end", ["tab", "module", "scene", "volume", "quit"])
def test_nothing_is_left_when_the_panel_goes(loaded, panel, volume, camera, end):
    waitForPicture(panel)
    server = panel.follower.server
    process, folder = server._process, server.folder
    if end == "tab":
        loaded.widget.showPanel(loaded.widget.panels[0])
    elif end == "module":
        loaded.panel.exit()
    elif end == "scene":
        slicer.mrmlScene.Clear()
    elif end == "volume":
        slicer.mrmlScene.RemoveNode(volume)
    else:
        harness.reset()
    assert childIsGone(process) and not folder.exists()
    assert panel.follower._watch.Observations == []
    camera.SetPosition(0, -500, 0)
    assert not panel.follower._soon.isActive() and not panel.follower._rest.isActive()


def test_progress_and_cancel_of_a_picture(volume, camera, models, backend):
    backend.behavior = "slow"
    panel = panelOf(openPanel())
    ui = panel.ui
    harness.run_events(until=lambda: ui.renderProgressBar.value == 10)
    assert (ui.renderProgressBar.text, ui.renderStatusLabel.text) == ("10%, 59 s left", "Going slowly")
    assert ui.renderButton.text == "Cancel" and not ui.renderProgressBar.isHidden()
    process = panel.follower.server._process
    ui.renderButton.click()
    assert childIsGone(process) and not ui.followCheckBox.checked
    assert (ui.renderButton.text, ui.renderProblemLabel.text) == ("Render", "Cancelled")
    assert ui.renderProgressBar.isHidden() and panel.follower.server is None


@pytest.mark.parametrize("behavior", ["error", "crash"])
def test_a_failure_is_a_sentence_and_no_dialog(volume, camera, models, backend, behavior):
    backend.behavior = behavior
    panel = panelOf(openPanel())
    expected = "x.png is a color photograph." if behavior == "error" else "The computation ended unexpectedly."
    harness.run_events(until=lambda: panel.follower.server is not None and not panel.follower.server.running)
    assert panel.ui.renderProblemLabel.text == expected and not panel.ui.renderProblemLabel.isHidden()
    assert panel.last is None and not panel.ui.snapshotButton.enabled and harness.dialogs == []
    backend.behavior = "good"
    panel.ui.renderButton.click()
    waitForPicture(panel)
    assert panel.ui.renderProblemLabel.isHidden()


def test_packages_are_installed_when_asked(volume, camera, models, backend):
    backend.missing = ["torch>=2.4"]
    panel = panelOf(openPanel())
    assert panel.follower.server is None and backend.installed == 0
    assert panel.ui.renderProblemLabel.text == "Python packages are missing. Click Render to install them."
    panel.ui.renderButton.click()
    waitForPicture(panel)
    assert backend.installed == 1


def test_button_says_what_is_missing(ui, panel):
    void = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "void")
    for node, problem in ((void, "void is empty."), (addVolume("PA", (1, 14, 16)), "PA is one picture, not a 3D CT.")):
        ui.renderVolumeSelector.setCurrentNode(node)
        assert (ui.renderButton.enabled, ui.renderButton.toolTip) == (False, problem)
    ui.renderVolumeSelector.setCurrentNode(None)
    for button in (ui.renderButton, ui.mattersButton, ui.exploreButton):
        assert (button.enabled, button.toolTip) == (False, "Choose a volume")
    assert panel.follower.server is None


def test_without_a_model(volume, camera, backend):
    panel = panelOf(openPanel())
    assert (panel.ui.renderButton.enabled, panel.ui.renderButton.toolTip) == (False, "No model is installed")


def test_choices_are_kept(loaded, ui, panel, backend):
    ui.renderSizeComboBox.currentText = "128"
    ui.renderModelComboBox.currentIndex = 1
    ui.renderDeviceComboBox.currentText = "cpu"
    ui.exploreLayoutComboBox.currentText = "tsne"
    loaded.panel.exit()
    loaded.panel.enter()
    waitForPicture(panel)
    assert (ui.renderSizeComboBox.currentText, ui.exploreLayoutComboBox.currentText) == ("128", "tsne")
    assert (backend.value("--model"), backend.value("--device")) == ("A", "cpu")
    assert panel._views[0].pixmap.width() == 128


def test_snapshot_and_png(ui, panel, volume, tmp_path):
    waitForPicture(panel)
    ui.snapshotButton.click()
    (node,) = slicer.util.getNodesByClass("vtkMRMLVectorVolumeNode")
    assert node.GetName() == "CT picture" and slicer.util.arrayFromVolume(node).shape == (1, 256, 256, 3)
    composite = slicer.app.layoutManager().sliceWidget("Red").sliceLogic().GetSliceCompositeNode()
    assert composite.GetBackgroundVolumeID() == node.GetID()
    harness.answers += [str(tmp_path / "a.png"), "", str(tmp_path / "none" / "a.png")]
    ui.savePNGButton.click()
    assert (tmp_path / "a.png").read_bytes() == panel.last.png
    ui.savePNGButton.click()
    assert [dialog.kind for dialog in harness.dialogs] == ["saveFile", "saveFile"]
    ui.savePNGButton.click()
    assert harness.dialogs[-1].text == "The picture cannot be saved: No such file or directory."


def test_what_matters(ui, panel, backend, camera):
    waitForPicture(panel)
    assert ui.axisView.isHidden() and ui.mapView.isHidden()
    harness.click_and_wait(ui.mattersButton, panel.matters.job)
    assert not ui.axisView.isHidden() and not ui.mapView.isHidden()
    hu = panel.matters.result.hu[80]
    assert ui.mattersLabel.text == (
        f"80 % of what is seen lies from {hu:.0f} to {hu:.0f} HU. Air apart, opacity would change most at {hu:.0f} HU."
    )
    curve = panel.matters._axis.pixmap.toImage()
    x = round(80.5 / 256 * curve.width())
    text = ui.axisView.palette.color(qt.QPalette.Text)
    black = [sum(curve.pixelColor(x + step, row) == text for row in range(60)) for step in (0, 40)]
    assert black[0] > 30 and black[1] == 0  # the line goes up at the sample that matters, and nowhere else
    plain = panel._views[0].pixmap.toImage().pixelColor(5, 5)
    colored = panel.matters._picture.pixmap.toImage().pixelColor(5, 5)
    assert colored.redF() > plain.redF() + 0.1 and colored.blueF() < plain.blueF() - 0.1
    ui.mapCheckBox.checked = False
    assert panel.matters._picture.pixmap.toImage().pixelColor(5, 5) == plain
    camera.SetPosition(0, -500, 0)
    harness.run_events(until=lambda: panel.matters.result is None)
    assert ui.axisView.isHidden()


def test_regions_and_ranges_are_drawn(ui, panel, backend):
    waitForPicture(panel)
    harness.click_and_wait(ui.mattersButton, panel.matters.job)
    assert backend.value("--region") is None
    drawn = qt.QRect(1, 1, 5, 5), qt.QPointF(100.4, 50), qt.QPointF(20, 80.6)
    ui.mapView.rubberBandChanged.emit(*drawn)
    ui.mapView.rubberBandChanged.emit(qt.QRect(), qt.QPointF(), qt.QPointF())
    assert panel.matters.job.running
    harness.wait_for(panel.matters.job)
    at = backend.arguments.index("--region") + 1
    assert backend.arguments[at : at + 4] == ["50", "81", "20", "100"]
    frame = panel.matters._picture.pixmap.toImage().pixelColor(20, 60)
    assert (frame.red(), frame.green(), frame.blue()) == (255, 255, 0)
    harness.click_and_wait(ui.wholePictureButton, panel.matters.job)
    assert backend.value("--region") is None and not ui.wholePictureButton.enabled
    width = panel.matters._axis.pixmap.width()
    ui.axisView.rubberBandChanged.emit(qt.QRect(1, 1, 5, 5), qt.QPointF(width / 2, 3), qt.QPointF(width / 4, 9))
    ui.axisView.rubberBandChanged.emit(qt.QRect(), qt.QPointF(), qt.QPointF())
    harness.wait_for(panel.matters.job)
    expected = [round(panel.matters.result.hu[number]) for number in (64, 128)]
    assert [ui.lowHuSpinBox.value, ui.highHuSpinBox.value] == expected
    at = backend.arguments.index("--hu") + 1
    assert backend.arguments[at : at + 2] == [str(hu) for hu in expected]


def test_transfer_functions_are_explored_picked_and_taken_back(ui, panel, backend, volume):
    waitForPicture(panel)
    ui.exploreCountSpinBox.value = 3
    assert ui.functionsTable.isHidden() and not ui.undoFunctionsButton.enabled
    harness.click_and_wait(ui.exploreButton, panel.explorer.job)
    assert (backend.value("--count"), backend.value("--layout")) == ("3", "pca")
    table = ui.functionsTable
    assert (table.rowCount, table.columnCount, table.item(1, 1)) == (2, 2, None)
    assert table.item(1, 0).icon().pixmap(64, 64).toImage().pixelColor(9, 9).red() == 2
    for _ in range(2):  # a double click
        table.cellClicked.emit(1, 0)
    node, place = propertyOf(volume), [0.0] * 4
    node.GetScalarOpacity().GetNodeValue(0, place)
    assert place[0] == 20
    harness.run_events(until=lambda: node.GetName() in ui.functionsLabel.text)
    table.cellClicked.emit(1, 1)  # where there is none
    ui.undoFunctionsButton.click()
    assert propertyOf(volume) is None and not ui.undoFunctionsButton.enabled
    harness.run_events(until=lambda: "no volume rendering" in ui.functionsLabel.text)


def test_progress_and_cancel_of_an_exploration(ui, panel, backend):
    waitForPicture(panel)
    backend.behavior = "slow"
    count = slicer.mrmlScene.GetNumberOfNodes()
    ui.exploreButton.click()
    harness.run_events(until=lambda: ui.exploreProgressBar.value == 10)
    assert ui.exploreProgressBar.text == "10%, 59 s left"
    harness.click_and_wait(ui.exploreButton, panel.explorer.job)
    assert ui.exploreStatusLabel.text == "Cancelled" and ui.functionsTable.isHidden()
    assert slicer.mrmlScene.GetNumberOfNodes() == count and harness.dialogs == []


def test_fusion_makes_a_volume_that_is_shown_next(ui, panel, backend, volume):
    waitForPicture(panel)
    assert (ui.fuseButton.enabled, ui.fuseButton.toolTip) == (False, "Choose two volumes")
    ui.fusionVolumeSelector.setCurrentNode(volume)
    assert ui.fuseButton.toolTip == "Choose another volume than the one above"
    ui.fusionVolumeSelector.setCurrentNode(addVolume("MR"))
    harness.click_and_wait(ui.fuseButton, panel.fusion)
    assert ui.renderVolumeSelector.currentNode().GetName() == "CT + MR fused"
    harness.run_events(until=lambda: panel.last and panel.last.shot.volume.GetName() == "CT + MR fused", timeout=20)
