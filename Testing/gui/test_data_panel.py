"""The Data tab of CTGANTrain: what a user sees and clicks, with a fake backend."""

import csv

import numpy as np
import pytest

pytest.importorskip("slicer")
pytest.importorskip("PySide6.QtWidgets")
import qt
import slicer

import harness

MODULE = "CTGANTrain/CTGANTrain.py"
CASE, ROLE, REMARKS = range(3)


@pytest.fixture
def data(tmp_path):
    """Five files of four patients, one of them damaged."""
    folder = tmp_path / "Daten für 肺"
    folder.mkdir()
    for name in ("p1_a", "p2_a", "p2_b", "p3_bad", "p4_ä"):
        (folder / f"{name}.nrrd").touch()
    return folder


@pytest.fixture
def loaded(scene, backend):
    return harness.load_module(MODULE)


@pytest.fixture
def panel(loaded):
    return loaded.widget.panels[0]


@pytest.fixture
def ui(panel):
    return panel.ui


@pytest.fixture
def checked(panel, ui, data):
    ui.dataEdit.currentPath = str(data)
    check(panel)
    return panel


def check(panel):
    harness.click_and_wait(panel.ui.checkButton, panel.job)


def cells(ui, column):
    return [ui.casesTable.item(row, column).text() for row in range(ui.casesTable.rowCount)]


def marks(ui):
    return [ui.casesTable.item(row, 0).checkState() == qt.Qt.Checked for row in range(ui.casesTable.rowCount)]


def rowsOf(path):
    with path.open(encoding="utf-8") as file:
        return {row["id"]: row for row in csv.DictReader(file, delimiter="\t")}


def test_button_says_what_is_missing(ui, tmp_path):
    assert (ui.checkButton.enabled, ui.checkButton.toolTip) == (False, "Choose a data folder or a table of cases")
    ui.dataEdit.currentPath = str(tmp_path / "none")
    assert ui.checkButton.toolTip.startswith("There is no folder")
    ui.dataEdit.currentPath = str(tmp_path)
    assert ui.checkButton.enabled
    ui.dataEdit.currentPath = ""
    assert (ui.checkButton.enabled, ui.checkButton.toolTip) == (False, "Choose a data folder or a table of cases")


def test_each_case_is_shown_with_the_reason_why_it_is_left_out(checked, ui):
    assert cells(ui, CASE) == ["p1_a", "p2_a", "p2_b", "p3_bad", "p4_ä"]
    assert cells(ui, ROLE) == ["test", "train", "train", "drop", "train"]
    assert marks(ui) == [True, True, True, False, True]
    assert cells(ui, REMARKS) == ["", "Slices are missing.", "", "The file is damaged.", ""]
    row = [ui.casesTable.item(0, column).text() for column in range(3, 10)]
    assert row == ["CT", "2 × 2 × 2.5", "320 × 300 × 350", "thorax", "-1000 – 812.4", "RAS", "Chest CT"]
    assert not ui.casesTable.item(0, 0).icon().isNull() and ui.casesTable.item(3, 0).icon().isNull()
    assert ui.casesSummaryLabel.text.startswith("5 cases: 3 train, 1 test; 1 left out\nSave the table")


def test_choices_reach_the_backend(panel, ui, backend, data):
    ui.dataEdit.currentPath = str(data)
    ui.studyDescriptionEdit.text, ui.similarToEdit.text = "chest|thorax", "p1_a"
    ui.similaritySlider.value, ui.seedSpinBox.value = 0.75, 7
    check(panel)
    expected = {"--study-description": "chest|thorax", "--similar-to": "p1_a", "--similarity": "0.75", "--seed": "7"}
    assert {option: backend.value(option) for option in expected} == expected
    assert backend.arguments[:3] == ["dataset", "check", str(data)]


