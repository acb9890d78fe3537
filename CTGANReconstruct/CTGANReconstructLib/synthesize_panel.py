"""The panel of the Synthesize task: a model and a seed to volumes of patients who do not exist."""

import random

import slicer
from slicer.i18n import tr as _

from .backend import Backend
from .job_control import JobControl, durationText
from .model_choice import ModelChoice
from .panel_widget import Panel
from .synthesis_models import TASKS, Abilities, Size, abilitiesOf
from .synthesize_task import SynthesizeResult, SynthesizeTask

_LARGEST_RANDOM_SEED = 999_999  # short enough for a name
_SIZE = _("Voxels along I, J and K. They stay as large in mm, so that a larger volume shows larger anatomy.")
_START_SCALE = _(
    "The first random scale. At 0, the coarsest, the overall shape is random too. Above it, all coarser scales are "
    "those of a volume that the model has learned from: the higher, the nearer the result is to that volume."
)
_CLASS = _("What the slices are to show")
_ONLY_SLICES = _("This model makes slices of one size, and not in scales. Choose a pyramid for that.")
_FIXED_SLICES = _("This model always makes as many slices as it has learned from.")
_UNKNOWN_SCALES = _("This model does not tell its scales.")
_NO_CLASSES = _("This model has learned without classes.")


class SynthesizePanel(Panel):
    """Connects the widgets of ``UI/SynthesizePanel.ui`` with the parameter node and the backend."""

    def __init__(self, ui, backend: Backend) -> None:
        self.ui = ui
        self.lastResult: SynthesizeResult | None = None
        self._parameters = None
        self._abilities = Abilities()
        self._models = ModelChoice(ui.synthesizeModelComboBox, TASKS, self._onModelChosen)
        widgets = ui.synthesizeButton, ui.synthesizeProgressBar, ui.synthesizeStatusLabel
        self.job = JobControl(*widgets, backend, self._makeTask, self._showResult)
        ui.newSeedButton.clicked.connect(self._onNewSeed)
        ui.startScaleComboBox.connect("currentIndexChanged(int)", self._onStartScale)
        ui.classComboBox.connect("currentIndexChanged(int)", self._onClass)
        ui.syntheticList.connect("currentRowChanged(int)", self._showVolume)
        ui.syntheticList.itemClicked.connect(lambda item: self._showVolume(ui.syntheticList.currentRow))
        self._showResult(None)

    def setParameters(self, parameters) -> None:
        """Follow a parameter node, or with None, no longer."""
        self._parameters = parameters
        if parameters is None:
            self._showResult(None)
        else:
            self._models.list(parameters.synthesisModel)
            self.update()

    def setActive(self, active: bool) -> None:
        """Look for models that have come meanwhile."""
        if active and self._parameters is not None:
            self._models.list(self._parameters.synthesisModel)
            self.update()

    def update(self) -> None:
        """Offer what the chosen model can do, say why not, and whether all is chosen."""
        ui, can = self.ui, self._abilities
        ui.countLabel.text = _("Volumes:") if can.makesVolumes else _("Slices:")
        ui.countSpinBox.toolTip = (
            _("How many volumes; the seed of each is one more than that of the one before")
            if can.makesVolumes
            else _("How many slices, in one volume. They do not belong together")
        )
        noScales = "" if can.sizes else _UNKNOWN_SCALES if can.makesVolumes else _ONLY_SLICES
        if noScales and not self._parameters.synthesisLearnedSize:
            self._parameters.synthesisLearnedSize = True  # what the disabled box shows is what is done
        _offer((ui.sizeLabel, ui.learnedSizeCheckBox), noScales, _SIZE)
        _offer((ui.startScaleLabel, ui.startScaleComboBox), noScales, _START_SCALE)
        _offer((ui.classLabel, ui.classComboBox), "" if can.classes else _NO_CLASSES, _CLASS)
        for box in (ui.sizeISpinBox, ui.sizeJSpinBox, ui.sizeKSpinBox):
            box.visible = not self._parameters.synthesisLearnedSize
        _offer((ui.sizeKSpinBox,), _FIXED_SLICES if can.hasFixedSlices else "", _("Voxels along K"))
        _choose(ui.startScaleComboBox, self._startScale())
        _choose(ui.classComboBox, can.classes.index(self._className()) + 1 if self._className() else 0)
        self.job.setReady(self._problem(), _("Make volumes, or slices, of patients who do not exist"))

    def _onModelChosen(self, name: str) -> None:
        model, ui = self._models.chosen, self.ui
        can = self._abilities = abilitiesOf(model) if model else Abilities()
        ui.synthesizeModelComboBox.toolTip = can.description or _("The trained network that makes the volumes")
        ui.learnedSizeCheckBox.text = (
            _("As learned: {size}").format(size=_text(can.sizes[-1])) if can.sizes else _("As learned")
        )
        scales = [str(number) for number in range(len(can.sizes))]
        if len(scales) > 1:
            scales[0] = _("0 (shape and detail are new)")
            scales[-1] = _("{number} (only fine detail is new)").format(number=scales[-1])
        _fill(ui.startScaleComboBox, scales)
        _fill(ui.classComboBox, [_("All in turn"), *can.classes] if can.classes else [])
        if self._parameters is not None:
            self._parameters.synthesisModel = name

    def _onNewSeed(self, checked: bool = False) -> None:
        if self._parameters is not None:
            self._parameters.synthesisSeed = random.randint(0, _LARGEST_RANDOM_SEED)

    def _onStartScale(self, index: int) -> None:
        if self._parameters is not None:
            self._parameters.synthesisStartScale = max(0, index)

    def _onClass(self, index: int) -> None:
        if self._parameters is not None:
            self._parameters.synthesisClass = self._abilities.classes[index - 1] if index > 0 else ""

    def _startScale(self) -> int:
        """The chosen scale where the model has it, else the coarsest."""
        chosen = self._parameters.synthesisStartScale
        return chosen if chosen < len(self._abilities.sizes) else 0

    def _className(self) -> str:
        """The chosen class where the model has it, else nothing."""
        chosen = self._parameters.synthesisClass
        return chosen if chosen in self._abilities.classes else ""

    def _size(self) -> Size | None:
        """Voxels along I, J and K; None for the size that was learned."""
        parameters, sizes = self._parameters, self._abilities.sizes
        if parameters.synthesisLearnedSize or not sizes:
            return None
        slices = sizes[-1][2] if self._abilities.hasFixedSlices else parameters.synthesisSizeK
        return parameters.synthesisSizeI, parameters.synthesisSizeJ, slices

    def _problem(self) -> str:
        """Why the task cannot be started, or nothing."""
        if not self._parameters.synthesisModel:
            return _("No model is installed")
        size = self._size()
        if size and any(count < least for count, least in zip(size, self._abilities.sizes[0], strict=True)):
            return _("The size has to be at least {size} voxels").format(size=_text(self._abilities.sizes[0]))
        return ""

    def _makeTask(self) -> SynthesizeTask:
        parameters = self._parameters
        self._showResult(None)
        return SynthesizeTask(
            parameters.synthesisCount,
            parameters.synthesisSeed,
            self._size(),
            self._startScale() or None,
            self._className(),
            {"model": parameters.synthesisModel, "device": parameters.device},
        )

    def _showResult(self, result: SynthesizeResult | None) -> None:
        self.lastResult = result
        ui, volumes = self.ui, result.volumes if result else []
        ui.synthesizeResultLabel.text = resultText(result) if result else ""
        for widget in (ui.synthesizeResultLabel, ui.syntheticList):
            widget.visible = result is not None
        ui.syntheticList.clear()
        for volume in volumes:
            ui.syntheticList.addItem(volume.GetName())
        if volumes:
            ui.syntheticList.currentRow = 0  # which shows it

    def _showVolume(self, row: int) -> None:
        """Show a volume of the list in the slice views, which stay where they are if they show another one of them."""
        volumes = self.lastResult.volumes if self.lastResult else []
        if not 0 <= row < len(volumes) or volumes[row].GetScene() is None:
            return
        composites = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
        shown = {node.GetBackgroundVolumeID() for node in composites}
        fit = shown.isdisjoint(volume.GetID() for volume in volumes)
        slicer.util.setSliceViewerLayers(background=volumes[row], fit=fit)


