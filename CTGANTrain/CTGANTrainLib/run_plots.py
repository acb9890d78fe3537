"""Losses and scores of runs in Slicer's plot view, kept up to date while the runs go on."""

from pathlib import Path

import slicer
from slicer.i18n import tr as _

from CTGANLib.training.runs import Run
from CTGANReconstructLib.node_tables import fillTable

from .curves import Curves
from .run_nodes import runNode, sharedNode

LOSSES, SCORES = "losses", "scores"
# The first eight of matplotlib's colors: far apart, also for most who see colors differently.
_COLORS = (
    (0.12, 0.47, 0.71), (1.0, 0.5, 0.05), (0.17, 0.63, 0.17), (0.84, 0.15, 0.16),
    (0.58, 0.4, 0.74), (0.55, 0.34, 0.29), (0.89, 0.47, 0.76), (0.5, 0.5, 0.5),
)  # fmt: skip


class RunPlots:
    """A chart of the losses and one of the scores, with the curves of one run, or of several to compare."""

    def __init__(self) -> None:
        self._curves: dict[tuple[Path, str], Curves] = {}
        self._filled: dict[str, tuple[Curves, int]] = {}

    def names(self, runs: list[Run], kind: str) -> list[str]:
        """What there are curves of."""
        return list(dict.fromkeys(name for run in runs for name in self._read(run, kind).names))

    def update(self, runs: list[Run], kind: str, only: str, logarithmic: bool) -> slicer.vtkMRMLPlotChartNode:
        """Bring the chart and the tables it rests on up to date.

        Args:
            runs: whose curves.
            kind: ``losses`` or ``scores``.
            only: the name of the one curve to show; all where empty.
            logarithmic: whether the vertical axis is.
        """
        chart = self._chart(kind)
        chart.SetYAxisLogScale(logarithmic and kind == LOSSES)
        series = []
        for number, run in enumerate(runs):
            curves = self._read(run, kind)
            table = self._table(run, kind, curves)
            for index, name in enumerate(curves.names):
                if only in ("", name):
                    node = self._series(run, kind, name, table)
                    node.SetColor(*_COLORS[(index if len(runs) == 1 else number) % len(_COLORS)])
                    node.SetLineStyle(_lineStyle(node, 0 if len(runs) == 1 or only else index))
                    node.SetName(name if len(runs) == 1 else f"{run.name}: {name}")  # what the legend says
                    series.append(node.GetID())
        shown = [chart.GetNthPlotSeriesNodeID(index) for index in range(chart.GetNumberOfPlotSeriesNodes())]
        if shown != series:
            chart.RemoveAllPlotSeriesNodeIDs()
            for nodeID in series:
                chart.AddAndObservePlotSeriesNodeID(nodeID)
        chart.Modified()  # else the view may stay as it was although the table has changed
        return chart

    def show(self, chart: slicer.vtkMRMLPlotChartNode) -> None:
        """Show a chart, in a layout that has a plot."""
        slicer.modules.plots.logic().ShowChartInLayout(chart)

    def _read(self, run: Run, kind: str) -> Curves:
        key = (run.folder, kind)
        if key not in self._curves:
            self._curves[key] = Curves(run.folder / f"{kind}.jsonl")
        self._curves[key].update()
        return self._curves[key]

    def _table(self, run: Run, kind: str, curves: Curves) -> slicer.vtkMRMLTableNode:
        """The table node of a run's curves, filled anew where they have changed."""
        node = runNode(run, "vtkMRMLTableNode", kind, _title(kind))
        if self._filled.get(node.GetID()) != (curves, curves.version) or node.GetNumberOfColumns() == 0:
            self._filled[node.GetID()] = (curves, curves.version)
            fillTable(node, curves.columns())
        return node

    def _chart(self, kind: str) -> slicer.vtkMRMLPlotChartNode:
        chart = sharedNode("vtkMRMLPlotChartNode", kind, _("CTGAN training: {title}").format(title=_title(kind)))
        if not chart.GetXAxisTitle():
            chart.SetTitle(_title(kind).capitalize())
            chart.SetXAxisTitle(_("step"))
            chart.SetYAxisTitle("")
            chart.SetLegendVisibility(True)
        return chart

    def _series(
        self, run: Run, kind: str, name: str, table: slicer.vtkMRMLTableNode
    ) -> slicer.vtkMRMLPlotSeriesNode:
        node = runNode(run, "vtkMRMLPlotSeriesNode", f"{kind} {name}", name)
        if node.GetTableNodeID() != table.GetID():
            node.SetAndObserveTableNodeID(table.GetID())
            node.SetXColumnName("step")
            node.SetYColumnName(name)
            node.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
            node.SetMarkerStyle(
                slicer.vtkMRMLPlotSeriesNode.MarkerStyleNone
                if kind == LOSSES
                else slicer.vtkMRMLPlotSeriesNode.MarkerStyleCircle
            )
        return node


def _lineStyle(node: slicer.vtkMRMLPlotSeriesNode, index: int) -> int:
    styles = (node.LineStyleSolid, node.LineStyleDash, node.LineStyleDot, node.LineStyleDashDot)
    return styles[index % len(styles)]


def _title(kind: str) -> str:
    return _("losses") if kind == LOSSES else _("validation scores")