def test_keep_and_drop(checked, ui, backend):
    ui.casesTable.item(1, 0).setCheckState(qt.Qt.Unchecked)
    ui.casesTable.item(3, 0).setCheckState(qt.Qt.Checked)
    assert cells(ui, ROLE) == ["test", "drop", "train", "train", "train"]
    assert cells(ui, REMARKS)[1].startswith("Left out by you.") and cells(ui, REMARKS)[3] == ""
    ui.casesTable.item(1, 0).setCheckState(qt.Qt.Checked)
    assert cells(ui, ROLE)[1] == "train"
    ui.casesTable.item(0, 0).setCheckState(qt.Qt.Unchecked)
    ui.casesTable.item(0, 0).setCheckState(qt.Qt.Checked)
    assert cells(ui, ROLE)[0] == "test"
    ui.casesTable.item(2, 0).setCheckState(qt.Qt.Unchecked)
    check(checked)  # a second check knows of it
    assert (backend.value("--drop"), backend.value("--keep")) == ("p2_b", "p3_bad")
    assert marks(ui) == [True, True, False, True, True]


def test_roles_of_the_selected_cases(checked, ui):
    assert not ui.setRoleButton.enabled
    ui.casesTable.selectRow(4)
    ui.roleComboBox.currentText = "validation"
    ui.setRoleButton.click()
    assert cells(ui, ROLE)[4] == "validation"
    ui.similarToButton.click()
    assert ui.similarToEdit.text == "p4_ä"


def test_split_by_patient(checked, ui):
    ui.testShareSpinBox.value = 0.5
    splits = set()
    for seed in range(6):
        ui.seedSpinBox.value = seed
        ui.splitButton.click()
        roles = cells(ui, ROLE)
        assert roles[1] == roles[2] and roles[3] == "drop" and set(roles) == {"train", "test", "drop"}
        splits.add(tuple(roles))
    assert len(splits) > 1


def test_the_saved_table_holds_the_choices_and_is_trained_on(loaded, checked, ui, data, tmp_path):
    ui.casesTable.item(1, 0).setCheckState(qt.Qt.Unchecked)
    harness.answers.append(str(data.parent / "Fälle"))
    ui.saveTableButton.click()
    path = data.parent / "Fälle.tsv"
    assert f"Saved, and chosen for training and evaluation: {path}" in ui.casesSummaryLabel.text
    rows = rowsOf(path)
    assert [row["role"] for row in rows.values()] == ["test", "drop", "train", "drop", "train"]
    assert rows["p2_a"]["reason"] == "Left out by you." and rows["p3_bad"]["reason"] == "The file is damaged."
    assert rows["p4_ä"]["path"] == f"{data.name}/p4_ä.nrrd" and rows["p2_b"]["patient_key"] == "p2"
    parameters = loaded.widget.logic.getParameterNode()
    assert parameters.trainData == parameters.evaluationData == str(path)
    assert loaded.widget.panels[1].ui.trainDataEdit.currentPath == str(path)
    from CTGANLib.datasets.find import find_cases

    assert [case.role for case in find_cases(path)] == ["test", "drop", "train", "drop", "train"]
    ui.casesTable.item(4, 0).setCheckState(qt.Qt.Unchecked)
    assert "Save the table" in ui.casesSummaryLabel.text  # again


def test_a_table_that_cannot_be_saved(checked, ui, tmp_path):
    (tmp_path / "file").touch()
    harness.answers.append(str(tmp_path / "file" / "cases.tsv"))
    ui.saveTableButton.click()
    assert "Cannot write" in harness.dialogs[-1].text and not harness.dialogs[-1].detail
    harness.answers.append("")
    ui.saveTableButton.click()


def test_choices_are_kept_in_the_scene(loaded, checked, ui, data):
    ui.casesTable.item(2, 0).setCheckState(qt.Qt.Unchecked)
    loaded.panel.exit()
    loaded.panel.enter()
    parameters = loaded.widget.logic.getParameterNode()
    assert parameters.dataPath == str(data) and parameters.roles == {"p2_b": "drop"}
    assert parameters.trainData == str(data)
    assert cells(ui, ROLE)[2] == "drop"


