"""``train``: learn a model from a folder of CTs."""

import argparse
import dataclasses
import json
from pathlib import Path

from ..errors import UserError
from ..events import Progress
from ..device import best_device
from ..files import staged

HELP = "train a model on a folder of CTs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--recipe", required=True, choices=["biplanar"], help="what to learn")
    parser.add_argument("--data", required=True, type=Path, metavar="FOLDER", help="CTs, with or without MANIFEST.tsv")
    parser.add_argument(
        "--out", required=True, type=Path, metavar="FOLDER", help="run folder; a checkpoint in it is resumed"
    )
    parser.add_argument("--steps", type=int, help="optimizer steps in all")
    parser.add_argument("--batch", type=int, dest="batch_size", help="patients a step")
    parser.add_argument("--seed", type=int, help="of everything random")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda", "mps"])


def run(arguments: argparse.Namespace, progress: Progress) -> dict:
    from ..biplanar.recipe import BiplanarRecipe, BiplanarSettings
    from ..training.datasets import check_patients, find_cases
    from ..training.loop import train
    from ..training.preparation import PreparedVolumes, prepare

    cases = find_cases(arguments.data)
    check_patients(cases)
    files, left_out = prepare(
        [case for case in cases if case.role == "train"],
        arguments.out / "prepared",
        lambda fraction, message: progress(0.05 * fraction, message),
    )
    if not files:
        raise UserError("No CT is left to train on.", " ".join(left_out.values()))
    data = PreparedVolumes(files)
    settings = _settings(BiplanarSettings, arguments)
    recipe = BiplanarRecipe(settings, data, arguments.device if arguments.device != "auto" else best_device())
    train(recipe, data, arguments.out, settings.seed, lambda f, m: progress(0.05 + 0.95 * f, m))
    return {}


def _settings(kind: type, arguments: argparse.Namespace):
    """The settings of the run: those it was begun with when it is resumed, else the given ones and defaults."""
    path = arguments.out / "settings.json"
    if path.exists():
        return kind(**json.loads(path.read_text()))
    names = {field.name for field in dataclasses.fields(kind)}
    given = {name: value for name, value in vars(arguments).items() if name in names and value is not None}
    settings = kind(**given)
    with staged(path) as temporary:
        temporary.write_text(json.dumps(dataclasses.asdict(settings), indent=2))
    return settings
