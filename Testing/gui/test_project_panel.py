"""The Project panel of CTGANReconstruct: what a user sees and clicks, with a fake backend."""

import os

import numpy as np
import pytest

pytest.importorskip("slicer")
pytest.importorskip("PySide6.QtWidgets")
import slicer
import vtk

import harness
from CTGANReconstructLib.dependencies import missingPackages

MODULE = "CTGANReconstruct/CTGANReconstruct.py"


def addVolume(name, shape=(12, 30, 40), value=0.0):
    array = np.full(shape, value, np.float32)
    return slicer.util.addVolumeFromArray(array, name=name)


@pytest.fixture
def ct(scene):
    return addVolume("CT")


def openPanel():
    loaded = harness.load_module(MODULE)
    loaded.widget.showPanel(loaded.widget.panels[1])
    return loaded


@pytest.fixture
def loaded(ct, backend):
    return openPanel()


@pytest.fixture
def panel(loaded):
    return loaded.widget.panels[1]


@pytest.fixture
def ui(panel):
    return panel.ui


def waitForPicture(ui, timeout=30):
    harness.run_events(until=lambda: not ui.previewLabel.isHidden(), timeout=timeout)


def models():
    return [node for node in slicer.util.getNodesByClass("vtkMRMLModelNode") if "Volume Slice" not in node.GetName()]


def test_reconstruct_stays_first(ct, backend):
    widget = harness.load_module(MODULE).widget
    tabs = widget.layout.itemAt(0).widget()
    names = ["Reconstruct", "Project", "Segment", "Synthesize", "Render"]
    assert [tabs.tabText(index) for index in range(tabs.count)] == names
    assert tabs.currentIndex == 0


def test_the_ct_of_the_scene_is_chosen(scene, backend):
    addVolume("PA", (1, 8, 8))
    ct = addVolume("CT")
    assert openPanel().widget.panels[1].ui.ctSelector.currentNode() is ct


def test_button_says_what_is_missing(ui, ct):
    def tip():
        return ui.projectButton.enabled, ui.projectButton.toolTip

    assert tip() == (True, "Make the radiographs; those of an earlier time are replaced")
    ui.paCheckBox.checked = ui.llatCheckBox.checked = False
    assert tip() == (False, "Choose at least one view")
    ui.ctSelector.setCurrentNode(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "void"))
    assert tip() == (False, "void is empty.")
    ui.ctSelector.setCurrentNode(addVolume("PA", (1, 8, 8)))
    assert tip() == (False, "PA is one picture, not a 3D CT.")
    several = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "4D")
    image = vtk.vtkImageData()
    image.SetDimensions(4, 5, 6)
    image.AllocateScalars(vtk.VTK_SHORT, 3)
    several.SetAndObserveImageData(image)
    ui.ctSelector.setCurrentNode(several)
    assert tip() == (False, "4D holds several values a voxel, in time or color, not one CT.")
    ui.ctSelector.setCurrentNode(None)
    assert tip() == (False, "Choose a CT")
    assert not ui.reconstructFromTheseButton.enabled