def test_the_checked_data_set_is_suggested_to_the_other_tabs(loaded, checked, ui, data, tmp_path):
    parameters = loaded.widget.logic.getParameterNode()
    assert parameters.trainData == parameters.evaluationData == str(data)
    parameters.evaluationData = "/chosen"
    (tmp_path / "other").mkdir()
    ui.dataEdit.currentPath = str(tmp_path / "other")
    check(checked)
    assert (parameters.trainData, parameters.evaluationData) == (str(tmp_path / "other"), "/chosen")


def test_another_data_set_empties_the_table(checked, ui, tmp_path):
    folder = checked._folder
    ui.dataEdit.currentPath = str(tmp_path)
    assert ui.casesTable.rowCount == 0 and not ui.saveTableButton.enabled and not folder.exists()


@pytest.mark.parametrize(("behavior", "text"), [("error", "color photograph"), ("crash", "ended unexpectedly")])
def test_failures_are_shown(panel, ui, backend, data, behavior, text):
    backend.behavior = behavior
    ui.dataEdit.currentPath = str(data)
    check(panel)
    assert text in harness.dialogs[0].text and ui.casesTable.rowCount == 0


def test_cancel_and_scene_close(panel, ui, backend, data):
    backend.behavior = "slow"
    ui.dataEdit.currentPath = str(data)
    ui.checkButton.click()
    harness.run_events(until=lambda: ui.checkProgressBar.value == 10)
    harness.click_and_wait(ui.checkButton, panel.job)
    assert ui.checkStatusLabel.text == "Cancelled"
    ui.checkButton.click()
    slicer.mrmlScene.Clear()
    assert not panel.job.running and harness.dialogs == []


def test_volumes_of_the_scene_become_a_data_folder(panel, ui, tmp_path):
    nodes = [
        slicer.util.addVolumeFromArray(np.full(shape, 40, np.int16), name=name)
        for name, shape in (("5: Thorax/ä", (4, 5, 6)), ("5: Thorax/ä", (4, 5, 6)), ("PA", (1, 5, 6)))
    ]
    assert not ui.writeVolumesButton.enabled
    for node in nodes:
        ui.sceneVolumesSelector.check(node)
    assert ui.writeVolumesButton.toolTip == "Choose a folder for the files"
    folder = tmp_path / "neu ü"
    ui.sceneFolderEdit.currentPath = str(folder)
    ui.writeVolumesButton.click()
    assert ui.sceneStatusLabel.text == "Writing 5: Thorax/ä (1 of 3)" and not ui.writeVolumesButton.enabled
    harness.run_events(until=lambda: ui.writeVolumesButton.enabled)
    assert sorted(path.name for path in folder.iterdir()) == ["5_ Thorax_ä 2.nrrd", "5_ Thorax_ä.nrrd"]
    assert ui.dataEdit.currentPath == str(folder)
    assert harness.dialogs[0].detail == "PA is one picture, not a 3D CT."
    harness.answers.append(False)
    ui.writeVolumesButton.click()
    assert "replace them" in harness.dialogs[1].text.lower() and ui.writeVolumesButton.enabled


def test_scene_close_ends_the_writing(panel, ui, tmp_path):
    ui.sceneVolumesSelector.check(slicer.util.addVolumeFromArray(np.zeros((4, 5, 6), np.int16), name="CT"))
    ui.sceneFolderEdit.currentPath = str(tmp_path / "new")
    ui.writeVolumesButton.click()
    slicer.mrmlScene.Clear()
    harness.run_events()
    assert not (tmp_path / "new").exists()


def test_scripting(loaded, backend, data, tmp_path):
    rows = loaded.widget.logic.checkDataset(data, tableFile=tmp_path / "t.tsv", drop=["p1_a"], similarTo="p2_a")
    assert rows[3]["reason"] == "The file is damaged." and (tmp_path / "t.tsv").is_file()
    assert (backend.value("--drop"), backend.value("--similar-to")) == ("p1_a", "p2_a")
    with pytest.raises(ValueError, match="no data folder"):
        loaded.widget.logic.checkDataset(tmp_path / "none")
