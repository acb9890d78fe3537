"""The Segment panel of CTGANReconstruct: what a user sees and clicks, with a fake backend."""

import numpy as np
import pytest
from fake_tasks import writeModel

pytest.importorskip("slicer")
pytest.importorskip("PySide6.QtWidgets")
import qt
import slicer

import harness
from CTGANReconstructLib.surfaces import surfacesDialog

MODULE = "CTGANReconstruct/CTGANReconstruct.py"


def addVolume(name, value=40, shape=(12, 14, 16)):
    array = np.full(shape, -1000, np.int16)
    array[2:-2, 2:-2, 2:-2] = value
    array[3:6, 4:8, 5:7] = 300 if value > 0 else value
    return slicer.util.addVolumeFromArray(array, name=name)


@pytest.fixture
def ct(scene):
    return addVolume("CT")


@pytest.fixture
def models(backend, tmp_path):
    """Two shipped models for this task, and one of the user's that comes before them in the alphabet."""
    writeModel(tmp_path / "shipped" / "Abdomen", "Abdomen", "segmentation")
    writeModel(tmp_path / "shipped" / "ChestSegmentation", "Chest organs", "segmentation")
    writeModel(tmp_path / "models" / "A", "Mine", "segmentation")
    return tmp_path


def openPanel():
    loaded = harness.load_module(MODULE)
    loaded.widget.showPanel(loaded.widget.panels[2])
    return loaded


@pytest.fixture
def loaded(ct, models, backend):
    return openPanel()


@pytest.fixture
def panel(loaded):
    return loaded.widget.panels[2]


@pytest.fixture
def ui(panel):
    return panel.ui


def run(panel):
    harness.click_and_wait(panel.ui.segmentButton, panel.job)
    return panel.lastResult


def cells(table):
    return [[table.item(row, column).text() for column in range(4)] for row in range(table.rowCount)]


def segmentations():
    return slicer.util.getNodesByClass("vtkMRMLSegmentationNode")


def has3D(segmentation):
    return segmentation.GetSegmentation().ContainsRepresentation("Closed surface")


