"""The Train tab and the scripting API of CTGANTrain, with a fake backend."""

import json
import os
import platform
import shutil
import time
from pathlib import Path

import pytest

pytest.importorskip("slicer")
pytest.importorskip("PySide6.QtWidgets")
import qt
import slicer

import harness
from CTGANLib.commands.recipes import RECIPES
from CTGANLib.training.runs import Run

MODULE = "CTGANTrain/CTGANTrain.py"


def load():
    loaded = harness.load_module(MODULE)
    loaded.widget.showPanel(loaded.widget.panels[1])
    return loaded


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "Daten für 肺"
    folder.mkdir()
    return folder


@pytest.fixture
def loaded(scene, backend, data, monkeypatch):
    monkeypatch.setattr("CTGANTrainLib.train_panel._POLL_MSEC", 50)
    loaded = load()
    yield loaded
    for run in loaded.widget.logic.runs():
        if run.status().get("pid", os.getpid()) != os.getpid():
            end(run)


@pytest.fixture
def panel(loaded, data):
    loaded.widget.panels[1].ui.trainDataEdit.currentPath = str(data)
    return loaded.widget.panels[1]


@pytest.fixture
def ui(panel):
    return panel.ui


def end(run):
    """End a run's process, if it is still there."""
    try:
        os.kill(run.status()["pid"], 9)
    except ProcessLookupError:
        return
    harness.run_events()


def state(panel):
    """The state of the one selected run."""
    (run,) = panel.selected()
    return panel._states[run.folder].state


def waitFor(panel, wanted):
    harness.run_events(until=lambda: panel.selected() and state(panel) == wanted)


def start(panel, backend, behavior="endless"):
    backend.behavior = behavior
    panel.ui.startButton.click()
    if behavior == "endless":
        waitFor(panel, "training")
    return panel.selected()[0]


def makeRun(folder, **status):
    """A run folder as an earlier session may have left it."""
    folder.mkdir(parents=True)
    info = {"name": folder.name, "recipe": "biplanar", "data": str(folder.parent), "settings": {"steps": 5}}
    (folder / "run.json").write_text(json.dumps({**info, "created": "2026-01-02T03:04:05+00:00"}))
    (folder / "status.json").write_text(json.dumps(status))
    return Run(folder)


def select(panel, *names):
    rows = [row for row in range(panel.ui.runsTable.rowCount) if panel.ui.runsTable.item(row, 0).text() in names]
    panel.ui.runsTable.clearSelection()
    panel.ui.runsTable.setSelectionMode(qt.QAbstractItemView.MultiSelection)
    for row in rows:
        panel.ui.runsTable.selectRow(row)
    assert {run.name for run in panel.selected()} == set(names)


def test_button_says_what_is_missing(loaded, data):
    ui = loaded.widget.panels[1].ui
    assert (ui.startButton.enabled, ui.startButton.toolTip) == (False, "Choose a data folder or a table of cases")
    ui.trainDataEdit.currentPath = str(data / "none")
    assert ui.startButton.toolTip.startswith("There is no folder or table")
    (data / "x.txt").touch()
    ui.trainDataEdit.currentPath = str(data / "x.txt")
    assert ui.startButton.toolTip == "A table of cases ends in .tsv"
    (data / "cases.tsv").touch()
    harness.answers.append(str(data / "cases.tsv"))
    ui.trainTableButton.click()
    assert ui.startButton.enabled and ui.trainDataEdit.currentPath == str(data / "cases.tsv")


def test_a_training_from_start_to_model(loaded, panel, ui, backend, data, tmp_path):
    ui.modelNameEdit.text = "Thorax ä"
    ui.stepsSpinBox.value, ui.learningRateSpinBox.value = 6, 0.0005
    ui.settingsTable.item(0, 1).setText("dual-path")
    backend.behavior = "good"
    ui.startButton.click()
    assert state(panel) in ("starting", "preparing", "training") and not ui.runProgressBar.isHidden()
    waitFor(panel, "done")
    run = panel.selected()[0]
    assert run.folder == tmp_path / "runs ü" / "Thorax ä"
    expected = {"--recipe": "biplanar", "--data": str(data), "--steps": "6", "--batch": None, "--device": "auto"}
    assert {option: backend.value(option) for option in expected} == expected
    assert "generator=dual-path" in backend.arguments and "learning_rate=0.0005" in backend.arguments
    assert "model Thorax ä" in ui.runStatusLabel.text and "psnr_true 21.79" in ui.runStatusLabel.text
    row = [ui.runsTable.item(0, column).text() for column in (0, 1, 2, 3)]
    assert row == ["Thorax ä", "done", "6 of 6", "psnr_true 21.79"]
    assert "learning_rate 0.0006" in ui.runsTable.item(0, 5).text()
    assert not ui.stopButton.enabled and ui.deleteButton.enabled and ui.runProgressBar.isHidden()
    assert harness.dialogs == []


