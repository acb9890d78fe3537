"""The tab Reader study of CTGANTrain: making, reading without a hint of the truth, going on, results."""

import csv
import json
from pathlib import Path

import pytest

pytest.importorskip("slicer")
pytest.importorskip("PySide6.QtWidgets")
import fake_tasks
import qt
import slicer

import harness
from CTGANLib.evaluation.reader_answers import REAL, SYNTHETIC
from CTGANLib.evaluation.reader_study import Study
from CTGANTrainLib.study_panel import StudyPanel

MODULE = "CTGANTrain/CTGANTrain.py"
COUNT = 4


@pytest.fixture
def loaded(scene, backend, tmp_path):
    fake_tasks.writeModel(tmp_path / "models" / "Slices", "Slices", "slices")
    fake_tasks.writeModel(tmp_path / "models" / "Pyramid", "Pyramid", "pyramid")
    (tmp_path / "Daten ü").mkdir()
    return harness.load_module(MODULE)


@pytest.fixture
def panel(loaded):
    (panel,) = (each for each in loaded.widget.panels if isinstance(each, StudyPanel))
    loaded.widget.showPanel(panel)
    return panel


@pytest.fixture
def study(panel, tmp_path):
    """A study chosen for reading, as Ada."""
    folder = tmp_path / "Blind ü"
    fake_tasks.study({"--count": str(COUNT), "--kind": "slices", "--out": str(folder)}, lambda *told, **more: None)
    panel.ui.studyFolderEdit.currentPath, panel.ui.readerEdit.text = str(folder), "Ada"
    return Study(folder)


def answer(ui, call=REAL, confidence=4, realism=7):
    (ui.realButton if call == REAL else ui.syntheticButton).checked = True
    ui.confidenceSlider.value, ui.realismSlider.value = float(confidence), float(realism)
    ui.nextButton.click()


def read(panel, study, reader, tell):
    """Answer all cases; ``tell`` is given what each is."""
    panel.ui.readerEdit.text = reader
    panel.ui.readButton.click()
    truths, reading = study.truths(), panel.readPart.reading
    while panel.readPart.reading is not None:
        answer(panel.ui, *tell(truths[reading.next_case].synthetic))


def perfect(synthetic):
    return (SYNTHETIC, 5, 2) if synthetic else (REAL, 5, 9)


def shownVolume():
    (node,) = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    return node


def test_the_button_says_what_is_missing(panel, tmp_path):
    ui = panel.ui
    tip = lambda: ui.makeStudyButton.toolTip  # noqa: E731
    assert tip() == "Choose a data folder or a table of cases"
    ui.studyDataEdit.currentPath = str(tmp_path)
    assert tip() == "Check a model, or choose a folder of synthetic cases"
    ui.syntheticFolderEdit.currentPath = str(tmp_path)
    assert tip() == "Choose a folder and a name for the study"
    ui.newStudyFolderEdit.currentPath, ui.studyNameEdit.text = str(tmp_path), "Daten ü"
    assert tip() == "There is a study of this name already"
    ui.studyNameEdit.text = "new"
    assert ui.makeStudyButton.enabled
    ui.newStudyFolderEdit.currentPath = ""
    assert tip() == "Choose a folder and a name for the study"
    ui.newStudyFolderEdit.currentPath = str(tmp_path)
    assert ui.makeStudyButton.enabled
    assert ui.readButton.toolTip == "Choose the folder of a study" and not ui.showResultsButton.enabled


def test_making_a_study(panel, backend, tmp_path):
    ui = panel.ui
    ui.studyDataEdit.currentPath = str(tmp_path / "Daten ü")
    ui.newStudyFolderEdit.currentPath = str(tmp_path)
    ui.studyNameEdit.text = "Blind ü"
    ui.studyCountSpinBox.value = COUNT
    ui.studyModelsList.item(0).setCheckState(qt.Qt.Checked)
    harness.click_and_wait(ui.makeStudyButton, panel.job)
    study = Study(tmp_path / "Blind ü")
    assert backend.arguments[:2] == ["study", "make"] and backend.value("--models") == "Pyramid"
    values = [backend.value(f"--{name}") for name in ("real", "out", "kind", "count", "role")]
    assert values == [str(tmp_path / "Daten ü"), str(tmp_path / "Blind ü"), "slices", "4", "test"]
    assert "--synthetic" not in backend.arguments and "--seed" not in backend.arguments
    assert panel.ui.studyStatusLabel.text == "4 real and 4 synthetic cases\nLeft out: d: It is damaged."
    assert panel.ui.studyFolderEdit.currentPath == str(tmp_path / "Blind ü") and len(study.cases) == 2 * COUNT
    assert panel.ui.makeStudyButton.toolTip == "There is a study of this name already"


