"""The report of a pipeline: that of its evaluation, with the gate and the search."""

from pathlib import Path

from ..datasets.preparation import PreparedData
from ..evaluation.pdf import pdf_report
from ..evaluation.report import facts, html_report
from ..models.bundle import open_bundle
from ..training.kit import Kit
from ..training.runs import Run
from .model import METHOD, KeptSheets, pictures_folder


def write_report(
    paths: list[Path],
    kit: Kit,
    name: str,
    source: str,
    data: PreparedData,
    run: Run,
    outcomes: list[dict],
    found: dict | None,
) -> None:
    """Write the report as HTML and as PDF.

    Args:
        paths: of the HTML and of the PDF file.
        kit: of the recipe.
        name: of the model.
        source: name of the data set.
        data: prepared patients.
        run: that was evaluated.
        outcomes: of the gate's conditions.
        found: what a search found, if there was one; see ``search.search``.

    Raises:
        UserError: the place cannot be written.
    """
    html, pdf = paths
    rows = run.rows()
    told = facts(source, kit, data, {METHOD: open_bundle(run.model)})
    failed = [f"The gate has failed: {outcome['text']}." for outcome in outcomes if not outcome["passed"]]
    asked = [o["text"] for o in outcomes] or ["nothing was asked, since this recipe has no baseline"]
    told["Gate"] = "; ".join([*asked, "not passed" if failed else "passed"]) + "."
    told["Search"] = _search(found, kit.score)
    title, sheets = f"{name}: from data set to model", KeptSheets(pictures_folder(run))
    html_report(html, title, told, rows, sheets, kit.score, failed, data.left_out)
    pdf_report(html, pdf)


def _search(found: dict | None, score: str) -> str:
    if not found:
        return "None."
    values = ", ".join(f"{name} {value:.3g}" for name, value in found["settings"].items())
    asked = ""
    if found["asked_score"] is not None:
        asked = f"; with the settings asked for it was {found['asked_score']:.3f}"
    return (
        f"{len(found['trials'])} short trainings, scored on patients held out from training. "
        f"The best {score} there was {found['score']:.3f}, with {values}{asked}."
    )
