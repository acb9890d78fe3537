"""Columns of values as table nodes, and table nodes in the views."""

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk


def fillTable(node: slicer.vtkMRMLTableNode, columns: dict[str, np.ndarray | list]) -> None:
    """Replace what a table node holds, in one step. Columns of numbers stay numbers; all others become text."""
    table = vtk.vtkTable()
    for name, values in columns.items():
        isText = not isinstance(values, np.ndarray) and not all(map(_isNumber, values))
        column = _textColumn(values) if isText else numpy_to_vtk(np.asarray(values, float), deep=True)
        column.SetName(name)
        table.AddColumn(column)
    node.SetAndObserveTable(table)


def rowsToColumns(rows: list[dict]) -> dict[str, list]:
    """Rows with any keys as columns, in the order in which the keys come. A number is missing as not a number."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {}
    for name in names:
        values = [row.get(name) for row in rows]
        numeric = all(value is None or _isNumber(value) for value in values)
        columns[name] = [np.nan if value is None else float(value) for value in values] if numeric else values
    return columns


def showTable(node: slicer.vtkMRMLTableNode) -> None:
    """Show a table node in the table view, in a layout that has one."""
    manager = slicer.app.layoutManager()
    layout = slicer.modules.tables.logic().GetLayoutWithTable(manager.layout)
    if layout != manager.layout:
        manager.setLayout(layout)
    logic = slicer.app.applicationLogic()
    logic.GetSelectionNode().SetActiveTableID(node.GetID())
    logic.PropagateTableSelection()


def _textColumn(values: list) -> vtk.vtkStringArray:
    column = vtk.vtkStringArray()
    for value in values:
        column.InsertNextValue(_text(value))
    return column


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, (list, tuple)):
        return " – ".join(_text(part) for part in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _isNumber(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