@pytest.mark.parametrize("behavior", ["error", "crash"])
def test_failures_of_the_making_are_shown(panel, tmp_path, backend, behavior):
    backend.behavior = behavior
    ui = panel.ui
    for edit in (ui.studyDataEdit, ui.syntheticFolderEdit, ui.newStudyFolderEdit):
        edit.currentPath = str(tmp_path)
    ui.studyNameEdit.text = "new"
    harness.click_and_wait(ui.makeStudyButton, panel.job)
    assert harness.dialogs[0].kind == "error" and not ui.studyFolderEdit.currentPath


def test_reading_keeps_every_answer(panel, study):
    ui = panel.ui
    ui.readButton.click()
    assert ui.readingLabel.text == "Case 1 of 8; 0 judged" and ui.readButton.text == "Stop"
    assert not ui.nextButton.enabled and ui.nextButton.toolTip == "Say whether the case is real or synthetic"
    ui.syntheticButton.checked = True
    assert ui.nextButton.toolTip == "Say how sure you are, from 1 to 5"
    ui.confidenceSlider.value = 2.0
    assert ui.nextButton.toolTip == "Say how realistic it looks, from 1 to 10"
    ui.realismSlider.value = 9.0
    ui.nextButton.click()
    assert ui.readingLabel.text == "Case 2 of 8; 1 judged" and not ui.nextButton.enabled
    assert not ui.realButton.checked and not ui.syntheticButton.checked and ui.realismSlider.value == 0
    ui.rejectReasonEdit.text = "all black"
    ui.nextButton.click()
    reading = study.reading("ada")
    first, second = (reading.answers[case] for case in reading.cases[:2])
    assert (first.call, first.confidence, first.realism) == (SYNTHETIC, 2, 9)
    assert second.reject == "all black" and second.call == ""
    # Back, another answer, and on.
    ui.backButton.click()
    assert ui.rejectReasonEdit.text == "all black"
    ui.backButton.click()
    assert ui.syntheticButton.checked and ui.confidenceSlider.value == 2 and not ui.backButton.enabled
    lines = reading.file.read_text()
    ui.nextButton.click()
    assert reading.file.read_text() == lines  # nothing new was said
    ui.rejectReasonEdit.text = ""
    answer(ui, REAL, 1, 1)
    assert reading.answers[reading.cases[1]].call == REAL and ui.readingLabel.text == "Case 3 of 8; 2 judged"


def test_a_reader_goes_on_later(panel, study):
    ui = panel.ui
    ui.readButton.click()
    for _ in range(3):
        answer(ui)
    ui.readButton.click()
    assert ui.readingLabel.text == "Ada has judged 3 of 8 cases." and not ui.realButton.enabled
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0
    ui.readerEdit.text = "Grace"
    ui.readButton.click()
    assert ui.readingLabel.text == "Case 1 of 8; 0 judged"
    slicer.mrmlScene.Clear()  # as when Slicer is closed
    assert panel.readPart.reading is None
    ui.studyFolderEdit.currentPath, ui.readerEdit.text = str(study.folder), "Ada"
    ui.readButton.click()
    assert ui.readingLabel.text == "Case 4 of 8; 3 judged"


