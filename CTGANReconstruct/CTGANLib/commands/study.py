"""``study``: readers tell real CTs from synthetic ones, and what comes out of it."""

import argparse
from pathlib import Path

from ..errors import UserError
from ..events import Progress, part
from .arguments import add_device

HELP = "make a blinded study for readers of real and synthetic CTs, or score one"
_MOST, _SEEDS = 1000, 1_000_000
# Of the time.
_SYNTHETIC, _REAL, _WRITING = 0.4, 0.5, 0.1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    make = actions.add_parser("make", help="mix real and synthetic cases, made alike, in a new folder")
    make.add_argument("--real", required=True, type=Path, metavar="DATA", help="a folder of CTs, or a table of cases")
    make.add_argument("--role", default="test", metavar="ROLE", help="of the real cases, or all; default: test")
    make.add_argument("--models", nargs="+", default=[], metavar="NAME", help="models of the store that make CTs")
    make.add_argument(
        "--synthetic", nargs="+", default=[], type=Path, metavar="FOLDER", help="volumes, or stacks of slices"
    )
    make.add_argument("--kind", choices=("slices", "volumes"), default="slices", help="default: slices")
    make.add_argument("--count", type=int, default=20, metavar="N", help="of real and of synthetic cases; default: 20")
    make.add_argument("--seed", type=int, metavar="S", help="of the choice, and of what models make; default: any")
    make.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="the study; its key comes beside it")
    add_device(make)
    score = actions.add_parser("score", help="show the results; who has seen them cannot read the study any more")
    score.add_argument("study", type=Path, metavar="FOLDER")
    score.add_argument("--key", type=Path, metavar="FILE", help="default: beside the folder")
    score.add_argument("--csv", type=Path, metavar="FILE", help="also write the figures as a table for spreadsheets")
    score.add_argument("--answers", type=Path, metavar="FILE", help="also write each answer beside the truth, likewise")


def run(arguments: argparse.Namespace, progress: Progress) -> dict:
    return _make(arguments, progress) if arguments.action == "make" else _score(arguments)


def _make(arguments: argparse.Namespace, progress: Progress) -> dict:
    import secrets
    import tempfile

    from ..datasets.preparation import told_left_out
    from ..device import choose_device
    from ..evaluation.blinding import Blinder, check_free
    from ..models.store import find_model
    from ..seeds import check_seed
    from .study_cases import add_real, add_synthetic, of_folder, of_model

    kind, count = arguments.kind, arguments.count
    # Any, since known seeds would give cases that readers may have seen before.
    seed = secrets.randbelow(_SEEDS) if arguments.seed is None else arguments.seed
    check_seed(seed)
    sources = len(arguments.models) + len(arguments.synthetic)
    if not sources:
        raise UserError("There is nothing synthetic to show.", "Give --models, --synthetic, or both.")
    if not sources <= count <= _MOST:
        raise UserError(f"A study cannot have {count} synthetic cases.", f"Ask for {sources} to {_MOST}.")
    check_free(arguments.out)
    shares = [count * (n + 1) // sources - count * n // sources for n in range(sources)]
    models, device = [find_model(name) for name in arguments.models], choose_device(arguments.device)
    with tempfile.TemporaryDirectory() as temporary:
        blinder = Blinder(Path(temporary))
        progress(0.0, "Making synthetic cases")
        origins = [of_model(m, kind, share, seed, device) for m, share in zip(models, shares, strict=False)]
        folders = zip(arguments.synthetic, shares[len(models) :], strict=True)
        origins += [of_folder(folder, kind, share, seed) for folder, share in folders]
        add_synthetic(blinder, origins, count, part(progress, 0.0, _SYNTHETIC))
        real = arguments.real, arguments.role, kind, count, seed, origins[0].prepare
        left_out = add_real(blinder, *real, part(progress, _SYNTHETIC, _REAL))
        made = blinder.write(arguments.out, kind, part(progress, _SYNTHETIC + _REAL, _WRITING))
    size = " x ".join(map(str, made["shape"][::-1]))
    text = f"{made['real']} real and {made['synthetic']} synthetic {kind} of {size} voxels: {arguments.out}"
    return {
        **made,
        "kind": kind,
        "study": str(arguments.out),
        "left_out": left_out,
        "text": "\n".join([text, *told_left_out(left_out)]),
    }


def _score(arguments: argparse.Namespace) -> dict:
    from dataclasses import asdict

    from ..evaluation.reader_results import results, written
    from ..evaluation.reader_study import Study
    from ..evaluation.scores import finite, table
    from ..files import staged_all

    found = results(Study(arguments.study), arguments.key)
    with staged_all(arguments.csv, arguments.answers) as (figures, answers):
        written(found, figures, answers)
    told = {name: value if name == "warnings" else finite(value) for name, value in asdict(found).items()}
    texts = [table(found.summary()), *([table(found.agreement)] if found.agreement else []), *found.warnings]
    return {**told, "text": "\n\n".join(texts)}
