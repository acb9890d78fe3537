"""The panel of training: choices to task, progress to the log."""

from pathlib import Path

from slicer.i18n import tr as _

from CTGANReconstructLib.backend import Backend
from CTGANReconstructLib.events import Progress
from CTGANReconstructLib.job_control import JobControl
from CTGANReconstructLib.panel_widget import Panel

from .train_task import TrainResult, TrainTask


class TrainPanel(Panel):
    """Connects the widgets of ``UI/TrainPanel.ui`` with the parameter node and the backend."""

    def __init__(self, ui, backend: Backend) -> None:
        self.ui = ui
        self._parameters = None
        self.job = JobControl(
            ui.trainButton,
            ui.progressBar,
            ui.statusLabel,
            backend,
            self._makeTask,
            self._onDone,
            self._onProgress,
        )
        ui.dataFolderEdit.currentPathChanged.connect(lambda path: self._set("dataFolder", path))
        ui.runFolderEdit.currentPathChanged.connect(lambda path: self._set("runFolder", path))

    def setParameters(self, parameters) -> None:
        """Follow a parameter node, or with None, no longer."""
        self._parameters = parameters
        if parameters is not None:
            self.update()

    def update(self) -> None:
        """Show the parameter node's state where no widget is connected with it, and whether all is chosen."""
        for name, edit in (("dataFolder", self.ui.dataFolderEdit), ("runFolder", self.ui.runFolderEdit)):
            if edit.currentPath != getattr(self._parameters, name):
                edit.currentPath = getattr(self._parameters, name)
        self.job.setReady(self._problem(), _("Train a model on the CTs of the data folder"))

    def _set(self, name: str, value: str) -> None:
        if self._parameters is not None:
            setattr(self._parameters, name, value)

    def _problem(self) -> str:
        """Why training cannot be started, or nothing."""
        if not self._parameters.dataFolder:
            return _("Choose a data folder")
        if not Path(self._parameters.dataFolder).is_dir():
            return _("There is no folder {path}").format(path=self._parameters.dataFolder)
        if not self._parameters.runFolder:
            return _("Choose a run folder")
        return ""

    def _makeTask(self) -> TrainTask:
        parameters = self._parameters
        self.ui.logEdit.clear()
        self.ui.resultLabel.text = ""
        options = {"steps": parameters.steps or None, "batch": parameters.batch or None, "device": parameters.device}
        return TrainTask(parameters.dataFolder, parameters.runFolder, parameters.recipe, options)

    def _onProgress(self, progress: Progress) -> None:
        self.ui.logEdit.appendPlainText(f"{progress.fraction:4.0%}  {progress.message}")

    def _onDone(self, result: TrainResult) -> None:
        metrics = ", ".join(f"{name} {value:.3g}" for name, value in result.metrics.items())
        self.ui.resultLabel.text = _("Model: {path}\n{metrics}").format(path=result.model, metrics=metrics)