def test_nothing_in_the_scene_tells_what_a_case_is(panel, study, capfd):
    ui, truths = panel.ui, study.truths()
    ui.readButton.click()
    seen = []
    for _ in range(2 * COUNT):
        node = shownVolume()
        case = panel.readPart.reading.next_case
        display = node.GetDisplayNode()
        seen.append((truths[case].synthetic, node.GetID(), display.GetWindow(), display.GetLevel()))
        assert node.GetName() == f"Case {len(seen)}" and node.GetStorageNode() is None
        assert list(node.GetAttributeNames()) == [] and not node.GetDescription()
        slicer.mrmlScene.SetSaveToXMLString(1)
        slicer.mrmlScene.Commit()
        slicer.mrmlScene.SetSaveToXMLString(0)  # the next scene file would not be written
        shown = [slicer.mrmlScene.GetSceneXMLString()]
        for widget in (ui.nextButton, ui.readingLabel, ui.studyResultLabel, ui.realButton, ui.syntheticButton):
            shown += [widget.toolTip, widget.text]
        text = " ".join(shown)
        # The parameters name the study, but no case.
        assert study.folder.name in text and not any(other in text for other in study.cases)
        assert not any(truth.source in text for truth in truths.values())
        answer(ui)
    assert len({(node, window, level) for _, node, window, level in seen}) == 1  # one node for all
    assert not any(case in "".join(capfd.readouterr()) for case in study.cases)
    assert ui.readingLabel.text == "Ada has judged 8 of 8 cases."


