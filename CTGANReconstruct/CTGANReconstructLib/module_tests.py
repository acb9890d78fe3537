"""What the modules' tests in Slicer have in common."""

import unittest

import slicer
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleTest

from .dependencies import missingPackages


class ModuleTest(ScriptedLoadableModuleTest):
    """Tests that begin with an empty scene, and are skipped where the computing program lacks packages.

    The extension's build runs them through unittest. *Reload and Test* calls :meth:`runTest` itself, to which a skipped
    test would be a failed one.
    """

    def setUp(self) -> None:
        slicer.mrmlScene.Clear()
        if missingPackages():
            self.skipTest(_("The Python packages are not installed."))

    def runTest(self) -> None:
        try:
            super().runTest()
        except unittest.SkipTest as reason:
            self.delayDisplay(str(reason))
