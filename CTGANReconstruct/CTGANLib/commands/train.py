"""``train``: learn a model from a folder of CTs."""

import argparse
import dataclasses
import json
from pathlib import Path

from ..errors import UserError
from ..events import Progress
from ..files import staged
from .arguments import add_data, add_device

HELP = "train a model on a folder of CTs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--recipe", required=True, choices=["biplanar"], help="what to learn")
    add_data(parser)
    parser.add_argument(
        "--out", required=True, type=Path, metavar="FOLDER", help="run folder; a checkpoint in it is resumed"
    )
    parser.add_argument("--steps", type=int, help="optimizer steps in all")
    parser.add_argument("--batch", type=int, dest="batch_size", help="patients a step")
    parser.add_argument("--seed", type=int, help="of everything random")
    add_device(parser)


def run(arguments: argparse.Namespace, progress: Progress) -> dict:
    from ..biplanar.evaluate import evaluate
    from ..biplanar.publish import publish
    from ..biplanar.recipe import BiplanarRecipe, BiplanarSettings
    from ..biplanar.reconstruct import Reconstructor
    from ..device import choose_device
    from ..training.datasets import check_patients, find_cases
    from ..training.evaluation import summarize
    from ..training.loop import train
    from ..training.preparation import PreparedVolumes, prepare

    cases = find_cases(arguments.data)
    check_patients(cases)
    files, left_out = prepare(
        [case for case in cases if case.role in ("train", "test")],
        arguments.out / "prepared",
        lambda fraction, message: progress(0.05 * fraction, message),
    )
    trained_on = [case for case in cases if case.role == "train" and case.name in files]
    if not trained_on:
        raise UserError("No CT is left to train on.", " ".join(left_out.values()))
    training = [files[case.name] for case in trained_on]
    device, settings = choose_device(arguments.device), _settings(BiplanarSettings, arguments)
    data = PreparedVolumes(training)
    recipe = BiplanarRecipe(settings, data, device)
    seconds = train(recipe, data, arguments.out, settings.seed, lambda f, m: progress(0.05 + 0.85 * f, m))
    tested = {case.name: files[case.name] for case in cases if case.role == "test" and case.name in files}
    network = recipe.average
    scores = evaluate(Reconstructor(network, device), tested, training, lambda f, m: progress(0.9 + 0.1 * f, m))
    model = publish(arguments.out / "model", network, settings, trained_on, scores, seconds / 3600, device)
    return {"model": str(model.folder), "metrics": summarize(scores), "left_out": left_out}


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
