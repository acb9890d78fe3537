"""``render``: a picture of a volume from a viewpoint and transfer functions, by a network."""

import argparse
import json
import sys
from pathlib import Path

from ..errors import UserError
from ..events import Progress
from ..files import staged_all
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
    parser.add_argument("--background", type=float, nargs=3, metavar=("R", "G", "B"), help="each within 0 and 1")
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
    parser.add_argument("--fused", type=Path, metavar="FILE", help="also the fused volume")
    parser.add_argument(
        "--follow", action="store_true", help="make a picture for each JSON line on standard input, until it ends"
    )
    add_model(parser)
    add_device(parser)


def run(arguments: argparse.Namespace, progress: Progress) -> dict:
    from ..device import choose_device
    from ..imaging.volumes import read_volume, write_volume
    from ..rendering.fusion import fuse
    from ..rendering.render import TASK, NeuralRenderer, check_size
    from ..rendering.tasks import Studio, camera_of, functions_of

    _check(arguments)
    check_size(arguments.size)
    functions = functions_of(arguments.transfer) if arguments.transfer else None
    progress(0.0, "Reading the volume")
    volumes = [read_volume(path) for path in arguments.volume]
    volume = fuse(volumes, arguments.fusion, arguments.seed) if len(volumes) > 1 else volumes[0]
    camera = camera_of(_json(arguments.camera) if arguments.camera else None, arguments.view, volume)
    if arguments.fused:
        write_volume(volume, arguments.fused)
    progress(0.3, "Loading the model")
    model = chosen_model(arguments, TASK)
    studio = Studio(volume, NeuralRenderer.from_model(model, choose_device(arguments.device)))
    if arguments.follow:
        progress(1.0, "Waiting for requests")
        return {"pictures": studio.serve(sys.stdin, lambda event: print(json.dumps(event), flush=True))}
    result = {"model": model.name, "fused": arguments.fused and str(arguments.fused)}
    if arguments.out:
        result |= _picture(arguments, studio, camera, functions, progress)
    if arguments.explore:
        progress(0.8, "Exploring transfer functions")
        found = studio.exploration(camera, arguments.explore, arguments.count, arguments.layout, arguments.seed)
        result |= {"exploration": str(arguments.explore), "functions": found}
    return result


def _picture(arguments: argparse.Namespace, studio, camera, functions, progress: Progress) -> dict:
    from ..imaging.montage import write_png
    from ..rendering.colors import BACKGROUND
    from ..rendering.tasks import compared

    background, size = tuple(arguments.background or BACKGROUND), arguments.size
    names = ("out", "truth", "difference", "sensitivity", "map")
    places = {name: getattr(arguments, name) for name in names}
    with staged_all(*places.values()) as staged_files:
        files = dict(zip(places, staged_files, strict=True))
        progress(0.4, "Rendering")
        made = studio.picture(camera, functions, size)
        write_png(made.over(background), files["out"])
        result: dict = {"seconds": round(made.seconds, 4), "truth_seconds": None, "scores": None}
        if files["truth"] or files["difference"]:
            progress(0.5, "Rendering with VTK")
            true = studio.truth(camera, functions, size)
            scores, difference = compared(made, true, background)
            result |= {"truth_seconds": round(true.seconds, 4), "scores": scores}
            if files["truth"]:
                write_png(true.over(background), files["truth"])
            if files["difference"]:
                write_png(difference, files["difference"])
        if files["sensitivity"]:
            progress(0.6, "Asking what matters")
            sensitivity = studio.sensitivity(camera, functions, size, arguments.region)
            files["sensitivity"].write_text(json.dumps(sensitivity), encoding="utf-8")
        if files["map"]:
            write_png(studio.map(camera, functions, size, tuple(arguments.hu)), files["map"])
    shown = {"picture" if name == "out" else name: place and str(place) for name, place in places.items()}
    return {**shown, **result}


def _check(arguments: argparse.Namespace) -> None:
    if arguments.follow:
        return
    if not (arguments.out or arguments.explore):
        raise UserError("No picture is asked for.", "Give --out, --explore or --follow.")
    if arguments.out and not arguments.transfer:
        raise UserError("There are no transfer functions.", "Give --transfer with a volume property or a preset.")


def _json(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is not a JSON file.", "Write the camera's fields into it.") from error
