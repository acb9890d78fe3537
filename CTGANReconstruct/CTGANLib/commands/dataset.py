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
    nodules = actions.add_parser("nodules", help="make label maps or patches from a list of nodules (LUNA16)")
    nodules.add_argument("data", type=Path, metavar="DATA", help="a folder of CTs, or a table of cases (.tsv)")
    nodules.add_argument("--annotations", required=True, type=Path, metavar="FILE", help="the list (.csv)")
    nodules.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="a new data set")
    nodules.add_argument("--patches", action="store_true", help="patches around the nodules instead of whole CTs")
    render = actions.add_parser("render", help="render pictures of CTs, for a network to learn from")
    render.add_argument("volumes", type=Path, nargs="+", metavar="VOLUME", help="CTs, or data sets with a table")
    render.add_argument("count", type=int, metavar="N", help="pictures in all")
    render.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="what is there already is kept")
    render.add_argument("--size", type=int, choices=(256, 512), default=256, help="pixels of a side; default: 256")
    render.add_argument("--seed", type=int, default=0, help="of viewpoints, transfer functions and backgrounds")
    render.add_argument(
        "--like", type=Path, metavar="FOLDER", help="instead: the view.npy, opacity.npy and color.npy there"
    )


def run(arguments: argparse.Namespace, progress: Progress) -> dict:
    if arguments.action == "nodules":
        return _nodules(arguments, progress)
    if arguments.action == "render":
        return _render(arguments, progress)
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


def _nodules(arguments: argparse.Namespace, progress: Progress) -> dict:
    from ..datasets.nodule_sets import make_nodule_set

    counts = make_nodule_set(arguments.data, arguments.annotations, arguments.out, arguments.patches, progress)
    text = f"{sum(counts.values())} nodules in {len(counts)} CTs: {arguments.out}"
    return {"nodules": counts, "folder": str(arguments.out), "text": text}


def _render(arguments: argparse.Namespace, progress: Progress) -> dict:
    from ..datasets.preparation import told_left_out
    from ..rendering.preparation import render_cases, shots_of, volume_cases

    cases = volume_cases(arguments.volumes)
    shots = shots_of(cases, arguments.count, arguments.seed, arguments.like)
    files, left_out = render_cases(cases, shots, arguments.out, arguments.size, progress)
    count = sum(len(shots[name]) for name in files)
    text = [f"{count} pictures of {len(files)} volumes: {arguments.out}", *told_left_out(left_out)]
    folders = {name: str(path.parent) for name, path in files.items()}
    return {"pictures": count, "folders": folders, "left_out": left_out, "text": "\n".join(text)}
