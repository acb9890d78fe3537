"""The Synthesize panel of CTGANReconstruct: what a user sees and clicks, with a fake backend."""

import pytest
from fake_tasks import writeModel

pytest.importorskip("slicer")
pytest.importorskip("PySide6.QtWidgets")
import slicer

import harness
from CTGANReconstructLib.synthesize_panel import SynthesizePanel

MODULE = "CTGANReconstruct/CTGANReconstruct.py"
SHAPES = [4, 28, 28, 10, 63, 63, 23, 141, 141]  # k, j, i of each scale


@pytest.fixture
def models(backend, tmp_path):
    """A pyramid and a model of slices that ship; one in 2D, one with classes and a damaged one that do not."""
    shipped, mine = tmp_path / "shipped", tmp_path / "models"
    writeModel(shipped / "ChestPyramid", "Volumes", "pyramid", {"shapes": SHAPES, "dimensions": [3]})
    writeModel(shipped / "ChestSlices", "Slices", "slices", {"size": [64]})
    writeModel(mine / "Flat", "Flat", "pyramid", {"shapes": SHAPES, "dimensions": [2]})
    writeModel(mine / "NoduleSlices", "Nodules", "slices", {"size": [64]}, ("without nodules", "with nodules"))
    writeModel(mine / "Odd", "Odd", "pyramid", {"shapes": "many"})
    return tmp_path


def openPanel():
    loaded = harness.load_module(MODULE)
    loaded.widget.showPanel(next(panel for panel in loaded.widget.panels if isinstance(panel, SynthesizePanel)))
    return loaded


@pytest.fixture
def loaded(scene, models, backend):
    return openPanel()


@pytest.fixture
def panel(loaded):
    return next(panel for panel in loaded.widget.panels if isinstance(panel, SynthesizePanel))


@pytest.fixture
def ui(panel):
    return panel.ui


def run(panel):
    harness.click_and_wait(panel.ui.synthesizeButton, panel.job)
    return panel.lastResult


def choose(ui, model):
    ui.synthesizeModelComboBox.currentIndex = ui.synthesizeModelComboBox.findData(model)


def texts(comboBox):
    return [comboBox.itemText(index) for index in range(comboBox.count)]


