"""The scores of an evaluation as table nodes."""

import slicer
from slicer.i18n import tr as _

from CTGANReconstructLib.node_tables import fillTable, rowsToColumns

from .evaluate_task import EvaluateResult

_EVALUATION, _PART = "CTGAN.Evaluation", "CTGAN.EvaluationPart"


def addEvaluation(result: EvaluateResult, name: str) -> list[slicer.vtkMRMLTableNode]:
    """Tables with a row a method, a row a case and method and, if there are any, a row for each of these under each
    condition. Those of an earlier evaluation of that name change."""
    parts = [("summary", _("summary"), result.summary), ("cases", _("cases"), result.rows)]
    if result.conditions:
        parts.append(("conditions", _("conditions"), result.conditions))
    nodes = []
    for part, title, rows in parts:
        node = _find(name, part)
        if node is None:
            unique = slicer.mrmlScene.GenerateUniqueName(f"{name}: {title}")
            node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", unique)
            node.SetAttribute(_EVALUATION, name)
            node.SetAttribute(_PART, part)
        fillTable(node, rowsToColumns([_withoutDetails(row) for row in rows]))
        node.SetUseColumnTitleAsColumnHeader(True)
        nodes.append(node)
    return nodes


def _withoutDetails(row: dict) -> dict:
    """A row without what has several values, such as the volumes of structures; the CSV file has a column for each."""
    return {name: value for name, value in row.items() if not isinstance(value, dict)}


def _find(name: str, part: str) -> slicer.vtkMRMLTableNode | None:
    nodes = slicer.util.getNodesByClass("vtkMRMLTableNode")
    same = (n for n in nodes if n.GetAttribute(_EVALUATION) == name and n.GetAttribute(_PART) == part)
    return next(same, None)
