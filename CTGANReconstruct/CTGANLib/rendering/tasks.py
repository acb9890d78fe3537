"""What the command ``render`` does, piece by piece: one picture, sensitivities, an exploration, pictures on request."""

import json
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ..errors import UserError
from ..files import staged
from ..imaging.montage import write_png
from ..imaging.volumes import Volume
from .camera import Camera, View
from .colors import BACKGROUND, as_bytes, over
from .explorer import explore, sheet
from .functions import TransferFunctions, from_slicer, read_functions, write_functions
from .metrics import picture_scores
from .presets import PRESETS, preset
from .raycast import CoarseVolume
from .recipe import OPACITY
from .render import NeuralRenderer, Rendering
from .sensitivity import on_axis, on_picture


class Studio:
    """One volume and one model, for any number of pictures.

    Args:
        volume: CT in HU.
        renderer: the model.
    """

    def __init__(self, volume: Volume, renderer: NeuralRenderer) -> None:
        self.volume, self.renderer = volume, renderer
        self.coarse = CoarseVolume.of(volume, renderer.device)
        self._vtk = None

    def picture(self, camera: Camera, functions: TransferFunctions, size: int) -> Rendering:
        """By the model; the opacity pass, where it needs one, by VTK."""
        opacity = None
        if self.renderer.source == OPACITY:
            opacity = self._by_vtk().rgba(camera, functions, size // self.renderer.factor)[..., 3]
        return self.renderer.render(self.coarse, camera, functions, size, opacity)

    def truth(self, camera: Camera, functions: TransferFunctions, size: int) -> Rendering:
        """By VTK's ray-casting on the CPU."""
        renderer, start = self._by_vtk(), time.perf_counter()
        rgba = renderer.rgba(camera, functions, size).astype(np.float32) / 255
        return Rendering(rgba, None, time.perf_counter() - start)

    def sensitivity(self, camera: Camera, functions: TransferFunctions, size: int, region=None) -> dict:
        """``on_axis`` as plain values: ``hu``, ``opacity`` and ``color``."""
        axis = on_axis(self.renderer, self.coarse, camera, functions, size, region)
        return {name: values.tolist() for name, values in asdict(axis).items()}

    def map(self, camera: Camera, functions: TransferFunctions, size: int, hu: tuple[float, float]) -> np.ndarray:
        """``on_picture`` as gray values, white where most changes, uint8 [size, size]."""
        change = on_picture(self.renderer, self.coarse, camera, functions, hu, size)
        return as_bytes(change / max(float(change.max()), 1e-6))

    def exploration(self, camera: Camera, folder: Path, count: int, layout: str, seed: int) -> list[dict]:
        """Write a folder with ``sheet.png``, ``NNN.png`` and ``NNN.vp.json`` of each transfer function.

        Returns:
            Of each ``functions`` and ``thumbnail`` (files), ``x`` and ``y`` within 0 and 1.
        """
        found = explore(self.renderer, self.coarse, camera, count, layout, seed)
        entries = []
        with staged(folder) as temporary:
            temporary.mkdir(parents=True)
            write_png(sheet(found), temporary / "sheet.png")
            for number, functions in enumerate(found.functions):
                names = f"{number:03d}.vp.json", f"{number:03d}.png"
                write_functions(functions, temporary / names[0])
                write_png(found.thumbnails[number], temporary / names[1])
                x, y = found.places[number].tolist()
                files = {"functions": str(folder / names[0]), "thumbnail": str(folder / names[1])}
                entries.append({**files, "x": x, "y": y})
        return entries

    def serve(self, lines: Iterable[str], say) -> int:
        """Make pictures on request, as a panel that follows a 3D view wants them.

        Args:
            lines: each a JSON object with ``out`` (a .png), ``transfer`` (a .vp.json, its object, or a preset's name),
                ``camera`` (the fields of :class:`Camera`) or ``view`` (four numbers), and perhaps ``size`` and
                ``background``.
            say: is given, for each, ``{"event": "picture", "out", "seconds"}``, or ``{"event": "refused", "out",
                "message", "advice"}``.

        Returns:
            How many pictures were made.
        """
        made = 0
        for line in lines:
            out = ""
            try:
                asked = json.loads(line)
                out, size = str(asked["out"]), int(asked.get("size", 256))
                background = tuple(float(n) for n in asked.get("background", BACKGROUND))
                camera = camera_of(asked.get("camera"), asked.get("view"), self.volume)
                result = self.picture(camera, functions_of(asked["transfer"]), size)
                write_png(result.over(background), Path(out))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                say({"event": "refused", "out": out, "message": f"The request makes no sense: {error}.", "advice": ""})
            except UserError as error:
                say({"event": "refused", "out": out, "message": error.message, "advice": error.advice})
            else:
                made += 1
                say({"event": "picture", "out": out, "seconds": round(result.seconds, 4)})
        return made

    def _by_vtk(self):
        if self._vtk is None:
            from .vtk_renderer import VtkRenderer

            self._vtk = VtkRenderer(self.volume)
        return self._vtk


def camera_of(camera: dict | None, view: list[float] | None, volume: Volume) -> Camera:
    """A camera by its fields, or a viewpoint around a volume by its four numbers; by default from the front.

    Raises:
        UserError: the numbers make no sense.
    """
    if camera is None:
        return View(*map(float, view or [])).camera(volume.grid)
    try:
        vectors = [tuple(float(n) for n in camera[name]) for name in ("position", "focal_point", "view_up")]
        if any(len(vector) != 3 for vector in vectors):
            raise ValueError("A position has three numbers.")
        scale = camera.get("parallel_scale")
        return Camera(*vectors, float(camera.get("view_angle", 30.0)), scale if scale is None else float(scale))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        advice = "Give position, focal_point and view_up of three numbers each, in RAS mm."
        raise UserError("The camera cannot be read.", advice) from error


def functions_of(transfer: str | dict) -> TransferFunctions:
    """The transfer functions of a preset, a ``.vp.json``, or its object.

    Raises:
        UserError: there are none.
    """
    if isinstance(transfer, dict):
        return from_slicer(transfer)
    return preset(transfer) if transfer in PRESETS else read_functions(transfer)


def compared(made: Rendering, true: Rendering, background: tuple[float, float, float]) -> tuple[dict, np.ndarray]:
    """The scores of a picture against VTK's, and the absolute difference as uint8 [rows, columns, 3]."""
    first, second = (over(one.rgba.astype(float), background) for one in (made, true))
    return picture_scores(first, second), as_bytes(np.abs(first - second))
