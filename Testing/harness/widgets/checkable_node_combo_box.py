"""qMRMLCheckableNodeComboBox: a selector in which several nodes are checked."""

from __future__ import annotations

from PySide6 import QtCore, QtWidgets
from PySide6.QtCore import Signal

from .node_combo_box import qMRMLNodeComboBox
from .standin import standin

_Check = QtCore.Qt.CheckState


@standin
class qMRMLCheckableNodeComboBox(qMRMLNodeComboBox):
    """Nodes are unchecked at first; which are checked is known to the widget alone. It makes no nodes."""

    checkedNodesChanged = Signal()

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._checked: list[str] = []
        self.addEnabled = self.removeEnabled = self.editEnabled = self.renameEnabled = False

    def checkedNodes(self) -> tuple:
        """The checked nodes, in the order of the list."""
        # While a scene is closed the list still has what is gone, until the end of the batch.
        return tuple(node for node in self.nodes() if node is not None and node.GetID() in self._checked)

    def uncheckedNodes(self) -> tuple:
        """The others."""
        return tuple(node for node in self.nodes() if node.GetID() not in self._checked)

    def allChecked(self) -> bool:
        """Whether all are checked; true of none at all."""
        return not self.uncheckedNodes()

    def noneChecked(self) -> bool:
        """Whether none is checked."""
        return not self.checkedNodes()

    def checkState(self, node: object) -> QtCore.Qt.CheckState:
        """Unchecked for a node that is not shown."""
        return _Check.Checked if node in self.checkedNodes() else _Check.Unchecked

    def setCheckState(self, node: object, check: QtCore.Qt.CheckState) -> None:
        """Checks or unchecks a node; one that is not shown is passed over."""
        if node not in self.nodes() or self.checkState(node) == check:
            return
        if check == _Check.Checked:
            self._checked.append(node.GetID())
        else:
            self._checked.remove(node.GetID())
        self._announce_checked()

    def check(self, node: object) -> None:
        """Checks a node."""
        self.setCheckState(node, _Check.Checked)

    def uncheck(self, node: object) -> None:
        """Unchecks a node."""
        self.setCheckState(node, _Check.Unchecked)

    def _refresh(self, wanted_id: str) -> None:
        super()._refresh(wanted_id)
        if not self.__dict__.get("_checked"):
            return
        left = [node_id for node_id in self._checked if self._scene and self._scene.GetNodeByID(node_id)]
        if left != self._checked:
            self._checked = left
            self._announce_checked()

    def _announce_checked(self) -> None:
        self._combo.setPlaceholderText(", ".join(node.GetName() for node in self.checkedNodes()))
        self.checkedNodesChanged.emit()
