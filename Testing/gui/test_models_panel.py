"""The Models tab of CTGANTrain, with a fake backend."""

import pytest

pytest.importorskip("slicer")
pytest.importorskip("PySide6.QtWidgets")
from fake_tasks import writeModel

import harness

MODULE = "CTGANTrain/CTGANTrain.py"


@pytest.fixture
def loaded(scene, backend, tmp_path, monkeypatch):
    writeModel(tmp_path / "shipped" / "Shipped", "Shipped model")
    folders = [tmp_path / "models", tmp_path / "shipped"]
    monkeypatch.setattr("CTGANLib.models.store.model_folders", lambda: folders)
    loaded = harness.load_module(MODULE)
    loaded.widget.showPanel(loaded.widget.panels[3])
    return loaded


@pytest.fixture
def panel(loaded):
    return loaded.widget.panels[3]


@pytest.fixture
def ui(panel):
    return panel.ui


def names(ui):
    return [ui.modelsTable.item(row, 0).text() for row in range(ui.modelsTable.rowCount)]


def test_what_is_installed(ui):
    assert names(ui) == ["ChestBiplanar", "Shipped"]
    row = [ui.modelsTable.item(0, column).text() for column in range(8)]
    assert row == [
        "ChestBiplanar", "biplanar", "CC-BY-4.0", "2 CTs: LIDC-IDRI", "psnr_true 21.5", "0.0 MB", "own",
        "Chest, two views",
    ]  # fmt: skip
    assert ui.modelsTable.item(1, 6).text() == "shipped"


def test_what_ships_stays(ui):
    ui.modelsTable.selectRow(1)
    buttons = (ui.exportButton, ui.verifyButton, ui.renameButton, ui.deleteModelButton)
    assert [button.enabled for button in buttons] == [True, True, False, False]
    assert "ships with CTGAN" in ui.deleteModelButton.toolTip
    ui.modelsTable.selectRow(0)
    assert all(button.enabled for button in buttons)


def test_reload_lists_the_models(loaded):
    loaded.widget.onReload()
    loaded.widget.showPanel(loaded.widget.panels[3])
    assert loaded.widget.panels[3].ui.modelsTable.rowCount > 0


def test_rename_and_delete(panel, ui, backend):
    ui.modelsTable.selectRow(0)
    harness.answers.append("Thorax ä")
    harness.click_and_wait(ui.renameButton, panel.job)
    assert backend.arguments == ["models", "rename", "ChestBiplanar", "Thorax ä"]
    assert names(ui) == ["Shipped", "Thorax ä"] and "Thorax ä" in ui.modelsStatusLabel.text
    ui.modelsTable.selectRow(1)
    harness.answers.append(False)
    ui.deleteModelButton.click()
    assert not panel.job.running
    harness.answers.append(True)
    harness.click_and_wait(ui.deleteModelButton, panel.job)
    assert names(ui) == ["Shipped"]


def test_import(panel, ui, tmp_path, backend):
    writeModel(tmp_path / "New", "New model")
    harness.answers.append(str(tmp_path / "New"))
    harness.click_and_wait(ui.importFolderButton, panel.job)
    assert "New" in names(ui) and "New has been imported" in ui.modelsStatusLabel.text
    (tmp_path / "foreign.zip").touch()
    harness.answers.append(str(tmp_path / "foreign.zip"))
    harness.click_and_wait(ui.importFileButton, panel.job)
    assert harness.dialogs[-1].text == "foreign.zip is not a CTGAN model. Choose another file."


def test_export_and_verify(panel, ui, tmp_path, backend):
    ui.modelsTable.selectRow(0)
    harness.answers.append(str(tmp_path / "out"))
    harness.click_and_wait(ui.exportButton, panel.job)
    assert (tmp_path / "out.zip").is_file()
    harness.click_and_wait(ui.verifyButton, panel.job)
    assert "ChestBiplanar is as it was made" in ui.modelsStatusLabel.text


def test_dialogs_that_are_cancelled(panel, ui):
    ui.modelsTable.selectRow(0)
    for button in (ui.importFileButton, ui.importFolderButton, ui.exportButton, ui.renameButton):
        harness.answers.append("")
        button.click()
        assert not panel.job.running


def test_cancel(panel, ui, backend):
    backend.behavior = "slow"
    ui.modelsTable.selectRow(0)
    assert not ui.cancelButton.enabled
    ui.verifyButton.click()
    harness.run_events(until=lambda: ui.modelsProgressBar.value == 10)
    harness.click_and_wait(ui.cancelButton, panel.job)
    assert ui.modelsStatusLabel.text == "Cancelled" and not ui.cancelButton.enabled


def test_scripting(loaded, tmp_path, backend):
    logic = loaded.widget.logic
    assert [model["name"] for model in logic.models()] == ["ChestBiplanar", "Shipped"]
    logic.renameModel("ChestBiplanar", "Mine")
    logic.verifyModel("Mine")
    logic.exportModel("Mine", tmp_path / "mine.zip")
    logic.deleteModel("Mine")
    writeModel(tmp_path / "New", "New model")
    assert logic.importModel(tmp_path / "New") == "New"
    assert [model["name"] for model in logic.models()] == ["New", "Shipped"]
