"""The panel of the Reconstruct task: choices to task, and what came out to what is shown."""

from pathlib import Path

import slicer
from slicer.i18n import tr as _

from .backend import Backend
from .job_control import JobControl
from .models import installedModels
from .nodes import radiographProblem
from .panel_widget import Panel
from .reconstruct_task import Radiograph, ReconstructResult, ReconstructTask

_LOW_CONSISTENCY = 0.9
AUTOMATIC = "Automatic"


class ReconstructPanel(Panel):
    """Connects the widgets of ``UI/ReconstructPanel.ui`` with the parameter node and the backend."""

    def __init__(self, ui, backend: Backend) -> None:
        self.ui = ui
        self.lastResult: ReconstructResult | None = None
        self._parameters = None
        self.job = JobControl(
            ui.reconstructButton, ui.progressBar, ui.statusLabel, backend, self._makeTask, self._onDone
        )
        ui.paFileEdit.currentPathChanged.connect(lambda path: self._set("paFile", path))
        ui.lateralFileEdit.currentPathChanged.connect(lambda path: self._set("lateralFile", path))
        ui.modelComboBox.connect("currentIndexChanged(int)", self._onModelChosen)
        self._showResult("")

    def setParameters(self, parameters) -> None:
        """Follow a parameter node, or with None, no longer."""
        self._parameters = parameters
        if parameters is None:
            self.lastResult = None
            self._showResult("")
        else:
            self._listModels()
            self.update()

    def update(self) -> None:
        """Show the parameter node's state where no widget is connected with it, and whether all is chosen."""
        for name, edit in (("pa", self.ui.paFileEdit), ("lateral", self.ui.lateralFileEdit)):
            edit.visible = getattr(self._parameters, f"{name}Volume") is None
            path = getattr(self._parameters, f"{name}File")
            if edit.currentPath != path:
                edit.currentPath = path
        self.job.setReady(self._problem(), _("Make a CT from the two radiographs"))

    def startWith(self, pa: slicer.vtkMRMLScalarVolumeNode, lateral: slicer.vtkMRMLScalarVolumeNode) -> None:
        """Choose two radiographs that know how they were taken, and start, unless something is in the way."""
        parameters = self._parameters
        parameters.paVolume, parameters.lateralVolume = pa, lateral
        parameters.paView = parameters.lateralView = AUTOMATIC
        parameters.sourceToDetectorDistance = parameters.sourceToIsocenterDistance = parameters.pixelSpacing = 0.0
        if not self.job.running and not self._problem():
            self.job.start()

    def _set(self, name: str, value: str) -> None:
        if self._parameters is not None:
            setattr(self._parameters, name, value)

    def _listModels(self) -> None:
        wasBlocked = self.ui.modelComboBox.blockSignals(True)
        self.ui.modelComboBox.clear()
        for model in installedModels("biplanar"):
            self.ui.modelComboBox.addItem(model.title, model.name)
        self.ui.modelComboBox.currentIndex = max(0, self.ui.modelComboBox.findData(self._parameters.model))
        self.ui.modelComboBox.blockSignals(wasBlocked)
        self._onModelChosen(self.ui.modelComboBox.currentIndex)

    def _onModelChosen(self, index: int) -> None:
        self._set("model", self.ui.modelComboBox.itemData(index) or "")

    def _radiograph(self, name: str) -> Radiograph:
        """The chosen node, else the chosen file, else an empty text."""
        return getattr(self._parameters, f"{name}Volume") or getattr(self._parameters, f"{name}File")

    def _problem(self) -> str:
        """Why the task cannot be started, or nothing."""
        pa, lateral = self._radiograph("pa"), self._radiograph("lateral")
        if not pa:
            return _("Choose a PA radiograph")
        if not lateral:
            return _("Choose a lateral radiograph")
        if pa == lateral:
            return _("PA and lateral are the same radiograph")
        for radiograph in (pa, lateral):
            if isinstance(radiograph, str) and not Path(radiograph).is_file():
                return _("There is no file {path}").format(path=radiograph)
            if not isinstance(radiograph, str) and radiographProblem(radiograph):
                return radiographProblem(radiograph)
        if self._parameters.outputVolume in (pa, lateral):
            return _("The output must be another volume than the radiographs")
        if not self._parameters.model:
            return _("No model is installed")
        return ""

    def _makeTask(self) -> ReconstructTask:
        parameters = self._parameters
        self._showResult("")
        return ReconstructTask(
            self._radiograph("pa"),
            self._radiograph("lateral"),
            parameters.outputVolume,
            parameters.outputSegmentation,
            segment=parameters.segment,
            reproject=parameters.reproject,
            options={
                "model": parameters.model,
                "device": parameters.device,
                "asGiven": not parameters.check,
                "noRefine": not parameters.refine,
                "paView": None if parameters.paView == AUTOMATIC else parameters.paView,
                "lateralView": None if parameters.lateralView == AUTOMATIC else parameters.lateralView,
                "sourceToDetectorDistance": parameters.sourceToDetectorDistance or None,
                "sourceToIsocenterDistance": parameters.sourceToIsocenterDistance or None,
                "pixelSpacing": parameters.pixelSpacing or None,
            },
        )

    def _onDone(self, result: ReconstructResult) -> None:
        self.lastResult = result
        slicer.util.setSliceViewerLayers(background=result.volume, fit=True)
        slicer.util.resetThreeDViews()
        agreement = consistencyText(result.consistency, result.consistencyBefore, result.refinement)
        self._showResult("\n".join([*result.warnings, agreement]))

    def _showResult(self, text: str) -> None:
        self.ui.resultLabel.text = text
        self.ui.resultLabel.visible = bool(text)


def consistencyText(
    consistency: dict[str, dict[str, float]],
    before: dict[str, dict[str, float]] | None = None,
    refinement: str | None = None,
) -> str:
    """How well the CT explains each radiograph, before and after the refinement, with a warning where it does not."""
    names = {"pa": _("PA"), "lateral": _("lateral")}
    values = {names.get(view, view): scores["ncc"] for view, scores in consistency.items()}
    shown = {names.get(view, view): f"{scores['ncc']:.3f}" for view, scores in consistency.items()}
    if before and refinement in ("full", "cautious"):
        for view, scores in before.items():
            name = names.get(view, view)
            shown[name] = f"{scores['ncc']:.3f} → {shown[name]}"
    text = _("Agreement with the radiographs: {values} (correlation, 1 is best)").format(
        values=", ".join(f"{name} {value}" for name, value in shown.items())
    )
    if refinement == "cautious":
        text += "\n" + _("Refined with caution: gain and offset alone do not explain the radiographs' gray values.")
    if refinement == "none":
        text += "\n" + _("Not refined: the radiographs fit the CT too badly.")
    low = [name for name, value in values.items() if value < _LOW_CONSISTENCY]
    if low:
        text += "\n" + _("Low for {names}: check that views and geometry are right.").format(names=", ".join(low))
    return text
