"""The panel of CTGANReconstruct: what a user sees and clicks, with a fake backend."""


import gc
import weakref

import numpy as np
import pytest

pytest.importorskip("slicer")
pytest.importorskip("PySide6.QtWidgets")
import qt
import slicer
from fake_tasks import writeModel

import harness

MODULE = "CTGANReconstruct/CTGANReconstruct.py"


@pytest.fixture
def loaded(scene, backend):
    return harness.load_module(MODULE)


@pytest.fixture
def ui(loaded):
    return loaded.widget.panels[0].ui


def addRadiograph(name, shape=(1, 16, 16)):
    return slicer.util.addVolumeFromArray(np.ones(shape, np.float32), name=name)


@pytest.fixture
def radiographs(ui):
    nodes = [addRadiograph("PA"), addRadiograph("lateral")]
    ui.paSelector.setCurrentNode(nodes[0])
    ui.lateralSelector.setCurrentNode(nodes[1])
    return nodes


def test_button_says_what_is_missing(ui, tmp_path):
    def tip():
        return ui.reconstructButton.enabled, ui.reconstructButton.toolTip

    assert tip() == (False, "Choose a PA or a lateral radiograph, or both")
    pa = addRadiograph("PA")
    ui.paSelector.setCurrentNode(pa)
    assert tip()[0]
    ui.lateralSelector.setCurrentNode(pa)
    assert tip() == (False, "PA and lateral are the same radiograph")
    ui.lateralSelector.setCurrentNode(addRadiograph("CT", (4, 16, 16)))
    assert tip() == (False, "CT is a 3D volume, not a radiograph.")
    ui.lateralSelector.setCurrentNode(None)
    ui.lateralFileEdit.currentPath = str(tmp_path / "none.dcm")
    assert tip()[1].startswith("There is no file")
    (tmp_path / "x.png").touch()
    ui.lateralFileEdit.currentPath = str(tmp_path / "x.png")
    assert tip() == (True, "Make a CT from the two radiographs")
    ui.outputVolumeSelector.setCurrentNode(pa)
    assert tip() == (False, "The output must be another volume than the radiographs")


def test_any_file_can_be_typed_and_cleared(loaded, ui, tmp_path):
    for name in ("IM0001", "PA.DCM", "pa.nii.gz"):
        (tmp_path / name).touch()
        ui.paFileEdit.currentPath = str(tmp_path / name)
        assert ui.reconstructButton.enabled, name
        assert loaded.widget._parameterNode.paFile == str(tmp_path / name)
    ui.paFileEdit.currentPath = ""
    assert loaded.widget._parameterNode.paFile == ""
    assert not ui.reconstructButton.enabled
    ui.checkCheckBox.click()  # any other choice, after which the fields show what the parameter node says
    assert ui.paFileEdit.currentPath == ""


def test_a_file_can_be_dropped(loaded, ui, tmp_path):
    file = tmp_path / "Röntgen 100%.dcm"
    file.touch()
    ui.paFileEdit.currentPath = qt.QUrl.fromLocalFile(str(file)).toDisplayString()  # what Qt inserts
    assert ui.paFileEdit.currentPath == str(file)
    assert loaded.widget._parameterNode.paFile == str(file)
    assert ui.reconstructButton.enabled


def test_leaving_the_module_leaves_no_wrapper_behind(loaded):
    """Each one left would read all its parameters again at each change, for as long as Slicer runs."""
    wrapper = weakref.ref(loaded.widget._parameterNode)
    loaded.panel.exit()
    loaded.panel.enter()
    gc.collect()
    assert wrapper() is None


def test_without_a_model(scene, backend, monkeypatch, tmp_path):
    monkeypatch.setenv("CTGAN_MODELS", str(tmp_path / "none"))
    ui = harness.load_module(MODULE).widget.panels[0].ui
    ui.paSelector.setCurrentNode(addRadiograph("PA"))
    ui.lateralSelector.setCurrentNode(addRadiograph("lateral"))
    assert (ui.reconstructButton.enabled, ui.reconstructButton.toolTip) == (False, "No model is installed")


def test_file_fields_show_only_without_a_node(loaded, ui):
    assert not ui.paFileEdit.isHidden()
    ui.paSelector.setCurrentNode(addRadiograph("PA"))
    assert ui.paFileEdit.isHidden()
    assert not ui.lateralFileEdit.isHidden()


