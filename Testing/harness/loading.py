"""Loading a scripted module with its panel, and putting everything back after a test."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import slicer
from PySide6 import QtCore, QtWidgets

from .application import dialogs, packaging, sample_data, views
from .application.modules import import_scripted_module
from .pythonqt.errors import raise_slot_errors, slot_errors

REPOSITORY = Path(__file__).resolve().parents[2]

_loaded: list[LoadedModule] = []


@dataclass
class LoadedModule:
    """A scripted module in the headless Slicer."""

    module: Any
    panel: Any

    @property
    def python(self) -> ModuleType:
        """The imported file."""
        return sys.modules[self.module.name]

    @property
    def widget(self) -> Any:
        """The ScriptedLoadableModuleWidget; another one after a reload."""
        return self.panel.self()


def load_module(path: str | Path, widget: bool = True) -> LoadedModule:
    """Loads a module's file as Slicer does, and opens its panel. A relative path starts at the repository."""
    module = import_scripted_module((REPOSITORY / path).resolve())
    loaded = LoadedModule(module, None)
    _loaded.append(loaded)
    if widget:
        loaded.panel = module.widgetRepresentation()
        raise_slot_errors()
        loaded.panel.enter()
    return loaded


def unload_all() -> list[Any]:
    """Leaves and unloads the modules, as Slicer does when it quits; gives their panels, which are still to delete."""
    panels = []
    while _loaded:
        loaded = _loaded.pop()
        if loaded.panel is not None:
            loaded.panel.exit()
            panels.append(loaded.panel)
        slicer.app.moduleManager().remove(loaded.module.name)
        sys.modules.pop(loaded.module.name, None)
        slicer.selfTests.pop(loaded.module.name, None)
    return panels


def complete_startup() -> None:
    """The moment at which Slicer's main window is there: modules register their sample data."""
    slicer.app.startupCompleted.emit()
    raise_slot_errors()


def reset() -> None:
    """An empty scene, no dialogs, no answers, no settings: the state before a test."""
    panels = unload_all()
    slicer.app.runtime().clear()
    for node in slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode"):  # singletons outlive the closing of a scene
        slicer.mrmlScene.RemoveNode(node)
    for panel in panels:
        panel.deleteLater()
    QtWidgets.QApplication.processEvents()
    QtCore.QCoreApplication.sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete)
    slicer.app.setTestingEnabled(False)
    slicer.app.startupCompleted.disconnect()
    QtCore.QSettings().clear()
    for record in (
        dialogs.dialogs,
        dialogs.answers,
        packaging.pip_calls,
        sample_data.sources,
        views.views,
        slot_errors,
    ):
        record.clear()
