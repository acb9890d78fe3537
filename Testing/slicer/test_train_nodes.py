"""What a training run shows in the scene: curves read as they grow, plots, tables and example volumes."""

import json

import numpy as np
import pytest
import SimpleITK as sitk

pytest.importorskip("slicer")
pytest.importorskip("PySide6.QtWidgets")
import slicer

import harness  # noqa: F401  starts Slicer
from CTGANLib.training.runs import Run
from CTGANReconstructLib.node_tables import fillTable, rowsToColumns, showTable
from CTGANTrainLib.curves import Curves
from CTGANTrainLib.run_examples import RunExamples
from CTGANTrainLib.run_plots import LOSSES, SCORES, RunPlots

pytestmark = pytest.mark.usefixtures("scene")


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "Lauf ü 肺"
    folder.mkdir()
    return Run(folder)


def write(path, text, mode="ab"):
    with path.open(mode) as file:
        file.write(text if isinstance(text, bytes) else text.encode())


def test_curves_grow_with_the_file(tmp_path):
    path = tmp_path / "losses.jsonl"
    curves = Curves(path)
    curves.update()
    assert curves.names == [] and curves.columns()["step"].size == 0
    write(path, '{"step": 1, "total": 2.0}\n{"step": 2, "tot')
    curves.update()
    assert curves.columns()["total"].tolist() == [2.0]
    write(path, 'al": 1.5, "late": 7}\n')
    curves.update()
    columns = curves.columns()
    assert columns["step"].tolist() == [1, 2] and columns["total"].tolist() == [2.0, 1.5]
    np.testing.assert_array_equal(columns["late"], [np.nan, 7])
    version = curves.version
    curves.update()
    assert curves.version == version


def test_a_run_that_goes_back_rewrites_its_curves(run):
    for step in range(1, 6):
        run.add_losses(step, {"total": float(step)})
    curves = Curves(run.folder / "losses.jsonl")
    curves.update()
    run.curves_before(3)
    run.add_losses(3, {"total": 30.0})
    curves.update()
    assert curves.columns()["total"].tolist() == [1.0, 2.0, 30.0]


def test_junk_lines_are_passed_over(tmp_path):
    path = tmp_path / "losses.jsonl"
    junk = [b"", b"[]", b"null", b"{", b"\xff\xfe", b'{"total": 1}', b'{"step": "a", "total": 1}', b'{"step": NaN}']
    junk += [b'{"step": 4, "total": "x", "more": NaN, "deep": [1]}', b'{"step": 5, "total": 3}', b"[" * 100_000]
    write(path, b"\n".join(junk) + b"\n")
    curves = Curves(path)
    curves.update()
    assert curves.names == ["total"] and curves.columns()["step"].tolist() == [4, 5]
    np.testing.assert_array_equal(curves.columns()["total"], [np.nan, 3])


def test_long_curves_are_thinned_out(tmp_path):
    path = tmp_path / "losses.jsonl"
    write(path, "".join(json.dumps({"step": step, "total": 1.0}) + "\n" for step in range(1, 10_001)))
    curves = Curves(path)
    curves.update()
    steps = curves.columns()["step"]
    assert len(steps) == 2000 and (steps[0], steps[-1]) == (1, 10_000)


def test_plot_nodes_belong_to_the_run_and_are_reused(run):
    plots = RunPlots()
    run.add_losses(1, {"total": 2.0, "projection": 1.0})
    chart = plots.update([run], LOSSES, "", logarithmic=True)
    series = chart.GetNthPlotSeriesNode(0)
    table = series.GetTableNode()
    assert (series.GetName(), series.GetXColumnName(), series.GetYColumnName()) == ("total", "step", "total")
    assert series.GetPlotType() == series.PlotTypeScatter and series.GetMarkerStyle() == series.MarkerStyleNone
    assert table.GetName() == f"{run.name}: losses" and table.GetAttribute("CTGAN.Run") == str(run.folder)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    parent = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(table))
    assert hierarchy.GetItemName(parent) == f"CTGAN run {run.name}"
    count = slicer.mrmlScene.GetNumberOfNodes()
    run.add_losses(2, {"total": 1.0, "projection": 0.5})
    assert RunPlots().update([run], LOSSES, "", logarithmic=False) is chart  # as after a reload
    assert not chart.GetYAxisLogScale() and table.GetNumberOfRows() == 2
    assert slicer.mrmlScene.GetNumberOfNodes() == count
    slicer.mrmlScene.RemoveNode(table)
    chart = plots.update([run], LOSSES, "total", logarithmic=True)
    assert chart.GetNumberOfPlotSeriesNodes() == 1 and chart.GetNthPlotSeriesNode(0).GetTableNode().GetScene()


def test_losses_and_scores_have_charts_of_their_own(run):
    plots = RunPlots()
    run.add_losses(1, {"total": 2.0})
    run.add_scores(1, {"psnr_true": 20.0})
    losses = plots.update([run], LOSSES, "", logarithmic=True)
    scores = plots.update([run], SCORES, "", logarithmic=True)
    assert losses is not scores and losses.GetYAxisLogScale() and not scores.GetYAxisLogScale()
    plots.show(scores)
    (view,) = slicer.util.getNodesByClass("vtkMRMLPlotViewNode")
    assert view.GetPlotChartNodeID() == scores.GetID()


def writeExample(path, value):
    path.parent.mkdir(exist_ok=True)
    image = sitk.GetImageFromArray(np.full((4, 5, 6), value, np.int16))
    image.SetSpacing((2.0, 2.0, 2.0))
    sitk.WriteImage(image, str(path))


def test_one_example_node_that_changes(run):
    examples = RunExamples()
    assert examples.update(run) == ""
    writeExample(run.truth, 40)
    writeExample(run.example(100), 1)
    assert "step 000100" in examples.update(run)
    node = slicer.util.getNode(f"{run.name}: example")
    assert slicer.util.arrayFromVolume(node).max() == 1 and node.GetSpacing() == (2.0, 2.0, 2.0)
    composites = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    truth = slicer.util.getNode(f"{run.name}: true CT")
    assert {c.GetBackgroundVolumeID() for c in composites} == {node.GetID()}
    assert {c.GetForegroundVolumeID() for c in composites} == {truth.GetID()}
    writeExample(run.example(200), 2)
    RunExamples().update(run)  # as after a reload
    assert slicer.util.arrayFromVolume(node).max() == 2
    assert len(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")) == 2
    run.example(300).write_text("half a file")
    assert examples.update(run) == ""
    assert slicer.util.arrayFromVolume(node).max() == 2


def test_rows_of_any_kind_become_a_table():
    rows = [{"case": "ä", "psnr": 20.5, "95 %": [20, 21.25]}, {"case": "b", "ssim": 0.5, "flag": True}]
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode")
    fillTable(node, rowsToColumns(rows))
    names = [node.GetColumnName(index) for index in range(node.GetNumberOfColumns())]
    assert names == ["case", "psnr", "95 %", "ssim", "flag"]
    assert [node.GetCellText(0, index) for index in (0, 2, 4)] == ["ä", "20 – 21.25", ""]
    np.testing.assert_array_equal(slicer.util.arrayFromTableColumn(node, "psnr"), [20.5, np.nan])
    showTable(node)
    (view,) = slicer.util.getNodesByClass("vtkMRMLTableViewNode")
    assert view.GetTableNodeID() == node.GetID()
