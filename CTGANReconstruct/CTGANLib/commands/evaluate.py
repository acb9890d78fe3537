"""``evaluate``: score a model on the test cases of a folder, beside its baselines."""

import argparse
import json
import tempfile
from pathlib import Path

from ..errors import UserError
from ..events import Progress
from ..files import staged
from .arguments import add_data, add_device, add_model, chosen_model

HELP = "score a biplanar model on the test cases of a folder, beside its baselines"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_data(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write the rows as JSON")
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="keep prepared CTs; default: a temporary folder")
    add_model(parser)
    add_device(parser)


def run(arguments: argparse.Namespace, progress: Progress) -> dict:
    from ..biplanar.evaluate import evaluate
    from ..biplanar.reconstruct import Reconstructor
    from ..device import choose_device
    from ..training.datasets import check_patients, find_cases
    from ..training.evaluation import summarize
    from ..training.preparation import prepare

    cases = find_cases(arguments.data)
    check_patients(cases)
    reconstructor = Reconstructor.from_model(chosen_model(arguments, "biplanar"), choose_device(arguments.device))
    with tempfile.TemporaryDirectory() as temporary:
        cache = arguments.cache or Path(temporary)
        by_role = {role: [case for case in cases if case.role == role] for role in ("test", "train")}
        tested, left_out = prepare(by_role["test"], cache, lambda f, m: progress(0.2 * f, m))
        if not tested:
            raise UserError("There is no test case in this folder.", "Give cases the role test in MANIFEST.tsv.")
        training, _ = prepare(by_role["train"], cache, lambda f, m: progress(0.2 + 0.2 * f, m))
        rows = evaluate(reconstructor, tested, list(training.values()), lambda f, m: progress(0.4 + 0.6 * f, m))
    if arguments.out:
        with staged(arguments.out) as file:
            file.write_text(json.dumps(rows, indent=2), encoding="utf-8")
    return {"rows": rows, "summary": summarize(rows), "left_out": left_out}