def test_the_model_appears_in_the_other_module_without_a_restart(loaded, panel, ui, backend):
    other = harness.load_module("CTGANReconstruct/CTGANReconstruct.py")
    combo = other.widget.panels[0].ui.modelComboBox
    assert combo.findData("Mine") < 0
    other.panel.exit()
    ui.modelNameEdit.text = "Mine"
    start(panel, backend, "good")
    waitFor(panel, "done")
    other.panel.enter()
    assert combo.findData("Mine") >= 0


def test_curves_and_examples_follow_the_training(loaded, panel, ui, backend):
    run = start(panel, backend)
    manager = slicer.app.layoutManager()
    assert manager.plotViewCount == 1
    harness.run_events(until=lambda: len(run.losses()) > 20 and "step" in ui.exampleLabel.text)
    (chart,) = slicer.util.getNodesByClass("vtkMRMLPlotChartNode")
    assert chart.GetYAxisLogScale() and chart.GetNumberOfPlotSeriesNodes() == 2
    names = {node.GetName() for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")}
    assert names == {"biplanar: true CT", "biplanar: example"}
    table = slicer.util.getNode("biplanar: losses")
    before = table.GetNumberOfRows()
    harness.run_events(until=lambda: table.GetNumberOfRows() > before + 5)
    ui.curvesComboBox.currentIndex = 1
    assert len(slicer.util.getNodesByClass("vtkMRMLPlotChartNode")) == 2
    assert [ui.curveComboBox.itemText(index) for index in range(ui.curveComboBox.count)] == ["All", "psnr_true", "ssim"]
    assert not ui.logarithmicCheckBox.enabled
    count = slicer.mrmlScene.GetNumberOfNodes()
    harness.run_events(until=lambda: len(run.losses()) > 60)
    assert slicer.mrmlScene.GetNumberOfNodes() == count


def test_pause_and_resume(loaded, panel, ui, backend):
    run = start(panel, backend)
    ui.pauseButton.click()
    waitFor(panel, "paused")
    steps = len(run.losses())
    assert (ui.pauseButton.enabled, ui.resumeButton.enabled, ui.stopButton.enabled) == (False, True, False)
    ui.resumeButton.click()
    waitFor(panel, "training")
    harness.run_events(until=lambda: len(run.losses()) > steps + 3)
    assert [row["step"] for row in run.losses()] == list(range(1, len(run.losses()) + 1))
    assert backend.value("--data") == run.info()["data"] and backend.value("--device") == "cpu"
    assert len(loaded.widget.logic.runs()) == 1


def test_stop_makes_a_model_of_what_was_learned(loaded, panel, ui, backend):
    start(panel, backend)
    ui.stopButton.click()
    waitFor(panel, "done")
    assert "model biplanar" in ui.runStatusLabel.text


def test_stop_twice_ends_at_once(loaded, panel, ui, backend):
    run = start(panel, backend, "deaf")
    waitFor(panel, "training")
    ui.stopButton.click()
    assert ui.stopButton.text == "End now" and "stop after its step" in ui.runStatusLabel.text
    assert not ui.pauseButton.enabled
    harness.answers.append(False)
    ui.stopButton.click()
    assert state(panel) == "training"
    harness.answers.append(True)
    ui.stopButton.click()
    waitFor(panel, "interrupted")
    assert [dialog.kind for dialog in harness.dialogs] == ["confirm", "confirm"] and run.folder.exists()


def test_a_training_that_does_not_come_to_its_steps_can_be_ended(loaded, panel, ui, backend):
    start(panel, backend, "slow")
    assert state(panel) == "starting" and ui.stopButton.text == "End now" and not ui.pauseButton.enabled
    harness.answers.append(True)
    ui.stopButton.click()
    folders = Path(os.environ["CTGAN_RUNS"])
    harness.run_events(until=lambda: ui.runsTable.rowCount == 0 and not list(folders.iterdir()))


def test_a_killed_training_is_interrupted_and_can_be_resumed(loaded, panel, ui, backend):
    run = start(panel, backend)
    end(run)
    waitFor(panel, "interrupted")
    harness.run_events(until=lambda: harness.dialogs)
    assert "ended unexpectedly (exit status -9)" in harness.dialogs[0].text
    assert ui.resumeButton.enabled and ui.deleteButton.enabled
    ui.resumeButton.click()
    waitFor(panel, "training")


def test_scene_close_and_reload_do_not_end_the_training(loaded, panel, ui, backend):
    run = start(panel, backend)
    slicer.mrmlScene.Clear()
    harness.run_events()
    assert slicer.util.getNodesByClass("vtkMRMLPlotChartNode") == []
    waitFor(panel, "training")
    select(panel, "biplanar")
    ui.showCurvesButton.click()
    assert len(slicer.util.getNodesByClass("vtkMRMLPlotChartNode")) == 1
    harness.reset()
    steps = len(run.losses())
    again = load().widget.panels[1]
    waitFor(again, "training")
    assert [joined.name for joined in again.selected()] == ["biplanar"]
    harness.run_events(until=lambda: len(run.losses()) > steps + 3)
    again.ui.pauseButton.click()
    waitFor(again, "paused")


def test_a_training_of_an_earlier_session_can_be_ended(loaded, panel, ui, backend):
    """Its process is not ours any more, but can be told by what it was started with."""
    run = start(panel, backend)
    harness.reset()
    again = load().widget.panels[1]
    again._trainings.end(run)
    os.waitpid(run.status()["pid"], 0)  # it is still a child of this process, which a new session would not be
    assert run.status()["state"] == "interrupted"


def test_a_foreign_process_is_not_ended(loaded, panel):
    folder = Path(os.environ["CTGAN_RUNS"]) / "other"
    run = makeRun(folder, state="training", pid=os.getpid(), host=platform.node(), updated=time.time())
    with pytest.raises(RuntimeError, match="cannot be found"):
        panel._trainings.end(run)


def test_failures_are_said(loaded, panel, ui, backend):
    start(panel, backend, "failing")
    waitFor(panel, "failed")
    harness.run_events(until=lambda: harness.dialogs)
    assert ui.runErrorLabel.text == "The losses are not numbers any more. Lower the learning rate."
    assert harness.dialogs[0].text == ui.runErrorLabel.text
    assert ui.resumeButton.enabled


@pytest.mark.parametrize(("behavior", "text"), [("error", "color photograph"), ("crash", "ended unexpectedly")])
def test_a_training_that_does_not_start_leaves_nothing(loaded, panel, ui, backend, behavior, text):
    start(panel, backend, behavior)
    harness.run_events(until=lambda: harness.dialogs)
    assert text in harness.dialogs[0].text
    panel.poll()
    assert ui.runsTable.rowCount == 0 and list(Path(os.environ["CTGAN_RUNS"]).iterdir()) == []


def test_packages_are_installed_before_the_start(loaded, panel, backend):
    backend.missing = ["monai>=1.5"]
    start(panel, backend, "good")
    waitFor(panel, "done")
    assert backend.installed == 1


def test_delete_asks_and_is_refused_while_at_work(loaded, panel, ui, backend):
    run = start(panel, backend)
    assert not ui.deleteButton.enabled and "cannot be deleted" in ui.deleteButton.toolTip
    ui.pauseButton.click()
    waitFor(panel, "paused")
    harness.answers.append(False)
    ui.deleteButton.click()
    assert run.folder.exists()
    harness.answers.append(True)
    ui.deleteButton.click()
    assert [dialog.kind for dialog in harness.dialogs] == ["confirm", "confirm"]
    assert not run.folder.exists() and ui.runsTable.rowCount == 0


def test_delete_touches_nothing_but_runs(loaded, panel, tmp_path):
    from CTGANTrainLib.trainings import deleteRun

    outside = makeRun(tmp_path / "elsewhere", state="done")
    with pytest.raises(ValueError, match="no run of the runs folder"):
        deleteRun(outside)
    assert outside.folder.exists()


def test_odd_run_folders_do_no_harm(loaded, panel, ui):
    root = Path(os.environ["CTGAN_RUNS"])
    for name, status in (("a", {"state": "done", "step": "x", "best": [1], "error": 7, "fraction": None}), ("b", {})):
        makeRun(root / name, **status)
    (root / "c").mkdir()
    (root / "c" / "run.json").write_text('{"name": ')
    (root / "c" / "status.json").write_bytes(b"\xff\xfe")
    (root / "empty").mkdir()
    (root / "file").touch()
    panel.poll()
    assert sorted(ui.runsTable.item(row, 0).text() for row in range(ui.runsTable.rowCount)) == ["a", "b", "c"]
    for name in "abc":
        select(panel, name)
        ui.showCurvesButton.click()
    select(panel, "a", "b", "c")
    ui.showCurvesButton.click()
    assert harness.dialogs == []


def test_several_runs_are_compared(loaded, panel, ui):
    for name in ("first", "second"):
        run = makeRun(Path(os.environ["CTGAN_RUNS"]) / name, state="done")
        for step in range(1, 4):
            run.add_losses(step, {"total": 1.0 / step, "projection": 0.1})
    panel.poll()
    select(panel, "first", "second")
    assert not any(button.enabled for button in (ui.pauseButton, ui.resumeButton, ui.stopButton, ui.deleteButton))
    ui.showCurvesButton.click()
    (chart,) = slicer.util.getNodesByClass("vtkMRMLPlotChartNode")
    assert chart.GetNumberOfPlotSeriesNodes() == 4
    ui.curveComboBox.currentIndex = 1
    series = [chart.GetNthPlotSeriesNode(index) for index in range(chart.GetNumberOfPlotSeriesNodes())]
    assert {node.GetName() for node in series} == {"first: total", "second: total"}
    select(panel, "first")
    assert chart.GetNumberOfPlotSeriesNodes() == 1
    for name in ("another", "zero"):  # a run stays selected while others come and go
        makeRun(Path(os.environ["CTGAN_RUNS"]) / name, state="done")
    panel.poll()
    assert ui.runsTable.rowCount == 4 and [run.name for run in panel.selected()] == ["first"]
    shutil.rmtree(Path(os.environ["CTGAN_RUNS"]) / "another")
    panel.poll()
    assert ui.runsTable.rowCount == 3 and [run.name for run in panel.selected()] == ["first"]


def test_a_long_run_stays_quick(loaded, panel, ui):
    run = makeRun(Path(os.environ["CTGAN_RUNS"]) / "long", state="done")
    lines = [json.dumps({"step": step, "total": 1 / step, "projection": 0.2}) for step in range(1, 10_001)]
    (run.folder / "losses.jsonl").write_text("\n".join(lines) + "\n")
    panel.poll()
    select(panel, "long")
    ui.showCurvesButton.click()
    table = slicer.util.getNode("long: losses")
    assert table.GetNumberOfRows() == 2000
    begun = time.perf_counter()
    for step in range(10_001, 10_011):
        run.add_losses(step, {"total": 1 / step, "projection": 0.2})
        panel.poll()
    assert (time.perf_counter() - begun) / 10 < 0.1
    assert table.GetTable().GetValueByName(1999, "step").ToInt() == 10_010


def test_open_folder(loaded, panel, ui, monkeypatch):
    run = makeRun(Path(os.environ["CTGAN_RUNS"]) / "one ü", state="done")
    panel.poll()
    select(panel, "one ü")
    opened = []
    monkeypatch.setattr(qt.QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()))
    ui.openFolderButton.click()
    assert opened == [str(run.folder)]


