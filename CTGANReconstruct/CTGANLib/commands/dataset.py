"""``dataset``: which CTs of a folder can train."""

import argparse

from ..events import Progress

HELP = "check the CTs of a folder"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    check = actions.add_parser("check", help="read every CT and say why a case is left out")
    check.add_argument("data", metavar="FOLDER", help="CTs, with or without MANIFEST.tsv")


def run(arguments: argparse.Namespace, progress: Progress) -> dict:
    from ..training.datasets import find_cases
    from ..training.preparation import reason_to_leave_out

    cases = find_cases(arguments.data)
    rows = []
    for number, case in enumerate(cases):
        progress(number / len(cases), f"Reading {case.name}")
        reason = reason_to_leave_out(case)
        rows.append({"case": case.name, "path": str(case.path), "role": case.role, "use": not reason, "reason": reason})
    return {"cases": rows}
