"""``train``: learn a model from a folder of CTs."""

import argparse
from dataclasses import asdict
from pathlib import Path

from ..errors import UserError
from ..events import Progress, silent
from .arguments import add_data, add_device
from .recipes import RECIPES, recipe_kit

HELP = "train a model on a folder of CTs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--recipe", required=True, choices=RECIPES, help="what to learn")
    add_data(parser)
    parser.add_argument(
        "--out", required=True, type=Path, metavar="FOLDER", help="run folder; a checkpoint in it is resumed"
    )
    parser.add_argument("--name", help="of the model in the store; default: the run folder's")
    add_settings(parser)
    add_device(parser)


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Options of a recipe's settings, named as the settings are."""
    parser.add_argument("--steps", type=int, help="optimizer steps in all")
    parser.add_argument("--batch", type=int, dest="batch_size", help="patients a step, over all devices")
    parser.add_argument("--seed", type=int, help="of everything random")
    parser.add_argument("--validation-share", type=float, metavar="SHARE", help="of the training patients, held out")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="any setting of the recipe")


def given_settings(arguments: argparse.Namespace, kit):
    """The settings that the options of :func:`add_settings` give."""
    from ..training.kit import parse_settings

    names = ("steps", "batch_size", "seed", "validation_share")
    return parse_settings(kit, {name: getattr(arguments, name) for name in names}, arguments.set)


def run(arguments: argparse.Namespace, progress: Progress) -> dict | None:
    from ..device import choose_device
    from ..models.names import check_name
    from ..training.distributed import is_restarted, joined_world
    from ..training.runs import Run

    kit, run, device = recipe_kit(arguments.recipe), Run(arguments.out), choose_device(arguments.device)
    if arguments.name:
        check_name(arguments.name)  # not after hours of training
    asked = asdict(given_settings(arguments, kit))
    with joined_world(device) as world:
        if not world.agreed(run.status().get("state") == "done"):
            if world.is_main:
                run.begin(arguments.recipe, arguments.data, asked, is_restarted())
            world.wait()
            try:
                _train(arguments, kit, run, device, world, progress if world.is_main else silent)
            except UserError as error:
                if world.is_main:
                    run.fail(error)
                raise
    return _result(run) if world.is_main else None


def _train(arguments: argparse.Namespace, kit, run, device: str, world, progress: Progress) -> None:
    """Prepare, train, evaluate, publish; all but the training is the main process's."""
    from ..evaluation.scores import write_json
    from ..models.store import adopt
    from ..training.runs import whole_fraction
    from ..training.session import train_network

    settings, name = kit.settings(**run.info()["settings"]), arguments.name or run.name

    def part(state: str, says: bool = True) -> Progress:
        def tell(fraction: float, message: str) -> None:
            progress(whole_fraction(state, fraction), message)
            if says:
                run.say(state, fraction=fraction, message=message)

        return tell

    if world.is_main:
        data = kit.prepare(settings, arguments.data, run.prepared, part("preparing"))
        run.say("training", device=device)
    world.wait()
    if not world.is_main:
        data = kit.prepare(settings, arguments.data, run.prepared)  # finds all prepared
    trained = train_network(kit, data, run, settings, device, part("training", says=False), world)
    if not world.is_main:
        return
    if trained.ending == "paused":
        run.say("paused", message="Paused. Starting it again goes on where it stopped.")
        return
    files = data.files(*kit.scored)
    predictors = {name: kit.wrap(trained.network, device)}
    training = list(data.files("train").values())
    rows = kit.evaluate(predictors, files, training, part("evaluating"), None) if files else []
    write_json(run.evaluation, rows)
    bundle = kit.publish(
        run.model, trained.network, settings, trained.trained_on, rows, trained.seconds / 3600, device
    )
    model = adopt(bundle.folder, name)
    run.say("done", fraction=1.0, message="Done", model=model.name, left_out=data.left_out, notices=trained.notices)


def _result(run) -> dict:
    from ..datasets.preparation import told_left_out
    from ..evaluation.scores import summarize, table

    status = run.status()
    if status["state"] == "paused":
        return {"model": None, "name": None, "metrics": [], "left_out": {}, "text": status["message"]}
    metrics = summarize(run.rows())
    return {
        "model": str(run.model),
        "name": status["model"],
        "metrics": metrics,
        "left_out": status["left_out"],
        "notices": status["notices"],
        "text": "\n".join(
            [f"The model {status['model']} is in the list of models.", *status["notices"]]
            + told_left_out(status["left_out"])
            + ([table(metrics)] if metrics else ["There is no test case to score it by."])
        ),
    }
