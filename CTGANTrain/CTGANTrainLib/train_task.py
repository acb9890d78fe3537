"""CTs -> a trained model. Training reads and writes files; the scene is not touched."""

from dataclasses import dataclass, field
from pathlib import Path

from slicer.i18n import tr as _

from CTGANLib.commands import recipes
from CTGANReconstructLib.tasks import optionArguments

RECIPES = list(recipes.RECIPES)
STRUCTURES = ["chest", "kidney", "nodule", "labels"]
DEVICES = ["auto", "cpu", "cuda", "mps"]


@dataclass(frozen=True)
class TrainResult:
    """What a training made.

    Attributes:
        model: the folder of the finished model; None where the training was paused.
        name: the model's name in the store.
        metrics: its scores beside those of the baselines, a row a method.
        leftOut: why CTs were not used, by case.
        notices: what to know of the training, a sentence each.
    """

    model: Path | None
    name: str
    metrics: list[dict]
    leftOut: dict[str, str]
    notices: list[str]


@dataclass
class TrainTask:
    """One training; see ``CTGANTrainLogic.train``."""

    data: str | Path
    runFolder: str | Path
    recipe: str
    options: dict[str, str | float | None] = field(default_factory=dict)
    settings: dict[str, str | float | bool] = field(default_factory=dict)

    def prepare(self, folder: Path) -> list[str]:
        if not self.runFolder:
            raise ValueError(_("Choose a run folder."))
        arguments = ["train", "--recipe", self.recipe]
        arguments += ["--data", str(existingData(self.data)), "--out", str(Path(self.runFolder).resolve())]
        arguments += optionArguments(self.options)
        for name, value in self.settings.items():
            arguments += ["--set", f"{name}={value}"]
        return arguments

    def finish(self, result: dict) -> TrainResult:
        return TrainResult(
            Path(result["model"]) if result["model"] else None,
            result.get("name") or "",
            result.get("metrics") or [],
            result.get("left_out") or {},
            result.get("notices") or [],
        )


def existingData(data: str | Path) -> Path:
    """The absolute path of a data set: a folder, or a table of cases.

    Raises:
        ValueError: there is none.
    """
    if not data or not Path(data).exists():
        raise ValueError(_("There is no data folder or table {path}.").format(path=data))
    return Path(data).resolve()
