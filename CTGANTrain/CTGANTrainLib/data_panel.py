"""The panel of data sets: a folder becomes a list of checked cases, and that a table to train on."""

import shutil
import tempfile
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from CTGANLib.errors import UserError
from CTGANReconstructLib.backend import Backend
from CTGANReconstructLib.job_control import JobControl, showError
from CTGANReconstructLib.panel_widget import Panel

from .case_list import CHOICES, CaseList
from .cases_table import CasesTable
from .check_task import CheckTask
from .data_choice import DataChoice
from .scene_panel import ScenePanel

_TABLE = "cases.tsv"


class DataPanel(Panel):
    """Connects the widgets of ``UI/DataPanel.ui`` with the parameter node and the backend."""

    def __init__(self, ui, backend: Backend) -> None:
        self.ui = ui
        self.cases: CaseList | None = None
        self._parameters = None
        self._folder: Path | None = None
        self._checkedData = self._suggestedData = ""
        self._savedAs: tuple[Path, dict[str, str]] | None = None
        self._data = DataChoice(ui.dataEdit, ui.dataTableButton, lambda path: self._set("dataPath", path))
        self._scene = ScenePanel(ui, lambda folder: self._set("dataPath", folder))
        self._table = CasesTable(ui.casesTable, self._onKept)
        self.job = JobControl(
            ui.checkButton, ui.checkProgressBar, ui.checkStatusLabel, backend, self._makeTask, self._onDone
        )
        for role in CHOICES:
            ui.roleComboBox.addItem(role)
        ui.setRoleButton.clicked.connect(self._onSetRole)
        ui.splitButton.clicked.connect(self._onSplit)
        ui.similarToButton.clicked.connect(self._onSimilarTo)
        ui.saveTableButton.clicked.connect(self._onSave)
        ui.casesTable.itemSelectionChanged.connect(self._showState)
        self._showState()

    def setParameters(self, parameters) -> None:
        """Follow a parameter node, or with None, no longer."""
        self._parameters = parameters
        self._scene.setParameters(parameters)
        if parameters is not None:
            self.update()

    def update(self) -> None:
        """Show the parameter node's state where no widget is connected with it, and whether all is chosen."""
        self._data.show(self._parameters.dataPath)
        self.job.setReady(self._data.problem(), _("Read every CT and say which can train. Nothing is changed"))
        if self.cases is not None and self._checkedData != self._parameters.dataPath:
            self._forgetCases()
        self._scene.update()

    def stop(self) -> None:
        """End the check, as the scene or the application closes."""
        self.job.stop()
        self._scene.stop()
        self._forgetCases()

    def _set(self, name: str, value: str) -> None:
        if self._parameters is not None:
            setattr(self._parameters, name, value)

    def _makeTask(self) -> CheckTask:
        parameters = self._parameters
        dropped, kept = self.cases.against() if self.cases else ([], [])
        self._forgetCases()
        self._data.remember()
        self._checkedData = parameters.dataPath
        self._folder = Path(tempfile.mkdtemp(prefix="CTGAN-cases-", dir=slicer.app.temporaryPath))
        options = {"seed": parameters.seed, "studyDescription": parameters.studyDescription.strip()}
        if parameters.similarTo.strip():
            options |= {"similarTo": parameters.similarTo.strip(), "similarity": parameters.similarity}
        table, thumbnails = self._folder / _TABLE, self._folder / "thumbnails"
        return CheckTask(parameters.dataPath, table, thumbnails, tuple(dropped), tuple(kept), options)

    def _onDone(self, rows: list[dict]) -> None:
        self.cases = CaseList(rows, self._parameters.roles)
        self._table.show(self.cases)
        self._showState()
        for name in ("trainData", "evaluationData"):  # unless the user has chosen there
            if getattr(self._parameters, name) in ("", self._suggestedData):
                self._set(name, self._checkedData)
        self._suggestedData = self._checkedData

    def _forgetCases(self) -> None:
        """Empty the table, and delete the thumbnails in it."""
        self.cases = self._savedAs = None
        self._table.show(None)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
        self._showState()

    def _showState(self) -> None:
        ui, there, some = self.ui, bool(self.cases and self.cases.rows), bool(self._table.selected())
        ui.casesSummaryLabel.text = self._summary()
        for widget in (ui.saveTableButton, ui.splitButton):
            widget.enabled = there
        for widget in (ui.setRoleButton, ui.similarToButton):
            widget.enabled = some

    def _summary(self) -> str:
        if self.cases is None:
            return _("Check a data set to see its cases")
        if self._savedAs and self._savedAs[1] == self.cases.chosen:
            saved = _("Saved, and chosen for training and evaluation: {path}").format(path=self._savedAs[0])
        else:
            saved = _("Save the table to train on these cases with these roles.")
        return f"{self.cases.summary()}\n{saved}"

    def _onKept(self, case: str, kept: bool) -> None:
        self.cases.keep(case, kept)
        self._onChosen()

    def _onSetRole(self, checked: bool = False) -> None:
        self.cases.setRole(self._table.selected(), self.ui.roleComboBox.currentText)
        self._onChosen()

    def _onSplit(self, checked: bool = False) -> None:
        self.cases.split(self._parameters.seed, self._parameters.testShare)
        self._onChosen()

    def _onChosen(self) -> None:
        """Show and remember the roles that the user chose."""
        self._parameters.roles = self.cases.chosen
        self._table.update()
        self._showState()

    def _onSimilarTo(self, checked: bool = False) -> None:
        self._parameters.similarTo = self._table.selected()[0]

    def _onSave(self, checked: bool = False) -> None:
        data = Path(self._parameters.dataPath)
        suggested = data if data.is_file() else data / _TABLE
        path = qt.QFileDialog.getSaveFileName(
            self.ui.casesTable, _("Table of cases"), str(suggested), _("Tables of cases (*.tsv)")
        )
        if not path:
            return
        target = Path(path if path.endswith(".tsv") else f"{path}.tsv")
        try:
            self.cases.save(self._folder / _TABLE, target)
        except (OSError, UserError) as error:
            showError(error)
            return
        self._parameters.trainData = self._parameters.evaluationData = str(target)
        self._savedAs = (target, dict(self.cases.chosen))
        self._showState()