def test_choices_are_kept_in_the_scene(loaded, ui, data):
    ui.deviceComboBox.currentText, ui.modelNameEdit.text = "cpu", "mine"
    ui.settingsTable.item(1, 1).setText("0.5")
    loaded.panel.exit()
    loaded.panel.enter()
    parameters = loaded.widget.logic.getParameterNode()
    assert (parameters.device, parameters.modelName, parameters.trainData) == ("cpu", "mine", str(data))
    assert parameters.settings == {"full_from": "0.5"} and ui.settingsTable.item(1, 1).text() == "0.5"


def test_scripting(loaded, backend, tmp_path, data):
    logic = loaded.widget.logic
    result = logic.train(data, tmp_path / "run", steps=5, seed=0, settings={"full_from": 0.5})
    assert (result.model, result.name) == (tmp_path / "run" / "model", "run")
    assert result.metrics[0] == {"method": "CTGAN", "psnr_true": 21.5} and result.leftOut == {"d": "It is damaged."}
    assert backend.value("--seed") == "0" and backend.value("--set") == "full_from=0.5"
    rows = logic.evaluate(data, model="ChestBiplanar", compare=["run"], tableFile=tmp_path / "table.json")
    assert rows[0]["psnr_true"] == 21.5 and backend.value("--compare") == "run"
    assert Path(backend.value("--out")) == tmp_path / "table.json"
    with pytest.raises(ValueError, match="no data folder"):
        logic.train(tmp_path / "none", tmp_path / "run")
    with pytest.raises(ValueError, match="Choose a run folder"):
        logic.train(data, "")


