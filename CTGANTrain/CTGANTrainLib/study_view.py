"""The case that a reader looks at: one volume node with a neutral name, which no file path hangs on."""

from pathlib import Path

import slicer

from CTGANLib.evaluation.reader_study import SLICES
from CTGANReconstructLib.nodes import readVolume
from CTGANReconstructLib.scene import addCT, addVolume, removeShown


class CaseView:
    """Shows cases in the slice views, one after the other in the same node, so that window and zoom stay."""

    def __init__(self) -> None:
        self._node: slicer.vtkMRMLScalarVolumeNode | None = None
        self._layoutBefore: int | None = None

    @property
    def node(self) -> slicer.vtkMRMLScalarVolumeNode | None:
        """What is shown, as long as it is in the scene."""
        return self._node if self._node is not None and self._node.GetScene() is not None else None

    def show(self, file: Path, name: str, kind: str) -> None:
        """Show a case.

        Args:
            file: of the case.
            name: of the node; it must tell nothing.
            kind: ``slices`` are shown in the axial view alone.

        Raises:
            RuntimeError: the file cannot be read.
        """
        loaded = readVolume(file)  # its storage node is never in the scene
        if self.node is None:
            self._node = addCT(loaded, None, name)
            self._showAlone(kind)
        else:
            addVolume(loaded, self._node, name)
        self._node.SetName(name)

    def remove(self) -> None:
        """Take the case off the scene, and show the layout of before."""
        if self.node is not None and not slicer.mrmlScene.IsClosing():  # else it goes by itself
            removeShown(self.node)
        self._node = None
        manager = slicer.app.layoutManager()
        if self._layoutBefore is not None and manager is not None:  # which goes first as the application closes
            manager.setLayout(self._layoutBefore)
        self._layoutBefore = None

    def _showAlone(self, kind: str) -> None:
        manager = slicer.app.layoutManager()
        if kind == SLICES and self._layoutBefore is None:
            self._layoutBefore = manager.layout
            manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView)
            # Another panel, or the user, may have turned it, and a slice seen from the side is a line.
            manager.sliceWidget("Red").mrmlSliceNode().SetOrientation("Axial")
        slicer.util.setSliceViewerLayers(background=self._node, foreground=None, label=None, fit=True)
