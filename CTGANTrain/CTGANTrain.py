from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import Choice, WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import ScriptedLoadableModule, ScriptedLoadableModuleLogic

from CTGANLib.errors import UserError
from CTGANLib.evaluation.reader_results import Results, results
from CTGANLib.evaluation.reader_study import Reading, Study
from CTGANLib.training.runs import Run
from CTGANReconstructLib.backend import Backend, CTGANLibBackend
from CTGANReconstructLib.events import Progress
from CTGANReconstructLib.module_tests import ModuleTest
from CTGANReconstructLib.panel_widget import Panel, PanelWidget
from CTGANReconstructLib.tasks import runTask
from CTGANTrainLib.check_task import CheckTask
from CTGANTrainLib.data_panel import DataPanel
from CTGANTrainLib.evaluate_panel import EvaluatePanel
from CTGANTrainLib.evaluate_task import EvaluateTask
from CTGANTrainLib.model_task import ModelTask, storedModels
from CTGANTrainLib.models_panel import ModelsPanel
from CTGANTrainLib.study_panel import StudyPanel
from CTGANTrainLib.study_task import KINDS, ROLES, MadeStudy, StudyTask
from CTGANTrainLib.train_panel import TrainPanel
from CTGANTrainLib.train_task import DEVICES, RECIPES, STRUCTURES, TrainResult, TrainTask
from CTGANTrainLib.trainings import Trainings, freeRunFolder

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
            "From a folder of CTs to a model: checks the data set, trains the networks of CTGAN on it (the radiographs "
            "for it are computed from the CTs), scores them beside baselines, keeps the models, and lets readers tell "
            "synthetic CTs from real ones, blinded. "
            "The README on the extension's home page has a tutorial."
        )
        self.parent.acknowledgementText = _("The generators build on published work that the README cites.")


@parameterNodeWrapper
class CTGANTrainParameterNode:
    """The choices of the panels.

    Data: a data set is a folder, or a table of cases. ``similarTo`` is the name of a case, and without one all stay.
    ``roles`` holds what the user chose against the check, by case.

    Train: of steps, batch and learning rate, 0 means what the recipe says; ``settings`` are further ones of the recipe.
    ``structures`` is what the recipe segmentation learns to label.

    Evaluate: the names of the model under test and of those that it is compared with; ``conditions``: also on input
    that is not ideal.

    Study: of a new one the data set and the role of its real cases, the models and the folder of the synthetic ones,
    and where it goes; of one to read, its folder and who reads.
    """

    dataPath: str
    sceneFolder: str
    studyDescription: str
    similarTo: str
    similarity: Annotated[float, WithinRange(0, 1)] = 0.4
    seed: Annotated[int, WithinRange(0, 1_000_000)] = 0
    testShare: Annotated[float, WithinRange(0, 0.9)] = 0.2
    roles: dict[str, str]

    trainData: str
    recipe: Annotated[str, Choice(RECIPES)] = RECIPES[0]
    structures: Annotated[str, Choice(STRUCTURES)] = STRUCTURES[0]
    modelName: str
    steps: Annotated[int, WithinRange(0, 10_000_000)] = 0
    batch: Annotated[int, WithinRange(0, 1024)] = 0
    learningRate: Annotated[float, WithinRange(0, 1)] = 0.0
    device: Annotated[str, Choice(DEVICES)] = "auto"
    trainSeed: Annotated[int, WithinRange(0, 1_000_000)] = 0
    validationShare: Annotated[float, WithinRange(0, 0.5)] = 0.1
    settings: dict[str, str]

    evaluationData: str
    evaluatedModel: str
    comparedModels: list[str]
    conditions: bool = False

    studyData: str
    studyRole: Annotated[str, Choice(ROLES)] = ROLES[0]
    studyModels: list[str]
    syntheticFolder: str
    studyKind: Annotated[str, Choice(KINDS)] = KINDS[0]
    studyCount: Annotated[int, WithinRange(1, 1000)] = 20
    newStudyFolder: str
    studyName: str
    studyFolder: str
    reader: str


class CTGANTrainWidget(PanelWidget):
    """The module's place in the window: a tab for each part of the way from a folder to a model."""

    def makeLogic(self) -> "CTGANTrainLogic":
        return CTGANTrainLogic()

    def makePanels(self, logic: "CTGANTrainLogic") -> list[Panel]:
        return [
            DataPanel(self.loadPage(_("Data"), "UI/DataPanel.ui"), logic.backend),
            TrainPanel(self.loadPage(_("Train"), "UI/TrainPanel.ui"), logic.backend, logic.trainings),
            EvaluatePanel(self.loadPage(_("Evaluate"), "UI/EvaluatePanel.ui"), logic.backend),
            ModelsPanel(self.loadPage(_("Models"), "UI/ModelsPanel.ui"), logic.backend),
            StudyPanel(self.loadPage(_("Reader study"), "UI/StudyPanel.ui"), logic.backend),
        ]


