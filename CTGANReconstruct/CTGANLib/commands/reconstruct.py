"""``reconstruct``: a frontal and a lateral radiograph, or one of both, to a CT."""

import argparse
from pathlib import Path

from ..events import Progress, part
from ..files import staged_all
from .arguments import add_device, add_distances, add_model, chosen_model, given_distances

HELP = "make a CT from a frontal and a lateral radiograph, or from one of both"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--pa", type=Path, metavar="FILE", help="frontal radiograph; may be left out")
    parser.add_argument("--lateral", type=Path, metavar="FILE", help="lateral radiograph; may be left out")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="CT: .nrrd, .nii.gz or .mha")
    parser.add_argument("--segmentation", type=Path, metavar="FILE", help="also segment the CT: .seg.nrrd")
    parser.add_argument("--reprojections", type=Path, metavar="FOLDER", help="also its pa.nrrd, lateral.nrrd")
    parser.add_argument(
        "--uncertainty",
        type=Path,
        metavar="FILE",
        help="also the error to be expected at each voxel, one standard deviation in HU; the CT is then the mean of "
        "the model's snapshots",
    )
    parser.add_argument(
        "--sharpness",
        type=float,
        default=0.0,
        metavar="S",
        help="0 (default): nearest to the truth; 1: texture as in real CTs, which looks more real and is not more true",
    )
    parser.add_argument("--no-refine", dest="refine", action="store_false", help="the CT as the generator made it")
    parser.add_argument(
        "--as-given", dest="check", action="store_false", help="neither check the radiographs nor put them right"
    )
    parser.add_argument("--pa-view", choices=["PA", "AP"], help="default: the file's tags, or PA")
    parser.add_argument("--lateral-view", choices=["LLAT", "RLAT"], help="default: the file's tags, or LLAT")
    add_distances(parser, "the file's tags, or a chest stand's")
    add_model(parser)
    add_device(parser)


def run(arguments: argparse.Namespace, progress: Progress) -> dict:
    from ..biplanar.reconstruct import Reconstructor
    from ..biplanar.suitability import make_suitable
    from ..device import choose_device, peak_memory_mb
    from ..imaging.geometry import View
    from ..imaging.radiographs import read_radiograph, write_radiograph
    from ..imaging.volumes import write_volume
    from ..segmentation.files import write_segmentation
    from ..segmentation.segment import segment

    progress(0.0, "Reading the radiographs")
    distances = given_distances(arguments)
    pa, lateral = (
        read_radiograph(path, View(view or usual), keep_view=view is not None, **distances) if path else None
        for path, view, usual in (
            (arguments.pa, arguments.pa_view, "PA"),
            (arguments.lateral, arguments.lateral_view, "LLAT"),
        )
    )
    outputs = (arguments.out, arguments.segmentation, arguments.uncertainty, arguments.reprojections)
    with staged_all(*outputs) as (volume_file, segmentation_file, uncertainty_file, reprojection_folder):
        progress(0.1, "Loading the model")
        model, device = chosen_model(arguments, "biplanar"), choose_device(arguments.device)
        reconstructor = Reconstructor.from_model(
            model, device, arguments.refine, arguments.sharpness, uncertainty=uncertainty_file is not None
        )
        warnings = []
        if arguments.check:
            progress(0.2, "Checking the radiographs")
            suitable = make_suitable(pa, lateral, reconstructor.mean_hu)
            suitable.refuse()
            pa, lateral, warnings = suitable.pa, suitable.lateral, suitable.warnings
        result = reconstructor(pa, lateral, part(progress, 0.3, 0.4))
        write_volume(result.volume, volume_file)
        if uncertainty_file:
            write_volume(result.uncertainty, uncertainty_file)
        if segmentation_file:
            progress(0.7, "Segmenting")
            write_segmentation(segment(result.volume), segmentation_file)
        if reprojection_folder:
            progress(0.95, "Writing the re-projections")
            for name, radiograph in zip(result.views, result.reprojections, strict=True):
                write_radiograph(radiograph, reprojection_folder / f"{name}.nrrd")
    folder = arguments.reprojections
    return {
        "volume": str(arguments.out),
        "segmentation": arguments.segmentation and str(arguments.segmentation),
        "uncertainty": arguments.uncertainty and str(arguments.uncertainty),
        "reprojections": folder and {name: str(folder / f"{name}.nrrd") for name in result.views},
        "warnings": warnings + result.warnings,
        "consistency": dict(zip(result.views, result.consistency, strict=True)),
        "consistency_before": dict(zip(result.views, result.consistency_before, strict=True)),
        "refinement": result.refinement,
        "model_seconds": result.model_seconds,
        "refine_seconds": result.refine_seconds,
        "peak_memory_mb": peak_memory_mb(),
    }
