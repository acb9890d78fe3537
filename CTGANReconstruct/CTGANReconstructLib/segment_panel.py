"""The panel of the Segment task: a CT to segments, with what they measure."""

import time

import slicer
from slicer.i18n import tr as _

from .backend import Backend
from .expected_time import expectedSeconds, rememberSeconds
from .job_control import JobControl, durationText
from .model_choice import ModelChoice
from .node_tables import showTable
from .nodes import ctProblem, firstCT
from .panel_widget import Panel
from .scene import showCT
from .segment_tables import nameColumns, showMeasures
from .segment_task import SegmentResult, SegmentTask
from .surfaces import showIn3D, surfacesDialog


class SegmentPanel(Panel):
    """Connects the widgets of ``UI/SegmentPanel.ui`` with the parameter node and the backend."""

    def __init__(self, ui, backend: Backend) -> None:
        self.ui = ui
        self.lastResult: SegmentResult | None = None
        self._parameters = None
        self._begun = 0.0, ""
        self._models = ModelChoice(ui.segmentModelComboBox, "segmentation", self._onModelChosen)
        self.job = JobControl(
            ui.segmentButton, ui.segmentProgressBar, ui.segmentStatusLabel, backend, self._makeTask, self._onDone
        )
        nameColumns(ui.measuresTable)
        ui.show3DCheckBox.toggled.connect(self._onShow3D)
        ui.showTableButton.clicked.connect(self._onShowTable)
        self._showResult(None)

    def setParameters(self, parameters) -> None:
        """Follow a parameter node, or with None, no longer."""
        self._parameters = parameters
        if parameters is None:
            self._showResult(None)
        else:
            self._models.list(parameters.segmentationModel)
            self._chooseCT()
            self.update()

    def setActive(self, active: bool) -> None:
        """Look for models and CTs that have come meanwhile."""
        if active and self._parameters is not None:
            self._models.list(self._parameters.segmentationModel)
            self._chooseCT()

    def update(self) -> None:
        """Show whether all is chosen, and how long it will take."""
        problem = self._problem()
        self.job.setReady(problem, _("Label and measure the structures in the CT"))
        seconds = None if problem else expectedSeconds(self._kind(), self._parameters.ctVolume)
        self.ui.expectedTimeLabel.visible = not problem
        self.ui.expectedTimeLabel.text = (
            _("Expected time: not measured on this computer yet; told some seconds after the start")
            if seconds is None
            else _("Expected time: about {time}").format(time=durationText(seconds))
        )

    def _kind(self) -> str:
        """What the time depends on."""
        return f"{self._parameters.segmentationModel}/{self._parameters.device}"

    def _onModelChosen(self, name: str) -> None:
        if self._parameters is not None:
            self._parameters.segmentationModel = name

    def _chooseCT(self) -> None:
        if self._parameters.ctVolume is None:
            self._parameters.ctVolume = firstCT()

    def _problem(self) -> str:
        """Why the task cannot be started, or nothing."""
        if self._parameters.ctVolume is None:
            return _("Choose a CT")
        if problem := ctProblem(self._parameters.ctVolume):
            return problem
        return "" if self._parameters.segmentationModel else _("No model is installed")

    def _makeTask(self) -> SegmentTask:
        parameters = self._parameters
        self._showResult(None)
        self._begun = time.monotonic(), self._kind()
        return SegmentTask(
            parameters.ctVolume,
            parameters.segmentOutput,
            show3D=False,  # takes its time, and comes when the rest can be seen
            options={"model": parameters.segmentationModel, "device": parameters.device},
        )

    def _onDone(self, result: SegmentResult) -> None:
        segmentation = result.segmentation
        ct = segmentation.GetNodeReference(segmentation.GetReferenceImageGeometryReferenceRole())
        if ct is not None:  # it may have been deleted meanwhile
            showCT(ct)
            begun, kind = self._begun
            rememberSeconds(kind, ct, time.monotonic() - begun)
            self.update()
        self._showResult(result)
        if self.ui.show3DCheckBox.checked:
            self._onShow3D(True)
            slicer.util.resetThreeDViews()

    def _onShow3D(self, show: bool) -> None:
        """Follow the check box with what is there already."""
        result = self.lastResult
        if result and result.segmentation.GetScene():
            dialog = surfacesDialog() if show else None
            shown = showIn3D(result.segmentation, show, dialog)
            if dialog:
                dialog.close()
            self.ui.show3DCheckBox.checked = show and shown

    def _onShowTable(self, checked: bool = False) -> None:
        if self.lastResult.table.GetScene():
            showTable(self.lastResult.table)

    def _showResult(self, result: SegmentResult | None) -> None:
        self.lastResult = result
        ui = self.ui
        ui.segmentResultLabel.text = resultText(result) if result else ""
        for widget in (ui.segmentResultLabel, ui.measuresTable, ui.showTableButton):
            widget.visible = result is not None
        if result:
            showMeasures(ui.measuresTable, result.measures, result.segmentation)


def resultText(result: SegmentResult) -> str:
    """What there is to know of a result, with the warnings first."""
    done = _("Segmented with {model}").format(model=result.model)
    if result.seconds is not None:
        done = _("{done} in {time}").format(done=done, time=durationText(result.seconds))
    return "\n".join([*result.warnings, done])
