"""The whole way with the real backend: a folder in the layout of KiTS19, to a model, to segments in the scene."""

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("slicer")
pytest.importorskip("PySide6.QtWidgets")
import slicer

import harness
from CTGANReconstructLib.dependencies import missingPackages

pytestmark = pytest.mark.skipif(bool(missingPackages()), reason=f"missing: {', '.join(missingPackages())}")


@pytest.fixture
def kits(tmp_path):
    """Three phantoms, each with two kidneys (1), one of them with a tumor (2)."""
    sys.path.append(str(Path(__file__).resolve().parents[1] / "backend"))
    from CTGANLib.imaging.volumes import Volume, write_volume
    from phantoms import chest, turned_grid

    folder = tmp_path / "kits19" / "data"
    for number in range(3):
        ct = chest(turned_grid(np.eye(3), (320, 240, 240), (4, 4, 4)), scale=1 - 0.12 * number)
        labels = np.zeros(ct.grid.shape, np.uint8)
        k, j, i = (size // 2 for size in labels.shape)
        labels[k - 8 : k + 8, j - 6 : j + 6, i - 22 : i - 12] = 1
        labels[k - 8 : k + 8, j - 6 : j + 6, i + 12 : i + 22] = 1
        labels[k - 2 : k + 4, j - 4 : j + 2, i + 14 : i + 20] = 2
        hu = np.where(labels == 1, 190, np.where(labels == 2, 60, ct.array)).astype(np.float32)
        case = folder / f"case_{number:05}"
        case.mkdir(parents=True)
        write_volume(Volume(hu, ct.grid), case / "imaging.nii.gz")
        write_volume(Volume(labels, ct.grid), case / "segmentation.nii.gz")
    return folder


def run(button, running, timeout=120):
    """Click, and wait for the end or an error."""
    button.click()
    harness.run_events(until=lambda: not running() or harness.dialogs, timeout=timeout)
    assert harness.dialogs == []


def test_from_kits_to_segments(scene, kits, tmp_path, monkeypatch):
    monkeypatch.setenv("CTGAN_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("CTGAN_RUNS", str(tmp_path / "runs"))
    loaded = harness.load_module("CTGANTrain/CTGANTrain.py")
    panel = loaded.widget.panels[1]
    loaded.widget.showPanel(panel)
    ui = panel.ui
    ui.trainDataEdit.currentPath = str(kits)  # which chooses recipe and structures
    ui.modelNameEdit.text, ui.deviceComboBox.currentText = "Kidneys", "cpu"
    ui.stepsSpinBox.value, ui.batchSpinBox.value, ui.validationShareSpinBox.value = 2, 1, 0.34
    names = [ui.settingsTable.item(row, 0).text() for row in range(ui.settingsTable.rowCount)]
    for name, value in (("network", "SmallCNN"), ("filters", "4"), ("patch", "32"), ("validations", "1")):
        ui.settingsTable.item(names.index(name), 1).setText(value)

    def isTraining():
        return not panel.selected() or "odel Kidneys" not in ui.runStatusLabel.text

    run(ui.startButton, isTraining)
    ui.curvesComboBox.currentIndex = 1
    curves = [ui.curveComboBox.itemText(index) for index in range(ui.curveComboBox.count)]
    assert {"dice", "dice Kidney", "dice Tumor", "dice Kidney and tumor"} <= {*curves}
    loaded.panel.exit()

    ct = slicer.util.loadVolume(str(kits / "case_00001" / "imaging.nii.gz"))
    other = harness.load_module("CTGANReconstruct/CTGANReconstruct.py")
    panel = other.widget.panels[2]
    other.widget.showPanel(panel)
    panel.ui.segmentCTSelector.setCurrentNode(ct)
    panel.ui.segmentModelComboBox.currentIndex = panel.ui.segmentModelComboBox.findData("Kidneys")
    run(panel.ui.segmentButton, lambda: panel.job.running)
    result = panel.lastResult
    segments = result.segmentation.GetSegmentation()
    assert [segments.GetNthSegment(n).GetName() for n in range(2)] == ["Kidney", "Tumor"]
    assert result.model == "Kidneys" and [each.name for each in result.measures] == ["Kidney", "Tumor"]
    for each, segment in zip(result.measures, segments.GetSegmentIDs(), strict=True):
        inside = slicer.util.arrayFromSegmentBinaryLabelmap(result.segmentation, segment, ct).astype(bool)
        assert each.volumeMl == pytest.approx(inside.sum() * 4**3 / 1000, abs=0.1)
        if inside.any():
            assert each.meanHu == pytest.approx(slicer.util.arrayFromVolume(ct)[inside].mean(), abs=0.1)
