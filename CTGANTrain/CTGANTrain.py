from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import Choice, WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
)

from CTGANReconstructLib.backend import Backend, CTGANLibBackend
from CTGANReconstructLib.events import Progress
from CTGANReconstructLib.panel_widget import Panel, PanelWidget
from CTGANReconstructLib.tasks import runTask
from CTGANTrainLib.train_panel import TrainPanel
from CTGANTrainLib.train_task import RECIPES, EvaluateTask, TrainResult, TrainTask

OnProgress = Callable[[Progress], None]


class CTGANTrain(ScriptedLoadableModule):
    """CTs become a model."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("CTGAN Train")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Tomographic Reconstruction")]
        self.parent.dependencies = ["CTGANReconstruct"]
        self.parent.contributors = ["CTGAN contributors"]
        self.parent.helpText = _(
            "Trains the networks of CTGAN on your own CTs. The radiographs for it are computed from the CTs. "
            "The README on the extension's home page has a tutorial."
        )
        self.parent.acknowledgementText = _("The generators build on published work that the README cites.")


@parameterNodeWrapper
class CTGANTrainParameterNode:
    """The choices of the panel. Of steps and batch, 0 means what the recipe says."""

    dataFolder: str
    runFolder: str
    recipe: Annotated[str, Choice(RECIPES)] = RECIPES[0]
    steps: Annotated[int, WithinRange(0, 10_000_000)] = 0
    batch: Annotated[int, WithinRange(0, 1024)] = 0
    device: Annotated[str, Choice(["auto", "cpu", "cuda", "mps"])] = "auto"


class CTGANTrainWidget(PanelWidget):
    """The module's place in the window."""

    def makeLogic(self) -> "CTGANTrainLogic":
        return CTGANTrainLogic()

    def makePanels(self, logic: "CTGANTrainLogic") -> list[Panel]:
        return [TrainPanel(self.loadPage(_("Train"), "UI/TrainPanel.ui"), logic.backend)]


class CTGANTrainLogic(ScriptedLoadableModuleLogic):
    """What the module can do, for scripts and the Python console. Each call returns when the work is done.

    Failures raise ``ValueError`` for wrong inputs and ``RuntimeError`` for everything else, with one clear sentence.
    ``onProgress`` is called with :class:`Progress` (``fraction``, ``message``, ``secondsLeft``).
    """

    def __init__(self, backend: Backend | None = None) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        self.backend = backend or CTGANLibBackend()

    def getParameterNode(self) -> CTGANTrainParameterNode:
        return CTGANTrainParameterNode(super().getParameterNode())

    def installPackages(self) -> None:
        """Install the Python packages that the computing needs, where they are missing, with the user's consent."""
        self.backend.installPackages()

    def train(
        self,
        dataFolder: str | Path,
        runFolder: str | Path,
        *,
        recipe: str = "biplanar",
        steps: int | None = None,
        batch: int | None = None,
        seed: int | None = None,
        device: str = "auto",
        onProgress: OnProgress | None = None,
    ) -> TrainResult:
        """Train a model on the CTs of a folder.

        Args:
            dataFolder: one CT a patient: DICOM folders, NRRD, NIfTI or MHA.
            runFolder: takes checkpoints and the finished model; one that holds a checkpoint is continued.
            recipe: what to train.
            steps: how many batches to learn from; where None, what the recipe says.
            batch: patients a step, likewise.
            seed: of the random numbers, likewise.
            device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
            onProgress: called as the work goes on; the message carries the losses.
        """
        options = {"steps": steps, "batch": batch, "seed": seed, "device": device}
        return runTask(TrainTask(dataFolder, runFolder, recipe, options), self.backend, onProgress)

    def evaluate(
        self,
        dataFolder: str | Path,
        *,
        model: str = "",
        tableFile: str | Path | None = None,
        onProgress: OnProgress | None = None,
    ) -> list[dict]:
        """Score a model on the CTs of a folder.

        Args:
            dataFolder: one CT a patient: DICOM folders, NRRD, NIfTI or MHA.
            model: the name of an installed model; the default one where empty.
            tableFile: a JSON file that takes the rows, too.
            onProgress: called as the work goes on.

        Returns:
            One row a case and method, baselines among them: ``case``, ``method`` and the scores by name.
        """
        return runTask(EvaluateTask(dataFolder, model, tableFile), self.backend, onProgress)


class CTGANTrainTest(ScriptedLoadableModuleTest):
    """Run in Slicer by Reload and Test, and by the extension's build."""

    def test_missingDataFolder(self) -> None:
        logic = CTGANTrainLogic()
        if logic.backend.missingPackages():
            self.skipTest("The Python packages are not installed.")
        with self.assertRaises(ValueError):
            logic.train("", "")
