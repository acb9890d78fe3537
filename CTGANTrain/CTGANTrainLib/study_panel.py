"""The panel of reader studies: make one, read it, and see what came out."""

from pathlib import Path

import qt
from slicer.i18n import tr as _

from CTGANLib.errors import UserError
from CTGANLib.evaluation.reader_study import Study
from CTGANReconstructLib.backend import Backend
from CTGANReconstructLib.job_control import JobControl, showError
from CTGANReconstructLib.models import installedModels
from CTGANReconstructLib.panel_widget import Panel
from CTGANReconstructLib.path_edits import connectPath

from .data_choice import DataChoice
from .study_reading import ReadingPart
from .study_results import ResultsPart
from .study_task import MadeStudy, StudyTask

_TASKS = ("slices", "pyramid")


class StudyPanel(Panel):
    """Connects the widgets of ``UI/StudyPanel.ui`` with the parameter node, the backend and the study on disk."""

    def __init__(self, ui, backend: Backend) -> None:
        self.ui = ui
        self._parameters = None
        self._data = DataChoice(ui.studyDataEdit, ui.studyTableButton, lambda path: self._set("studyData", path))
        self.job = JobControl(
            ui.makeStudyButton, ui.studyProgressBar, ui.studyStatusLabel, backend, self._makeTask, self._onMade
        )
        self.readPart = ReadingPart(ui, self._onReading)
        self.resultsPart = ResultsPart(ui, self.readPart.stop)
        self._folders = {
            "syntheticFolder": ui.syntheticFolderEdit,
            "newStudyFolder": ui.newStudyFolderEdit,
            "studyFolder": ui.studyFolderEdit,
        }
        for name, edit in self._folders.items():
            connectPath(edit, lambda path, name=name: self._set(name, path))
        ui.studyModelsList.connect("itemChanged(QListWidgetItem*)", self._onModel)
        ui.readButton.clicked.connect(self._onRead)
        ui.showResultsButton.clicked.connect(self._onShowResults)

    def setParameters(self, parameters) -> None:
        """Follow a parameter node, or with None, no longer."""
        self._parameters = parameters
        if parameters is None:
            self.resultsPart.clear()
        else:
            self._listModels()
            self.update()

    def setActive(self, active: bool) -> None:
        """Look for models that have come or gone meanwhile."""
        if active and self._parameters is not None:
            self._listModels()
            self.update()

    def stop(self) -> None:
        """End the making and the reading, as the scene or the application closes."""
        self.job.stop()
        self.readPart.stop()

    def update(self) -> None:
        """Show the parameter node's state where no widget is connected with it, and what can be done."""
        self._data.show(self._parameters.studyData)
        for name, edit in self._folders.items():
            if edit.currentPath != getattr(self._parameters, name):
                edit.currentPath = getattr(self._parameters, name)
        self.job.setReady(self._makeProblem(), _("Mix real and synthetic cases, made alike, in a new folder"))
        self._showState()

    def _set(self, name: str, value: str) -> None:
        if self._parameters is not None:
            setattr(self._parameters, name, value)

    def _makeProblem(self) -> str:
        parameters = self._parameters
        if problem := self._data.problem():
            return problem
        if not self._chosenModels() and not parameters.syntheticFolder:
            return _("Check a model, or choose a folder of synthetic cases")
        if not parameters.newStudyFolder or not parameters.studyName.strip():
            return _("Choose a folder and a name for the study")
        if self._newStudy().exists():
            return _("There is a study of this name already")
        return ""

    def _newStudy(self) -> Path:
        return Path(self._parameters.newStudyFolder) / self._parameters.studyName.strip()

    def _showState(self) -> None:
        ui, parameters, reads = self.ui, self._parameters, self.readPart.reading is not None
        study = parameters.studyFolder if parameters else ""
        there = bool(study) and (Path(study) / "study.json").is_file()
        problem = "" if there else _("Choose the folder of a study")
        ui.showResultsButton.enabled = there
        ui.showResultsButton.toolTip = problem or _("Show figures, agreement and answers beside the truth")
        if not problem and not parameters.reader.strip():
            problem = _("Say who reads")
        ui.readButton.text = _("Stop") if reads else _("Read")
        ui.readButton.enabled = reads or not problem
        told = _("Begin, or go on with the first case that has no answer")
        ui.readButton.toolTip = _("Stop; the answers are kept") if reads else (problem or told)
        # What is being read stays the same.
        ui.studyFolderEdit.enabled = ui.readerEdit.enabled = not reads

    def _chosenModels(self) -> list[str]:
        """Those chosen that are still installed."""
        items = [self.ui.studyModelsList.item(row) for row in range(self.ui.studyModelsList.count)]
        return [item.data(qt.Qt.UserRole) for item in items if item.checkState() == qt.Qt.Checked]

    def _listModels(self) -> None:
        models, chosen = self.ui.studyModelsList, list(self._parameters.studyModels)
        wasBlocked = models.blockSignals(True)
        models.clear()
        for model in installedModels(*_TASKS):
            item = qt.QListWidgetItem(model.title)
            item.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsUserCheckable)
            item.setData(qt.Qt.UserRole, model.name)
            item.setCheckState(qt.Qt.Checked if model.name in chosen else qt.Qt.Unchecked)
            models.addItem(item)
        models.blockSignals(wasBlocked)

    def _onModel(self, item: qt.QListWidgetItem) -> None:
        self._parameters.studyModels = self._chosenModels()

    def _makeTask(self) -> StudyTask:
        parameters = self._parameters
        self._data.remember()
        return StudyTask(
            parameters.studyData,
            self._newStudy(),
            tuple(self._chosenModels()),
            (parameters.syntheticFolder,) if parameters.syntheticFolder else (),
            parameters.studyKind,
            parameters.studyCount,
            parameters.studyRole,
            device=parameters.device,
        )

    def _onMade(self, made: MadeStudy) -> None:
        self._parameters.studyFolder = str(made.folder)
        text = _("{real} real and {synthetic} synthetic cases").format(real=made.real, synthetic=made.synthetic)
        left = "; ".join(f"{case}: {reason}" for case, reason in made.leftOut.items())
        self.ui.studyStatusLabel.text = text + ("\n" + _("Left out: {reasons}").format(reasons=left) if left else "")
        self.update()

    def _onReading(self) -> None:
        self._showState()

    def _onRead(self, checked: bool = False) -> None:
        if self.readPart.reading is not None:
            self.readPart.stop()
            return
        try:
            reading = Study(self._parameters.studyFolder).reading(self._parameters.reader)
            self.resultsPart.clear()
            self.readPart.start(reading)
        except (UserError, RuntimeError) as error:
            showError(error)

    def _onShowResults(self, checked: bool = False) -> None:
        try:
            self.resultsPart.show(Study(self._parameters.studyFolder), self._parameters.reader)
        except UserError as error:
            showError(error)
