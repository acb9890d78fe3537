"""``project``: a CT to radiographs."""

import argparse
from pathlib import Path

from ..errors import UserError
from ..events import Progress
from ..files import staged_all
from .arguments import add_distances, given_distances

HELP = "project radiographs (DRRs) from a CT"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ct", type=Path, metavar="CT", help="volume file or folder of a DICOM series")
    parser.add_argument("--view", required=True, nargs="+", choices=["PA", "AP", "LLAT", "RLAT"])
    parser.add_argument("--out", required=True, nargs="+", type=Path, metavar="FILE", help="as many .dcm, .nrrd, .png")
    parser.add_argument("--detector-size", type=int, default=512, metavar="PIXELS", help="rows, columns; default: 512")
    add_distances(parser, "1800 to the detector, 200 less to the isocenter, a detector of 430")


def run(arguments: argparse.Namespace, progress: Progress) -> dict:
    from ..imaging.dicom import anonymous_study
    from ..imaging.projection import project_views
    from ..imaging.radiographs import write_radiograph
    from ..imaging.volumes import read_volume

    if len(arguments.view) != len(arguments.out):
        raise UserError("There must be one output file for each view.", "Name as many after --out as after --view.")
    progress(0.0, "Reading the CT")
    volume = read_volume(arguments.ct)
    progress(0.3, "Projecting")
    radiographs = project_views(volume, arguments.view, arguments.detector_size, **given_distances(arguments))
    study = anonymous_study()
    with staged_all(*arguments.out) as files:
        for number, (radiograph, file) in enumerate(zip(radiographs, files, strict=True)):
            progress(0.7 + 0.3 * number / len(files), f"Writing {arguments.view[number]}")
            write_radiograph(radiograph, file, study)
    return {"radiographs": [str(path) for path in arguments.out]}
