"""CTs -> a trained model. Training and evaluation read and write files; the scene is not touched."""

from dataclasses import dataclass, field
from pathlib import Path

from slicer.i18n import tr as _

from CTGANReconstructLib.tasks import optionArguments

RECIPES = ["biplanar"]


@dataclass(frozen=True)
class TrainResult:
    """What a training made.

    Attributes:
        model: the folder of the finished model.
        metrics: its scores by name.
    """

    model: Path
    metrics: dict[str, float]


@dataclass
class TrainTask:
    """One training; see ``CTGANTrainLogic.train``."""

    dataFolder: str | Path
    runFolder: str | Path
    recipe: str
    options: dict[str, str | int | None] = field(default_factory=dict)

    def prepare(self, folder: Path) -> list[str]:
        if not self.runFolder:
            raise ValueError(_("Choose a run folder."))
        arguments = ["train", "--recipe", self.recipe]
        arguments += ["--data", str(_existingFolder(self.dataFolder)), "--out", str(Path(self.runFolder).resolve())]
        return arguments + optionArguments(self.options)

    def finish(self, result: dict) -> TrainResult:
        return TrainResult(Path(result["model"]), result.get("metrics") or {})


@dataclass
class EvaluateTask:
    """One evaluation; see ``CTGANTrainLogic.evaluate``."""

    dataFolder: str | Path
    model: str = ""
    tableFile: str | Path | None = None

    def prepare(self, folder: Path) -> list[str]:
        out = Path(self.tableFile).resolve() if self.tableFile else None
        options = optionArguments({"model": self.model, "out": out})
        return ["evaluate", "--data", str(_existingFolder(self.dataFolder)), *options]

    def finish(self, result: dict) -> list[dict]:
        return result["rows"]


def _existingFolder(folder: str | Path) -> Path:
    """The absolute path of a data folder.

    Raises:
        ValueError: there is none.
    """
    if not folder or not Path(folder).is_dir():
        raise ValueError(_("There is no data folder {path}.").format(path=folder))
    return Path(folder).resolve()
