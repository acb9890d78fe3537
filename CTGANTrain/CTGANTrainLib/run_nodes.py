"""The nodes that belong to a run: found again by their attributes, so that they are reused and never multiplied."""

import slicer
from slicer.i18n import tr as _

from CTGANLib.training.runs import Run

_RUN, _PART = "CTGAN.Run", "CTGAN.RunPart"


def findRunNode(run: Run, className: str, part: str) -> slicer.vtkMRMLNode | None:
    """The scene's node that shows a part of a run, if there is one."""
    return _find(className, str(run.folder), part)


def runNode(run: Run, className: str, part: str, title: str) -> slicer.vtkMRMLNode:
    """The node that shows a part of a run; a new one, in the run's subject-hierarchy folder, where there is none."""
    node = findRunNode(run, className, part)
    if node is None:
        node = _add(className, str(run.folder), part, f"{run.name}: {title}")
        placeInRunFolder(run, node)
    return node


def sharedNode(className: str, part: str, name: str) -> slicer.vtkMRMLNode:
    """A node for all runs."""
    return _find(className, "", part) or _add(className, "", part, name)


def markRunNode(run: Run, node: slicer.vtkMRMLNode, part: str) -> None:
    """Make a node the one that shows a part of a run."""
    node.SetAttribute(_RUN, str(run.folder))
    node.SetAttribute(_PART, part)
    placeInRunFolder(run, node)


def placeInRunFolder(run: Run, node: slicer.vtkMRMLNode) -> None:
    """Put a node into the subject-hierarchy folder of its run."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    name = _("CTGAN run {name}").format(name=run.name)
    top = hierarchy.GetSceneItemID()
    folder = hierarchy.GetItemChildWithName(top, name) or hierarchy.CreateFolderItem(top, name)
    item = hierarchy.GetItemByDataNode(node) or hierarchy.CreateItem(folder, node)
    hierarchy.SetItemParent(item, folder)


def _find(className: str, run: str, part: str) -> slicer.vtkMRMLNode | None:
    nodes = slicer.util.getNodesByClass(className)
    return next((n for n in nodes if n.GetAttribute(_PART) == part and (n.GetAttribute(_RUN) or "") == run), None)


def _add(className: str, run: str, part: str, name: str) -> slicer.vtkMRMLNode:
    node = slicer.mrmlScene.AddNewNodeByClass(className, slicer.mrmlScene.GenerateUniqueName(name))
    node.SetAttribute(_RUN, run)
    node.SetAttribute(_PART, part)
    return node
