"""The panel of the Reconstruct task: choices to task, and what came out to what is shown."""

from pathlib import Path

import slicer
from slicer.i18n import tr as _

from .backend import Backend
from .job_control import JobControl
from .model_choice import ModelChoice
from .nodes import radiographProblem
from .panel_widget import Panel
from .path_edits import connectPath
from .reconstruct_task import Radiograph, ReconstructResult, ReconstructTask

AUTOMATIC = "Automatic"
_UNCERTAINTY_OPACITY = 0.4
_SHARPNESS = _(
    "0: the CT that comes nearest to the truth, smooth where the radiographs leave it open. "
    "1: texture as in real CTs. It looks more real, but it is not more true: the detail is made up, and errors are "
    "larger."
)
_UNCERTAINTY = _("Also make a volume of the error to be expected at each voxel: one standard deviation, in HU.")
_MEMBERS = _("The model runs {count} times, and the CT is the mean of what its snapshots make.")
_NO_MEMBERS = _("The model has no snapshots: it is the error that is usual in such tissue, not this patient's own.")


class ReconstructPanel(Panel):
    """Connects the widgets of ``UI/ReconstructPanel.ui`` with the parameter node and the backend."""

    def __init__(self, ui, backend: Backend) -> None:
        self.ui = ui
        self.lastResult: ReconstructResult | None = None
        self._parameters = None
        self.job = JobControl(
            ui.reconstructButton, ui.progressBar, ui.statusLabel, backend, self._makeTask, self._onDone
        )
        connectPath(ui.paFileEdit, lambda path: self._set("paFile", path))
        connectPath(ui.lateralFileEdit, lambda path: self._set("lateralFile", path))
        self._models = ModelChoice(ui.modelComboBox, "biplanar", lambda name: self._set("model", name))
        self._showResult("")

    def setParameters(self, parameters) -> None:
        """Follow a parameter node, or with None, no longer."""
        self._parameters = parameters
        if parameters is None:
            self.lastResult = None
            self._showResult("")
        else:
            self._models.list(parameters.model)
            self.update()

    def update(self) -> None:
        """Show the parameter node's state where no widget is connected with it, and whether all is chosen."""
        for name, edit in (("pa", self.ui.paFileEdit), ("lateral", self.ui.lateralFileEdit)):
            edit.visible = getattr(self._parameters, f"{name}Volume") is None
            path = getattr(self._parameters, f"{name}File")
            if edit.currentPath != path:
                edit.currentPath = path
        self._showModel()
        self.job.setReady(self._problem(), *self._offer())

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

    def _showModel(self) -> None:
        """Offer what the chosen model can do, and say why not."""
        model = self._models.chosen
        canSharpen = model is not None and model.hasTexture
        if not canSharpen and self._parameters.sharpness:
            self._parameters.sharpness = 0.0  # what the disabled slider shows is what is done
        for widget in (self.ui.sharpnessLabel, self.ui.sharpnessSlider):
            widget.enabled = canSharpen
            widget.toolTip = _SHARPNESS if canSharpen else _("The model has no texture weights. ") + _SHARPNESS
        source = _MEMBERS.format(count=model.snapshots + 1) if model and model.snapshots else _NO_MEMBERS
        self.ui.uncertaintyCheckBox.toolTip = f"{_UNCERTAINTY} {source}"

    def _offer(self) -> tuple[str, str]:
        """What the button does, and its text."""
        mean = _("The other one is taken to be that of a mean patient, so that depth is a guess.")
        if not self._radiograph("lateral"):
            return _("Make a CT from the PA radiograph alone.") + " " + mean, _("Reconstruct from PA only")
        if not self._radiograph("pa"):
            return _("Make a CT from the lateral radiograph alone.") + " " + mean, _("Reconstruct from lateral only")
        return _("Make a CT from the two radiographs"), _("Reconstruct")

    def _radiograph(self, name: str) -> Radiograph:
        """The chosen node, else the chosen file, else an empty text."""
        return getattr(self._parameters, f"{name}Volume") or getattr(self._parameters, f"{name}File")

    def _problem(self) -> str:
        """Why the task cannot be started, or nothing."""
        pa, lateral = self._radiograph("pa"), self._radiograph("lateral")
        if not pa and not lateral:
            return _("Choose a PA or a lateral radiograph, or both")
        if pa == lateral:
            return _("PA and lateral are the same radiograph")
        for radiograph in (pa, lateral):
            if not radiograph:
                continue
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
            uncertainty=parameters.uncertainty,
            segment=parameters.segment,
            reproject=parameters.reproject,
            options={
                "model": parameters.model,
                "device": parameters.device,
                "asGiven": not parameters.check,
                "noRefine": not parameters.refine,
                "sharpness": parameters.sharpness or None,
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
        if result.uncertainty is not None:
            slicer.util.setSliceViewerLayers(foreground=result.uncertainty, foregroundOpacity=_UNCERTAINTY_OPACITY)
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
    """How well the CT explains each radiograph, before and after the refinement."""
    names = {"pa": _("PA"), "lateral": _("lateral")}
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
    return text
