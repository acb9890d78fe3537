"""What segments measure, as a table node that belongs to a segmentation, and as a table in a panel."""

from dataclasses import dataclass

import qt
import slicer
from slicer.i18n import tr as _

from .item_tables import setHeaders, setText
from .node_tables import fillTable

_SWATCH_SIZE = 12  # pixels
# Of the table to the segmentation.
_ROLE = "CTGAN.MeasuredSegmentation"


@dataclass(frozen=True)
class Measures:
    """One segment.

    Attributes:
        name: of the segment.
        volumeMl: its volume.
        meanHu: the mean of the CT within it; None where it is empty.
        surfaceCm2: the area of its border; None where it is unknown.
    """

    name: str
    volumeMl: float
    meanHu: float | None
    surfaceCm2: float | None


def findMeasures(segmentation: slicer.vtkMRMLSegmentationNode) -> slicer.vtkMRMLTableNode | None:
    """The table that belongs to a segmentation, if there is one."""
    tables = slicer.util.getNodesByClass("vtkMRMLTableNode")
    return next((table for table in tables if table.GetNodeReference(_ROLE) is segmentation), None)


def addMeasures(
    measures: list[Measures], segmentation: slicer.vtkMRMLSegmentationNode, output: slicer.vtkMRMLTableNode | None
) -> slicer.vtkMRMLTableNode:
    """Put a row for each segment into ``output``, or into a new table; what it held before is replaced."""
    if output is None or output.GetScene() is None:
        name = _("{name} measurements").format(name=segmentation.GetName())
        output = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", slicer.mrmlScene.GenerateUniqueName(name))
    none = float("nan")
    columns = {
        "segment": [each.name for each in measures],
        "volume_ml": [each.volumeMl for each in measures],
        "mean_hu": [none if each.meanHu is None else each.meanHu for each in measures],
        "surface_cm2": [none if each.surfaceCm2 is None else each.surfaceCm2 for each in measures],
    }
    fillTable(output, columns)
    for column, unit, title in zip(columns, ("", "ml", "HU", "cm2"), _titles(), strict=True):
        output.SetColumnTitle(column, title)
        if unit:
            output.SetColumnUnitLabel(column, unit)
    output.SetUseColumnTitleAsColumnHeader(True)
    output.SetNodeReferenceID(_ROLE, segmentation.GetID())
    return output


def nameColumns(widget: qt.QTableWidget) -> None:
    """Make the columns of :func:`showMeasures`: all numbers can be seen, and the names get the rest of the width."""
    setHeaders(widget, _titles())
    header = widget.horizontalHeader()
    header.setStretchLastSection(False)
    header.setSectionResizeMode(qt.QHeaderView.ResizeToContents)
    header.setSectionResizeMode(0, qt.QHeaderView.Stretch)


def showMeasures(
    widget: qt.QTableWidget, measures: list[Measures], segmentation: slicer.vtkMRMLSegmentationNode
) -> None:
    """Show a row for each segment, with its color."""
    segments = segmentation.GetSegmentation()
    widget.setRowCount(len(measures))
    for row, each in enumerate(measures):
        setText(widget, row, 0, each.name)
        if segment := segments.GetSegment(segments.GetSegmentIdBySegmentName(each.name)):
            widget.item(row, 0).setIcon(_swatch(segment.GetColor()))
        for column, value in enumerate((each.volumeMl, each.meanHu, each.surfaceCm2), start=1):
            item = setText(widget, row, column, _text(value))
            item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
    widget.resizeRowsToContents()


def _text(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _swatch(color: tuple[float, float, float]) -> qt.QIcon:
    pixmap = qt.QPixmap(_SWATCH_SIZE, _SWATCH_SIZE)
    pixmap.fill(qt.QColor.fromRgbF(*color))
    return qt.QIcon(pixmap)


def _titles() -> list[str]:
    return [_("Segment"), _("Volume (ml)"), _("Mean (HU)"), _("Surface (cm²)")]
