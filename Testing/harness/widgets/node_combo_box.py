"""qMRMLNodeComboBox: the selector of nodes."""

from __future__ import annotations

from PySide6 import QtCore, QtWidgets
from PySide6.QtCore import Property, Signal

from .standin import plain, standin


@standin
class qMRMLNodeComboBox(QtWidgets.QWidget):
    """Shows the scene's nodes of some classes. A new node is not selected unless the selector itself made it."""

    CPP_SIGNAL_TYPES = dict.fromkeys(
        ("currentNodeChanged", "nodeActivated", "nodeAdded", "nodeAddedByUser", "nodeAboutToBeRemoved"), "vtkMRMLNode*"
    )
    currentNodeChanged = Signal(object)
    currentNodeIDChanged = Signal(str)
    currentNodeRenamed = Signal(str)
    nodeActivated = Signal(object)
    nodeAdded = Signal(object)
    nodeAddedByUser = Signal(object)
    nodeAboutToBeRemoved = Signal(object)

    addEnabled = plain("bool", "addEnabled", True)
    removeEnabled = plain("bool", "removeEnabled", True)
    editEnabled = plain("bool", "editEnabled", False)
    renameEnabled = plain("bool", "renameEnabled", False)
    selectNodeUponCreation = plain("bool", "selectNodeUponCreation", True)
    interactionNodeSingletonTag = plain("QString", "interactionNodeSingletonTag", "Singleton")

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene, self._observers, self._requested_id = None, [], ""
        self._types, self._base_names, self._attributes = (), {}, []
        self._none_enabled, self._none_display = False, "None"
        self._show_hidden, self._show_children, self._hidden_children = False, True, ()
        self._combo = QtWidgets.QComboBox(self)
        self._combo.setPlaceholderText("Select a node")
        self._combo.currentIndexChanged.connect(self._announce)
        self._combo.activated.connect(lambda: self.nodeActivated.emit(self.currentNode()))
        self._announced = ""
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._combo)
        self.setEnabled(False)
        self.destroyed.connect(self._forget_scene)

    # Scene

    def mrmlScene(self) -> object:
        """The scene, None before it was set."""
        return self._scene

    def setMRMLScene(self, scene: object) -> None:
        """Shows the nodes of a scene; the widget is enabled only with one."""
        if scene is self._scene:
            return
        self._forget_scene()
        self._scene = scene
        if scene:
            events = {
                scene.NodeAddedEvent: self._node_added,
                scene.NodeRemovedEvent: self._node_removed,
                scene.NodeAboutToBeRemovedEvent: self._node_about_to_be_removed,
                scene.EndBatchProcessEvent: lambda *_: self._refresh(self.currentNodeID),
            }
            self._observers = [_observe(scene, event, callback) for event, callback in events.items()]
        self._refresh(self._requested_id or self.currentNodeID)
        self._requested_id = ""
        self.setEnabled(scene is not None)

    def _forget_scene(self) -> None:
        for tag in self._observers:
            self._scene.RemoveObserver(tag)
        self._observers = []

    def _node_added(self, node: object) -> None:
        if not self._scene.IsBatchProcessing() and self._shows(node):
            self._refresh(self.currentNodeID)
            self.nodeAdded.emit(node)

    def _node_about_to_be_removed(self, node: object) -> None:
        if self._combo.findData(node.GetID()) >= 0:
            self.nodeAboutToBeRemoved.emit(node)

    def _node_removed(self, node: object) -> None:
        if not self._scene.IsBatchProcessing() and self._shows(node):
            self._refresh(self.currentNodeID)

    def _shows(self, node: object) -> bool:
        if node.GetHideFromEditors() and not self._show_hidden:
            return False
        if not any(node.IsA(name) for name in self._types):
            return False
        if not self._show_children and node.GetClassName() not in self._types:
            return False
        if any(node.IsA(name) for name in self._hidden_children):
            return False
        return all(
            node.GetAttribute(name) is not None and value in (None, node.GetAttribute(name))
            for node_type, name, value in self._attributes
            if node.IsA(node_type)
        )

    def _refresh(self, wanted_id: str) -> None:
        nodes = [node for node in _all_nodes(self._scene) if self._shows(node)] if self._scene else []
        blocker = QtCore.QSignalBlocker(self._combo)
        self._combo.clear()
        if self._none_enabled:
            self._combo.addItem(self._none_display, "")
        for node in nodes:
            self._combo.addItem(node.GetName(), node.GetID())
        index = self._combo.findData(wanted_id) if wanted_id else -1
        if index < 0 and self._none_enabled:
            index = 0
        elif index < 0 and wanted_id:  # the selected node is gone: without a "None", Slicer takes the last one
            index = self._combo.count - 1
        self._combo.setCurrentIndex(index)
        blocker.unblock()
        self._announce()

    def _announce(self) -> None:
        if self.currentNodeID != self._announced:
            self._announced = self.currentNodeID
            self.currentNodeChanged.emit(self.currentNode())
            self.currentNodeIDChanged.emit(self._announced)

    # Current node

    def currentNode(self) -> object:
        """The selected node, None when there is none."""
        return self._scene.GetNodeByID(self.currentNodeID) if self._scene and self.currentNodeID else None

    def setCurrentNode(self, node: object) -> None:
        """Selects a node; one that the selector does not show, or None, selects nothing."""
        self._select(node.GetID() if node else "")

    def setCurrentNodeID(self, node_id: str) -> None:
        """Selects a node by its ID."""
        self._select(node_id)

    def setCurrentNodeIndex(self, index: int) -> None:
        """Selects by position, not counting the empty item."""
        self._select(self._combo.itemData(index + self._none_enabled) if 0 <= index < self.nodeCount() else "")

    def _select(self, node_id: str) -> None:
        if self._scene is None:
            self._requested_id = node_id
            return
        index = self._combo.findData(node_id) if node_id else -1
        self._combo.setCurrentIndex(index if index >= 0 else (0 if self._none_enabled else -1))

    currentNodeID = Property(str, lambda self: self._combo.currentData or "", setCurrentNodeID)

    def nodeCount(self) -> int:
        """How many nodes can be selected."""
        return self._combo.count - self._none_enabled

    def nodeFromIndex(self, index: int) -> object:
        """The node at a position, not counting the empty item."""
        return self._scene.GetNodeByID(self._combo.itemData(index + self._none_enabled) or "")

    def nodes(self) -> list:
        """All nodes that can be selected."""
        return [self.nodeFromIndex(index) for index in range(self.nodeCount())]

    # What the user's menu does

    def addNode(self, node_type: str = "") -> object:
        """Creates a node, as "Create new" does."""
        if node_type and node_type not in self._types:
            return None
        node_type = node_type or self._types[0]
        base = self._base_names.get(node_type) or self._scene.GetTagByClassName(node_type)
        node = self._scene.CreateNodeByClass(node_type)
        node.UnRegister(None)
        node.SetName(self._scene.GenerateUniqueName(base))
        for _, name, value in self._attributes:
            node.SetAttribute(name, value)
        self._scene.AddNode(node)
        if self.selectNodeUponCreation:
            self.setCurrentNode(node)
        self.nodeAddedByUser.emit(node)
        return node

    def removeCurrentNode(self) -> None:
        """Deletes the selected node, as "Delete current" does."""
        self._scene.RemoveNode(self.currentNode())

    # Filter

    def addAttribute(self, node_type: str, name: str, value: object = None) -> None:
        """Shows only nodes of this class that have the attribute, with this value if one is given."""
        self._attributes = [*self._attributes, (node_type, name, None if value is None else str(value))]
        self._refresh(self.currentNodeID)

    def removeAttribute(self, node_type: str, name: str) -> None:
        """Takes back ``addAttribute``."""
        self._attributes = [entry for entry in self._attributes if entry[:2] != (node_type, name)]
        self._refresh(self.currentNodeID)

    def setNodeTypeLabel(self, label: str, node_type: str) -> None:
        """Names a node class in the menu."""
        if node_type in self._types[:1]:
            self._combo.setPlaceholderText(f"Select a {label}")

    def _set(self, name: str, value: object) -> None:
        self.__dict__[name] = tuple(value) if isinstance(value, list) else value
        self._refresh(self.currentNodeID)

    def setBaseName(self, name: str, node_type: str = "") -> None:
        """How new nodes are called."""
        self._base_names.update({known: name for known in ([node_type] if node_type else self._types)})

    nodeTypes = Property(
        "QStringList", lambda self: self._types, lambda self, names: self._set("_types", tuple(n for n in names if n))
    )
    noneEnabled = Property(bool, lambda self: self._none_enabled, lambda self, on: self._set("_none_enabled", on))
    noneDisplay = Property(str, lambda self: self._none_display, lambda self, text: self._set("_none_display", text))
    showHidden = Property(bool, lambda self: self._show_hidden, lambda self, on: self._set("_show_hidden", on))
    showChildNodeTypes = Property(
        bool, lambda self: self._show_children, lambda self, on: self._set("_show_children", on)
    )
    hideChildNodeTypes = Property(
        "QStringList",
        lambda self: self._hidden_children,
        lambda self, names: self._set("_hidden_children", tuple(names)),
    )
    baseName = Property(str, lambda self: self._base_names.get(next(iter(self._types), ""), ""), setBaseName)


def _all_nodes(scene: object) -> list:
    return [scene.GetNthNode(index) for index in range(scene.GetNumberOfNodes())]


def _observe(scene: object, event: int, callback: object) -> int:
    import vtk

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def observer(_scene: object, _event: str, node: object = None) -> None:
        callback(node)

    return scene.AddObserver(event, observer)
