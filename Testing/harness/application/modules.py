"""slicer.modules and what stands in it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import slicer
from PySide6 import QtCore, QtGui, QtWidgets

from ..widgets.mrml_widgets import qSlicerWidget
from ..widgets.standin import standin


class CoreModule:
    """A module of Slicer's own, of which only the logic is here."""

    def __init__(self, name: str, logic: object) -> None:
        self.name, self._logic = name, logic

    def logic(self) -> object:
        """The module's logic."""
        return self._logic

    def widgetRepresentation(self) -> None:
        """C++ panels are not here."""


class qSlicerScriptedLoadableModule:
    """What Slicer makes from a scripted module's file and hands to its Module class as ``parent``."""

    _FIELDS = (
        "title", "categories", "dependencies", "contributors", "helpText", "acknowledgementText", "icon",
        "hidden", "index", "widgetRepresentationCreationEnabled", "associatedNodeTypes", "path", "name",
    )  # fmt: skip

    def __init__(self, path: Path) -> None:
        self.path, self.name = str(path), path.stem
        self.title, self.helpText, self.acknowledgementText = "", "", ""
        self.categories, self.dependencies, self.contributors, self.associatedNodeTypes = [], [], [], []
        self.hidden, self.widgetRepresentationCreationEnabled, self.index = False, True, -1
        self.icon = QtGui.QIcon()
        self._panel = None

    def __setattr__(self, name: str, value: object) -> None:
        if not name.startswith("_") and name not in self._FIELDS:
            raise AttributeError(f"'{name}' does not exist on qSlicerScriptedLoadableModule")
        super().__setattr__(name, value)

    def logic(self) -> object:
        """Scripted modules have the empty C++ logic here; slicer.util.getModuleLogic gives the Python one."""
        return slicer.vtkSlicerScriptedLoadableModuleLogic()

    def widgetRepresentation(self) -> qSlicerScriptedLoadableModuleWidget:
        """The panel, made on first use."""
        if self._panel is None:
            self._panel = self.createNewWidgetRepresentation()
        return self._panel

    def createNewWidgetRepresentation(self) -> qSlicerScriptedLoadableModuleWidget:
        """A new panel, set up and given the scene."""
        panel = qSlicerScriptedLoadableModuleWidget()
        panel.prepare(self.name)
        return panel


@standin
class qSlicerScriptedLoadableModuleWidget(qSlicerWidget):
    """The panel of a scripted module."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._module_name, self._python, self._entered = "", None, False
        self.setLayout(QtWidgets.QVBoxLayout())

    isEntered = QtCore.Property(bool, lambda self: self._entered)

    def prepare(self, module_name: str) -> None:
        """Makes the Python widget and calls its setup, then passes on the scene."""
        self._module_name = module_name
        self.setWindowTitle(module_name)
        self.reload()
        self.setMRMLScene(slicer.mrmlScene)

    def reload(self) -> None:
        """Makes the Python widget anew from the module's current code."""
        widget_class = getattr(sys.modules[self._module_name], f"{self._module_name}Widget")
        self._python = widget_class(self)
        setattr(slicer.modules, f"{self._module_name}Widget", self._python)
        self._python.setup()

    def self(self) -> object:
        """The Python widget."""
        return self._python

    def enter(self) -> None:
        """The user opens the module."""
        self._entered = True
        getattr(self._python, "enter", lambda: None)()

    def exit(self) -> None:
        """The user leaves the module."""
        self._entered = False
        getattr(self._python, "exit", lambda: None)()


@standin
class qSlicerModuleManager(QtCore.QObject):
    """Tells who asks which modules are there, and announces that one goes."""

    moduleLoaded = QtCore.Signal(str)
    moduleAboutToBeUnloaded = QtCore.Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._modules: dict[str, object] = {}

    def module(self, name: str) -> object:
        """A module, None when there is none of that name."""
        return self._modules.get(name)

    def modulesNames(self) -> tuple[str, ...]:
        """The names of all modules."""
        return tuple(self._modules)

    def loadedModuleNames(self) -> tuple[str, ...]:
        """The names of all modules; asked of the factory manager."""
        return tuple(self._modules)

    def factoryManager(self) -> qSlicerModuleManager:
        """Here the same object."""
        return self

    def add(self, name: str, module: object) -> None:
        """Puts a module into slicer.modules."""
        self._modules[name] = module
        setattr(slicer.modules, name.lower(), module)
        setattr(slicer.moduleNames, name, name)
        self.moduleLoaded.emit(name)

    def remove(self, name: str) -> None:
        """Takes a scripted module away, as Slicer does when it quits."""
        self.moduleAboutToBeUnloaded.emit(name)
        del self._modules[name]
        for holder, attributes in (
            (slicer.modules, (name.lower(), f"{name}Widget", f"{name}Instance")),
            (slicer.moduleNames, (name,)),
        ):
            for attribute in attributes:
                vars(holder).pop(attribute, None)


def import_scripted_module(path: Path) -> qSlicerScriptedLoadableModule:
    """Imports a module's file as Slicer does: its folder on sys.path, its Module class given the C++ side."""
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    python = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = python
    spec.loader.exec_module(python)
    module = qSlicerScriptedLoadableModule(path)
    instance = getattr(python, path.stem)(module)
    setattr(slicer.modules, f"{path.stem}Instance", instance)
    slicer.app.moduleManager().add(path.stem, module)
    return module
