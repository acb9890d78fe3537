"""``evaluate``: score models on the test cases of a data set, beside what is known without them."""

import argparse
import tempfile
from dataclasses import fields
from pathlib import Path

from ..errors import UserError
from ..events import Progress, part
from ..files import staged_all
from .arguments import add_data, add_device, add_model, chosen_model
from .recipes import RECIPES, recipe_kit

HELP = "score models on the test cases of a data set, beside their baselines"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_data(parser)
    add_model(parser)
    parser.add_argument("--compare", nargs="+", default=[], metavar="NAME", help="other models of the same task")
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write the rows as JSON")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="also write the rows as a table for spreadsheets")
    parser.add_argument("--html", type=Path, metavar="FILE", help="also write a report with pictures")
    parser.add_argument(
        "--conditions", action="store_true", help="also score input that is not ideal; takes many times as long"
    )
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="keep prepared CTs; default: a temporary folder")
    add_device(parser)


def run(arguments: argparse.Namespace, progress: Progress) -> dict:
    from ..datasets.preparation import told_left_out
    from ..device import choose_device
    from ..evaluation.report import facts, html_report, seen_in_training
    from ..evaluation.scores import summarize, write_csv, write_json
    from ..evaluation.sheets import Sheets
    from ..evaluation.specificity import specificity_table
    from ..models.store import find_model

    models = _by_name([chosen_model(arguments, "biplanar"), *map(find_model, arguments.compare)])
    task = next(iter(models.values())).task
    if task not in RECIPES:
        raise UserError(f"There is no evaluation of models for {task}.", "Choose another model.")
    kit, device = recipe_kit(task), choose_device(arguments.device)
    if arguments.conditions and not kit.conditions:
        raise UserError(f"Models for {task} are not scored under conditions.", "Leave out --conditions.")
    predictors = {name: kit.load(model, device) for name, model in models.items()}
    # Of the time; that of the conditions is many times that of the plain input.
    preparing, scoring = (0.05, 0.08) if arguments.conditions else (0.4, 0.6)
    with (
        tempfile.TemporaryDirectory() as temporary,
        staged_all(arguments.out, arguments.csv, arguments.html) as (out, csv, html),
    ):
        cache = arguments.cache or Path(temporary)
        settings = _settings(kit, next(iter(models.values())))
        data = kit.prepare(settings, arguments.data, cache, part(progress, 0, preparing), ("train", "test"))
        tested, training = data.files(*kit.scored), list(data.files("train").values())
        if not data.of(role := kit.scored[0]):
            raise UserError(f"There is no {role} case in this data set.", f"Give cases the role {role} in its table.")
        sheets = Sheets(Path(temporary))
        rows = kit.evaluate(
            predictors, tested, training, part(progress, preparing, scoring), sheets if html else None
        )
        done, conditions = preparing + scoring, []
        if arguments.conditions:
            conditions = kit.conditions(predictors, tested, part(progress, done, 1 - done))
        warnings = seen_in_training(models, list(data.files("test")))
        if out:
            write_json(out, rows + conditions)
        if csv:
            write_csv(csv, rows + conditions)
        if html:
            told = facts(arguments.data.resolve().name, kit, data, models)
            title = f"Evaluation of {', '.join(models)}"
            html_report(html, title, told, rows, sheets, kit.score, warnings, data.left_out, conditions)
    return {
        "rows": rows,
        "summary": summarize(rows),
        "specificity": specificity_table(rows),
        "conditions": conditions,
        "left_out": data.left_out,
        "warnings": warnings,
        "report": str(arguments.html) if arguments.html else None,
        "text": "\n".join([*_tables(rows, conditions), *warnings, *told_left_out(data.left_out)]),
    }


def _tables(rows: list[dict], conditions: list[dict]) -> list[str]:
    """For people: the summary, how well patients are told apart, and what input that is not ideal costs."""
    from ..evaluation.scores import condition_table, summarize, table, turned
    from ..evaluation.specificity import specificity_table

    texts = [table(turned(summarize(rows)))]
    if lines := specificity_table(rows):
        texts += ["", "Correlation with the true CTs, less the mean volume:", table(lines)]
    for method in dict.fromkeys(row["method"] for row in conditions):
        lines = condition_table([row for row in conditions if row["method"] == method])
        texts += ["", f"{method} on input that is not ideal:", table(lines)]
    return texts


def _settings(kit, model):
    """The settings that a model was trained with, as far as this version knows them."""
    known = {field.name for field in fields(kit.settings)}
    given = model.metadata["ctgan"].get("settings", {})
    return kit.settings(**{name: value for name, value in given.items() if name in known})


def _by_name(models: list) -> dict:
    """The models by the names that rows give them.

    Raises:
        UserError: two have one name, or one is called as a baseline is.
    """
    from ..evaluation.scores import RESERVED

    named = {model.name: model for model in models}
    if len(named) < len(models):
        raise UserError("Two of these models have the same name.", "Choose each model once; rename one of them.")
    if taken := RESERVED & named.keys():
        raise UserError(f"A model called {min(taken)} cannot be told from what it is compared with.", "Rename it.")
    return named