def test_scripted_training_that_goes_on_by_itself(loaded, backend, data):
    logic = loaded.widget.logic
    backend.behavior = "endless"
    run = logic.startTraining(data, "mine")
    assert [known.folder for known in logic.runs()] == [run.folder]
    harness.run_events(until=lambda: run.status().get("state") == "training")
    with pytest.raises(RuntimeError, match="at work already"):
        logic.resumeTraining(run)
    run.request("pause")
    harness.run_events(until=lambda: run.status().get("state") == "paused")
    backend.behavior = "good"
    harness.run_events(until=lambda: logic.trainings.failures() == [] and not logic.trainings._started)
    logic.resumeTraining(run)
    harness.run_events(until=lambda: run.status().get("state") == "done")
    assert logic.startTraining(data, "mine").name == "mine 2"


def chooseRecipe(ui, recipe):
    ui.recipeComboBox.currentText = recipe
    return [ui.settingsTable.item(row, 0).text() for row in range(ui.settingsTable.rowCount)]


def test_the_form_follows_the_recipe(loaded, panel, ui):
    assert "radiographs become a CT" in ui.recipeHintLabel.text
    assert ui.structuresComboBox.isHidden() and ui.structuresLabel.isHidden()
    ui.settingsTable.item(0, 1).setText("dual-path")
    names = chooseRecipe(ui, "segmentation")
    assert "generator" not in names and "network" in names and "patience" in names
    assert "label maps" in ui.recipeHintLabel.text and "KiTS19" in ui.recipeHintLabel.text
    assert not ui.structuresComboBox.isHidden() and not ui.structuresLabel.isHidden()
    ui.settingsTable.item(names.index("network"), 1).setText("DynUNet")
    assert chooseRecipe(ui, "biplanar")[0] == "generator" and ui.settingsTable.item(0, 1).text() == "dual-path"
    chooseRecipe(ui, "segmentation")
    assert ui.settingsTable.item(names.index("network"), 1).text() == "DynUNet"


