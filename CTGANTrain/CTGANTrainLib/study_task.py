"""Real CTs and models -> a blinded study on disk. The scene is not touched."""

from dataclasses import dataclass
from pathlib import Path

from CTGANReconstructLib.tasks import optionArguments

from .train_task import existingData

ROLES = ["test", "train", "all"]
KINDS = ["slices", "volumes"]


@dataclass(frozen=True)
class MadeStudy:
    """A new study.

    Attributes:
        folder: of the study; the key lies beside it.
        real, synthetic: how many cases.
        leftOut: why CTs were not used, by case.
    """

    folder: Path
    real: int
    synthetic: int
    leftOut: dict[str, str]


@dataclass
class StudyTask:
    """The making of a study; see ``CTGANTrainLogic.makeStudy``."""

    data: str | Path
    folder: str | Path
    models: tuple[str, ...] = ()
    synthetic: tuple[str | Path, ...] = ()
    kind: str = KINDS[0]
    count: int = 20
    role: str = ROLES[0]
    seed: int | None = None
    device: str = ""

    def prepare(self, folder: Path) -> list[str]:
        arguments = ["study", "make", "--real", str(existingData(self.data))]
        if self.models:
            arguments += ["--models", *self.models]
        if self.synthetic:
            arguments += ["--synthetic", *(str(Path(path).resolve()) for path in self.synthetic)]
        options = {
            "out": str(Path(self.folder).resolve()),
            "kind": self.kind,
            "count": self.count,
            "role": self.role,
            "seed": self.seed,
            "device": self.device,
        }
        return arguments + optionArguments(options)

    def finish(self, result: dict) -> MadeStudy:
        return MadeStudy(Path(result["study"]), result["real"], result["synthetic"], result.get("left_out") or {})
