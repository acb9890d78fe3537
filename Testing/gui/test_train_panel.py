"""The panel and the scripting API of CTGANTrain, with a fake backend."""

from pathlib import Path

import pytest

pytest.importorskip("slicer")
pytest.importorskip("PySide6.QtWidgets")
import slicer

import harness

MODULE = "CTGANTrain/CTGANTrain.py"


@pytest.fixture
def loaded(scene, backend):
    return harness.load_module(MODULE)


@pytest.fixture
def ui(loaded, tmp_path):
    ui = loaded.widget.panels[0].ui
    ui.dataFolderEdit.currentPath = str(tmp_path)
    ui.runFolderEdit.currentPath = str(tmp_path / "run ü")
    return ui


def waitForEnd(loaded):
    harness.run_events(until=lambda: not loaded.widget.panels[0].job.running, timeout=30)


def test_button_says_what_is_missing(loaded, tmp_path):
    ui = loaded.widget.panels[0].ui
    assert (ui.trainButton.enabled, ui.trainButton.toolTip) == (False, "Choose a data folder")
    ui.dataFolderEdit.currentPath = str(tmp_path / "none")
    assert ui.trainButton.toolTip.startswith("There is no folder")
    ui.dataFolderEdit.currentPath = str(tmp_path)
    assert ui.trainButton.toolTip == "Choose a run folder"
    ui.runFolderEdit.currentPath = str(tmp_path / "run")
    assert ui.trainButton.enabled


def test_training_logs_losses_and_says_where_the_model_is(loaded, ui, backend, tmp_path):
    ui.stepsSpinBox.value = 300
    ui.trainButton.click()
    assert ui.trainButton.text == "Cancel"
    waitForEnd(loaded)
    assert "25%  Step 1, loss 0.1" in ui.logEdit.toPlainText()
    assert str(tmp_path / "run ü" / "model") in ui.resultLabel.text
    assert "psnr_true 21.5" in ui.resultLabel.text
    expected = {"--recipe": "biplanar", "--data": str(tmp_path), "--steps": "300", "--batch": None, "--device": "auto"}
    assert {option: backend.value(option) for option in expected} == expected


def test_cancel(loaded, ui, backend):
    backend.behavior = "slow"
    ui.trainButton.click()
    harness.run_events(until=lambda: ui.progressBar.value == 10)
    ui.trainButton.click()
    waitForEnd(loaded)
    assert ui.statusLabel.text == "Cancelled"
    assert harness.dialogs == []


def test_scene_close_ends_the_training(loaded, ui, backend):
    backend.behavior = "slow"
    ui.trainButton.click()
    slicer.mrmlScene.Clear()
    assert not loaded.widget.panels[0].job.running


def test_scripting(loaded, backend, tmp_path):
    logic = loaded.widget.logic
    result = logic.train(tmp_path, tmp_path / "run", steps=5, seed=0)
    assert result.model == tmp_path / "run" / "model"
    assert result.metrics == {"psnr_true": 21.5}
    assert backend.value("--seed") == "0"
    rows = logic.evaluate(tmp_path, model="ChestBiplanar", tableFile=tmp_path / "table.json")
    assert rows[0]["psnr_true"] == 21.5
    assert Path(backend.value("--out")) == tmp_path / "table.json"
    with pytest.raises(ValueError, match="no data folder"):
        logic.train(tmp_path / "none", tmp_path / "run")
    with pytest.raises(ValueError, match="Choose a run folder"):
        logic.train(tmp_path, "")
