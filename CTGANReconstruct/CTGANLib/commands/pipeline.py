"""``pipeline``: from a data set to a published model, step by step."""

import argparse
from pathlib import Path

from ..errors import UserError
from ..events import Progress
from .arguments import add_data, add_device
from .recipes import RECIPES, recipe_kit
from .train import add_settings, given_settings

HELP = "prepare, train, evaluate, judge, improve, report and publish a model"
TRIALS = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_data(parser)
    parser.add_argument(
        "--out", required=True, type=Path, metavar="FOLDER", help="takes everything; a pipeline in it goes on"
    )
    parser.add_argument("--recipe", default=RECIPES[0], choices=RECIPES, help="what to learn")
    add_settings(parser)
    parser.add_argument(
        "--gate", type=Path, metavar="FILE", help="JSON: what must hold; default: a better score than the baselines"
    )
    parser.add_argument(
        "--trials", type=int, default=TRIALS, help=f"settings to try if the gate fails; default: {TRIALS}"
    )
    parser.add_argument("--name", help="of the model in the store; default: the folder's")
    parser.add_argument("--publish", type=Path, metavar="FOLDER", help="also takes the model, its card and the report")
    parser.add_argument("--web-hook", default="", metavar="URL", help="is sent name, scores and gate of the model")
    add_device(parser)


def run(arguments: argparse.Namespace, progress: Progress) -> dict:
    from ..datasets.preparation import told_left_out
    from ..evaluation.scores import table

    result = make_pipeline(arguments).run(progress)
    lines = [f"{step['step']:15}{step['state']:11}{step['seconds']:9.1f} s" for step in result["steps"]]
    judged = [outcome["text"] for outcome in result["gate"]]
    left_out = told_left_out(result["left_out"])
    places = [f"The model {result['name']} is in the list of models.", f"Report: {result['report']['html']}"]
    return {**result, "text": "\n".join([*lines, "", table(result["scores"]), *judged, *left_out, *places])}


def make_pipeline(arguments: argparse.Namespace, restarted: bool = False):
    """The pipeline that the options of :func:`add_arguments` describe.

    Args:
        arguments: the options.
        restarted: a supervisor has ended the process that was at work before; a known one is seen without it.

    Raises:
        UserError: an option is wrong, or something is missing.
    """
    from ..pipeline.gate import default_gate, read_gate
    from ..pipeline.pipeline import Pipeline
    from ..pipeline.plan import Plan
    from ..training.distributed import is_restarted

    kit = recipe_kit(arguments.recipe)
    if arguments.trials < 0:
        raise UserError(f"There cannot be {arguments.trials} trials.", "Give 0 or more.")
    given = {assignment.partition("=")[0] for assignment in arguments.set}
    plan = Plan(
        recipe=arguments.recipe,
        data=arguments.data,
        folder=arguments.out,
        settings=given_settings(arguments, kit),
        # What somebody has set is wanted so.
        ranges={name: limits for name, limits in kit.search.items() if name not in given},
        gate=read_gate(arguments.gate, kit.baselines) if arguments.gate else default_gate(kit.score, kit.baselines),
        trials=arguments.trials,
        name=arguments.name or arguments.out.resolve().name,
        publish=arguments.publish,
        web_hook=arguments.web_hook,
        device=arguments.device,
    )
    return Pipeline(kit, plan, restarted or is_restarted())
