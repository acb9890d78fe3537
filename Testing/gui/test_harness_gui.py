"""The Qt stand-ins against what PythonQt, CTK and Slicer document."""

from __future__ import annotations

import functools
from pathlib import Path

import ctk
import pytest
import qt
import slicer

import harness

SAMPLE = "Testing/harness/sample/HarnessSample.py"
pytestmark = pytest.mark.usefixtures("scene")


@pytest.fixture
def panel():
    """The sample module with its panel."""
    return harness.load_module(SAMPLE)


@pytest.fixture
def ct():
    """A volume node."""
    return slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "ct")


def test_properties_are_attributes():
    button, combo, items, bar = qt.QPushButton("Go"), qt.QComboBox(), qt.QListWidget(), qt.QProgressBar()
    button.enabled, button.name, bar.value = False, "go", 40
    combo.addItems(["a", "b"])
    items.addItem("x")
    assert (button.text, button.enabled, button.isEnabled(), button.objectName) == ("Go", False, False, "go")
    assert (combo.count, combo.currentText, items.count, bar.value) == (2, "a", 1, 40)
    assert qt.QProcess().state() == qt.QProcess.NotRunning
    with pytest.raises(TypeError):
        button.text()


@pytest.mark.parametrize(
    ("name", "value"),
    [("enabled", None), ("text", 3), ("click", print), ("clicked", print), ("width", 3), ("tooltip", "typo")],
)
def test_attributes_that_pythonqt_refuses(name, value):
    with pytest.raises(AttributeError):
        setattr(qt.QPushButton(), name, value)


def test_missing_attributes():
    for owner, name in [(qt.QPushButton(), "tooltip"), (qt.QVBoxLayout(), "margin"), (qt, "QDesktopWidget")]:
        with pytest.raises(AttributeError):
            getattr(owner, name)


def test_a_python_subclass_takes_attributes():
    class Box(qt.QWidget):
        pass

    box = Box()
    box.answer, box.windowTitle = 42, "title"
    assert (box.answer, box.windowTitle) == (42, "title")


def test_dynamic_properties_and_children_are_attributes():
    box = qt.QWidget()
    label = qt.QLabel("x", box)
    label.objectName = "caption"
    box.setProperty("SlicerParameterName", "threshold")
    assert box.SlicerParameterName == "threshold"
    assert box.caption.text == "x"


def test_both_ways_to_connect():
    button, got = qt.QPushButton(), []
    button.clicked.connect(lambda: got.append("none"))
    button.connect("clicked(bool)", lambda checked: got.append(checked))
    button.connect("clicked()", lambda *values: got.append(values))
    button.click()
    assert got == ["none", False, ()]


def test_connect_refuses_unknown_signals():
    with pytest.raises(AttributeError):
        qt.QPushButton().connect("clickd()", print)
    with pytest.raises(AttributeError):
        qt.QPushButton().connect("clicked(int)", print)


def test_disconnect_needs_the_same_callable():
    button, got = qt.QPushButton(), []
    assert button.clicked.connect(got.append)
    assert not button.clicked.disconnect(print)
    assert button.clicked.disconnect(got.append)
    button.click()
    assert got == []


def test_a_partial_gets_all_arguments():
    got = []
    button = qt.QPushButton()
    button.clicked.connect(functools.partial(lambda *values: got.append(values), "first"))
    button.click()
    assert got == [("first", False)]


