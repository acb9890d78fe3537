"""The panel of training: the choices for a new one, and the list of all, of which the selected ones are followed."""

from collections.abc import Callable
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from CTGANLib.training.runs import Run
from CTGANReconstructLib.backend import Backend
from CTGANReconstructLib.job_control import durationText, showError
from CTGANReconstructLib.panel_widget import Panel

from .data_choice import DataChoice
from .recipe_hints import SEGMENTATION, recipeHint
from .run_examples import RunExamples
from .run_state import RunState, bestText, runState
from .run_view import RunView
from .runs_table import RunsTable
from .train_form import SettingsTable, isKiTS, trainTask
from .trainings import STARTING, Trainings, deleteRun

_POLL_MSEC = 1000


class TrainPanel(Panel):
    """Connects the widgets of ``UI/TrainPanel.ui`` with the parameter node, the run folders and the views.

    A training is a process of its own. The panel only reads the run folder, so it can come and go.
    """

    def __init__(self, ui, backend: Backend, trainings: Trainings) -> None:
        self.ui = ui
        self._backend, self._trainings = backend, trainings
        self._parameters = None
        self._active = False
        self._states: dict[Path, RunState] = {}
        self._data = DataChoice(ui.trainDataEdit, ui.trainTableButton, self._onData)
        self._settings = SettingsTable(ui.settingsTable, lambda values: self._set("settings", values))
        self._runs = RunsTable(ui.runsTable, self._onSelected)
        self._view = RunView(ui)
        self._examples = RunExamples()
        for button, slot in (
            (ui.startButton, self._onStart),
            (ui.pauseButton, self._onPause),
            (ui.resumeButton, self._onResume),
            (ui.stopButton, self._onStop),
            (ui.deleteButton, self._onDelete),
            (ui.openFolderButton, self._onOpenFolder),
            (ui.showCurvesButton, self._onShowCurves),
        ):
            button.clicked.connect(slot)
        self._timer = qt.QTimer()
        self._timer.interval = _POLL_MSEC
        self._timer.timeout.connect(self.poll)

    def setParameters(self, parameters) -> None:
        """Follow a parameter node, or with None, no longer."""
        self._parameters = parameters
        if parameters is not None:
            self.update()

    def setActive(self, active: bool) -> None:
        """Follow the runs while the panel is seen, or their curves are."""
        self._active = active
        if active:
            self._joinRunning()
            self._timer.start()

    def stop(self) -> None:
        """Forget the scene's nodes. Trainings go on."""
        self._view.close()
        if not self._active:
            self._timer.stop()

    def update(self) -> None:
        """Show the parameter node's state where no widget is connected with it, and whether all is chosen."""
        self._data.show(self._parameters.trainData)
        self._settings.show(self._parameters.recipe, self._parameters.settings)
        self._showRecipe(self._parameters.recipe)
        problem = self._data.problem()
        self.ui.startButton.enabled = not problem
        self.ui.startButton.toolTip = problem or _("Begin a new run. It goes on when this panel or Slicer is closed")

    def poll(self) -> None:
        """Show how the runs are now."""
        for failure in self._trainings.failures():
            showError(failure)
        self._refresh()
        if not self._active and not self._view.isOpen:
            self._timer.stop()

    def selected(self) -> list[Run]:
        """The selected runs."""
        return self._runs.selected()

    def _onData(self, path: str) -> None:
        if self._parameters is None or path == self._parameters.trainData:
            return
        self._parameters.trainData = path
        if isKiTS(path):  # it can be meant for nothing else, so that Start is all that is left to click
            self._parameters.recipe, self._parameters.structures = SEGMENTATION, "kidney"

    def _set(self, name: str, value: object) -> None:
        if self._parameters is not None:
            setattr(self._parameters, name, value)

    def _showRecipe(self, recipe: str) -> None:
        ui = self.ui
        ui.recipeHintLabel.text = recipeHint(recipe)
        for widget in (ui.structuresLabel, ui.structuresComboBox):
            widget.visible = recipe == SEGMENTATION

    def _refresh(self) -> None:
        """Read the run folders, and show what is in them."""
        runs = [(run, runState(run, self._trainings)) for run in self._trainings.runs()]
        self._states = {run.folder: state for run, state in runs}
        self._runs.show(runs)
        self._showSelected()

    def _showSelected(self) -> None:
        """Show the selected runs in detail, in the views too if they are in use for it."""
        selected = self.selected()
        only = selected[0] if len(selected) == 1 else None
        state = self._states.get(only.folder) if only else None
        self._showButtons(len(selected), state)
        self._showState(state)
        example = ""
        if self._view.isOpen:
            self._view.update(selected)
            example = self._examples.update(only) if only else ""
        self.ui.exampleLabel.text = example
        self.ui.exampleLabel.visible = bool(example)

    def _showButtons(self, count: int, state: RunState | None) -> None:
        ui, working = self.ui, bool(state and state.working)
        ui.pauseButton.enabled = bool(state and state.state in ("preparing", "training") and not state.asked)
        ui.resumeButton.enabled = bool(state and state.resumable)
        ui.stopButton.enabled = working
        ui.stopButton.text = _("End now") if working and _canOnlyEnd(state) else _("Stop")
        ui.stopButton.toolTip = (
            _("End the process at once. What was learned since its last checkpoint is lost; it can be resumed")
            if working and _canOnlyEnd(state)
            else _("End the training early, after its step: what has been learned is evaluated and becomes a model")
        )
        ui.deleteButton.enabled = state is not None and not working
        ui.deleteButton.toolTip = (
            _("A run that is at work cannot be deleted. Stop it first")
            if working
            else _("Delete the run with its checkpoints. A model made by it stays")
        )
        ui.openFolderButton.enabled = state is not None
        ui.showCurvesButton.enabled = count > 0

    def _showState(self, state: RunState | None) -> None:
        ui = self.ui
        ui.runProgressBar.visible = bool(state and state.working)
        if state is None:
            texts = (_("Select a run to follow it, or several to compare their curves"), "", "")
        else:
            ui.runProgressBar.value = round(100 * state.progress.fraction)
            left = state.progress.secondsLeft
            ui.runProgressBar.format = "%p%" if left is None else _("%p%, {time} left").format(time=durationText(left))
            texts = (_statusText(state), state.pace if state.working else "", state.error)
        for label, text in zip((ui.runStatusLabel, ui.runPaceLabel, ui.runErrorLabel), texts, strict=True):
            label.text = text
            label.visible = bool(text)

    def _joinRunning(self) -> None:
        """Follow what is at work where the user has selected nothing."""
        self._refresh()
        working = [folder for folder, state in self._states.items() if state.working]
        if working and not self.selected():
            self._runs.select({working[0]})
            self._showSelected()

    def _onSelected(self) -> None:
        self._showSelected()

    def _onStart(self, checked: bool = False) -> None:
        self._data.remember()
        self._begin(lambda: self._trainings.start(trainTask(self._parameters)))

    def _onResume(self, checked: bool = False) -> None:
        (run,) = self.selected()

        def resume() -> Run:
            self._trainings.resume(run)
            return run

        self._begin(resume)

    def _begin(self, start: Callable[[], Run]) -> None:
        """Start or resume a run after asking for the installation of what is missing, and follow it."""
        try:
            if self._backend.missingPackages():
                self._backend.installPackages()
            run = start()
        except Exception as error:
            showError(error)
            return
        self._refresh()
        self._runs.select({run.folder})
        self._onShowCurves()

    def _onPause(self, checked: bool = False) -> None:
        self._request("pause")

    def _onStop(self, checked: bool = False) -> None:
        (run,) = self.selected()
        if not _canOnlyEnd(runState(run, self._trainings)):
            self._request("stop")
            return
        question = _("End {name} at once? What was learned since its last checkpoint is lost.")
        if slicer.util.confirmYesNoDisplay(question.format(name=run.name)):
            self._attempt(lambda: self._trainings.end(run))

    def _request(self, what: str) -> None:
        (run,) = self.selected()
        self._attempt(lambda: run.request(what))

    def _onDelete(self, checked: bool = False) -> None:
        (run,) = self.selected()
        question = _("Delete the run {name} with its checkpoints? This cannot be undone.")
        if not slicer.util.confirmYesNoDisplay(question.format(name=run.name)):
            return
        if runState(run, self._trainings).working:  # it was resumed elsewhere meanwhile
            slicer.util.errorDisplay(_("The run {name} is at work. Stop it first.").format(name=run.name))
            return
        self._attempt(lambda: deleteRun(run))

    def _attempt(self, action: Callable[[], None]) -> None:
        """Do something with a run; what fails is shown."""
        try:
            action()
        except Exception as error:
            showError(error)
        self._refresh()

    def _onOpenFolder(self, checked: bool = False) -> None:
        (run,) = self.selected()
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(run.folder)))

    def _onShowCurves(self, checked: bool = False) -> None:
        self._view.open()
        self._showSelected()
        self._view.show()
        self._timer.start()


def _canOnlyEnd(state: RunState) -> bool:
    """Whether asking is of no use: it has been asked already, or there are no steps to stop after."""
    return bool(state.asked) or state.state in (STARTING, "evaluating")


def _statusText(state: RunState) -> str:
    parts = [state.label.capitalize(), state.steps and _("step {steps}").format(steps=state.steps)]
    if state.working:
        parts.append(state.progress.message)
        if state.asked:
            isPause = state.asked == "pause"
            parts.append(_("it will pause after its step") if isPause else _("it will stop after its step"))
    else:
        parts.append(bestText(state.best))
        parts.append(state.model and _("model {name}").format(name=state.model))
        parts.append(state.notices)
    return "; ".join(part for part in parts if part)
