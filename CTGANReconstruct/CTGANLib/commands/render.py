"""``render``: a picture of a volume from a viewpoint and transfer functions, by a network."""

import argparse
import json
import sys
from pathlib import Path

from ..errors import UserError
from ..events import Progress, part
from .arguments import add_device, add_model, chosen_model

HELP = "make a picture of a CT from a viewpoint and transfer functions"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("volume", type=Path, nargs="+", metavar="VOLUME", help="a CT, or several that are registered")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the picture: .png")
    parser.add_argument("--transfer", metavar="FILE", help="Slicer's volume property (.vp.json), or a CT preset's name")
    parser.add_argument(
        "--view",
        type=float,
        nargs=4,
        metavar=("ELEVATION", "AZIMUTH", "ROLL", "ZOOM"),
        help="degrees, and 1 for all of the volume; default: 85 0 0 1, from the front",
    )
    parser.add_argument("--camera", type=Path, metavar="FILE", help="instead: a JSON file with position, focal_point, "
                        "view_up (RAS, mm), and view_angle or parallel_scale")  # fmt: skip
    parser.add_argument("--size", type=int, default=256, metavar="N", help="pixels of a side; default: 256")
    parser.add_argument("--background", type=float, nargs="+", metavar="RGB", help="three numbers within 0 and 1, or "
                        "six for the lower and the upper edge")  # fmt: skip
    parser.add_argument("--truth", type=Path, metavar="FILE", help="also VTK's picture, with scores: .png")
    parser.add_argument("--difference", type=Path, metavar="FILE", help="also the absolute difference from it: .png")
    parser.add_argument("--sensitivity", type=Path, metavar="FILE", help="also where on the axis of HU the picture "
                        "depends on the functions: .json")  # fmt: skip
    parser.add_argument("--region", type=int, nargs=4, metavar=("TOP", "BOTTOM", "LEFT", "RIGHT"), help="of it, "
                        "that --sensitivity is about")  # fmt: skip
    parser.add_argument("--map", type=Path, metavar="FILE", help="also where on the picture --hu matters: .png")
    parser.add_argument("--hu", type=float, nargs=2, default=(100.0, 400.0), metavar=("LOW", "HIGH"), help="of --map")
    parser.add_argument("--explore", type=Path, metavar="FOLDER", help="also many transfer functions, laid out by how "
                        "alike they are, with small pictures")  # fmt: skip
    parser.add_argument("--count", type=int, default=64, metavar="N", help="of --explore; default: 64")
    parser.add_argument("--layout", choices=("pca", "tsne"), default="pca", help="of --explore")
    parser.add_argument("--seed", type=int, default=0, help="of --explore and --fusion learned")
    parser.add_argument("--fusion", choices=("average", "pyramid", "learned"), default="pyramid", help="of several "
                        "volumes; default: pyramid")  # fmt: skip
    parser.add_argument("--deviations", type=Path, nargs="+", metavar="FILE", help="instead: of the errors of each "
                        "volume, HU, whose inverse squares then weigh the volumes")  # fmt: skip
    parser.add_argument("--fused", type=Path, metavar="FILE", help="also the fused volume")
    parser.add_argument(
        "--follow", action="store_true", help="make a picture for each JSON line on standard input, until it ends"
    )
    add_model(parser)
    add_device(parser)


def run(arguments: argparse.Namespace, progress: Progress) -> dict:
    from ..device import choose_device
    from ..imaging.volumes import read_any_volume, read_volume, write_volume
    from ..rendering.fusion import fuse, fuse_by_certainty
    from ..rendering.render import TASK, NeuralRenderer, check_size
    from ..rendering.tasks import Request, Studio, camera_of, functions_of

    _check(arguments)
    check_size(arguments.size)
    if arguments.transfer:
        functions_of(arguments.transfer)  # is wrong before the volume is read, or not at all
    progress(0.0, "Reading the volume")
    volumes = [read_volume(path) for path in arguments.volume]
    volume = volumes[0]
    if len(volumes) > 1 or arguments.fused:
        progress(0.1, "Fusing the volumes")
        if arguments.deviations:
            volume = fuse_by_certainty(volumes, [read_any_volume(path) for path in arguments.deviations])
        else:
            volume = fuse(volumes, arguments.fusion, arguments.seed)
    camera = _json(arguments.camera) if arguments.camera else None
    request = Request.of({**vars(arguments), "camera": camera}, volume) if arguments.out else None
    place = camera_of(camera, arguments.view, volume)
    if arguments.fused:
        write_volume(volume, arguments.fused)
    result = {"fused": arguments.fused and str(arguments.fused)}
    if not (request or arguments.explore or arguments.follow):
        return result
    progress(0.3, "Loading the model")
    model = chosen_model(arguments, TASK)
    result["model"] = model.name
    studio = Studio(volume, NeuralRenderer.from_model(model, choose_device(arguments.device)))
    if arguments.follow:
        progress(1.0, "Ready")
        return {"pictures": studio.serve(sys.stdin)}
    if request:
        result |= studio.answer(request, progress)
    if arguments.explore:
        how = arguments.count, arguments.layout, arguments.seed
        found = studio.exploration(place, arguments.explore, *how, part(progress, 0.4, 0.6))
        result |= {"exploration": str(arguments.explore), "functions": found}
    return result


def _check(arguments: argparse.Namespace) -> None:
    if arguments.follow:
        return
    if not (arguments.out or arguments.explore or arguments.fused):
        raise UserError("No picture is asked for.", "Give --out, --explore, --fused or --follow.")
    if arguments.out and not arguments.transfer:
        raise UserError("There are no transfer functions.", "Give --transfer with a volume property or a preset.")


def _json(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is not a JSON file.", "Write the camera's fields into it.") from error