def test_radiographs_appear_on_their_detectors_with_their_beams(ui, panel, backend, ct):
    ui.previewCheckBox.checked = False
    harness.click_and_wait(ui.projectButton, panel.job)
    assert backend.arguments[:1] == ["project"]
    assert backend.arguments[backend.arguments.index("--view") + 1 :][:2] == ["PA", "LLAT"]
    pa, lateral = panel.radiographs.values()
    assert pa.GetName() == "PA radiograph of CT" and lateral.GetScene() is slicer.mrmlScene
    names = [model.GetName() for model in models()]
    assert names == [f"{node.GetName()}: {part}" for node in (pa, lateral) for part in ("source", "detector", "beam")]
    source = np.zeros(6)
    models()[0].GetRASBounds(source)
    np.testing.assert_allclose(source.reshape(3, 2).mean(axis=1), [1, 2 - 1600, 3], atol=0.5)  # the fake's PA
    detector = np.zeros(6)
    models()[1].GetRASBounds(detector)
    np.testing.assert_allclose(detector, [1 - 24, 1 + 24, 202, 202, 3 - 16, 3 + 16], atol=1e-4)
    backgrounds = {node.GetBackgroundVolumeID() for node in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")}
    assert backgrounds >= {pa.GetID(), lateral.GetID()}
    assert ("3D", "resetThreeDViews") in harness.views
    assert harness.dialogs == []


def test_projecting_again_replaces_the_radiographs(ui, panel, ct):
    ui.previewCheckBox.checked = False
    ui.anglesCheckBox.checked = True
    harness.click_and_wait(ui.projectButton, panel.job)
    first, count = list(panel.radiographs.values()), len(models())
    ui.primarySlider.value = 40
    harness.click_and_wait(ui.projectButton, panel.job)
    assert list(panel.radiographs.values()) == first and len(models()) == count == 9
    slicer.mrmlScene.RemoveNode(first[0])
    harness.click_and_wait(ui.projectButton, panel.job)
    assert panel.radiographs["PA"].GetScene() is slicer.mrmlScene


def test_choices_reach_the_backend(ui, panel, backend, ct):
    ui.previewCheckBox.checked = False
    ui.paCheckBox.checked, ui.apCheckBox.checked = False, True
    ui.anglesCheckBox.checked = True
    ui.primarySlider.value, ui.secondarySlider.value = 30, -10
    ui.projectSourceToDetectorSpinBox.value = 1500
    ui.detectorSizeSpinBox.value = 256
    ui.energySpinBox.value = 60
    ui.filmCheckBox.checked = True
    harness.click_and_wait(ui.projectButton, panel.job)
    assert backend.arguments[backend.arguments.index("--view") + 1 :][:2] == ["AP", "LLAT"]
    assert backend.arguments[backend.arguments.index("--angles") + 1 :][:3] == ["30.0", "-10.0", "0.0"]
    assert backend.value("--source-to-detector-distance") == "1500.0"
    assert backend.value("--detector-size") == "256"
    assert backend.value("--energy") == "60.0"
    assert backend.value("--pixel-spacing") is None
    assert "--film" in backend.arguments


def test_angles_can_be_moved_when_they_are_used(ui):
    assert not ui.primarySlider.enabled
    ui.anglesCheckBox.checked = True
    assert ui.primarySlider.enabled and ui.rollSlider.enabled


def test_three_clicks_from_ct_to_reconstruction(loaded, ui, panel, backend):
    """The first one opens the module, the panel having chosen the CT."""
    harness.click_and_wait(ui.projectButton, panel.job)
    ui.reconstructFromTheseButton.click()
    reconstruct = loaded.widget.panels[0]
    assert reconstruct.job.running
    harness.wait_for(reconstruct.job)
    assert reconstruct.lastResult.volume.GetScene() is slicer.mrmlScene
    assert [backend.value(option)[-8:] for option in ("--pa", "--lateral")] == ["/pa.nrrd", "ral.nrrd"]
    chosen = reconstruct.ui.paSelector.currentNode(), reconstruct.ui.lateralSelector.currentNode()
    assert chosen == (panel.radiographs["PA"], panel.radiographs["LLAT"])
    assert harness.dialogs == []


def test_geometry_given_by_hand_does_not_spoil_the_pair(loaded, ui, panel, backend):
    reconstruct = loaded.widget.panels[0]
    reconstruct.ui.sourceToDetectorSpinBox.value = 1234
    harness.click_and_wait(ui.projectButton, panel.job)
    ui.reconstructFromTheseButton.click()
    harness.wait_for(reconstruct.job)
    assert backend.value("--source-to-detector-distance") is None


def test_preview_follows_the_angles(ui, panel):
    waitForPicture(ui)
    assert panel.preview.running
    assert [model.GetName() for model in models()] == ["Preview: source", "Preview: detector", "Preview: beam"]
    assert not any(model.GetSaveWithScene() for model in models())
    ui.anglesCheckBox.checked = True
    for angle in range(10, 50, 5):
        ui.primarySlider.value = angle

    def sourceSide():
        bounds = np.zeros(6)
        models()[0].GetRASBounds(bounds)
        return bounds[:2].mean()

    # The fake's isocenter tells the angle; the last one counts.
    harness.run_events(until=lambda: abs(sourceSide() - 45) < 1, timeout=20)
    assert len(models()) == 3


def test_preview_says_what_is_wrong_and_goes_on(ui, panel):
    waitForPicture(ui)
    ui.projectSourceToDetectorSpinBox.value = 500
    harness.run_events(until=lambda: not ui.previewProblemLabel.isHidden())
    assert ui.previewProblemLabel.text == "The detector is too near."
    ui.projectSourceToDetectorSpinBox.value = 1500
    waitForPicture(ui)


def childIsGone(process):
    harness.run_events(until=lambda: process.poll() is not None)
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)
    return True


