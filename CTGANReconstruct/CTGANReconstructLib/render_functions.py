"""Transfer functions: volume property nodes as Slicer's ``.vp.json``, which the backend reads, and back."""

from __future__ import annotations  # the classes of Slicer's volume rendering may be loaded after this file

import json
import tempfile
from pathlib import Path

import slicer
from slicer.i18n import tr as _

Functions = dict
"""The object of a ``.vp.json`` file."""

DEFAULT_PRESET = "CT-Chest-Contrast-Enhanced"
"""What Slicer itself gives a CT at first, for volumes that have no volume rendering yet."""


def displayOf(volume: slicer.vtkMRMLVolumeNode) -> slicer.vtkMRMLVolumeRenderingDisplayNode | None:
    """The first volume rendering display node of a volume."""
    return slicer.modules.volumerendering.logic().GetFirstVolumeRenderingDisplayNode(volume)


def propertyOf(volume: slicer.vtkMRMLVolumeNode) -> slicer.vtkMRMLVolumePropertyNode | None:
    """The volume property of a volume's volume rendering."""
    display = displayOf(volume)
    return display.GetVolumePropertyNode() if display else None


def readFunctions(node: slicer.vtkMRMLVolumePropertyNode) -> tuple[Functions, list[str]]:
    """The transfer functions of a volume property, and what of it pictures do not show, a sentence each.

    Raises:
        ValueError: it has none.
    """
    storage = slicer.vtkMRMLVolumePropertyJsonStorageNode()
    with tempfile.TemporaryDirectory(prefix="CTGAN-", dir=slicer.app.temporaryPath) as folder:
        path = Path(folder) / "functions.vp.json"
        storage.SetFileName(str(path))
        if not storage.WriteData(node):
            raise ValueError(_("{name} has no transfer functions.").format(name=node.GetName()))
        functions = json.loads(path.read_text(encoding="utf-8"))
    component = functions["volumeProperties"][0]["components"][0]
    gradient = component.get("gradientOpacity", {}).get("points", [])
    notes = []
    if any(point["y"] != 1 for point in gradient) and not component.get("disableGradientOpacity"):
        notes.append(_("The gradient opacity of {name} is ignored.").format(name=node.GetName()))
    component["disableGradientOpacity"] = True
    return functions, notes


def croppingNote(volume: slicer.vtkMRMLVolumeNode) -> list[str]:
    """A sentence where the volume rendering is cropped, which pictures are not."""
    display = displayOf(volume)
    cropped = display is not None and display.GetCroppingEnabled()
    return [_("The cropping box is ignored: pictures show the whole volume.")] if cropped else []


def loadFunctions(path: str | Path) -> slicer.vtkMRMLVolumePropertyNode:
    """Read a ``.vp.json`` into a volume property outside the scene.

    Raises:
        RuntimeError: the file cannot be read.
    """
    node, storage = slicer.vtkMRMLVolumePropertyNode(), slicer.vtkMRMLVolumePropertyJsonStorageNode()
    storage.SetFileName(str(path))
    if not Path(path).is_file() or not storage.ReadData(node):
        raise RuntimeError(_("The transfer functions {path} cannot be read.").format(path=path))
    return node


class FunctionsHistory:
    """Gives volumes other transfer functions, and back the ones before."""

    def __init__(self) -> None:
        self._steps: list[tuple[slicer.vtkMRMLVolumePropertyNode, slicer.vtkMRMLVolumePropertyNode | None, list]] = []

    @property
    def canUndo(self) -> bool:
        return bool(self._steps)

    def apply(
        self, functions: slicer.vtkMRMLVolumePropertyNode, volume: slicer.vtkMRMLVolumeNode
    ) -> slicer.vtkMRMLVolumePropertyNode:
        """Make these a volume's functions; a volume without volume rendering gets one, which is shown.

        Returns:
            The volume's volume property node.
        """
        slicer.mrmlScene.SaveStateForUndo()  # does nothing where undo is off, as it is in Slicer by default
        node, before, made = propertyOf(volume), None, []
        if node is None:
            display = slicer.modules.volumerendering.logic().CreateDefaultVolumeRenderingNodes(volume)
            display.SetVisibility(True)
            node = display.GetVolumePropertyNode()
            made = [display, node, display.GetROINode()]
        else:
            before = _copy(node)
        node.CopyParameterSet(functions)
        self._steps.append((node, before, made))
        return node

    def undo(self) -> None:
        """Take the last step back; what is no longer in the scene is passed over."""
        node, before, made = self._steps.pop()
        if before is not None and node.GetScene():
            node.CopyParameterSet(before)
        for each in made:
            if each is not None and each.GetScene():
                slicer.mrmlScene.RemoveNode(each)

    def clear(self) -> None:
        """Forget all steps."""
        self._steps = []


def _copy(node: slicer.vtkMRMLVolumePropertyNode) -> slicer.vtkMRMLVolumePropertyNode:
    copied = slicer.vtkMRMLVolumePropertyNode()
    copied.CopyParameterSet(node)
    return copied
