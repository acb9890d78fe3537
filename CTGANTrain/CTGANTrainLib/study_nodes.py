"""The results of a study as table nodes, and a chart of how realistic real and synthetic cases looked."""

from pathlib import Path

import slicer
from slicer.i18n import tr as _

from CTGANLib.evaluation.reader_answers import REAL, SYNTHETIC
from CTGANLib.evaluation.reader_results import Results
from CTGANReconstructLib.node_tables import fillTable, rowsToColumns

FIGURES, AGREEMENT, ANSWERS, HISTOGRAM = "figures", "agreement", "answers", "histogram"
_STUDY, _PART = "CTGAN.Study", "CTGAN.StudyPart"
_CHART = "chart"
_COLORS = {REAL: (0.0, 0.45, 0.7), SYNTHETIC: (0.84, 0.37, 0.0)}  # Okabe and Ito's blue and vermilion


def addResults(results: Results, folder: Path) -> dict[str, slicer.vtkMRMLTableNode]:
    """Tables by their part; those of the study's earlier results change."""
    rows = {
        FIGURES: (_("figures"), results.figures),
        AGREEMENT: (_("agreement"), results.agreement),
        ANSWERS: (_("answers"), results.answers),
        HISTOGRAM: (_("realism"), results.histogram),
    }
    tables = {}
    for part, (title, lines) in rows.items():
        tables[part] = _node("vtkMRMLTableNode", folder, part, title)
        fillTable(tables[part], rowsToColumns(lines))
        tables[part].SetUseColumnTitleAsColumnHeader(True)
    return tables


def addHistogram(table: slicer.vtkMRMLTableNode, folder: Path) -> slicer.vtkMRMLPlotChartNode:
    """A chart of the table ``histogram``: how often each realism was given."""
    chart = _node("vtkMRMLPlotChartNode", folder, _CHART, _("realism of the cases"))
    chart.SetTitle(_("How realistic the cases looked"))
    chart.SetXAxisTitle(_("realism (10: as a real picture)"))
    chart.SetYAxisTitle(_("answers"))
    chart.SetLegendVisibility(True)
    chart.RemoveAllPlotSeriesNodeIDs()
    for kind, title in ((REAL, _("real")), (SYNTHETIC, _("synthetic"))):
        series = _node("vtkMRMLPlotSeriesNode", folder, f"{_CHART} {kind}", title)
        series.SetName(title)  # what the legend says
        series.SetAndObserveTableNodeID(table.GetID())
        series.SetXColumnName("realism")
        series.SetYColumnName(kind)
        series.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatterBar)
        series.SetColor(*_COLORS[kind])
        chart.AddAndObservePlotSeriesNodeID(series.GetID())
    return chart


def removeResults(folder: Path) -> None:
    """Take the results of a study off the scene, as somebody begins to read it."""
    for className in ("vtkMRMLPlotChartNode", "vtkMRMLPlotSeriesNode", "vtkMRMLTableNode"):
        for node in slicer.util.getNodesByClass(className):
            if node.GetAttribute(_STUDY) == str(folder):
                slicer.mrmlScene.RemoveNode(node)


def _node(className: str, folder: Path, part: str, title: str) -> slicer.vtkMRMLNode:
    """The study's node for a part; a new one where there is none."""
    for node in slicer.util.getNodesByClass(className):
        if node.GetAttribute(_STUDY) == str(folder) and node.GetAttribute(_PART) == part:
            return node
    name = slicer.mrmlScene.GenerateUniqueName(f"{folder.name}: {title}")
    node = slicer.mrmlScene.AddNewNodeByClass(className, name)
    node.SetAttribute(_STUDY, str(folder))
    node.SetAttribute(_PART, part)
    return node
