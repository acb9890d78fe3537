"""The panel of evaluation: models and test cases to tables of scores and a report."""

import shutil
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from CTGANLib.training.runs import runs_folder
from CTGANReconstructLib.backend import Backend
from CTGANReconstructLib.job_control import JobControl, showError
from CTGANReconstructLib.models import ModelEntry, installedModels
from CTGANReconstructLib.node_tables import showTable
from CTGANReconstructLib.panel_widget import Panel

from .data_choice import DataChoice
from .evaluate_task import EvaluateResult, EvaluateTask
from .evaluation_tables import addEvaluation

# What is scored, and of these what is also scored on input that is not ideal.
_TASKS, _WITH_CONDITIONS = ("biplanar", "segmentation"), ("biplanar",)
_ROWS, _CSV, _REPORT = "rows.json", "rows.csv", "report.html"


class EvaluatePanel(Panel):
    """Connects the widgets of ``UI/EvaluatePanel.ui`` with the parameter node and the backend."""

    def __init__(self, ui, backend: Backend) -> None:
        self.ui = ui
        self.lastResult: EvaluateResult | None = None
        self.tables: list[slicer.vtkMRMLTableNode] = []
        self._parameters = None
        self._folder: Path | None = None
        self._models: dict[str, list[ModelEntry]] = {}
        self._data = DataChoice(ui.evaluationDataEdit, ui.evaluationTableButton, self._onData)
        self.job = JobControl(
            ui.evaluateButton, ui.evaluateProgressBar, ui.evaluateStatusLabel, backend, self._makeTask, self._onDone
        )
        ui.evaluatedModelComboBox.connect("currentIndexChanged(int)", self._onModel)
        ui.compareList.connect("itemChanged(QListWidgetItem*)", self._onCompared)
        ui.showSummaryButton.clicked.connect(lambda: self._showTable(0))
        ui.showCasesButton.clicked.connect(lambda: self._showTable(1))
        ui.showConditionsButton.clicked.connect(lambda: self._showTable(2))
        ui.openReportButton.clicked.connect(self._onOpenReport)
        ui.saveCsvButton.clicked.connect(self._onSaveCsv)
        self._showResult()

    def setParameters(self, parameters) -> None:
        """Follow a parameter node, or with None, no longer."""
        self._parameters = parameters
        if parameters is None:
            self.lastResult, self.tables = None, []
            self._showResult()
        else:
            self._listModels()
            self.update()

    def setActive(self, active: bool) -> None:
        """Look for models that have come or gone meanwhile."""
        if active and self._parameters is not None:
            self._listModels()
            self.update()

    def update(self) -> None:
        """Show the parameter node's state where no widget is connected with it, and whether all is chosen."""
        self._data.show(self._parameters.evaluationData)
        problem = self._data.problem() or ("" if self._parameters.evaluatedModel else _("No model is installed"))
        self.job.setReady(problem, _("Score the models on the test cases, beside what is known without a model"))

    def _onData(self, path: str) -> None:
        if self._parameters is not None:
            self._parameters.evaluationData = path

    def _onModel(self, index: int) -> None:
        if self._parameters is not None:
            self._parameters.evaluatedModel = self.ui.evaluatedModelComboBox.itemData(index) or ""
            self._listCompared()

    def _onCompared(self, item: qt.QListWidgetItem) -> None:
        items = [self.ui.compareList.item(row) for row in range(self.ui.compareList.count)]
        self._parameters.comparedModels = [
            item.data(qt.Qt.UserRole) for item in items if item.checkState() == qt.Qt.Checked
        ]

    def _listModels(self) -> None:
        """Show the installed models; what was chosen stays so."""
        self._models = {task: installedModels(task) for task in _TASKS}
        combo = self.ui.evaluatedModelComboBox
        wasBlocked = combo.blockSignals(True)
        combo.clear()
        for model in (model for models in self._models.values() for model in models):
            combo.addItem(model.title, model.name)
        combo.currentIndex = max(0, combo.findData(self._parameters.evaluatedModel))
        combo.blockSignals(wasBlocked)
        self._onModel(combo.currentIndex)

    def _listCompared(self) -> None:
        """Show what the model under test can be compared with: the models of its task."""
        others, compared = self.ui.compareList, list(self._parameters.comparedModels)
        wasBlocked = others.blockSignals(True)
        others.clear()
        for model in self._models.get(self._task, []):
            item = qt.QListWidgetItem(model.title)
            item.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsUserCheckable)
            item.setData(qt.Qt.UserRole, model.name)
            item.setCheckState(qt.Qt.Checked if model.name in compared else qt.Qt.Unchecked)
            others.addItem(item)
        others.blockSignals(wasBlocked)
        self.ui.conditionsCheckBox.enabled = self._task in _WITH_CONDITIONS

    @property
    def _task(self) -> str:
        """Of the model under test."""
        chosen = self._parameters.evaluatedModel
        return next((task for task, models in self._models.items() if chosen in [m.name for m in models]), "")

    def _makeTask(self) -> EvaluateTask:
        parameters = self._parameters
        self.lastResult = None
        self._showResult()
        self._data.remember()
        data = Path(parameters.evaluationData)
        dataName = data.name if data.is_dir() else f"{data.parent.name} {data.stem}"
        self._folder = runs_folder().parent / "evaluations" / f"{parameters.evaluatedModel} on {dataName}"
        sameTask = [model.name for model in self._models[self._task] if model.name != parameters.evaluatedModel]
        return EvaluateTask(
            data,
            parameters.evaluatedModel,
            tuple(name for name in parameters.comparedModels if name in sameTask),
            self._folder / _ROWS,
            self._folder / _CSV,
            self._folder / _REPORT,
            parameters.device,
            parameters.conditions and self._task in _WITH_CONDITIONS,
        )

    def _onDone(self, result: EvaluateResult) -> None:
        self.lastResult = result
        self.tables = addEvaluation(result, self._folder.name)
        self._showResult()
        self._showTable(0)

    def _showResult(self) -> None:
        ui, result = self.ui, self.lastResult
        ui.showSummaryButton.enabled = ui.showCasesButton.enabled = bool(self.tables)
        ui.showConditionsButton.enabled = len(self.tables) > 2
        ui.openReportButton.enabled = bool(result and result.report)
        ui.saveCsvButton.enabled = result is not None
        ui.evaluationResultLabel.text = resultText(result) if result else ""
        ui.evaluationResultLabel.visible = result is not None

    def _showTable(self, number: int) -> None:
        if self.tables[number].GetScene() is None:  # the user has deleted it
            self.tables = addEvaluation(self.lastResult, self._folder.name)
        showTable(self.tables[number])

    def _onOpenReport(self, checked: bool = False) -> None:
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(self.lastResult.report)))

    def _onSaveCsv(self, checked: bool = False) -> None:
        suggested = f"{self._folder.name}.csv"
        path = qt.QFileDialog.getSaveFileName(
            self.ui.saveCsvButton, _("Scores of all cases"), suggested, _("Tables (*.csv)")
        )
        if not path:
            return
        try:
            shutil.copyfile(self._folder / _CSV, path if path.endswith(".csv") else f"{path}.csv")
        except OSError as error:
            showError(RuntimeError(_("The table cannot be saved: {error}.").format(error=error)))


def resultText(result: EvaluateResult) -> str:
    """What came out, in a line or two."""
    cases = len({row.get("case") for row in result.rows})
    lines = [_("{count} test cases scored").format(count=cases)]
    if result.leftOut:
        reasons = "; ".join(f"{case}: {reason}" for case, reason in result.leftOut.items())
        lines.append(_("Left out: {reasons}").format(reasons=reasons))
    return "\n".join([*lines, *result.warnings])
