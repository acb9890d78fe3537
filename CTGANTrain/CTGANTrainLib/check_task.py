"""A folder or table -> what is in it, case by case, and which cases can train."""

from dataclasses import dataclass, field
from pathlib import Path

from CTGANReconstructLib.tasks import optionArguments

from .train_task import existingData


@dataclass
class CheckTask:
    """One check of a data set; see ``CTGANTrainLogic.checkDataset``."""

    data: str | Path
    tableFile: str | Path | None = None
    thumbnails: str | Path | None = None
    drop: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    options: dict[str, str | float | None] = field(default_factory=dict)

    def prepare(self, folder: Path) -> list[str]:
        arguments = ["dataset", "check", str(existingData(self.data))]
        for option, cases in (("--drop", self.drop), ("--keep", self.keep)):
            if cases:
                arguments += [option, *cases]
        paths = {"out": self.tableFile, "thumbnails": self.thumbnails}
        resolved = {option: path and str(Path(path).resolve()) for option, path in paths.items()}
        return arguments + optionArguments({**resolved, **self.options})

    def finish(self, result: dict) -> list[dict]:
        return result["cases"]
