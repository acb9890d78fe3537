"""The part of the data panel that makes a data folder from volumes of the scene."""

from collections.abc import Callable
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from CTGANReconstructLib.path_edits import connectPath

from .scene_volumes import SceneVolumes, volumeFiles


class ScenePanel:
    """Connects the widgets of the section *From the scene*."""

    def __init__(self, ui, onWritten: Callable[[str], None]) -> None:
        """Take over the widgets; ``onWritten`` is called with the folder when the volumes are there."""
        self._ui, self._onWritten = ui, onWritten
        self._parameters = None
        self._writer = SceneVolumes(self._showText, self._onDone)
        connectPath(ui.sceneFolderEdit, self._onFolder)
        ui.sceneVolumesSelector.checkedNodesChanged.connect(self.update)
        ui.writeVolumesButton.clicked.connect(self._onWrite)
        self._showText("")

    def setParameters(self, parameters) -> None:
        """Follow a parameter node, or with None, no longer."""
        self._parameters = parameters

    def stop(self) -> None:
        """Write no more, as the scene closes."""
        self._writer.stop()
        self._showText("")

    def update(self) -> None:
        """Show the parameter node's state, and whether all is chosen."""
        if self._parameters is None:
            return
        if self._ui.sceneFolderEdit.currentPath != self._parameters.sceneFolder:
            self._ui.sceneFolderEdit.currentPath = self._parameters.sceneFolder
        problem = self._problem()
        self._ui.writeVolumesButton.enabled = not problem
        self._ui.writeVolumesButton.toolTip = problem or _("Write the volumes as files, and choose their folder above")

    def _problem(self) -> str:
        if self._writer.running:
            return _("Volumes are being written")
        if not self._ui.sceneVolumesSelector.checkedNodes():
            return _("Check volumes in the list")
        return "" if self._parameters.sceneFolder else _("Choose a folder for the files")

    def _onFolder(self, path: str) -> None:
        if self._parameters is not None:
            self._parameters.sceneFolder = path

    def _onWrite(self, checked: bool = False) -> None:
        volumes, folder = list(self._ui.sceneVolumesSelector.checkedNodes()), Path(self._parameters.sceneFolder)
        there = [path.name for path in volumeFiles(volumes, folder) if path.exists()]
        question = _("These files are there already. Replace them?\n\n{names}")
        if there and not slicer.util.confirmOkCancelDisplay(question.format(names="\n".join(there))):
            return
        self._writer.start(volumes, folder)
        self.update()

    def _onDone(self) -> None:
        self._showText("")
        self.update()
        if self._writer.problems:
            slicer.util.errorDisplay(
                _("Not all volumes could be written."), detailedText="\n".join(self._writer.problems)
            )
        self._onWritten(self._parameters.sceneFolder)

    def _showText(self, text: str) -> None:
        self._ui.sceneStatusLabel.text = text
        self._ui.sceneStatusLabel.visible = bool(text)
