"""slicer.app: the application object."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from types import SimpleNamespace

from PySide6 import QtCore, QtWidgets
from PySide6.QtCore import Property, Signal

from ..widgets.standin import standin
from .files import CoreIOManager
from .modules import qSlicerModuleManager
from .scene import Runtime
from .views import LayoutManager


@standin
class qSlicerApplication(QtWidgets.QApplication):
    """The part of qSlicerApplication that its documentation offers to modules."""

    startupCompleted = Signal()
    lastWindowClosed = Signal()

    majorVersion, minorVersion = 5, 13
    revision = "00000"
    applicationVersion = "5.13.0-harness"
    documentationVersion = "latest"
    documentationBaseUrl = "https://slicer.readthedocs.io/en/latest/"
    platform = "linux-amd64"

    def __init__(self, folder: Path) -> None:
        super().__init__(["Slicer"])
        self.setOrganizationName("NA-MIC")
        self.setApplicationName("Slicer")
        self._folder, self._testing, self._runtime = folder, False, Runtime(folder)
        self._io = CoreIOManager(self._runtime.module_logics)
        self._layouts = LayoutManager(self._runtime.slice_logics, self._runtime.layout_logic)
        self._modules = qSlicerModuleManager()
        self._environment = QtCore.QProcessEnvironment.systemEnvironment()
        _make_python_slicer(folder / "bin")

    temporaryPath = Property(str, lambda self: str(self._folder / "tmp"))
    slicerHome = Property(str, lambda self: str(self._folder))
    extensionsInstallPath = Property(str, lambda self: str(self._folder / "extensions"))
    slicerUserSettingsFilePath = Property(str, lambda self: QtCore.QSettings().fileName())

    def runtime(self) -> Runtime:
        """The harness's own: scene and logics."""
        return self._runtime

    def mrmlScene(self) -> object:
        """The scene."""
        return self._runtime.scene

    def applicationLogic(self) -> object:
        """The real application logic."""
        return self._runtime.application_logic

    def coreIOManager(self) -> CoreIOManager:
        """Reading and writing of files."""
        return self._io

    ioManager = coreIOManager

    def moduleManager(self) -> qSlicerModuleManager:
        """The modules."""
        return self._modules

    def moduleLogic(self, name: str) -> object:
        """The logic of a module of Slicer's own."""
        return self._runtime.module_logics.get(name.lower())

    def layoutManager(self) -> LayoutManager:
        """The views."""
        return self._layouts

    def userSettings(self) -> QtCore.QSettings:
        """The user's settings, in the harness's folder."""
        return QtCore.QSettings()

    settings = userSettings
    revisionUserSettings = userSettings

    def startupEnvironment(self) -> QtCore.QProcessEnvironment:
        """The environment before Slicer changed it."""
        return self._environment

    def commandOptions(self) -> SimpleNamespace:
        """The options of the command line."""
        return SimpleNamespace(testingEnabled=self._testing, noMainWindow=False, runPythonAndExit=False)

    def testingEnabled(self) -> bool:
        """False, so that dialogs come and are recorded; see ``setTestingEnabled``."""
        return self._testing

    def setTestingEnabled(self, enabled: bool) -> None:
        """The harness's own: as if Slicer had been started with --testing."""
        self._testing = enabled

    def translate(self, context: str, text: str) -> str:
        """No translation is installed."""
        return text

    def moduleDocumentationUrl(self, module_name: str) -> str:
        """Where a module is documented."""
        return f"{self.documentationBaseUrl}user_guide/modules/{module_name.lower()}.html"

    def pauseRender(self) -> None:
        """There is nothing to render."""

    def resumeRender(self) -> None:
        """There is nothing to render."""


# The launcher stays while Python runs, ends at once when it is told to, and does not tell by what signal Python ended
# (but 130, SIGINT, which is also a usual exit status).
_PYTHON_SLICER = """#!/bin/sh
{python} "$@"
status=$?
[ $status -le 130 ] && exit $status
echo "error: [{python}] exit abnormally - Report the problem." >&2
exit 1
"""


def _make_python_slicer(folder: Path) -> None:
    """Slicer has a PythonSlicer on the PATH; here it starts this Python."""
    folder.mkdir()
    script = folder / "PythonSlicer"
    script.write_text(_PYTHON_SLICER.format(python=shlex.quote(sys.executable)), encoding="utf-8")
    script.chmod(0o755)
    os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ.get('PATH', '')}"
