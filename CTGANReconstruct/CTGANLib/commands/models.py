"""``models``: the model store."""

import argparse
from pathlib import Path

from ..events import Progress

HELP = "list, verify, import, export or delete models"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="all models")
    actions.add_parser("verify", help="check a model's weights against its hash").add_argument("name")
    actions.add_parser("import", help="bring in a folder or zip").add_argument("source", type=Path)
    export = actions.add_parser("export", help="write a folder or zip")
    export.add_argument("name")
    export.add_argument("target", type=Path)
    actions.add_parser("delete", help="delete a model of your own").add_argument("name")


def run(arguments: argparse.Namespace, progress: Progress) -> dict:
    from ..models import store

    if arguments.action == "list":
        return {"models": [model.summary() for model in store.list_models()]}
    if arguments.action == "import":
        return {"model": store.import_model(arguments.source).summary()}
    model = store.find_model(arguments.name)
    if arguments.action == "verify":
        model.verify()
    elif arguments.action == "export":
        store.export_model(model, arguments.target)
    else:
        store.delete_model(model)
    return {"model": model.name}
