"""``ablate``: train and score every combination of recipes and settings, and set them side by side."""

import argparse
from pathlib import Path

from ..events import Progress, part
from . import recipes
from .arguments import add_data, add_device

HELP = "train and compare combinations of recipes and settings"
_INTERVALS = (
    "Means over seeds and cases ± half the 95 % interval over cases of the means over seeds; "
    "change: from the first line, case by case."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_data(parser)
    parser.add_argument(
        "--out", required=True, type=Path, metavar="FOLDER", help="takes runs and tables; finished runs are kept"
    )
    parser.add_argument("--recipe", required=True, nargs="+", choices=recipes.RECIPES, help="what to learn")
    parser.add_argument(
        "--vary", action="append", default=[], metavar="NAME=V1,V2", help="a setting and its values; may be repeated"
    )
    parser.add_argument(
        "--one-at-a-time", action="store_true", help="only what differs from the first combination in one place"
    )
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="any setting of all runs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], metavar="N", help="for each combination")
    parser.add_argument("--steps", type=int, help="optimizer steps of each run")
    add_device(parser)


def run(arguments: argparse.Namespace, progress: Progress) -> dict:
    from ..device import choose_device
    from ..evaluation.ablation import Ablation, ablation_table, combinations, seed_means
    from ..evaluation.report import ablation_report
    from ..evaluation.scores import table, write_csv, write_json
    from ..training.kit import parse_settings

    wanted = combinations(arguments.recipe, arguments.vary, arguments.one_at_a_time)
    kit = recipes.recipe_kit(wanted[0].recipe)
    settings, score = parse_settings(kit, {}, arguments.set), kit.score
    data = kit.prepare(settings, arguments.data, arguments.out / "prepared", part(progress, 0, 0.1))
    fixed = {"steps": arguments.steps}
    device = choose_device(arguments.device)
    ablation = Ablation(arguments.out, data, arguments.data, recipes.recipe_kit, fixed, device, arguments.set)
    seeds = list(dict.fromkeys(arguments.seeds))
    rows = ablation.run(wanted, seeds, part(progress, 0.1, 0.9))
    lines = ablation_table(rows, wanted, score)
    about = {
        "Data set": arguments.data.resolve().name,
        "Scored": f"{len(data.of(ablation.role))} cases of the role {ablation.role}",
        "Seeds": ", ".join(map(str, seeds)),
    }
    files = {name: arguments.out / f"ablation.{name}" for name in ("json", "csv", "html")}
    write_json(files["json"], lines)
    write_csv(files["csv"], lines)
    write_csv(arguments.out / "rows.csv", rows)
    ablation_report(files["html"], about, lines, seed_means(rows), score)
    return {
        "table": lines,
        "role": ablation.role,
        "left_out": data.left_out,
        **{name: str(path) for name, path in files.items()},
        "text": f"{table(lines)}\n\n{_INTERVALS}",
    }
