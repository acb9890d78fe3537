"""``dataset``: which CTs of a folder can train, and why the others cannot."""

import argparse
from pathlib import Path

from ..events import Progress

HELP = "check the CTs of a folder and write them as a table"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    check = actions.add_parser("check", help="look at every CT and say why a case is left out")
    check.add_argument("data", type=Path, metavar="DATA", help="a folder of CTs, or a table of cases (.tsv)")
    check.add_argument("--out", type=Path, metavar="FILE", help="write the cases as a table that can be given as DATA")
    check.add_argument("--thumbnails", type=Path, metavar="FOLDER", help="put a picture of each case there")
    check.add_argument("--seed", type=int, default=0, help="of the split by patient; default 0")
    check.add_argument("--drop", nargs="+", default=[], metavar="CASE", help="leave these out")
    check.add_argument("--keep", nargs="+", default=[], metavar="CASE", help="keep these, whatever seems wrong")
    check.add_argument("--study-description", default="", metavar="REGEX", help="keep what DICOM describes so")
    check.add_argument("--similar-to", default="", metavar="CASE", help="keep what is similar to this case")
    check.add_argument("--similarity", type=float, default=0.4, metavar="S", help="how similar, -1 to 1; default 0.4")


def run(arguments: argparse.Namespace, progress: Progress) -> dict:
    from ..datasets.checking import as_text, as_values, check_data, write_checked
    from ..datasets.checks import Choice

    choice = Choice(
        tuple(arguments.drop),
        tuple(arguments.keep),
        arguments.study_description,
        arguments.similar_to,
        arguments.similarity,
    )
    checked = check_data(arguments.data, arguments.seed, choice, arguments.thumbnails, progress)
    if arguments.out:
        write_checked(arguments.out, checked)
    table = str(arguments.out) if arguments.out else None
    return {"cases": [as_values(each) for each in checked], "table": table, "text": as_text(checked)}
