"""The scores of an evaluation as table nodes."""

import slicer
from slicer.i18n import tr as _

from .evaluate_task import EvaluateResult
from .node_tables import fillTable, rowsToColumns

_EVALUATION, _PART = "CTGAN.Evaluation", "CTGAN.EvaluationPart"


def addEvaluation(result: EvaluateResult, name: str) -> list[slicer.vtkMRMLTableNode]:
    """Two tables: a row a method, and a row a case and method. Those of an earlier evaluation of that name change."""
    parts = (("summary", _("summary"), result.summary), ("cases", _("cases"), result.rows))
    nodes = []
    for part, title, rows in parts:
        node = _find(name, part)
        if node is None:
            unique = slicer.mrmlScene.GenerateUniqueName(f"{name}: {title}")
            node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", unique)
            node.SetAttribute(_EVALUATION, name)
            node.SetAttribute(_PART, part)
        fillTable(node, rowsToColumns(rows))
        node.SetUseColumnTitleAsColumnHeader(True)
        nodes.append(node)
    return nodes


def _find(name: str, part: str) -> slicer.vtkMRMLTableNode | None:
    nodes = slicer.util.getNodesByClass("vtkMRMLTableNode")
    same = (n for n in nodes if n.GetAttribute(_EVALUATION) == name and n.GetAttribute(_PART) == part)
    return next(same, None)
