"""``segment``: a CT to labels."""

import argparse
from pathlib import Path

from ..events import Progress
from ..files import staged

HELP = "label body, lungs and bone in a CT"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ct", type=Path, metavar="CT", help="volume file or folder of a DICOM series")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="segmentation: .seg.nrrd")


def run(arguments: argparse.Namespace, progress: Progress) -> dict:
    from ..imaging.volumes import read_volume
    from ..segmentation.files import write_segmentation
    from ..segmentation.segment import segment, volumes_ml

    progress(0.0, "Reading the CT")
    volume = read_volume(arguments.ct)
    with staged(arguments.out) as file:
        progress(0.2, "Segmenting")
        labels = segment(volume)
        write_segmentation(labels, file)
    return {"segmentation": str(arguments.out), "volumes_ml": volumes_ml(labels)}
