"""A scripted module as users write them, for the tests of the harness: threshold a volume."""

from enum import Enum
from pathlib import Path
from typing import Annotated, Optional

import slicer
import vtk
from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import Choice, WithinRange, parameterNodeWrapper, parameterPack
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin


class HarnessSample(ScriptedLoadableModule):
    """The module."""

    def __init__(self, parent):
        super().__init__(parent)
        self.parent.title = _("Harness sample")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Testing")]
        self.parent.contributors = ["CTGAN"]
        self.parent.helpText = _("A sample.") + self.getDefaultModuleDocumentationLink()
        slicer.app.connect("startupCompleted()", registerSampleData)


def registerSampleData():
    """Registers one sample."""
    import SampleData

    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="Harness",
        sampleName="HarnessSample1",
        uris="https://example.org/sample.nrrd",
        fileNames="sample.nrrd",
        checksums="SHA256:0",
        nodeNames="sample",
    )


class Speed(Enum):
    """An enum with labels."""

    FAST = "fast"
    GOOD = "good"

    def label(self):
        """What the user reads."""
        return self.value.title()


@parameterPack
class Box:
    """Parameters that belong together."""

    size: Annotated[int, WithinRange(1, 10)] = 3
    name: str = "box"


@parameterNodeWrapper
class HarnessSampleParameterNode:
    """All parameters."""

    inputVolume: vtkMRMLScalarVolumeNode
    threshold: Annotated[float, WithinRange(-1000, 3000)] = 100
    steps: Annotated[int, WithinRange(1, 50)] = 10
    invert: bool = False
    speed: Speed = Speed.GOOD
    view: Annotated[str, Choice(["PA", "lateral"])] = "lateral"
    folder: Path
    note: str = "hello"
    values: list[float]
    counts: dict[str, int]
    box: Box
    seed: Optional[int]  # noqa: UP045  as in modules for older Slicer
    source: slicer.vtkMRMLScalarVolumeNode | slicer.vtkMRMLSegmentationNode | None


class HarnessSampleWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.parameters = None
        self.guiTag = None
        self.calls = []

    def setup(self):
        """Loads the .ui file."""
        super().setup()
        widget = slicer.util.loadUI(self.resourcePath("UI/HarnessSample.ui"))
        self.layout.addWidget(widget)
        self.ui = slicer.util.childWidgetVariables(widget)
        widget.setMRMLScene(slicer.mrmlScene)
        self.logic = HarnessSampleLogic()
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, lambda *_: self.setParameters(None))
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, lambda *_: self.enter())
        self.ui.applyButton.connect("clicked(bool)", self.onApply)
        self.enter()

    def enter(self):
        """The user opens the module."""
        self.calls.append("enter")
        self.setParameters(self.logic.getParameterNode())

    def exit(self):
        """The user leaves the module."""
        self.calls.append("exit")
        self.setParameters(None)

    def cleanup(self):
        """The module goes away."""
        self.calls.append("cleanup")
        self.removeObservers()

    def setParameters(self, parameters):
        """Follows another parameter node."""
        if self.parameters:
            self.parameters.disconnectGui(self.guiTag)
            self.removeObserver(self.parameters, vtk.vtkCommand.ModifiedEvent, self.checkCanApply)
        self.parameters = parameters
        if parameters:
            self.guiTag = parameters.connectGui(self.ui)
            self.addObserver(parameters, vtk.vtkCommand.ModifiedEvent, self.checkCanApply)
            self.checkCanApply()

    def checkCanApply(self, caller=None, event=None):
        """Says in the tooltip why Apply is off."""
        ready = bool(self.parameters and self.parameters.inputVolume)
        self.ui.applyButton.enabled = ready
        self.ui.applyButton.toolTip = _("Compute") if ready else _("Select an input volume")

    def onApply(self):
        """Runs the logic."""
        with slicer.util.tryWithErrorDisplay(_("Failed."), waitCursor=True):
            self.calls.append(self.logic.countAbove(self.parameters.inputVolume, self.parameters.threshold))


class HarnessSampleLogic(ScriptedLoadableModuleLogic):
    """The computation."""

    def getParameterNode(self):
        """The typed parameters."""
        return HarnessSampleParameterNode(super().getParameterNode())

    def countAbove(self, volume, threshold):
        """How many voxels are above a threshold."""
        if not volume.GetImageData():
            raise ValueError("The volume is empty")
        return int((slicer.util.arrayFromVolume(volume) > threshold).sum())


class HarnessSampleTest(ScriptedLoadableModuleTest):
    """The module's own test."""

    def runTest(self):
        """Says that it ran."""
        self.delayDisplay("Harness sample tested")
