"""The whole way with the real backend: a folder of CTs, some of them spoiled, to a model that CTGANReconstruct uses."""

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("slicer")
pytest.importorskip("PySide6.QtWidgets")
import slicer

import harness
from CTGANReconstructLib.dependencies import missingPackages

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "Resources" / "SampleData"

pytestmark = pytest.mark.skipif(bool(missingPackages()), reason=f"missing: {', '.join(missingPackages())}")


@pytest.fixture
def data(tmp_path):
    """A real patient, two phantoms, and two files that are no CT."""
    sys.path.append(str(ROOT / "Testing" / "backend"))
    from CTGANLib.imaging.volumes import write_volume
    from phantoms import chest, turned_grid

    folder = tmp_path / "Daten für 肺"
    folder.mkdir()
    (folder / "real.nrrd").symlink_to(SAMPLES / "chest_ct.nrrd")
    for name, scale in (("a", 1.0), ("b", 0.9)):
        write_volume(chest(turned_grid(np.eye(3), (320, 240, 260), (4, 4, 4)), scale=scale), folder / f"{name}.nrrd")
    (folder / "cut.nrrd").write_bytes((SAMPLES / "chest_ct.nrrd").read_bytes()[:100_000])
    (folder / "text.nii.gz").write_text("no CT")
    return folder


def run(button, running, timeout):
    """Click, and wait for the end or an error."""
    button.click()
    harness.run_events(until=lambda: not running() or errors(), timeout=timeout)
    assert errors() == []


def errors():
    return [dialog for dialog in harness.dialogs if dialog.kind == "error"]


def test_from_a_folder_to_a_model_in_use(scene, data, tmp_path, monkeypatch):
    monkeypatch.setenv("CTGAN_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("CTGAN_RUNS", str(tmp_path / "runs"))
    loaded = harness.load_module("CTGANTrain/CTGANTrain.py")
    dataPanel, trainPanel, evaluatePanel, modelsPanel = loaded.widget.panels[:4]

    ui = dataPanel.ui
    ui.dataEdit.currentPath = str(data)
    run(ui.checkButton, lambda: dataPanel.job.running, 60)
    assert {row["case"] for row in dataPanel.cases.rows if row["reason"]} == {"cut", "text"}
    ui.testShareSpinBox.value = 0.3
    ui.splitButton.click()
    assert "test" in ui.casesSummaryLabel.text and "2 left out" in ui.casesSummaryLabel.text
    harness.answers.append(str(tmp_path / "cases.tsv"))
    ui.saveTableButton.click()

    loaded.widget.showPanel(trainPanel)
    ui = trainPanel.ui
    ui.modelNameEdit.text, ui.stepsSpinBox.value, ui.batchSpinBox.value = "Mine ü", 2, 1
    ui.validationShareSpinBox.value, ui.deviceComboBox.currentText = 0.0, "cpu"
    settings = [ui.settingsTable.item(row, 0).text() for row in range(ui.settingsTable.rowCount)]
    ui.settingsTable.item(settings.index("full_from"), 1).setText("1.0")

    def isTraining():
        return not trainPanel.selected() or "odel Mine ü" not in ui.runStatusLabel.text

    run(ui.startButton, isTraining, 600)
    assert slicer.util.getNode("Mine ü: losses").GetNumberOfRows() == 2
    assert slicer.util.arrayFromVolume(slicer.util.getNode("Mine ü: example")).shape == (128, 128, 128)

    loaded.widget.showPanel(evaluatePanel)
    ui = evaluatePanel.ui
    ui.evaluatedModelComboBox.currentIndex = ui.evaluatedModelComboBox.findData("Mine ü")
    run(ui.evaluateButton, lambda: evaluatePanel.job.running, 600)
    methods = {row["method"] for row in evaluatePanel.lastResult.rows}
    assert methods == {"Mine ü", "mean volume", "nearest training volume"}
    assert evaluatePanel.lastResult.report.is_file() and evaluatePanel.tables[1].GetNumberOfRows() >= 3

    loaded.widget.showPanel(modelsPanel)
    modelsPanel.ui.modelsTable.selectRow([model["name"] for model in modelsPanel.models].index("Mine ü"))
    run(modelsPanel.ui.verifyButton, lambda: modelsPanel.job.running, 30)

    loaded.panel.exit()
    other = harness.load_module("CTGANReconstruct/CTGANReconstruct.py").widget
    assert other.panels[0].ui.modelComboBox.findData("Mine ü") >= 0
    result = other.logic.reconstruct(
        SAMPLES / "chest_pa.dcm", SAMPLES / "chest_lateral.dcm", model="Mine ü", device="cpu", segment=False
    )
    assert slicer.util.arrayFromVolume(result.volume).shape == (128, 128, 128)