class CTGANTrainLogic(ScriptedLoadableModuleLogic):
    """What the module can do, for scripts and the Python console. Each call but one returns when the work is done.

    Failures raise ``ValueError`` for wrong inputs and ``RuntimeError`` for everything else, with one clear sentence.
    ``onProgress`` is called with :class:`Progress` (``fraction``, ``message``, ``secondsLeft``). A data set is a folder
    of CTs (DICOM trees, NRRD, NIfTI, MHA; any layout) or a table of cases, as :meth:`checkDataset` writes it.
    """

    def __init__(self, backend: Backend | None = None) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        self.backend = backend or CTGANLibBackend()
        self.trainings = Trainings(self.backend)

    def getParameterNode(self) -> CTGANTrainParameterNode:
        return CTGANTrainParameterNode(super().getParameterNode())

    def installPackages(self) -> None:
        """Install the Python packages that the computing needs, where they are missing, with the user's consent."""
        self.backend.installPackages()

    def checkDataset(
        self,
        data: str | Path,
        *,
        tableFile: str | Path | None = None,
        thumbnails: str | Path | None = None,
        seed: int = 0,
        drop: Iterable[str] = (),
        keep: Iterable[str] = (),
        studyDescription: str = "",
        similarTo: str = "",
        similarity: float | None = None,
        onProgress: OnProgress | None = None,
    ) -> list[dict]:
        """Say of each case of a data set what it is, and why it is left out if it is.

        Args:
            data: the data set.
            tableFile: a ``.tsv`` file that takes the cases with their roles, to train and evaluate on.
            thumbnails: a folder for a small picture of each case.
            seed: of the split by patient into ``train`` and ``test``, where the data set has no roles.
            drop: names of cases to leave out.
            keep: names of cases to keep against the check.
            studyDescription: a regular expression; cases whose study is described otherwise are left out.
            similarTo: the name of a case; those that look otherwise are left out.
            similarity: how alike they must be, -1 to 1; None: what the command line takes.
            onProgress: called as the work goes on.

        Returns:
            One dictionary a case: ``case``, ``path``, ``patient``, ``role``, ``reason``, ``warnings``, ``modality``,
            ``shape``, ``spacing`` and ``extent`` (mm), ``coverage``, ``orientation``, ``hu_range``,
            ``study_description``, ``duplicate_of``, ``thumbnail``. The role ``drop`` means left out.
        """
        options = {
            "seed": seed,
            "studyDescription": studyDescription,
            "similarTo": similarTo,
            "similarity": similarity,
        }
        task = CheckTask(data, tableFile, thumbnails, tuple(drop), tuple(keep), options)
        return runTask(task, self.backend, onProgress)

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
        modelName: str = "",
        validationShare: float | None = None,
        settings: dict[str, str | float | bool] | None = None,
        onProgress: OnProgress | None = None,
    ) -> TrainResult:
        """Train a model, and wait for it.

        Args:
            dataFolder: the data set.
            runFolder: takes checkpoints and the finished model; one that holds a checkpoint is continued.
            recipe: what to train: ``biplanar``, or ``segmentation`` on CTs with label maps beside them.
            steps: how many batches to learn from; where None, what the recipe says.
            batch: patients a step, likewise.
            seed: of the random numbers, likewise.
            device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
            modelName: of the finished model in the store; the run folder's where empty.
            validationShare: of the training patients, to choose the best weights by; likewise.
            settings: others of the recipe by name, such as ``{"learning_rate": 0.0003}``.
            onProgress: called as the work goes on; the message carries the losses.
        """
        options = {
            "name": modelName,
            "steps": steps,
            "batch": batch,
            "seed": seed,
            "validationShare": validationShare,
            "device": device,
        }
        task = TrainTask(dataFolder, runFolder, recipe, options, settings or {})
        return runTask(task, self.backend, onProgress)

    def startTraining(
        self,
        data: str | Path,
        modelName: str = "",
        *,
        recipe: str = "biplanar",
        steps: int | None = None,
        batch: int | None = None,
        seed: int | None = None,
        device: str = "auto",
        validationShare: float | None = None,
        settings: dict[str, str | float | bool] | None = None,
    ) -> Run:
        """Start a training that goes on by itself, also when Slicer is closed, and return at once.

        Args:
            data: the data set.
            modelName: of the run and the finished model; the recipe's where empty.
            recipe, steps, batch, seed, device, validationShare, settings: as of :meth:`train`.

        Returns:
            The run: ``run.status()``, ``run.losses()`` and ``run.scores()`` say how far it is, and
            ``run.request("pause")`` or ``run.request("stop")`` ask it to end. The panel lists it.
        """
        options = {
            "steps": steps,
            "batch": batch,
            "seed": seed,
            "validationShare": validationShare,
            "device": device,
        }
        task = TrainTask(data, freeRunFolder(modelName or recipe), recipe, options, settings or {})
        return self.trainings.start(task)

    def resumeTraining(self, run: Run) -> None:
        """Go on with a run that was paused or interrupted, with its own settings; returns at once."""
        self.trainings.resume(run)

    def runs(self) -> list[Run]:
        """The runs of the runs folder (``$CTGAN_RUNS``, or ``.ctgan/runs`` in the home folder), the newest first."""
        return self.trainings.runs()

    def evaluate(
        self,
        dataFolder: str | Path,
        *,
        model: str = "",
        compare: Iterable[str] = (),
        tableFile: str | Path | None = None,
        csvFile: str | Path | None = None,
        reportFile: str | Path | None = None,
        device: str = "auto",
        conditions: bool = False,
        onProgress: OnProgress | None = None,
    ) -> list[dict]:
        """Score models on the test cases of a data set.

        Args:
            dataFolder: the data set.
            model: the name of an installed model; the default one where empty.
            compare: names of other models of the same task.
            tableFile: a JSON file that takes the rows, too.
            csvFile: a file for spreadsheets, likewise.
            reportFile: an HTML file that takes a report with pictures.
            device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
            conditions: also score radiographs that are not ideal; this takes many times as long.
            onProgress: called as the work goes on.

        Returns:
            One row a case and method, baselines among them: ``case``, ``method`` and the scores by name. Then, if they
            were asked for, rows that also name their ``condition``.
        """
        task = EvaluateTask(dataFolder, model, tuple(compare), tableFile, csvFile, reportFile, device, conditions)
        result = runTask(task, self.backend, onProgress)
        return result.rows + result.conditions

    def makeStudy(
        self,
        data: str | Path,
        folder: str | Path,
        *,
        models: Iterable[str] = (),
        synthetic: Iterable[str | Path] = (),
        kind: str = KINDS[0],
        count: int = 20,
        role: str = ROLES[0],
        seed: int | None = None,
        device: str = "auto",
        onProgress: OnProgress | None = None,
    ) -> MadeStudy:
        """Make a blinded study of real and synthetic cases, alike in all but what they show.

        Args:
            data: the data set of the real cases.
            folder: the new study; which of its cases are synthetic stands only in the key, a file beside it.
            models: names of installed models that make synthetic cases.
            synthetic: folders of synthetic volumes, or stacks of slices.
            kind: ``slices`` or ``volumes``.
            count: of the real, and of the synthetic cases.
            role: of the real cases: ``test``, ``train`` or ``all``.
            seed: of the choice of cases, and of what models make; None: any.
            device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
            onProgress: called as the work goes on.
        """
        task = StudyTask(data, folder, tuple(models), tuple(synthetic), kind, count, role, seed, device)
        return runTask(task, self.backend, onProgress)

    def openStudy(self, folder: str | Path, reader: str) -> Reading:
        """One reader's way through a study; under the same name it goes on where it stopped.

        Returns:
            ``reading.next_case`` is the name of the first case without an answer (None at the end),
            ``reading.study.case_file(case)`` its file, ``reading.answer(case, "real", confidence, realism)`` an answer
            (confidence 1 to 5, realism 1 to 10), and ``reading.reject(case, reason)`` says why there is none.
        """
        try:
            return Study(folder).reading(reader)
        except UserError as error:
            raise ValueError(str(error)) from error

    def studyResults(self, folder: str | Path, keyFile: str | Path | None = None) -> Results:
        """What came out of a study so far: ``figures``, ``agreement``, ``histogram`` and ``answers``, a list of rows
        each, and ``warnings``. Who has seen it knows the truth; ``reading.close()`` keeps a reader from going on.

        Args:
            folder: of the study.
            keyFile: its key; None: beside the folder.
        """
        try:
            return results(Study(folder), keyFile)
        except UserError as error:
            raise ValueError(str(error)) from error

    def models(self) -> list[dict]:
        """The installed models: ``name``, ``task``, ``title``, ``license``, ``data``, ``scores``, ``size_mb``, ``path``
        and ``own``, which tells those of the user from those that ship."""
        return storedModels()

    def importModel(self, source: str | Path) -> str:
        """Bring a model, as a folder or zip, into the store; return its name."""
        return self._changeModels("import", Path(source).resolve())["model"]["name"]

    def exportModel(self, name: str, target: str | Path) -> None:
        """Write a model as a folder or, by the ending of its name, as a zip."""
        self._changeModels("export", name, Path(target).resolve())

    def renameModel(self, name: str, newName: str) -> None:
        """Give a model of the user's own another name."""
        self._changeModels("rename", name, newName)

    def deleteModel(self, name: str) -> None:
        """Delete a model of the user's own."""
        self._changeModels("delete", name)

    def verifyModel(self, name: str) -> None:
        """Check a model's weights against their hash; raise RuntimeError where they differ."""
        self._changeModels("verify", name)

    def _changeModels(self, action: str, *values: str | Path) -> dict:
        return runTask(ModelTask(action, tuple(map(str, values))), self.backend)


class CTGANTrainTest(ModuleTest):
    """Run in Slicer by Reload and Test, and by the extension's build."""

    def test_missingDataFolder(self) -> None:
        with self.assertRaises(ValueError):
            CTGANTrainLogic().train("", "")
