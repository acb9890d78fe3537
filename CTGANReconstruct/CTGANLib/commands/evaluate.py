"""``evaluate``: score models on the test cases of a data set, beside what is known without them."""

import argparse
import tempfile
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
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="keep prepared CTs; default: a temporary folder")
    add_device(parser)


def run(arguments: argparse.Namespace, progress: Progress) -> dict:
    from ..datasets.preparation import prepare_data, told_left_out
    from ..device import choose_device
    from ..evaluation.report import facts, html_report, seen_in_training
    from ..evaluation.scores import summarize, table, turned, write_csv, write_json
    from ..evaluation.sheets import Sheets
    from ..models.store import find_model

    models = _by_name([chosen_model(arguments, "biplanar"), *map(find_model, arguments.compare)])
    task = next(iter(models.values())).task
    if task not in RECIPES:
        raise UserError(f"There is no evaluation of models for {task}.", "Choose another model.")
    kit, device = recipe_kit(task), choose_device(arguments.device)
    predictors = {name: kit.load(model, device) for name, model in models.items()}
    with (
        tempfile.TemporaryDirectory() as temporary,
        staged_all(arguments.out, arguments.csv, arguments.html) as (out, csv, html),
    ):
        cache = arguments.cache or Path(temporary)
        data = prepare_data(arguments.data, cache, part(progress, 0, 0.4), ("train", "test"))
        tested, training = data.files("test"), list(data.files("train").values())
        if not tested:
            raise UserError("There is no test case in this data set.", "Give cases the role test in its table.")
        sheets = Sheets(Path(temporary))
        rows = kit.evaluate(predictors, tested, training, part(progress, 0.4, 0.6), sheets if html else None)
        warnings = seen_in_training(models, list(tested))
        if out:
            write_json(out, rows)
        if csv:
            write_csv(csv, rows)
        if html:
            told = facts(arguments.data.resolve().name, "test", len(tested), len(training), models, data.left_out)
            title = f"Evaluation of {', '.join(models)}"
            html_report(html, title, told, rows, sheets, kit.score, warnings, data.left_out)
    summary = summarize(rows)
    return {
        "rows": rows,
        "summary": summary,
        "left_out": data.left_out,
        "warnings": warnings,
        "report": str(arguments.html) if arguments.html else None,
        "text": "\n".join([table(turned(summary)), *warnings, *told_left_out(data.left_out)]),
    }


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