def test_kits_trains_with_one_click(loaded, panel, ui, backend, tmp_path):
    kits = tmp_path / "kits19" / "data"
    for case in ("case_00000", "case_00001"):
        (kits / case).mkdir(parents=True)
        for name in ("imaging", "segmentation"):
            (kits / case / f"{name}.nii.gz").touch()
    ui.settingsTable.item(0, 1).setText("dual-path")  # of the other recipe
    ui.trainDataEdit.currentPath = str(kits)
    run = start(panel, backend, "good")
    waitFor(panel, "done")
    expected = {"--recipe": "segmentation", "--data": str(kits), "--set": "task=kidney"}
    assert {option: backend.value(option) for option in expected} == expected
    assert not any("generator" in argument for argument in backend.arguments)
    assert run.folder == tmp_path / "runs ü" / "segmentation"
    assert "model segmentation" in ui.runStatusLabel.text and "dice 0.5" in ui.runStatusLabel.text
    ui.curvesComboBox.currentIndex = 1
    curves = [ui.curveComboBox.itemText(index) for index in range(ui.curveComboBox.count)]
    assert curves == ["All", "dice", "dice Kidney"]
    (table,) = [node for node in slicer.util.getNodesByClass("vtkMRMLTableNode") if "scores" in node.GetName()]
    assert slicer.util.arrayFromTableColumn(table, "dice Kidney").tolist() == [0.4, 0.4]
    assert harness.dialogs == []


def test_the_recipe_stays_as_it_was_chosen(loaded, panel, ui, data):
    (data / "case_0").mkdir()
    (data / "case_0" / "segmentation.nii.gz").touch()
    loaded.panel.exit()
    loaded.panel.enter()
    assert ui.recipeComboBox.currentText == "biplanar"  # the data set was there already
    chooseRecipe(ui, "segmentation")
    ui.structuresComboBox.currentText = "chest"
    loaded.panel.exit()
    loaded.panel.enter()
    assert (ui.recipeComboBox.currentText, ui.structuresComboBox.currentText) == ("segmentation", "chest")


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_advanced_settings_are_those_of_the_recipe(loaded, recipe):
    from CTGANLib.commands.recipes import recipe_kit
    from CTGANTrainLib.recipe_hints import settingHints

    own = {"steps", "batch_size", "learning_rate", "seed", "validation_share"}  # fields of the form
    own |= {"task"} if recipe == "segmentation" else set()
    assert settingHints(recipe).keys() | own == vars(recipe_kit(recipe).settings()).keys()


def test_the_structures_are_those_of_the_segmentation(loaded):
    from CTGANLib.errors import UserError
    from CTGANLib.segmentation.tasks import find_task
    from CTGANTrainLib.train_task import STRUCTURES

    with pytest.raises(UserError) as caught:
        find_task("?")
    assert caught.value.advice == f"Choose one of {', '.join(STRUCTURES)}."