def test_reconstruct_shows_everything(loaded, ui, backend, radiographs):
    ui.reconstructButton.click()
    assert ui.reconstructButton.text == "Cancel"
    assert not ui.progressBar.isHidden()
    harness.wait_for(loaded.widget.panels[0].job)
    assert ui.reconstructButton.text == "Reconstruct"
    assert ui.progressBar.isHidden()
    assert ui.statusLabel.text == "Done"
    result = loaded.widget.panels[0].lastResult
    shown = {node.GetBackgroundVolumeID() for node in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")}
    assert shown == {result.volume.GetID()}
    assert ("3D", "resetThreeDViews") in harness.views
    assert "PA 0.980, lateral 0.750" in ui.resultLabel.text
    assert result.volume.GetScene() is slicer.mrmlScene
    assert (ui.paSelector.currentNode(), ui.lateralSelector.currentNode()) == tuple(radiographs)
    assert harness.dialogs == []
    assert backend.value("--model") == "ChestBiplanar"
    assert backend.value("--pa-view") is None
    assert backend.value("--pixel-spacing") is None


def test_choices_reach_the_backend(loaded, ui, backend, radiographs):
    ui.paViewComboBox.currentText = "AP"
    ui.lateralViewComboBox.currentText = "RLAT"
    ui.sourceToDetectorSpinBox.value = 1500
    ui.deviceComboBox.currentText = "cpu"
    ui.segmentCheckBox.checked = False
    ui.reprojectCheckBox.checked = False
    harness.click_and_wait(ui.reconstructButton, loaded.widget.panels[0].job)
    assert backend.value("--pa-view") == "AP"
    assert backend.value("--lateral-view") == "RLAT"
    assert backend.value("--source-to-detector-distance") == "1500.0"
    assert backend.value("--device") == "cpu"
    assert backend.value("--segmentation") is None
    assert loaded.widget.panels[0].lastResult.reprojections == {}


def test_progress_and_cancel(loaded, ui, backend, radiographs):
    backend.behavior = "slow"
    before = scene_size()
    ui.reconstructButton.click()
    harness.run_events(until=lambda: ui.progressBar.value == 10)
    assert ui.progressBar.text == "10%, 59 s left"
    assert ui.statusLabel.text == "Going slowly"
    assert (ui.reconstructButton.enabled, ui.reconstructButton.text) == (True, "Cancel")
    harness.click_and_wait(ui.reconstructButton, loaded.widget.panels[0].job)
    assert ui.statusLabel.text == "Cancelled"
    assert scene_size() == before
    assert harness.dialogs == []


def scene_size():
    return slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLStorableNode")


@pytest.mark.parametrize(
    ("behavior", "text", "detail"),
    [("error", "x.png is a color photograph. Choose a radiograph.", ""), ("crash", "unexpectedly", "MemoryError")],
)
def test_failures_are_shown_with_details(loaded, ui, backend, radiographs, behavior, text, detail):
    backend.behavior = behavior
    before = scene_size()
    harness.click_and_wait(ui.reconstructButton, loaded.widget.panels[0].job)
    (dialog,) = harness.dialogs
    assert dialog.kind == "error"
    assert text in dialog.text
    assert detail in (dialog.detail or "")
    assert "Traceback" not in dialog.text
    assert scene_size() == before
    assert ui.reconstructButton.text == "Reconstruct"
    assert ui.reconstructButton.enabled


def test_scene_close_cancels_and_the_panel_lives_on(loaded, ui, backend, radiographs):
    backend.behavior = "slow"
    ui.reconstructButton.click()
    harness.run_events(until=lambda: ui.progressBar.value == 10)
    slicer.mrmlScene.Clear()
    assert not loaded.widget.panels[0].job.running
    assert ui.reconstructButton.toolTip == "Choose a PA or a lateral radiograph, or both"
    ui.paSelector.setCurrentNode(addRadiograph("PA"))
    assert ui.reconstructButton.enabled


def test_quitting_ends_the_job(loaded, ui, backend, radiographs):
    backend.behavior = "slow"
    ui.reconstructButton.click()
    job = loaded.widget.panels[0].job
    assert job.running
    harness.reset()
    assert not job.running


def test_job_goes_on_while_another_module_is_open(loaded, ui, radiographs):
    ui.reconstructButton.click()
    loaded.panel.exit()
    harness.wait_for(loaded.widget.panels[0].job)
    assert loaded.widget.panels[0].lastResult is not None
    loaded.panel.enter()
    assert ui.reconstructButton.enabled


def test_packages_are_installed_before_the_start(loaded, ui, backend, radiographs):
    backend.missing = ["monai>=1.5"]
    harness.click_and_wait(ui.reconstructButton, loaded.widget.panels[0].job)
    assert backend.installed == 1
    assert ui.statusLabel.text == "Done"


def test_choices_are_kept_in_the_scene(loaded, ui, radiographs):
    ui.deviceComboBox.currentText = "cpu"
    ui.lateralFileEdit.currentPath = "/some/file.png"
    loaded.panel.exit()
    loaded.panel.enter()
    parameters = loaded.widget.logic.getParameterNode()
    assert (parameters.device, parameters.lateralFile, parameters.paVolume) == ("cpu", "/some/file.png", radiographs[0])
    assert (ui.deviceComboBox.currentText, ui.lateralFileEdit.currentPath) == ("cpu", "/some/file.png")


def test_panel_says_not_for_diagnosis(ui):
    assert "Not for diagnosis" in ui.disclaimerLabel.text
    assert not ui.disclaimerLabel.isHidden()


@pytest.mark.parametrize(("view", "other"), [("pa", "lateral"), ("lateral", "pa")])
def test_one_view_is_enough_and_the_button_says_so(loaded, ui, backend, view, other):
    getattr(ui, f"{view}Selector").setCurrentNode(addRadiograph(view))
    assert ui.reconstructButton.text == f"Reconstruct from {'PA' if view == 'pa' else view} only"
    assert "mean patient" in ui.reconstructButton.toolTip
    harness.click_and_wait(ui.reconstructButton, loaded.widget.panels[0].job)
    assert backend.value(f"--{view}") and backend.value(f"--{other}") is None
    result = loaded.widget.panels[0].lastResult
    assert list(result.reprojections) == list(result.consistency) == [view]
    getattr(ui, f"{other}Selector").setCurrentNode(addRadiograph(other))
    assert ui.reconstructButton.text == "Reconstruct"
    assert ui.reconstructButton.toolTip == "Make a CT from the two radiographs"


@pytest.fixture
def models(backend, monkeypatch, tmp_path):
    """A model with texture weights and snapshots, and one without."""
    monkeypatch.setenv("CTGAN_MODELS", str(tmp_path / "store"))
    writeModel(tmp_path / "store" / "Full", "Full", texture="0" * 64, snapshot_1="1" * 64, snapshot_2="2" * 64)
    writeModel(tmp_path / "store" / "Plain", "Plain")


def test_sharpness_is_for_models_with_texture(models, scene, backend):
    loaded = harness.load_module(MODULE)
    ui, parameters = loaded.widget.panels[0].ui, loaded.widget.logic.getParameterNode()
    ui.paSelector.setCurrentNode(addRadiograph("PA"))
    ui.modelComboBox.currentIndex = ui.modelComboBox.findData("Full")
    assert ui.sharpnessSlider.enabled and "not more true" in ui.sharpnessSlider.toolTip
    assert "3 times" in ui.uncertaintyCheckBox.toolTip
    ui.sharpnessSlider.value = 0.4
    assert parameters.sharpness == 0.4
    harness.click_and_wait(ui.reconstructButton, loaded.widget.panels[0].job)
    assert backend.value("--sharpness") == "0.4"
    ui.modelComboBox.currentIndex = ui.modelComboBox.findData("Plain")
    assert not ui.sharpnessSlider.enabled
    assert ui.sharpnessSlider.toolTip.startswith("The model has no texture weights.")
    assert "no snapshots" in ui.uncertaintyCheckBox.toolTip
    assert (ui.sharpnessSlider.value, parameters.sharpness) == (0, 0)
    harness.click_and_wait(ui.reconstructButton, loaded.widget.panels[0].job)
    assert backend.value("--sharpness") is None


def test_uncertainty_lies_over_the_ct(loaded, ui, backend, radiographs):
    assert not ui.uncertaintyCheckBox.checked
    ui.uncertaintyCheckBox.checked = True
    harness.click_and_wait(ui.reconstructButton, loaded.widget.panels[0].job)
    result = loaded.widget.panels[0].lastResult
    composite = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")[0]
    assert composite.GetBackgroundVolumeID() == result.volume.GetID()
    assert composite.GetForegroundVolumeID() == result.uncertainty.GetID()
    assert 0 < composite.GetForegroundOpacity() < 1
    assert loaded.widget.logic.getParameterNode().uncertainty
