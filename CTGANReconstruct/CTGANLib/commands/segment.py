"""``segment``: a CT to labels."""

import argparse
from pathlib import Path

from ..events import Progress, part
from ..files import staged_all
from .arguments import add_device, add_model, chosen_model

HELP = "label the organs in a CT"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ct", type=Path, metavar="CT", help="volume file or folder of a DICOM series")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="segmentation: .seg.nrrd")
    parser.add_argument("--table", type=Path, metavar="FILE", help="also write what the segments measure: .csv")
    parser.add_argument("--flips", action="store_true", help="look in a mirror too, where no label has a side; slower")
    add_model(parser)
    add_device(parser)


def run(arguments: argparse.Namespace, progress: Progress) -> dict:
    import time

    from ..device import choose_device, peak_memory_mb
    from ..evaluation.scores import table, write_csv
    from ..segmentation.files import write_segmentation
    from ..segmentation.segment import read_ct, segment_ct
    from ..segmentation.segmenter import TASK, Segmenter

    began = time.monotonic()
    model = chosen_model(arguments, TASK)
    segmenter = Segmenter.from_model(model, choose_device(arguments.device), arguments.flips)
    with staged_all(arguments.out, arguments.table) as (file, csv):
        progress(0.0, "Reading the CT")
        volume, warnings = read_ct(arguments.ct)
        found = segment_ct(volume, segmenter, part(progress, 0.05, 0.9))
        progress(0.95, "Writing")
        write_segmentation(found.labels, file, found.names)
        if csv:
            write_csv(csv, found.rows)
    warnings += found.warnings
    return {
        "segmentation": str(arguments.out),
        "table": arguments.table and str(arguments.table),
        "model": model.name,
        "segments": found.rows,
        "seconds": round(time.monotonic() - began, 1),
        "peak_memory_mb": peak_memory_mb(),
        "warnings": warnings,
        "text": "\n".join([table(found.rows), *warnings]),
    }
