"""What the fake backend does for the Render panel: pictures of one color with a white spot where the brightest voxels
are seen."""

import json
import sys
from collections.abc import Callable, Iterator
from itertools import takewhile
from pathlib import Path

Say = Callable[..., None]

FRONT = {"position": [0.0, 500.0, 0.0], "focal_point": [0.0, 0.0, 0.0], "view_up": [0.0, 0.0, 1.0],
         "view_angle": 30.0, "parallel_scale": None}  # fmt: skip
SCORES = {"rmse": 0.025, "ssim": 0.9125, "emd": 0.004}
HU = [-1024 + 16 * number for number in range(256)]
PEAK = 80  # the sample to which the picture is most sensitive


def render(arguments: list[str], say: Say) -> None:
    """The command ``render``: once, or with ``--follow`` for each line on standard input."""
    volumes = list(takewhile(lambda text: not text.startswith("--"), arguments[1:]))
    options = dict(_options(arguments))
    if "--fused" in options:
        _fuse(volumes, options["--fused"][0], say)
    elif "--follow" in options:
        say("progress", fraction=1.0, message="Ready", eta_s=0.0)
        for line in sys.stdin:
            request = json.loads(line)
            if request["transfer"] == "none":
                say("error", message="There is no volume property none.", advice="")
            else:
                say("result", **_answer(volumes[0], request))
    elif "--explore" in options:
        _explore(Path(options["--explore"][0]), int(options["--count"][0]), say)
    else:
        request = {name[2:]: values[0] for name, values in options.items() if values}
        request |= {name: list(map(float, options.get(f"--{name}", []))) for name in ("background", "region", "hu")}
        request["size"] = int(request["size"])
        request["camera"] = json.loads(Path(request["camera"]).read_text()) if "camera" in request else None
        say("result", model="ChestRendering", **_answer(volumes[0], request))


def _options(arguments: list[str]) -> Iterator[tuple[str, list[str]]]:
    for number, name in enumerate(arguments):
        if name.startswith("--"):
            yield name, list(takewhile(lambda text: not text.startswith("--"), arguments[number + 1 :]))


def _answer(ct: str, request: dict) -> dict:
    from PIL import Image

    camera, size = request.get("camera") or FRONT, request["size"]
    background = tuple(round(255 * channel) for channel in (request.get("background") or [0, 0, 0])[:3])
    row, column = spot(ct, camera, size)
    picture = Image.new("RGB", (size, size), background)
    picture.paste((255, 255, 255), (column - 1, row - 1, column + 2, row + 2))
    picture.save(request["out"])
    compared = "truth" in request
    if compared:
        picture.save(request["truth"])
        Image.new("RGB", (size, size)).save(request["difference"])
    if "map" in request:
        Image.new("L", (size, size), 128).save(request["map"])
        strength = [1.0 if number == PEAK else 0.0 for number in range(256)]
        color = [[value, 0.0, 0.0] for value in strength]
        functions = {"opacity": [0.5] * 256, "color": [[0.0, 0.0, 1.0]] * 256}
        values = {"hu": HU, "opacity": strength, "color": color, "functions": functions}
        Path(request["sensitivity"]).write_text(json.dumps(values))
    names = ("truth", "difference", "sensitivity", "map")
    return {
        "picture": request["out"],
        **{name: request.get(name) for name in names},
        "seconds": 0.25,
        "truth_seconds": 1.5 if compared else None,
        "scores": SCORES if compared else None,
        "camera": camera,
    }


def spot(ct: str, camera: dict, size: int) -> tuple[int, int]:
    """Row and column at which a camera sees the middle of the brightest voxels."""
    import numpy as np
    import SimpleITK as sitk

    image = sitk.ReadImage(ct)
    array = sitk.GetArrayFromImage(image)
    index = np.argwhere(array == array.max()).mean(axis=0)[::-1]
    ras = np.array(image.TransformContinuousIndexToPhysicalPoint(index.tolist())) * (-1, -1, 1)
    position = np.array(camera["position"])
    sight = np.array(camera["focal_point"]) - position
    sight /= np.linalg.norm(sight)
    right = np.cross(sight, camera["view_up"])
    right /= np.linalg.norm(right)
    toward = ras - position
    height = camera["parallel_scale"] or toward @ sight * np.tan(np.radians(camera["view_angle"] / 2))
    aside = np.array([-toward @ np.cross(right, sight), toward @ right]) / height
    row, column = ((aside + 1) / 2 * size).astype(int)
    return int(row), int(column)


def _explore(folder: Path, count: int, say: Say) -> None:
    """Functions that differ in where their opacity begins, from 0 HU on in steps of 10."""
    from PIL import Image

    from CTGANLib.rendering.functions import TransferFunctions, write_functions

    folder.mkdir()
    entries = []
    for number in range(count):
        say("progress", fraction=number / count, message=f"Transfer function {number}", eta_s=1.0)
        functions = TransferFunctions([[10 * number, 0], [500, 1]], [[0, 1, 0, 0], [500, 1, 1, 1]])
        paths = folder / f"{number}.vp.json", folder / f"{number}.png"
        write_functions(functions, paths[0])
        Image.new("RGB", (64, 64), (number, 0, 0)).save(paths[1])
        place = {"x": 0.5, "y": 0.5, "row": number // 2, "column": number % 2}
        entries.append({"functions": str(paths[0]), "thumbnail": str(paths[1]), **place})
    say("result", exploration=str(folder), functions=entries)


def _fuse(volumes: list[str], out: str, say: Say) -> None:
    """The mean, on the grid of the first."""
    import SimpleITK as sitk

    first = sitk.ReadImage(volumes[0], sitk.sitkFloat32)
    others = [sitk.Resample(sitk.ReadImage(path, sitk.sitkFloat32), first) for path in volumes[1:]]
    sitk.WriteImage((first + sum(others[1:], others[0])) / len(volumes), out)
    say("result", fused=out)
