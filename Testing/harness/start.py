"""Puts the parts together: after ``start()`` a module finds everything that it finds in Slicer."""

from __future__ import annotations

import atexit
import ctypes
import importlib
import os
import shutil
import sys
import tempfile
from pathlib import Path
from types import ModuleType, SimpleNamespace


def start() -> None:
    """Starts the headless Slicer, once in a process."""
    slicer = _import_slicer()
    if "app" in vars(slicer):
        return
    folder = Path(tempfile.mkdtemp(prefix="slicer-harness-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for name in ("tmp", "extensions"):
        (folder / name).mkdir()
    _prepare_qt(folder)
    _fill_slicer(slicer, folder)


def _import_slicer() -> ModuleType:
    """The package imports every module in every folder named slicer on sys.path, but Testing/slicer is ours."""
    testing = Path(__file__).resolve().parents[1]
    complete = list(sys.path)
    sys.path[:] = [entry for entry in complete if Path(entry).resolve() != testing]
    try:
        return importlib.import_module("slicer")
    finally:
        sys.path[:] = complete


def _prepare_qt(folder: Path) -> None:
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    _keep_singletons_alive()
    from .application import fonts

    fonts.provide()
    from .pythonqt import qt_module

    sys.modules["qt"] = qt_module.build()
    from PySide6.QtCore import QSettings, qInstallMessageHandler

    qInstallMessageHandler(_report)

    from .application import dialogs
    from .widgets import (  # noqa: F401  fill the registry
        checkable_node_combo_box,
        ctk_buttons,
        ctk_numbers,
        ctk_paths,
        mrml_widgets,
        node_combo_box,
        standin,
        ui_loader,
    )

    dialogs.install()
    sys.modules["qt"].QUiLoader = ui_loader.QUiLoader
    ctk = ModuleType("ctk", "the widgets of CTK")
    for name, cls in standin.registry.items():
        if name.startswith("ctk"):
            setattr(ctk, name, cls)
    sys.modules["ctk"] = ctk
    QSettings.setDefaultFormat(QSettings.Format.IniFormat)
    for scope in (QSettings.Scope.UserScope, QSettings.Scope.SystemScope):
        QSettings.setPath(QSettings.Format.IniFormat, scope, str(folder / "settings"))


def _keep_singletons_alive() -> None:
    """PySide 6.12 gives away references to True and None with signals; before Python 3.12 that ends in an abort."""
    if sys.version_info < (3, 12):
        for singleton in (True, False, None):
            ctypes.c_ssize_t.from_address(id(singleton)).value += 1 << 40


def _report(kind: object, context: object, text: str) -> None:
    """Qt's own messages; the offscreen platform has no window manager and says so at each resize."""
    if "propagateSizeHints" not in text:
        print(f"Qt: {text}", file=sys.stderr)


def _fill_slicer(slicer: ModuleType, folder: Path) -> None:
    import slicer.util

    from . import parameters
    from .application import app, i18n, modules, packaging, sample_data, scripted
    from .application.dialogs import record
    from .widgets.standin import registry

    slicer.modules, slicer.moduleNames, slicer.selfTests = SimpleNamespace(), SimpleNamespace(), {}
    slicer.app = app.qSlicerApplication(folder)
    slicer.mrmlScene = slicer.app.mrmlScene()
    for name, cls in registry.items():
        if name.startswith("q"):
            setattr(slicer, name, cls)
    slicer.qSlicerScriptedLoadableModule = modules.qSlicerScriptedLoadableModule
    for name, logic in slicer.app.runtime().module_logics.items():
        slicer.app.moduleManager().add(name, modules.CoreModule(name, logic))
    for name, module in {
        "i18n": i18n,
        "packaging": packaging,
        "parameterNodeWrapper": parameters,
        "ScriptedLoadableModule": scripted,
    }.items():
        setattr(slicer, name, module)
        sys.modules[f"slicer.{name}"] = module
    sys.modules["SampleData"] = sample_data.build()
    slicer.util.delayDisplay = lambda message, *_, **__: record("delay", message)
    _add_main_window()


def _add_main_window() -> None:
    """slicer.util shows no message box where there is no main window."""
    import qt

    global _main_window
    _main_window = qt.QMainWindow()
    _main_window.objectName = "qSlicerMainWindow"
