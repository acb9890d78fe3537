"""A model and test cases -> scores beside baselines, as rows, files and a report."""

from dataclasses import dataclass
from pathlib import Path

from CTGANReconstructLib.tasks import optionArguments

from .train_task import existingData


@dataclass(frozen=True)
class EvaluateResult:
    """What an evaluation found.

    Attributes:
        rows: one a case and method: ``case``, ``method`` and the scores by name.
        summary: one a method.
        conditions: rows like ``rows`` under each ``condition`` of input that is not ideal; empty where not asked for.
        leftOut: why CTs were not used, by case.
        warnings: what to know when reading the scores, a sentence each.
        report: the HTML report, or None.
    """

    rows: list[dict]
    summary: list[dict]
    conditions: list[dict]
    leftOut: dict[str, str]
    warnings: list[str]
    report: Path | None


@dataclass
class EvaluateTask:
    """One evaluation; see ``CTGANTrainLogic.evaluate``."""

    data: str | Path
    model: str = ""
    compare: tuple[str, ...] = ()
    tableFile: str | Path | None = None
    csvFile: str | Path | None = None
    reportFile: str | Path | None = None
    device: str = ""
    conditions: bool = False

    def prepare(self, folder: Path) -> list[str]:
        arguments = ["evaluate", "--data", str(existingData(self.data))]
        if self.compare:
            arguments += ["--compare", *self.compare]
        files = {"out": self.tableFile, "csv": self.csvFile, "html": self.reportFile}
        paths = {option: file and str(Path(file).resolve()) for option, file in files.items()}
        options = {"model": self.model, **paths, "device": self.device, "conditions": self.conditions}
        return arguments + optionArguments(options)

    def finish(self, result: dict) -> EvaluateResult:
        report = result.get("report")
        return EvaluateResult(
            result["rows"],
            result.get("summary") or [],
            result.get("conditions") or [],
            result.get("left_out") or {},
            result.get("warnings") or [],
            Path(report) if report else None,
        )
