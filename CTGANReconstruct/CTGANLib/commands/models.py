"""``models``: the model store."""

import argparse
from pathlib import Path

from ..events import Progress

HELP = "list, verify, import, export, combine, rename or delete models"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="all models, with their data, licenses and scores")
    actions.add_parser("verify", help="check a model's weights against its hash").add_argument("name")
    actions.add_parser("import", help="bring in a folder or zip").add_argument("source", type=Path)
    export = actions.add_parser("export", help="write a folder or zip")
    export.add_argument("name")
    export.add_argument("target", type=Path)
    combine = actions.add_parser("combine", help="put weights of other trainings of one network beside a model's own")
    combine.add_argument("name")
    combine.add_argument("--texture", metavar="OTHER", help="a model that learned against the discriminator")
    combine.add_argument("--snapshots", nargs="+", default=[], metavar="OTHER", help="members of the ensemble")
    combine.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="the new model; it is named so")
    rename = actions.add_parser("rename", help="give a model of your own another name")
    rename.add_argument("name")
    rename.add_argument("new_name")
    actions.add_parser("delete", help="delete a model of your own").add_argument("name")


def run(arguments: argparse.Namespace, progress: Progress) -> dict:
    from ..models import exchange, store
    from ..models.combine import combine

    if arguments.action == "list":
        models = [store.describe(model) for model in store.list_models()]
        return {"models": models, "text": _catalogue(models)}
    if arguments.action == "import":
        return {"model": store.describe(exchange.import_model(arguments.source))}
    model = store.find_model(arguments.name)
    if arguments.action == "verify":
        model.check()
    elif arguments.action == "export":
        exchange.export_model(model, arguments.target)
    elif arguments.action == "combine":
        texture = arguments.texture and store.find_model(arguments.texture)
        others = [store.find_model(name) for name in arguments.snapshots]
        model = combine(model, texture, others, arguments.out)
    elif arguments.action == "rename":
        model = store.rename_model(model, arguments.new_name)
    else:
        store.delete_model(model)
    return {"model": model.name}


def _catalogue(models: list[dict]) -> str:
    """The models as a table for people."""
    from ..evaluation.scores import table

    rows = [
        {
            "name": model["name"],
            "task": model["task"],
            "license": model["license"],
            "cases": model["data"]["n"],
            "MB": model["size_mb"],
            "texture": "yes" if model["texture"] else "no",
            "snapshots": model["snapshots"],
            "psnr_true": (model["scores"] or [{}])[0].get("psnr_true", ""),
            "own": "yes" if model["own"] else "no",
            "title": model["title"],
        }
        for model in models
    ]
    return table(rows) if rows else "There is no model."
