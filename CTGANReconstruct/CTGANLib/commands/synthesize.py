"""``synthesize``: CT volumes, or slices, from noise."""

import argparse
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UserError
from ..events import Progress, part
from .arguments import add_device, add_model

if TYPE_CHECKING:
    from ..models.bundle import Model

HELP = "make CT volumes or slices from noise"
# The rooms whose models do it, each with a ``synthesize.Synthesizer``; the first is the default.
ROOMS = ("pyramid", "slices")
# Shares of the time, roughly; the rest is writing the last volume.
_LOADING, _MAKING = 0.1, 0.85


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out",
        required=True,
        type=Path,
        metavar="PLACE",
        help="a volume: .nrrd, .nii.gz or .mha; or a folder, for any number of volumes",
    )
    parser.add_argument("--count", type=int, default=1, metavar="N", help="volumes, or slices; default: 1")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="the same seed gives the same volume")
    parser.add_argument("--size", type=int, nargs=3, metavar=("I", "J", "K"), help="voxels; default: as learned")
    parser.add_argument(
        "--start-scale",
        type=int,
        metavar="N",
        help="the first scale with random noise, 0 (default) the coarsest; the later, the nearer to what was learned",
    )
    parser.add_argument("--class", dest="class_name", default="", metavar="NAME", help="for models that know classes")
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="also a picture of slices: .png")
    parser.add_argument("--dicom", type=Path, metavar="FOLDER", help="also DICOM series of CTs, in a new folder")
    add_model(parser)
    add_device(parser)


def run(arguments: argparse.Namespace, progress: Progress) -> dict:
    import importlib

    from ..device import choose_device, peak_memory_mb
    from ..files import staged
    from ..imaging.montage import check_png, write_png
    from ..imaging.series import write_series
    from ..imaging.volumes import write_volume

    began = time.monotonic()
    model = _chosen(arguments.model)
    is_file = bool(arguments.out.suffix) and not arguments.out.is_dir()
    if is_file and arguments.count > 1 and model.task == "pyramid":
        raise UserError(f"{arguments.count} volumes do not fit into one file.", "Give a folder.")
    if arguments.sheet:
        check_png(arguments.sheet)  # not after all the work
    progress(0.0, "Loading the model")
    room = importlib.import_module(f"..{model.task}.synthesize", __package__)
    synthesizer = room.Synthesizer.from_model(model, choose_device(arguments.device))
    size = tuple(arguments.size) if arguments.size else None
    volumes = synthesizer.volumes(
        arguments.count,
        arguments.seed,
        size=size,
        start_scale=arguments.start_scale,
        class_name=arguments.class_name,
        progress=part(progress, _LOADING, _MAKING),
    )
    if arguments.dicom and arguments.dicom.exists():
        raise UserError(f"There is something at {arguments.dicom} already.", "Choose a new folder.")
    if arguments.dicom and not _shows_ct(synthesizer):
        raise UserError("Radiographs are not written as a CT series.", "Leave out --dicom.")
    paths, pictures = [], []
    # None appears before all are written.
    with ExitStack() as stack:
        series = stack.enter_context(staged(arguments.dicom)) if arguments.dicom else None
        for number, volume in enumerate(volumes):
            name = f"synthetic_{arguments.seed + number:06d}"
            path = arguments.out if is_file else arguments.out / f"{name}.nrrd"
            write_volume(volume, stack.enter_context(staged(path)))
            if series:
                write_series(volume, series / name)
            paths.append(str(path))
            if arguments.sheet:
                pictures.append(volume)
        if arguments.sheet:
            write_png(_sheet(pictures, synthesizer), stack.enter_context(staged(arguments.sheet)))
    return {
        "volumes": paths,
        "model": model.name,
        "kind": "ct" if _shows_ct(synthesizer) else "radiographs",
        "seed": arguments.seed,
        "warnings": synthesizer.warnings(arguments.count, size, arguments.start_scale),
        "seconds": round(time.monotonic() - began, 2),
        "peak_memory_mb": peak_memory_mb(),
    }


def _chosen(name: str | None) -> "Model":
    """The model of that name, or the first that makes something from noise.

    Raises:
        UserError: there is none, or it does not.
    """
    from ..models.store import find_model, first_model

    if not name:
        for task in ROOMS:
            try:
                return first_model(task)
            except UserError:
                continue
        raise UserError("There is no model that makes CTs from noise.", "Import or train one.")
    model = find_model(name)
    if model.task not in ROOMS:
        what = " or ".join(ROOMS)
        raise UserError(f"The model {model.name} is for {model.task}, not {what}.", "Choose another model.")
    return model


def _shows_ct(synthesizer) -> bool:
    """Whether it makes CTs and not radiographs."""
    return getattr(synthesizer, "kind", "ct") == "ct"


def _sheet(volumes: list, synthesizer):
    """Of a stack of slices all of them, else the middle slice of each volume, as they are read; uint8."""
    import numpy as np

    from ..imaging.montage import as_read, montage

    arrays = [volume.array for volume in volumes]
    slices = arrays[0] if len(arrays) == 1 else np.stack([array[len(array) // 2] for array in arrays])
    window = getattr(synthesizer, "window", (-1000.0, 400.0))
    return montage(as_read(slices) if _shows_ct(synthesizer) else slices, window)