def test_one_click_with_what_is_chosen_by_itself(ui, panel, backend, ct):
    assert ui.segmentCTSelector.currentNode() is ct
    assert [ui.segmentModelComboBox.itemText(n) for n in range(3)] == ["Abdomen", "Chest organs", "Mine"]
    assert (ui.segmentButton.enabled, ui.segmentButton.toolTip) == (True, "Label and measure the structures in the CT")
    assert ui.measuresTable.isHidden() and ui.showTableButton.isHidden()
    result = run(panel)
    assert backend.value("--model") == "ChestSegmentation" and backend.value("--device") == "auto"
    assert ui.segmentStatusLabel.text == "Done" and ui.segmentProgressBar.isHidden()
    assert ui.segmentResultLabel.text == "Segmented with ChestSegmentation in 42 s"
    assert result.segmentation.GetName() == "CT segmentation" and has3D(result.segmentation)
    backgrounds = {node.GetBackgroundVolumeID() for node in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")}
    assert backgrounds == {ct.GetID()}
    assert ("3D", "resetThreeDViews") in harness.views
    assert harness.dialogs == []


def test_the_measurements_are_shown(ui, panel):
    run(panel)
    headers = [ui.measuresTable.horizontalHeaderItem(column).text() for column in range(4)]
    assert headers == ["Segment", "Volume (ml)", "Mean (HU)", "Surface (cm²)"]
    assert cells(ui.measuresTable) == [["Body", "0.94", "40.0", "12.5"], ["Right lung", "0.02", "300.0", "25.0"]]
    color = ui.measuresTable.item(1, 0).icon().pixmap(12, 12).toImage().pixelColor(6, 6)
    np.testing.assert_allclose([color.redF(), color.greenF(), color.blueF()], (0.8, 0.6, 0.5), atol=0.01)
    ui.showTableButton.click()
    selection = slicer.app.applicationLogic().GetSelectionNode()
    assert selection.GetActiveTableID() == panel.lastResult.table.GetID()
    assert slicer.app.layoutManager().tableViewCount == 1
    assert "Not for diagnosis" in ui.segmentDisclaimerLabel.text and not ui.segmentDisclaimerLabel.isHidden()


def test_the_expected_time_is_shown_before_the_start(ui, panel, ct):
    qt.QSettings().remove("CTGAN")
    panel.update()
    assert ui.expectedTimeLabel.text.startswith("Expected time: not measured on this computer yet")
    ui.segmentButton.click()
    begun, kind = panel._begun
    panel._begun = begun - 100, kind
    harness.wait_for(panel.job)
    assert ui.expectedTimeLabel.text == "Expected time: about 2 min"
    large = addVolume("large")
    large.SetSpacing(2, 2, 2)
    ui.segmentCTSelector.setCurrentNode(large)
    assert ui.expectedTimeLabel.text in ("Expected time: about 13 min", "Expected time: about 14 min")
    ui.segmentModelComboBox.currentIndex = 2
    assert ui.expectedTimeLabel.text.startswith("Expected time: not measured on this computer yet")
    ui.segmentCTSelector.setCurrentNode(None)
    assert ui.expectedTimeLabel.isHidden()


def test_warnings_are_shown(ui, panel):
    ui.segmentCTSelector.setCurrentNode(addVolume("empty", -1000))
    run(panel)
    assert ui.segmentResultLabel.text.startswith("No organ was found in this CT.\nSegmented")
    assert cells(ui.measuresTable)[0] == ["Body", "0.00", "–", "–"]


def test_button_says_what_is_missing(ui):
    ui.segmentCTSelector.setCurrentNode(addVolume("PA", shape=(1, 16, 16)))
    assert (ui.segmentButton.enabled, ui.segmentButton.toolTip) == (False, "PA is one picture, not a 3D CT.")
    ui.segmentCTSelector.setCurrentNode(None)
    assert (ui.segmentButton.enabled, ui.segmentButton.toolTip) == (False, "Choose a CT")


def test_without_a_model(ct, backend):
    ui = openPanel().widget.panels[2].ui
    assert (ui.segmentButton.enabled, ui.segmentButton.toolTip) == (False, "No model is installed")


def test_a_new_model_is_there_and_the_chosen_one_stays(loaded, ui, panel, models, backend):
    ui.segmentModelComboBox.currentIndex = 2
    writeModel(models / "models" / "0", "Newest", "segmentation")
    loaded.widget.showPanel(loaded.widget.panels[0])
    loaded.widget.showPanel(panel)
    assert ui.segmentModelComboBox.count == 4 and ui.segmentModelComboBox.currentText == "Mine"
    run(panel)
    assert backend.value("--model") == "A"


def test_choices_reach_the_backend_and_are_kept(loaded, ui, panel, backend):
    ui.segmentDeviceComboBox.currentText = "cpu"
    ui.segmentModelComboBox.currentIndex = 2
    ui.show3DCheckBox.checked = False
    loaded.panel.exit()
    loaded.panel.enter()
    assert (ui.segmentDeviceComboBox.currentText, ui.segmentModelComboBox.currentText) == ("cpu", "Mine")
    result = run(panel)
    assert (backend.value("--device"), backend.value("--model")) == ("cpu", "A")
    assert not has3D(result.segmentation)


def test_3d_follows_its_check_box(ui, panel):
    segmentation = run(panel).segmentation
    for shown in (False, True):
        ui.show3DCheckBox.checked = shown
        assert has3D(segmentation) is shown
    slicer.mrmlScene.RemoveNode(segmentation)
    ui.show3DCheckBox.checked = False


def test_surfaces_are_made_one_by_one_and_can_be_canceled(ui, panel, monkeypatch):
    ui.show3DCheckBox.checked = False
    segmentation, told = run(panel).segmentation, []

    class Dialog:
        labelText, closed = "", False

        @property
        def wasCanceled(self):
            told.append((self.value, self.labelText))
            return canceled and len(told) > 1

        def close(self):
            self.closed = True

    dialog, canceled = Dialog(), True
    monkeypatch.setattr("CTGANReconstructLib.segment_panel.surfacesDialog", lambda: dialog)
    ui.show3DCheckBox.checked = True
    assert len(told) == 2 and dialog.closed and not has3D(segmentation) and not ui.show3DCheckBox.checked
    told, canceled = [], False
    ui.show3DCheckBox.checked = True
    count = segmentation.GetSegmentation().GetNumberOfSegments()
    assert [value for value, _ in told] == [round(100 * n / count) for n in range(count)] and has3D(segmentation)
    assert told[0][1] == "Making the surface of: Body" and told[1][1].endswith("left")


def test_the_dialog_of_the_surfaces_is_told_whether_it_was_canceled():
    dialog = surfacesDialog()
    assert dialog.wasCanceled is False and dialog.maximum == 100
    dialog.cancel()
    assert dialog.wasCanceled is True
    dialog.close()


def test_3d_that_is_switched_while_it_runs(ui, panel):
    ui.segmentButton.click()
    ui.show3DCheckBox.checked = False
    harness.wait_for(panel.job)
    assert not has3D(panel.lastResult.segmentation)


def test_views_that_show_the_ct_stay_as_they_are(ui, panel, ct):
    slicer.util.setSliceViewerLayers(background=ct, foreground=ct)
    run(panel)
    foregrounds = {node.GetForegroundVolumeID() for node in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")}
    assert foregrounds == {ct.GetID()}


def test_a_chosen_segmentation_is_filled_again(ui, panel):
    first = run(panel)
    ui.segmentOutputSelector.setCurrentNode(first.segmentation)
    again = run(panel)
    assert (again.segmentation, again.table) == (first.segmentation, first.table)
    assert len(segmentations()) == 1


def test_progress_and_cancel_leave_nothing(ui, panel, backend):
    backend.behavior = "slow"
    count = slicer.mrmlScene.GetNumberOfNodes()
    ui.segmentButton.click()
    harness.run_events(until=lambda: ui.segmentProgressBar.value == 10)
    assert (ui.segmentProgressBar.text, ui.segmentStatusLabel.text) == ("10%, 59 s left", "Going slowly")
    harness.click_and_wait(ui.segmentButton, panel.job)
    assert ui.segmentStatusLabel.text == "Cancelled"
    assert slicer.mrmlScene.GetNumberOfNodes() == count and harness.dialogs == []
    assert ui.measuresTable.isHidden()


def test_failures_are_shown(ui, panel, backend):
    backend.behavior = "error"
    run(panel)
    (dialog,) = harness.dialogs
    assert "color photograph" in dialog.text and segmentations() == []
    assert ui.segmentButton.enabled and ui.measuresTable.isHidden()


def test_the_panel_lives_on_after_the_scene(ui, panel):
    run(panel)
    slicer.mrmlScene.Clear()
    assert panel.lastResult is None and ui.measuresTable.isHidden()
    assert ui.segmentButton.toolTip == "Choose a CT"


def test_a_table_that_was_deleted(ui, panel):
    slicer.mrmlScene.RemoveNode(run(panel).table)
    ui.showTableButton.click()
    assert harness.dialogs == []
