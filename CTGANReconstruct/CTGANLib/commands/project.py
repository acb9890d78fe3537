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
    poses = parser.add_argument_group("pictures, in this order, any number of each")
    poses.add_argument("--view", nargs="+", default=[], choices=["PA", "AP", "LLAT", "RLAT"])
    poses.add_argument(
        "--angles",
        nargs="+",
        action="append",
        default=[],
        type=float,
        metavar="DEGREES",
        help="primary, secondary and perhaps roll of a C-arm; 0 0 is PA; give it again for more",
    )
    poses.add_argument("--like", nargs="+", default=[], type=Path, metavar="RADIOGRAPH", help="taken as this file was")
    parser.add_argument("--out", required=True, nargs="+", type=Path, metavar="FILE", help="as many .dcm, .nrrd, .png")
    parser.add_argument("--detector-size", type=int, default=512, metavar="PIXELS", help="rows, columns; default: 512")
    add_distances(parser, "1800 to the detector, 200 less to the isocenter, a detector of 430")
    parser.add_argument("--energy", type=float, metavar="KEV", help="20 to 200; default: what the models learn from")
    parser.add_argument("--film", action="store_true", help="the look of a film rather than line integrals")
    parser.add_argument("--scatter", type=float, default=0.0, metavar="RATIO", help="scattered over primary radiation")
    parser.add_argument("--photons", type=float, metavar="N", help="for noise: unattenuated photons a pixel")
    parser.add_argument("--monochrome1", action="store_true", help="DICOM whose stored values fall with attenuation")


def run(arguments: argparse.Namespace, progress: Progress) -> dict:
    from ..imaging.dicom import anonymous_study
    from ..imaging.drr import Patient, develop
    from ..imaging.radiographs import write_radiograph
    from ..imaging.volumes import read_volume

    count = len(arguments.view) + len(arguments.angles) + len(arguments.like)
    if count == 0:
        raise UserError("No radiograph is asked for.", "Give --view, --angles or --like.")
    if count != len(arguments.out):
        raise UserError(
            f"{count} radiographs are asked for, but {len(arguments.out)} files are named.",
            "Name one after --out for each.",
        )
    study = anonymous_study()
    photometric = "MONOCHROME1" if arguments.monochrome1 else "MONOCHROME2"
    with staged_all(*arguments.out) as files:
        progress(0.0, "Reading the CT")
        ct = read_volume(arguments.ct)
        progress(0.2, "Finding the patient")
        try:
            patient = Patient(ct, arguments.energy)
            for number, acquisition in enumerate(_acquisitions(arguments, patient.isocenter)):
                progress(0.4 + 0.6 * number / count, f"Radiograph {number + 1} of {count}")
                radiograph = patient.radiograph(acquisition)
                exposure = {"scatter": arguments.scatter, "photons": arguments.photons, "seed": number}
                write_radiograph(develop(radiograph, arguments.film, **exposure), files[number], study, photometric)
        except ValueError as error:
            raise UserError(str(error), "Change the geometry or the exposure.") from error
    return {"radiographs": [str(path) for path in arguments.out]}


def _acquisitions(arguments: argparse.Namespace, isocenter: tuple[float, float, float]) -> list:
    """How each of the radiographs is to be taken."""
    from dataclasses import replace

    from ..imaging.drr import acquisition_for
    from ..imaging.geometry import View
    from ..imaging.radiographs import read_radiograph

    poses = [*map(View, arguments.view), *map(tuple, arguments.angles)]
    distances = given_distances(arguments)
    acquisitions = [acquisition_for(pose, isocenter, arguments.detector_size, **distances) for pose in poses]
    for path in arguments.like:
        model = read_radiograph(path, None, **distances)
        # Most radiographs do not say where the patient stood.
        place = model.acquisition.isocenter if model.is_posed else isocenter
        acquisitions.append(replace(model.acquisition, isocenter=place))
    return acquisitions