@pytest.mark.parametrize("end", ["tab", "module", "scene", "unchecked", "quit"])
def test_preview_ends_with_the_panel(loaded, ui, panel, end):
    waitForPicture(ui)
    process, folder = panel.preview._process, panel.preview.folder
    if end == "tab":
        loaded.widget.showPanel(loaded.widget.panels[0])
    elif end == "module":
        loaded.panel.exit()
    elif end == "scene":
        slicer.mrmlScene.Clear()
    elif end == "unchecked":
        ui.previewCheckBox.checked = False
    else:
        harness.reset()
    assert childIsGone(process)
    assert not folder.exists()
    assert models() == []
    displays = slicer.util.getNodesByClass("vtkMRMLModelDisplayNode")
    assert all(display.GetDisplayableNode() for display in displays)


def test_preview_comes_back_with_the_panel(loaded, ui, panel):
    waitForPicture(ui)
    loaded.widget.showPanel(loaded.widget.panels[0])
    assert panel.preview is None
    loaded.widget.showPanel(panel)
    waitForPicture(ui)


def test_preview_shows_another_ct(loaded, ui, panel):
    waitForPicture(ui)
    before = panel.preview
    ui.ctSelector.setCurrentNode(addVolume("other"))
    assert not before.running and panel.preview is not before
    waitForPicture(ui)


@pytest.mark.parametrize("behavior", ["error", "crash"])
def test_a_preview_that_fails_is_no_dialog(ct, backend, behavior):
    backend.behavior = behavior
    panel = openPanel().widget.panels[1]
    expected = "x.png is a color photograph." if behavior == "error" else "The computation ended unexpectedly."
    harness.run_events(until=lambda: not panel.preview.running)
    assert panel.ui.previewProblemLabel.text == expected
    assert panel.ui.previewLabel.isHidden() and harness.dialogs == []


def test_no_preview_without_packages(ct, backend):
    backend.missing = ["torch>=2.4"]
    panel = openPanel().widget.panels[1]
    assert panel.preview is None and backend.installed == 0


def test_failures_are_shown(ui, panel, backend):
    ui.previewCheckBox.checked = False
    backend.behavior = "error"
    harness.click_and_wait(ui.projectButton, panel.job)
    (dialog,) = harness.dialogs
    assert "color photograph" in dialog.text
    assert panel.radiographs == {} and models() == []


needsPackages = pytest.mark.skipif(bool(missingPackages()), reason=f"missing: {', '.join(missingPackages())}")


@pytest.fixture
def realPanel(scene):
    """The panel with the real backend, and a small block of tissue as CT."""
    array = np.full((50, 50, 50), -1000, np.int16)
    array[10:40, 10:40, 10:40] = 40
    node = slicer.util.addVolumeFromArray(array, name="Block")
    node.SetSpacing(6, 6, 6)
    return openPanel().widget.panels[1]


@needsPackages
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("projectSourceToIsocenterSpinBox", 100), "The source must lie outside the volume."),
        (("projectSourceToIsocenterSpinBox", 2000), "must lie between source and detector"),
        (("energySpinBox", 5), "between 20 and 200 keV"),
    ],
)
def test_bad_geometry_is_said_in_one_sentence(realPanel, change, message):
    realPanel.ui.previewCheckBox.checked = False
    name, value = change
    getattr(realPanel.ui, name).value = value
    harness.click_and_wait(realPanel.ui.projectButton, realPanel.job, 120)
    (dialog,) = harness.dialogs
    assert message in dialog.text and "Traceback" not in dialog.text


@needsPackages
def test_a_volume_without_hu_is_said_in_one_sentence(realPanel):
    realPanel.ui.previewCheckBox.checked = False
    realPanel.ui.ctSelector.setCurrentNode(addVolume("MR", value=7.0))
    harness.click_and_wait(realPanel.ui.projectButton, realPanel.job, 120)
    (dialog,) = harness.dialogs
    assert dialog.text.startswith("ct.nrrd is empty: all its values are 7")  # and nothing of a temporary folder


@needsPackages
def test_the_real_preview_answers(realPanel):
    waitForPicture(realPanel.ui, 120)
    realPanel.ui.projectSourceToIsocenterSpinBox.value = 2000
    harness.run_events(until=lambda: "between source and detector" in realPanel.ui.previewProblemLabel.text, timeout=30)
