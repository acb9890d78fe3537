"""What the widgets of the modules have in common: they tie panels to scene, parameter node and application."""

from typing import Protocol

import qt
import slicer
import vtk
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic, ScriptedLoadableModuleWidget
from slicer.util import VTKObservationMixin

from .job_control import JobControl


class Panel(Protocol):
    """The widgets of one task.

    Attributes:
        ui: the widgets of its .ui file, by name.
        job: runs the task; a panel without one has its own :meth:`stop`.
    """

    ui: object
    job: JobControl

    def setParameters(self, parameters: object | None) -> None:
        """Follow a parameter node, or with None, no longer."""

    def update(self) -> None:
        """Show what the parameter node says now."""

    def setActive(self, active: bool) -> None:
        """Called as the panel comes into view, and as it leaves it."""

    def stop(self) -> None:
        """End what must not outlive the scene, as the scene or the application closes."""
        self.job.stop()


class PanelWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """A module widget with one panel a task, in tabs where there are several.

    A module derives from it and makes the logic, and the panels, calling :meth:`loadPage` for the .ui file of each.
    """

    def makeLogic(self) -> ScriptedLoadableModuleLogic:
        raise NotImplementedError

    def makePanels(self, logic: ScriptedLoadableModuleLogic) -> list[Panel]:
        raise NotImplementedError

    def __init__(self, parent=None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.panels: list[Panel] = []
        self._pages: list[tuple[str, qt.QWidget]] = []
        self._tabs: qt.QTabWidget | None = None
        self._entered = False
        self._active: Panel | None = None
        self._parameterNode = None
        self._parameterNodeGuiTags: list[int] = []

    def setup(self) -> None:
        ScriptedLoadableModuleWidget.setup(self)
        self.logic = self.makeLogic()
        self.panels = self.makePanels(self.logic)
        self._showPages()
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.initializeParameterNode()
        if self.parent.isEntered:  # the module was reloaded, after which Slicer does not call enter
            self._entered = True
            self._updateActive()

    def loadPage(self, title: str, uiFile: str) -> object:
        """Load a .ui file of the module's resources as its next page; return its widgets by name."""
        page = slicer.util.loadUI(self.resourcePath(uiFile))
        page.setMRMLScene(slicer.mrmlScene)
        self._pages.append((title, page))
        return slicer.util.childWidgetVariables(page)

    def showPanel(self, panel: Panel) -> None:
        """Bring a panel to the front."""
        if self._tabs is not None:
            self._tabs.currentIndex = self.panels.index(panel)

    def cleanup(self) -> None:
        self._entered = False
        self._updateActive()
        for panel in self.panels:
            panel.stop()
        self.setParameterNode(None)
        self.removeObservers()

    def enter(self) -> None:
        self.initializeParameterNode()
        self._entered = True
        self._updateActive()

    def exit(self) -> None:
        self._entered = False
        self._updateActive()
        self._disconnectParameterNode()

    def onSceneStartClose(self, caller, event) -> None:
        for panel in self.panels:
            panel.stop()
        self.setParameterNode(None)

    def onSceneEndClose(self, caller, event) -> None:
        if self.parent.isEntered:
            self.initializeParameterNode()

    def initializeParameterNode(self) -> None:
        self.setParameterNode(self.logic.getParameterNode())

    def setParameterNode(self, parameterNode: object | None) -> None:
        self._disconnectParameterNode()
        self._parameterNode = parameterNode
        for panel in self.panels:
            panel.setParameters(parameterNode)
        if parameterNode is not None:
            self._parameterNodeGuiTags = [parameterNode.connectGui(panel.ui) for panel in self.panels]
            # The node itself: the mixin keeps what was observed, and a kept wrapper would read each change for ever.
            self.addObserver(parameterNode.parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParameterNodeModified)

    def onParameterNodeModified(self, caller, event) -> None:
        for panel in self.panels:
            panel.update()

    def _showPages(self) -> None:
        if len(self._pages) == 1:
            self.layout.addWidget(self._pages[0][1])
            return
        self._tabs = qt.QTabWidget()
        for title, page in self._pages:
            self._tabs.addTab(page, title)
        self._tabs.connect("currentChanged(int)", lambda index: self._updateActive())
        self.layout.addWidget(self._tabs)

    def _updateActive(self) -> None:
        front = self.panels[self._tabs.currentIndex if self._tabs is not None else 0]
        active = front if self._entered else None
        if active is self._active:
            return
        left, self._active = self._active, active
        for panel, isActive in ((left, False), (active, True)):
            if panel is not None:
                panel.setActive(isActive)

    def _disconnectParameterNode(self) -> None:
        if self._parameterNodeGuiTags:
            for tag in self._parameterNodeGuiTags:
                self._parameterNode.disconnectGui(tag)
            self._parameterNodeGuiTags = []
            node = self._parameterNode.parameterNode
            self.removeObserver(node, vtk.vtkCommand.ModifiedEvent, self.onParameterNodeModified)