def resultText(result: SynthesizeResult) -> str:
    """What there is to know of a result, with the warnings first."""
    image = result.volumes[0].GetImageData()
    done = _("{model}: {size} voxels of {spacing} mm").format(
        model=result.model,
        size=_text(image.GetDimensions()),
        spacing=_text(result.volumes[0].GetSpacing()),
    )
    if result.seconds is not None:
        done = _("{done} in {time}").format(done=done, time=durationText(result.seconds))
    return "\n".join([*result.warnings, done])


def _offer(widgets: tuple, problem: str, tip: str) -> None:
    """Enable widgets, or with a problem, disable them; the tool tip says why."""
    for widget in widgets:
        widget.enabled = not problem
        widget.toolTip = problem or tip


def _fill(comboBox, texts: list[str]) -> None:
    wasBlocked = comboBox.blockSignals(True)
    comboBox.clear()
    comboBox.addItems(texts)
    comboBox.blockSignals(wasBlocked)


def _choose(comboBox, index: int) -> None:
    wasBlocked = comboBox.blockSignals(True)
    comboBox.currentIndex = index if index < comboBox.count else -1
    comboBox.blockSignals(wasBlocked)


def _text(numbers: tuple[float, ...]) -> str:
    return " x ".join(f"{round(number, 2):g}" for number in numbers)