def backgrounds():
    return {node.GetBackgroundVolumeID() for node in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")}


def volumes():
    return slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")


def test_one_click_with_what_is_chosen_by_itself(ui, panel, backend):
    assert texts(ui.synthesizeModelComboBox) == ["Volumes", "Slices", "Flat", "Nodules", "Odd"]
    assert ui.synthesizeButton.enabled and ui.syntheticList.isHidden()
    assert ui.learnedSizeCheckBox.text == "As learned: 141 x 141 x 23"
    assert texts(ui.startScaleComboBox) == ["0 (shape and detail are new)", "1", "2 (only fine detail is new)"]
    assert "These patients do not exist." in ui.synthesizeDisclaimerLabel.text
    result = run(panel)
    options = ("--model", "--count", "--seed", "--size", "--start-scale", "--class", "--device")
    assert [backend.value(option) for option in options] == ["ChestPyramid", "1", "0", None, None, None, "auto"]
    assert (ui.synthesizeStatusLabel.text, ui.synthesizeProgressBar.isHidden()) == ("Done", True)
    assert ui.synthesizeResultLabel.text == "ChestPyramid: 10 x 12 x 8 voxels of 2 x 3 x 5 mm in 3 s"
    assert backgrounds() == {result.volumes[0].GetID()} and harness.dialogs == []


def test_a_click_in_the_list_shows_that_volume(ui, panel):
    ui.countSpinBox.value, ui.seedSpinBox.value = 3, 7
    result = run(panel)
    items = [ui.syntheticList.item(row).text() for row in range(3)]
    assert items == [f"ChestPyramid, seed {seed}" for seed in (7, 8, 9)] and not ui.syntheticList.isHidden()
    assert ui.syntheticList.currentRow == 0 and backgrounds() == {result.volumes[0].GetID()}
    view = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceNode()
    view.SetFieldOfView(7, 7, 1)  # as after zooming in
    ui.syntheticList.currentRow = 2
    assert backgrounds() == {result.volumes[2].GetID()} and view.GetFieldOfView()[0] == 7
    slicer.util.setSliceViewerLayers(background=None)
    ui.syntheticList.itemClicked.emit(ui.syntheticList.item(2))
    assert backgrounds() == {result.volumes[2].GetID()} and view.GetFieldOfView()[0] > 15
    slicer.mrmlScene.RemoveNode(result.volumes[1])
    ui.syntheticList.currentRow = 1
    assert backgrounds() == {result.volumes[2].GetID()}


def test_what_a_model_cannot_do_is_off_and_says_why(ui, panel, backend):
    assert not ui.classComboBox.enabled and ui.classComboBox.toolTip == "This model has learned without classes."
    assert ui.countLabel.text == "Volumes:" and ui.startScaleComboBox.enabled
    ui.learnedSizeCheckBox.checked = False
    ui.startScaleComboBox.currentIndex = 2
    choose(ui, "ChestSlices")
    assert ui.countLabel.text == "Slices:" and ui.learnedSizeCheckBox.checked
    for widget in (ui.learnedSizeCheckBox, ui.startScaleComboBox):
        assert not widget.enabled and widget.toolTip.startswith("This model makes slices of one size")
    assert ui.sizeISpinBox.isHidden() and texts(ui.startScaleComboBox) == []
    ui.countSpinBox.value = 5
    result = run(panel)
    assert backend.value("--size") is backend.value("--start-scale") is None
    assert len(result.volumes) == ui.syntheticList.count == 1
    assert ui.synthesizeResultLabel.text.startswith("They do not belong together.\nChestSlices: 10 x 12 x 5 voxels")
    choose(ui, "ChestPyramid")
    assert ui.startScaleComboBox.currentIndex == 2  # as it was chosen before
    choose(ui, "Odd")
    assert not ui.learnedSizeCheckBox.enabled and ui.learnedSizeCheckBox.toolTip.startswith("This model does not tell")
    assert ui.synthesizeButton.enabled


def test_a_pyramid_of_slices_makes_as_many_as_it_knows(ui, panel, backend):
    choose(ui, "Flat")
    ui.learnedSizeCheckBox.checked = False
    assert not ui.sizeISpinBox.isHidden() and not ui.sizeKSpinBox.enabled
    assert ui.sizeKSpinBox.toolTip == "This model always makes as many slices as it has learned from."
    ui.sizeISpinBox.value, ui.sizeJSpinBox.value, ui.sizeKSpinBox.value = 100, 90, 50
    assert run(panel).volumes[0].GetImageData().GetDimensions() == (100, 90, 23)


def test_classes_are_chosen_by_name(ui, panel, backend):
    choose(ui, "NoduleSlices")
    assert ui.classComboBox.enabled and texts(ui.classComboBox) == ["All in turn", "without nodules", "with nodules"]
    ui.classComboBox.currentIndex = 2
    assert run(panel).volumes[0].GetName() == "NoduleSlices, with nodules, seed 0"
    assert backend.value("--class") == "with nodules"
    choose(ui, "ChestSlices")
    run(panel)
    assert backend.value("--class") is None


def test_choices_reach_the_backend_and_are_kept(loaded, ui, panel, backend):
    ui.countSpinBox.value, ui.seedSpinBox.value = 2, 2**31 - 2
    ui.learnedSizeCheckBox.checked = False
    ui.sizeISpinBox.value, ui.sizeJSpinBox.value, ui.sizeKSpinBox.value = 40, 50, 60
    ui.startScaleComboBox.currentIndex, ui.synthesizeDeviceComboBox.currentText = 1, "cpu"
    loaded.panel.exit()
    ui.sizeISpinBox.value = 1
    loaded.panel.enter()
    assert not ui.sizeISpinBox.isHidden() and (ui.sizeISpinBox.value, ui.startScaleComboBox.currentIndex) == (40, 1)
    assert [volume.GetImageData().GetDimensions() for volume in run(panel).volumes] == [(40, 50, 60)] * 2
    options = ("--count", "--seed", "--start-scale", "--device")
    assert [backend.value(option) for option in options] == ["2", "2147483646", "1", "cpu"]


def test_another_seed_at_random(ui, panel, monkeypatch):
    drawn = []
    monkeypatch.setattr("random.randint", lambda low, high: drawn.append((low, high)) or 4711)
    ui.newSeedButton.click()
    assert ui.seedSpinBox.value == 4711 and drawn == [(0, 999_999)]
    assert run(panel).volumes[0].GetName() == "ChestPyramid, seed 4711"


def test_the_button_says_what_is_missing(ui):
    ui.learnedSizeCheckBox.checked = False
    ui.sizeKSpinBox.value = 3
    assert not ui.synthesizeButton.enabled
    assert ui.synthesizeButton.toolTip == "The size has to be at least 28 x 28 x 4 voxels"
    ui.learnedSizeCheckBox.checked = True
    assert ui.synthesizeButton.enabled


def test_without_a_model(scene, backend):
    ui = openPanel().widget.panels[3].ui
    assert (ui.synthesizeButton.enabled, ui.synthesizeButton.toolTip) == (False, "No model is installed")


def test_a_new_model_is_there_and_the_chosen_one_stays(loaded, ui, panel, models):
    choose(ui, "NoduleSlices")
    writeModel(models / "models" / "A", "Newest", "pyramid", {"shapes": SHAPES, "dimensions": [3]})
    loaded.widget.showPanel(loaded.widget.panels[0])
    loaded.widget.showPanel(panel)
    assert ui.synthesizeModelComboBox.count == 6 and ui.synthesizeModelComboBox.currentText == "Nodules"
    assert ui.classComboBox.enabled and not ui.startScaleComboBox.enabled


def test_progress_and_cancel_leave_nothing(ui, panel, backend):
    run(panel)
    backend.behavior = "slow"
    count = slicer.mrmlScene.GetNumberOfNodes()
    ui.synthesizeButton.click()
    assert ui.syntheticList.isHidden()
    harness.run_events(until=lambda: ui.synthesizeProgressBar.value == 10)
    assert (ui.synthesizeProgressBar.text, ui.synthesizeStatusLabel.text) == ("10%, 59 s left", "Going slowly")
    harness.click_and_wait(ui.synthesizeButton, panel.job)
    assert ui.synthesizeStatusLabel.text == "Cancelled"
    assert slicer.mrmlScene.GetNumberOfNodes() == count and len(volumes()) == 1 and harness.dialogs == []


def test_failures_are_shown(ui, panel, backend):
    backend.behavior = "error"
    run(panel)
    (dialog,) = harness.dialogs
    assert "color photograph" in dialog.text and volumes() == []
    assert ui.synthesizeButton.enabled and ui.syntheticList.isHidden()


def test_the_panel_lives_on_after_the_scene(ui, panel):
    run(panel)
    slicer.mrmlScene.Clear()
    assert panel.lastResult is None and ui.syntheticList.isHidden()
    assert run(panel).volumes[0].GetScene() is slicer.mrmlScene
