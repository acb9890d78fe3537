"""``preview``: small radiographs of one CT while a user looks for the right pose. The panel's server.

It reads one JSON object a line from standard input: ``{"view": "PA"}`` or ``{"angles": [30, -10, 0]}``, and, where
they are not the usual ones, ``detector_size`` and the lengths of ``acquisition_for`` in mm. For each it writes a PNG
and answers with a ``result`` event (``picture``, its path, and ``acquisition``) or an ``error`` event. The end of the
input is its end.
"""

import argparse
import json
import sys
from pathlib import Path

from ..errors import UserError
from ..events import Progress, Reporter

HELP = "answer requests on standard input with small radiographs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ct", type=Path, metavar="CT", help="volume file")
    parser.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="an existing one, for the pictures")
    parser.add_argument("--size", type=int, default=128, metavar="PIXELS", help="rows, columns; default: 128")


def run(arguments: argparse.Namespace, progress: Progress) -> dict:
    import torch

    from ..imaging.drr import Patient
    from ..imaging.volumes import read_volume

    progress(0.0, "Reading the CT")
    torch.set_num_threads(1)  # enough for small pictures, and the other cores stay with the user interface
    patient = Patient(read_volume(arguments.ct))
    answers = Reporter(json_lines=True)
    number = 0
    for number, line in enumerate(sys.stdin, 1):
        try:
            acquisition = _acquisition(json.loads(line), patient.isocenter, arguments.size)
            picture = arguments.out / f"{number}.png"
            _write(patient, acquisition, picture)
            answers.result({"picture": str(picture), "acquisition": acquisition.to_dict()})
        except ValueError as error:
            answers.error(UserError(str(error), "Change the geometry."))
    return {"pictures": number}


def _acquisition(request: dict, isocenter: tuple[float, float, float], size: int):
    """The acquisition that is asked for, with the whole detector on few pixels."""
    from ..imaging.drr import acquisition_for
    from ..imaging.geometry import View

    pose = View(request.pop("view")) if "view" in request else tuple(request.pop("angles"))
    pixels = request.pop("detector_size", size)
    if "pixel_spacing" in request:
        request["pixel_spacing"] *= pixels / size
    return acquisition_for(pose, isocenter, size, **request)


def _write(patient, acquisition, path: Path) -> None:
    import SimpleITK as sitk

    from ..imaging.drr import develop
    from ..imaging.orientation import with_markers
    from ..imaging.radiographs import look

    picture = with_markers(look(develop(patient.radiograph(acquisition), as_film=True)), acquisition)
    sitk.WriteImage(sitk.GetImageFromArray((picture >> 8).astype("uint8")), str(path))
