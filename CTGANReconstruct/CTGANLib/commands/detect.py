"""``detect``: what a nodule detector sees in the CTs of folders, such as synthetic beside real ones.

Only CTs of like voxels are to be compared, since thick slices hide nodules.
"""

import argparse
from pathlib import Path

from ..errors import UserError
from ..events import Progress, part
from ..files import staged_all
from .arguments import add_device

HELP = "count what a nodule model sees in folders of CTs, such as synthetic beside real ones"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, nargs="+", metavar="DATA", help="folders of CTs, or tables of cases (.tsv)")
    parser.add_argument("--model", required=True, metavar="NAME", help="one that was trained with task=nodule")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="also write a row for each CT")
    add_device(parser)


def run(arguments: argparse.Namespace, progress: Progress) -> dict:
    from ..datasets.find import find_cases
    from ..datasets.preparation import told_left_out
    from ..device import choose_device
    from ..evaluation.scores import summarize, table, write_csv
    from ..imaging.volumes import check_hu, read_any_volume
    from ..models.store import find_model
    from ..segmentation.detection import candidates, nodule_detector, seen_in_lungs

    model = find_model(arguments.model)
    detectors = {model.name: nodule_detector(model, choose_device(arguments.device))}
    cases = [(data.resolve().name, case) for data in arguments.data for case in find_cases(data)]
    rows, left_out = [], {}
    with staged_all(arguments.csv) as (csv,):
        for number, (source, case) in enumerate(cases):
            looking = part(progress, number / len(cases), 1 / len(cases), f"{case.name}: ")
            looking(0.0, "Reading the CT")
            try:
                ct = read_any_volume(case.path, case.slices)
                check_hu(ct.array, case.name)
                seen = seen_in_lungs(ct, detectors, looking)
            except UserError as error:
                left_out[f"{source}: {case.name}"] = error.message.replace(str(case.path), "It")
                continue
            for name, mask in seen.items():
                rows.append({"case": case.name, "method": f"{source}: {name}", **candidates(mask, ct)})
        if not rows:
            raise UserError("No CT could be looked at.", " ".join(dict.fromkeys(left_out.values())))
        if csv:
            write_csv(csv, rows)
    summary = summarize(rows)
    return {
        "rows": rows,
        "summary": summary,
        "left_out": left_out,
        "text": "\n".join([table(summary), *told_left_out(left_out)]),
    }
