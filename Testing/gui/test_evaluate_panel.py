"""The Evaluate tab of CTGANTrain, with a fake backend."""

import os
from pathlib import Path

import pytest

pytest.importorskip("slicer")
pytest.importorskip("PySide6.QtWidgets")
import qt
import slicer
from fake_tasks import writeModel

import harness

MODULE = "CTGANTrain/CTGANTrain.py"


@pytest.fixture
def loaded(scene, backend, tmp_path):
    writeModel(tmp_path / "models" / "Other", "Another ü")
    loaded = harness.load_module(MODULE)
    loaded.widget.showPanel(loaded.widget.panels[2])
    return loaded


@pytest.fixture
def panel(loaded):
    return loaded.widget.panels[2]


@pytest.fixture
def ui(panel, tmp_path):
    (tmp_path / "Daten ü").mkdir()
    panel.ui.evaluationDataEdit.currentPath = str(tmp_path / "Daten ü")
    return panel.ui


def evaluate(panel):
    harness.click_and_wait(panel.ui.evaluateButton, panel.job)


def test_button_says_what_is_missing(panel, tmp_path, monkeypatch, loaded):
    assert panel.ui.evaluateButton.toolTip == "Choose a data folder or a table of cases"
    panel.ui.evaluationDataEdit.currentPath = str(tmp_path)
    assert panel.ui.evaluateButton.enabled
    monkeypatch.setenv("CTGAN_MODELS", str(tmp_path / "none"))
    panel.setActive(True)
    assert panel.ui.evaluateButton.toolTip == "No model is installed"


def test_scores_become_tables(panel, ui, backend, tmp_path):
    evaluate(panel)
    assert backend.value("--model") == "ChestBiplanar" and "--compare" not in backend.arguments
    summary, cases = panel.tables
    assert summary.GetName() == "ChestBiplanar on Daten ü: summary"
    assert [summary.GetColumnName(index) for index in range(summary.GetNumberOfColumns())] == [
        "method", "psnr_true", "psnr_true_95",
    ]  # fmt: skip
    assert summary.GetCellText(0, 2) == "20.1 – 21.9" and cases.GetNumberOfRows() == 4
    assert slicer.util.arrayFromTableColumn(cases, "psnr_true").tolist() == [21.5, 21.5, 20.5, 20.5]
    assert slicer.app.layoutManager().tableViewCount == 1
    assert shown() == summary.GetID()
    ui.showCasesButton.click()
    assert shown() == cases.GetID()
    assert "2 test cases" in ui.evaluationResultLabel.text and "a was trained on." in ui.evaluationResultLabel.text
    assert "c: It is damaged." in ui.evaluationResultLabel.text


def shown():
    (view,) = slicer.util.getNodesByClass("vtkMRMLTableViewNode")
    return view.GetTableNodeID()


def test_comparison_and_device(panel, ui, backend):
    ui.compareList.item(0).setCheckState(qt.Qt.Checked)
    ui.compareList.item(1).setCheckState(qt.Qt.Checked)
    ui.evaluatedModelComboBox.currentIndex = ui.evaluatedModelComboBox.findData("Other")
    ui.evaluateDeviceComboBox.currentText = "cpu"
    panel.setActive(True)  # the list is made anew, the choice stays
    evaluate(panel)
    assert (backend.value("--model"), backend.value("--compare")) == ("Other", "ChestBiplanar")
    assert backend.value("--device") == "cpu"


def test_only_models_of_the_same_task_are_compared(panel, ui, backend, tmp_path):
    writeModel(tmp_path / "models" / "Lungs", "Lungs", "segmentation")
    panel.setActive(True)
    compared = [ui.compareList.item(row).data(qt.Qt.UserRole) for row in range(ui.compareList.count)]
    assert compared == ["ChestBiplanar", "Other"] and ui.conditionsCheckBox.enabled
    ui.compareList.item(1).setCheckState(qt.Qt.Checked)
    ui.conditionsCheckBox.checked = True
    ui.evaluatedModelComboBox.currentIndex = ui.evaluatedModelComboBox.findData("Lungs")
    assert "Other" not in [ui.compareList.item(row).text() for row in range(ui.compareList.count)]
    assert not ui.conditionsCheckBox.enabled
    evaluate(panel)
    assert "--compare" not in backend.arguments and "--conditions" not in backend.arguments
    ui.evaluatedModelComboBox.currentIndex = 0
    assert ui.compareList.item(1).checkState() == qt.Qt.Checked  # the choice stays


def test_input_that_is_not_ideal(panel, ui, backend):
    evaluate(panel)
    assert "--conditions" not in backend.arguments and not ui.showConditionsButton.enabled and len(panel.tables) == 2
    ui.conditionsCheckBox.checked = True
    evaluate(panel)
    assert "--conditions" in backend.arguments
    ui.showConditionsButton.click()
    table = panel.tables[2]
    assert shown() == table.GetID() and table.GetName() == "ChestBiplanar on Daten ü: conditions"
    columns = [table.GetColumnName(index) for index in range(table.GetNumberOfColumns())]
    assert columns == ["case", "method", "condition", "psnr_true"] and table.GetNumberOfRows() == 4
    # Details of the cases stand in the file, not in the table.
    assert panel.tables[1].GetColumnName(panel.tables[1].GetNumberOfColumns() - 1) == "ssim"


def test_a_script_gets_the_rows_of_the_conditions_last(loaded, backend, tmp_path):
    rows = loaded.widget.logic.evaluate(tmp_path, conditions=True)
    assert "--conditions" in backend.arguments
    assert [row.get("condition") for row in rows] == [None] * 4 + ["ideal", "inverted film"] * 2
    assert len(loaded.widget.logic.evaluate(tmp_path)) == 4 and "--conditions" not in backend.arguments


def test_evaluating_again_changes_the_tables(panel, ui):
    evaluate(panel)
    before, count = list(panel.tables), slicer.mrmlScene.GetNumberOfNodes()
    evaluate(panel)
    assert panel.tables == before and slicer.mrmlScene.GetNumberOfNodes() == count
    slicer.mrmlScene.RemoveNode(before[0])
    ui.showSummaryButton.click()
    assert panel.tables[0].GetScene() is slicer.mrmlScene and shown() == panel.tables[0].GetID()


def test_report_and_csv(panel, ui, tmp_path, monkeypatch):
    assert not ui.openReportButton.enabled and not ui.saveCsvButton.enabled
    evaluate(panel)
    opened = []
    monkeypatch.setattr(qt.QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()))
    ui.openReportButton.click()
    folder = Path(os.environ["CTGAN_RUNS"]).parent / "evaluations" / "ChestBiplanar on Daten ü"
    assert opened == [str(folder / "report.html")]
    harness.answers.append(str(tmp_path / "scores"))
    ui.saveCsvButton.click()
    assert (tmp_path / "scores.csv").read_text().startswith("case,method")
    harness.answers.append(str(tmp_path / "none" / "x.csv"))
    ui.saveCsvButton.click()
    assert "cannot be saved" in harness.dialogs[-1].text


@pytest.mark.parametrize(("behavior", "text"), [("error", "color photograph"), ("silent", "without a result")])
def test_failures_are_shown(panel, ui, backend, behavior, text):
    backend.behavior = behavior
    evaluate(panel)
    assert text in harness.dialogs[0].text and panel.tables == [] and not ui.showSummaryButton.enabled


def test_scene_close(panel, ui, backend):
    evaluate(panel)
    slicer.mrmlScene.Clear()
    assert panel.tables == [] and not ui.showSummaryButton.enabled and ui.evaluationResultLabel.isHidden()