def test_window_and_zoom_are_the_readers(panel, study):
    ui = panel.ui
    before = slicer.app.layoutManager().layout
    red = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceNode()
    red.SetOrientation("Coronal")  # in which a slice would be a line
    red.SetSliceOffset(70)
    ui.readButton.click()
    assert slicer.app.layoutManager().layout == slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView
    assert red.GetOrientation() == "Axial" and red.GetSliceOffset() == pytest.approx(0)
    (composite,) = [n for n in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode") if n.GetLayoutName() == "Red"]
    assert composite.GetBackgroundVolumeID() == shownVolume().GetID() and not composite.GetForegroundVolumeID()
    shownVolume().GetDisplayNode().SetWindowLevel(300, 40)
    answer(ui)
    assert shownVolume().GetDisplayNode().GetWindow() == 300
    ui.readButton.click()
    assert slicer.app.layoutManager().layout == before
    assert slicer.util.getNodesByClass("vtkMRMLVolumeDisplayNode") == []


def test_the_picture_is_the_case(panel, study):
    panel.ui.readButton.click()
    truths, columns = study.truths(), {True: 0, False: 0}
    for _ in range(3):
        case = panel.readPart.reading.next_case
        width = int((slicer.util.arrayFromVolume(shownVolume())[0, 10] > 0).sum())
        columns[truths[case].synthetic] = width
        answer(panel.ui)
    assert set(columns.items()) <= {(True, 7), (False, 6), (True, 0), (False, 0)}


def test_results_of_two_readers(panel, study, tmp_path):
    ui = panel.ui
    read(panel, study, "Ada", perfect)
    read(panel, study, "Grace", lambda synthetic: (REAL, 1, 5))
    ui.showResultsButton.click()
    assert not harness.dialogs  # both have finished
    text = ui.studyResultLabel.text
    assert "Ada: AUC 1.000 (" in text and "Grace: AUC 0.500 (" in text and "All readers: AUC 0.750 (" in text
    figures = panel.resultsPart.tables["figures"]
    assert figures.GetNumberOfRows() == 3 and figures.GetName() == "Blind ü: figures"
    assert slicer.util.arrayFromTableColumn(figures, "auc").tolist() == [1.0, 0.5, 0.75]
    (view,) = slicer.util.getNodesByClass("vtkMRMLTableViewNode")
    assert view.GetTableNodeID() == figures.GetID()
    ui.studyAnswersButton.click()
    assert view.GetTableNodeID() == panel.resultsPart.tables["answers"].GetID()
    ui.studyAgreementButton.click()
    assert panel.resultsPart.tables["agreement"].GetNumberOfRows() == 1
    ui.studyHistogramButton.click()
    (chart,) = slicer.util.getNodesByClass("vtkMRMLPlotChartNode")
    series = [chart.GetNthPlotSeriesNode(number) for number in range(chart.GetNumberOfPlotSeriesNodes())]
    assert [(one.GetName(), one.GetXColumnName(), one.GetYColumnName()) for one in series] == [
        ("real", "realism", "real"),
        ("synthetic", "realism", "synthetic"),
    ]
    counts = slicer.util.arrayFromTableColumn(series[1].GetTableNode(), "synthetic").tolist()
    assert counts == [0, 4, 0, 0, 4, 0, 0, 0, 0, 0]
    harness.answers.append(str(tmp_path / "out"))
    ui.saveStudyButton.click()
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        assert [row["reader"] for row in csv.DictReader(file)] == ["Ada", "Grace", "all"]
    with (tmp_path / "out answers.csv").open(newline="", encoding="utf-8") as file:
        assert {row["truth"] for row in csv.DictReader(file)} == {REAL, SYNTHETIC}
    slicer.mrmlScene.RemoveNode(figures)
    ui.studyFiguresButton.click()
    assert panel.resultsPart.tables["figures"].GetScene() is slicer.mrmlScene


def test_results_before_the_end_have_to_be_asked_for(panel, study):
    ui = panel.ui
    ui.readButton.click()
    answer(ui)
    harness.answers.append(False)
    ui.showResultsButton.click()
    assert "Ada (1/8)" in harness.dialogs[0].text and "cannot go on" in harness.dialogs[0].text
    assert panel.resultsPart.results is None and panel.readPart.reading is not None
    harness.answers.append(True)
    ui.showResultsButton.click()
    assert panel.resultsPart.results.figures[0]["n"] == 1 and panel.readPart.reading is None
    assert study.reading("Ada").closed
    ui.readButton.click()
    assert "has been shown the results" in harness.dialogs[-1].text
    # Somebody else reads without the tables of the truth in the scene.
    ui.readerEdit.text = "Grace"
    ui.readButton.click()
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLTableNode") == 0 and not ui.studyAnswersButton.enabled


def test_the_key_may_lie_elsewhere(panel, study, tmp_path):
    ui = panel.ui
    read(panel, study, "Ada", perfect)
    elsewhere = Path(study.key_file.rename(tmp_path / "safe.key.json"))
    harness.answers.append("")
    ui.showResultsButton.click()
    assert panel.resultsPart.results is None
    harness.answers.append(str(elsewhere))
    ui.showResultsButton.click()
    assert panel.resultsPart.results.figures[0]["auc"] == 1
    elsewhere.write_text(json.dumps({"cases": {}}))
    harness.answers.append(str(elsewhere))
    ui.showResultsButton.click()
    assert "not the key of this study" in harness.dialogs[-1].text


def test_damage_is_told(panel, study, tmp_path):
    ui = panel.ui
    ui.readButton.click()
    study.case_file(panel.readPart.reading.cases[1]).write_bytes(b"x")
    answer(ui)
    assert "cannot be read" in harness.dialogs[-1].text and len(study.reading("Ada").answers) == 1
    ui.readButton.click()
    (study.folder / "study.json").write_text("{}")
    ui.readButton.click()
    assert "is damaged" in harness.dialogs[-1].text and panel.readPart.reading is None


def test_whole_volumes_stay_in_the_layout(loaded, panel, tmp_path):
    made = loaded.widget.logic.makeStudy(tmp_path, tmp_path / "volumes", models=["Pyramid"], kind="volumes", count=2)
    assert (made.real, made.synthetic) == (2, 2)
    before = slicer.app.layoutManager().layout
    panel.ui.studyFolderEdit.currentPath, panel.ui.readerEdit.text = str(made.folder), "Ada"
    panel.ui.readButton.click()
    assert slicer.app.layoutManager().layout == before
    assert slicer.util.arrayFromVolume(shownVolume()).shape == (6, 24, 20)


def test_a_script_makes_reads_and_scores(loaded, backend, tmp_path):
    logic = loaded.widget.logic
    made = logic.makeStudy(tmp_path, tmp_path / "study", synthetic=[tmp_path], count=3, role="all", seed=5)
    assert backend.value("--seed") == "5" and backend.value("--synthetic") == str(tmp_path)
    reading = logic.openStudy(made.folder, "Ada")
    while case := reading.next_case:
        assert reading.study.case_file(case).is_file()
        reading.answer(case, "real", 1, 5)
    found = logic.studyResults(made.folder)
    assert found.figures[0]["auc"] == 0.5 and len(found.answers) == 6
    with pytest.raises(ValueError, match="no reader study"):
        logic.openStudy(tmp_path, "Ada")
    with pytest.raises(ValueError, match="no reader study"):
        logic.studyResults(tmp_path)
    with pytest.raises(ValueError, match="no data folder"):
        logic.makeStudy(tmp_path / "none", tmp_path / "other", models=["Pyramid"])