def test_an_exception_in_a_slot_comes_out():
    qt.QTimer.singleShot(0, lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        harness.run_events(until=lambda: False, timeout=2)


def test_process_reports():
    process, ends = qt.QProcess(), []
    process.connect("finished(int,QProcess::ExitStatus)", lambda code, status: ends.append(code))
    process.start("PythonSlicer", ["-c", "import sys; print('out'); sys.exit(3)"])
    harness.run_events(until=lambda: ends)
    assert (ends, process.readAllStandardOutput().data().strip()) == ([3], b"out")


def test_message_boxes_are_recorded():
    slicer.util.errorDisplay("bad", detailedText="why")
    harness.answers.extend([True, False, qt.QMessageBox.Cancel])
    assert slicer.util.confirmOkCancelDisplay("sure?") is True
    assert slicer.util.confirmYesNoDisplay("sure?") is False
    buttons = qt.QMessageBox.Ok | qt.QMessageBox.Cancel
    assert qt.QMessageBox.question(None, "t", "q", buttons) == qt.QMessageBox.Cancel
    assert [dialog.kind for dialog in harness.dialogs] == ["error", "confirm", "confirm", "confirm"]
    assert harness.dialogs[0].detail == "why"


def test_an_unanswered_question_fails():
    with pytest.raises(harness.UnansweredQuestion):
        qt.QFileDialog.getOpenFileName(None, "Open")


def test_file_dialogs_give_the_path_alone():
    harness.answers.append("/data/a.nrrd")
    assert qt.QFileDialog.getOpenFileName(None, "Open", "", "*.nrrd") == "/data/a.nrrd"


def test_settings_do_not_leave_the_test():
    assert qt.QSettings().value("CTGAN/device") is None
    qt.QSettings().setValue("CTGAN/device", "cpu")
    assert slicer.util.settingsValue("CTGAN/device", "auto") == "cpu"
    assert Path(slicer.app.userSettings().fileName()).is_relative_to(slicer.app.slicerHome)


def test_panel_follows_parameters_and_back(panel, ct):
    ui, parameters = panel.widget.ui, panel.widget.parameters
    assert (ui.threshold.value, ui.steps.value, ui.speed.currentText, ui.view.currentText) == (
        100,
        10,
        "Good",
        "lateral",
    )
    assert (ui.threshold.minimum, ui.threshold.maximum) == (-1000, 3000)
    ui.threshold.value, ui.view.currentText, ui.boxSize.value = 250.25, "PA", 7
    ui.inputSelector.setCurrentNode(ct)
    assert (parameters.threshold, parameters.view, parameters.box.size) == (250.25, "PA", 7)
    assert parameters.inputVolume is ct
    parameters.threshold, parameters.folder = -5, Path("/data")
    assert (ui.threshold.value, ui.folder.currentPath) == (-5, "/data")


def test_apply_says_why_it_is_off(panel, ct):
    button = panel.widget.ui.applyButton
    assert (button.enabled, button.toolTip) == (False, "Select an input volume")
    panel.widget.parameters.inputVolume = ct
    assert button.enabled


def test_an_error_in_apply_is_a_dialog(panel, ct):
    panel.widget.parameters.inputVolume = ct
    panel.widget.ui.applyButton.click()
    assert harness.dialogs[0].text == "Failed.\n\nThe volume is empty"


def test_closing_the_scene_resets_the_panel(panel, ct):
    panel.widget.parameters.inputVolume = ct
    panel.widget.parameters.threshold = 5
    slicer.mrmlScene.Clear(0)
    ui = panel.widget.ui
    assert (ui.applyButton.enabled, ui.threshold.value, ui.inputSelector.nodeCount()) == (False, 100, 0)


def test_reload_makes_a_new_widget(panel):
    before = panel.widget
    before.onReload()
    assert panel.widget is slicer.modules.HarnessSampleWidget is not before
    assert "cleanup" in before.calls
    assert panel.panel.findChildren("ctkSliderWidget")


def test_unloading_leaves_then_cleans_up(panel):
    widget = panel.widget
    harness.reset()
    assert widget.calls[-2:] == ["exit", "cleanup"]
    assert not hasattr(slicer.modules, "harnesssample")


def test_picture_of_a_panel(panel, tmp_path):
    picture = qt.QImage(str(harness.grab(panel.panel, tmp_path / "panel.png")))
    colors = {picture.pixel(x, y) for x in range(0, picture.width(), 2) for y in range(0, picture.height(), 2)}
    assert picture.width() == 480
    assert len(colors) > 20  # text is drawn with many shades, empty boxes are not


def test_node_selector_selects_nothing_by_itself(ct):
    selector = slicer.qMRMLNodeComboBox()
    selector.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    assert not selector.enabled
    selector.setMRMLScene(slicer.mrmlScene)
    assert (selector.enabled, selector.nodeCount(), selector.currentNode()) == (True, 1, None)
    assert selector.nodeTypes == ("vtkMRMLScalarVolumeNode",)


def test_node_selector_follows_the_scene(ct):
    selector, got = slicer.qMRMLNodeComboBox(), []
    selector.nodeTypes, selector.noneEnabled = ["vtkMRMLVolumeNode"], True
    selector.setMRMLScene(slicer.mrmlScene)
    selector.currentNodeChanged.connect(got.append)
    selector.setCurrentNode(ct)
    other = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode")
    assert (selector.nodeCount(), selector.currentNodeID) == (2, ct.GetID())
    slicer.mrmlScene.RemoveNode(ct)
    assert got == [ct, None]
    selector.showChildNodeTypes = False
    assert selector.nodeCount() == 0
    assert other


def test_node_selector_makes_nodes():
    selector = slicer.qMRMLNodeComboBox()
    selector.nodeTypes, selector.renameEnabled = ["vtkMRMLScalarVolumeNode"], True
    selector.baseName = "Result"
    selector.setMRMLScene(slicer.mrmlScene)
    node = selector.addNode()
    assert (node.GetName(), selector.currentNode()) == ("Result", node)


def test_collapsible_button_hides_its_contents():
    button = ctk.ctkCollapsibleButton()
    layout = qt.QVBoxLayout(button)
    label = qt.QLabel("inside")
    layout.addWidget(label)
    button.show()
    button.collapsed = True
    assert (button.checked, label.visible) == (False, False)
    button.collapsed = False
    assert label.visible


def test_directory_button_and_path_edit(tmp_path):
    button, got = ctk.ctkDirectoryButton(), []
    button.directoryChanged.connect(got.append)
    button.directory = str(tmp_path)
    assert (button.directory, got) == (str(tmp_path), [str(tmp_path)])
    edit = ctk.ctkPathLineEdit()
    edit.filters = ctk.ctkPathLineEdit.Files
    harness.answers.append("/data/weights.pt")
    edit.browse()
    assert edit.currentPath == "/data/weights.pt"


def test_path_edit_tells_acceptable_paths_only():
    edit, paths, valid = ctk.ctkPathLineEdit(), [], []
    edit.currentPathChanged.connect(paths.append)
    edit.validInputChanged.connect(valid.append)
    for path in ("/data/IM0001", "", "/data/x.png"):
        edit.currentPath = path
    assert (paths, valid) == (["/data/IM0001", "/data/x.png"], [True, False, True])
    edit.nameFilters = ["Pictures (*.png *.nii.gz)", "All files (*)"]
    for path in ("/data/IM0001", "/data/x.PNG", "/data/x.nii.gz", "/data/y.png"):
        edit.currentPath = path
    assert paths[2:] == ["/data/y.png"]


def test_path_edit_remembers():
    def edit():
        made = ctk.ctkPathLineEdit()
        made.settingKey = "CTGANTest"
        return made

    first = edit()
    for path in ("/a", "/b", "/a"):
        first.currentPath = path
        first.addCurrentPathToHistory()
        assert first.currentPath == path
    assert [first.comboBox().itemText(row) for row in range(first.comboBox().count)] == ["/a", "/b"]
    assert edit().currentPath == "/a"


UI = """<ui version="4.0"><class>Form</class><widget class="QWidget" name="Form">{inside}</widget>{connections}</ui>"""
CONNECTION = """<connections><connection><sender>Form</sender><signal>{signal}</signal><receiver>Form</receiver>
<slot>{slot}</slot></connection></connections>"""


@pytest.mark.parametrize(
    ("inside", "connections"),
    [
        ('<widget class="qMRMLInventedWidget" name="x"/>', ""),
        ('<widget class="ctkSliderWidget" name="x"><property name="maxi"><double>1</double></property></widget>', ""),
        ("", CONNECTION.format(signal="invented()", slot="show()")),
        ("", CONNECTION.format(signal="customContextMenuRequested(QPoint)", slot="invented()")),
    ],
)
def test_ui_files_with_unknown_names_fail(tmp_path, inside, connections):
    path = tmp_path / "form.ui"
    path.write_text(UI.format(inside=inside, connections=connections), encoding="utf-8")
    with pytest.raises((RuntimeError, AttributeError)):
        slicer.util.loadUI(str(path))


def test_checkable_node_selector(ct):
    selector, got = slicer.qMRMLCheckableNodeComboBox(), []
    selector.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    selector.setMRMLScene(slicer.mrmlScene)
    selector.checkedNodesChanged.connect(lambda: got.append(selector.checkedNodes()))
    other = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "other")
    assert selector.noneChecked() and not selector.addEnabled
    selector.check(other)
    selector.setCheckState(ct, qt.Qt.Checked)
    assert selector.allChecked() and selector.checkedNodes() == (ct, other)
    slicer.mrmlScene.RemoveNode(other)
    assert got[-1] == (ct,) and selector.uncheckedNodes() == ()


def test_layouts_make_the_views_that_they_show():
    manager, node = slicer.app.layoutManager(), slicer.vtkMRMLLayoutNode
    assert (manager.plotViewCount, manager.tableViewCount) == (0, 0)
    chart = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotChartNode", "chart")
    slicer.modules.plots.logic().ShowChartInLayout(chart)
    assert (manager.layout, manager.plotViewCount) == (node.SlicerLayoutConventionalPlotView, 1)
    (view,) = slicer.util.getNodesByClass("vtkMRMLPlotViewNode")
    assert view.GetPlotChartNodeID() == chart.GetID()
    manager.setLayout(slicer.modules.tables.logic().GetLayoutWithTable(manager.layout))
    assert (manager.plotViewCount, manager.tableViewCount) == (1, 1)
