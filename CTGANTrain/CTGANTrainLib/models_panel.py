"""The panel of models: what is installed, and what can be done with it."""

from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from CTGANReconstructLib.backend import Backend
from CTGANReconstructLib.item_tables import selectedRows, setHeaders, showRows
from CTGANReconstructLib.job_control import JobControl
from CTGANReconstructLib.panel_widget import Panel

from .model_task import ModelTask, storedModels


class ModelsPanel(Panel):
    """Connects the widgets of ``UI/ModelsPanel.ui`` with the model store, which the backend changes."""

    def __init__(self, ui, backend: Backend) -> None:
        self.ui = ui
        self.models: list[dict] = []
        self._task: ModelTask | None = None
        self.job = JobControl(
            ui.cancelButton, ui.modelsProgressBar, ui.modelsStatusLabel, backend, lambda: self._task, self._onDone
        )
        self.job.setReady(_("Nothing is being done"), "")
        setHeaders(
            ui.modelsTable,
            [_("Name"), _("Task"), _("License"), _("Data"), _("Scores"), _("Size"), _("Origin"), _("Title")],
        )
        for column, width in enumerate((130, 70, 80, 90, 150, 65, 75)):
            ui.modelsTable.setColumnWidth(column, width)
        ui.modelsTable.itemSelectionChanged.connect(self._showButtons)
        for button, slot in (
            (ui.importFileButton, self._onImportFile),
            (ui.importFolderButton, self._onImportFolder),
            (ui.exportButton, self._onExport),
            (ui.renameButton, self._onRename),
            (ui.deleteModelButton, self._onDelete),
            (ui.verifyButton, self._onVerify),
        ):
            button.clicked.connect(slot)
        self._showButtons()

    def setParameters(self, parameters) -> None:
        """The panel has no parameters."""

    def update(self) -> None:
        """The panel has no parameters."""

    def setActive(self, active: bool) -> None:
        """List the models, which may have come or gone meanwhile."""
        if active:
            self.refresh()

    def refresh(self) -> None:
        """Show the models that are installed."""
        self.models = storedModels()
        showRows(self.ui.modelsTable, [_row(model) for model in self.models])
        self._showButtons()

    def _selected(self) -> dict | None:
        rows = selectedRows(self.ui.modelsTable)
        return self.models[rows[0]] if rows and rows[0] < len(self.models) else None

    def _showButtons(self) -> None:
        ui, model = self.ui, self._selected()
        ui.exportButton.enabled = ui.verifyButton.enabled = model is not None
        ui.renameButton.enabled = ui.deleteModelButton.enabled = bool(model and model["own"])
        shipped = _("It ships with CTGAN and stays as it is")
        ui.renameButton.toolTip = shipped if model and not model["own"] else _("Give the model another name")
        ui.deleteModelButton.toolTip = shipped if model and not model["own"] else _("Delete the model's files")

    def _start(self, action: str, *values: str) -> None:
        if self.job.running:
            return
        self._task = ModelTask(action, values)
        self.job.start()

    def _onDone(self, result: dict) -> None:
        self.refresh()
        model = result.get("model")
        name = model.get("name", "") if isinstance(model, dict) else str(model)
        texts = {
            "verify": _("{name} is as it was made: its weights match their hash"),
            "import": _("{name} has been imported"),
            "export": _("{name} has been exported"),
            "rename": _("It is called {name} now"),
            "delete": _("{name} has been deleted"),
        }
        self.ui.modelsStatusLabel.text = texts[self._task.action].format(name=name)

    def _onImportFile(self, checked: bool = False) -> None:
        path = qt.QFileDialog.getOpenFileName(self.ui.modelsTable, _("Import a model"), "", _("Models (*.zip)"))
        if path:
            self._start("import", path)

    def _onImportFolder(self, checked: bool = False) -> None:
        path = qt.QFileDialog.getExistingDirectory(self.ui.modelsTable, _("Import the folder of a model"))
        if path:
            self._start("import", path)

    def _onExport(self, checked: bool = False) -> None:
        name = self._selected()["name"]
        path = qt.QFileDialog.getSaveFileName(
            self.ui.modelsTable, _("Export a model"), f"{name}.zip", _("Models (*.zip)")
        )
        if path:
            self._start("export", name, path if Path(path).suffix == ".zip" else f"{path}.zip")

    def _onRename(self, checked: bool = False) -> None:
        name = self._selected()["name"]
        title, label = _("Rename a model"), _("New name of {name}:").format(name=name)
        newName = qt.QInputDialog.getText(self.ui.modelsTable, title, label, qt.QLineEdit.Normal, name)
        if newName and newName.strip() != name:
            self._start("rename", name, newName.strip())

    def _onDelete(self, checked: bool = False) -> None:
        name = self._selected()["name"]
        if slicer.util.confirmYesNoDisplay(_("Delete the model {name}? This cannot be undone.").format(name=name)):
            self._start("delete", name)

    def _onVerify(self, checked: bool = False) -> None:
        self._start("verify", self._selected()["name"])


def _row(model: dict) -> list[str]:
    """A model as the table shows it."""
    data, scores = model.get("data") or {}, model.get("scores") or []
    first = next((row for row in scores if isinstance(row, dict)), {})
    numbers = [f"{name} {value:.4g}" for name, value in first.items() if isinstance(value, float)]
    sources = str(data.get("sources") or "")
    count = _("{count} CTs").format(count=data.get("n", 0))
    return [
        model["name"],
        model["task"],
        model["license"],
        f"{count}: {sources}" if sources else count,
        ", ".join(numbers),
        _("{size} MB").format(size=model["size_mb"]),
        _("own") if model["own"] else _("shipped"),
        model["title"],
    ]
