"""What the command ``render`` does, piece by piece: pictures with all that is known of them, and explorations."""

import json
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ..errors import UserError
from ..events import Progress, Reporter, silent
from ..files import staged, staged_all
from ..imaging.montage import write_png
from ..imaging.volumes import Volume
from .camera import Camera, View
from .coarse import CoarseVolume
from .colors import BACKGROUND, as_bytes, over
from .explorer import explore, grid_places, sheet
from .functions import TransferFunctions, from_slicer, read_functions, write_functions
from .metrics import picture_scores
from .presets import PRESETS, preset
from .recipe import OPACITY
from .render import NeuralRenderer, Rendering, check_size
from .sensitivity import Region, on_axis, on_picture

FILES = ("out", "truth", "difference", "sensitivity", "map")
"""What can be written of one view; see :class:`Request`."""


@dataclass(frozen=True, eq=False)
class Request:
    """One view of a volume, and which files are wanted of it.

    Attributes:
        camera, functions: of the picture.
        files: ``out``, the picture; ``truth``, VTK's; ``difference``, the absolute one of both; ``sensitivity``, JSON
            with what the picture or its ``region`` depends on; ``map``, where on the picture the range ``hu`` matters.
        size: pixels of a side.
        background: red, green and blue within 0 and 1: one color, or those at the lower and at the upper edge.
        region: see ``sensitivity.on_axis``.
        hu: see ``sensitivity.on_picture``.

    Raises:
        UserError: the size or the background makes no sense.
    """

    camera: Camera
    functions: TransferFunctions
    files: dict[str, Path]
    size: int = 256
    background: tuple[float, ...] = BACKGROUND
    region: Region | None = None
    hu: tuple[float, float] = (100.0, 400.0)

    def __post_init__(self) -> None:
        check_size(self.size)
        colors = self.background
        if len(colors) not in (3, 6) or not all(0 <= channel <= 1 for channel in colors):
            raise UserError("The background is no color.", "Give three numbers within 0 and 1, or six for two colors.")

    @classmethod
    def of(cls, values: dict, volume: Volume) -> "Request":
        """Of plain values: the files' names, ``transfer`` (a ``.vp.json``, its object, or a preset's name), ``camera``
        (the fields of :class:`Camera`) or ``view`` (four numbers), and the other attributes where they are not the
        usual ones.

        Raises:
            UserError: something is missing or makes no sense.
        """
        try:
            files = {name: Path(values[name]) for name in FILES if values.get(name)}
            further: dict = {}
            if "size" in values:
                further["size"] = int(values["size"])
            if values.get("background"):
                further["background"] = tuple(float(n) for n in values["background"])
            if values.get("region"):
                further["region"] = tuple(int(n) for n in values["region"])
            if values.get("hu"):
                further["hu"] = tuple(float(n) for n in values["hu"])
            camera = camera_of(values.get("camera"), values.get("view"), volume)
            return cls(camera, functions_of(values["transfer"]), files, **further)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"The request makes no sense: {error}.", "Ask for another view.") from error

    @property
    def backdrop(self) -> np.ndarray:
        """The background, [3], or [rows, 1, 3], as VTK blends two colors."""
        colors = np.reshape(self.background, (-1, 3))
        if len(colors) == 1:
            return colors[0]
        up = 1 - (np.arange(self.size)[:, None, None] + 0.5) / self.size
        return colors[0] + up * (colors[1] - colors[0])


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
        """By the model; the passes, where it needs them, by VTK."""
        seen = None
        if self.renderer.source == OPACITY:
            seen = self._by_vtk().surfaces(camera, functions, size // self.renderer.factor)
        return self.renderer.render(self.coarse, camera, functions, size, seen)

    def truth(self, camera: Camera, functions: TransferFunctions, size: int) -> Rendering:
        """By VTK's ray-casting on the CPU."""
        renderer, start = self._by_vtk(), time.perf_counter()
        rgba = renderer.rgba(camera, functions, size).astype(np.float32) / 255
        return Rendering(rgba, None, time.perf_counter() - start)

    def answer(self, request: Request, progress: Progress = silent) -> dict:
        """Write the files of a request, all or none.

        Returns:
            ``picture`` and the other files (None for what is not wanted), ``seconds`` and ``truth_seconds``,
            ``scores`` against VTK's picture, and ``camera``, the fields of the one that was used.
        """
        camera, functions, size = request.camera, request.functions, request.size
        result: dict = {"seconds": None, "truth_seconds": None, "scores": None, "camera": asdict(camera)}
        with staged_all(*request.files.values()) as staged_files:
            files = dict(zip(request.files, staged_files, strict=True))
            progress(0.4, "Rendering")
            made = self.picture(camera, functions, size)
            result["seconds"] = round(made.seconds, 4)
            if "out" in files:
                write_png(made.over(request.backdrop), files["out"])
            if "truth" in files or "difference" in files:
                progress(0.5, "Rendering with VTK")
                true = self.truth(camera, functions, size)
                scores, difference = compared(made, true, request.backdrop)
                result |= {"truth_seconds": round(true.seconds, 4), "scores": scores}
                if "truth" in files:
                    write_png(true.over(request.backdrop), files["truth"])
                if "difference" in files:
                    write_png(difference, files["difference"])
            if "sensitivity" in files:
                progress(0.6, "Asking what matters")
                text = json.dumps(self.sensitivity(camera, functions, size, request.region))
                files["sensitivity"].write_text(text, encoding="utf-8")
            if "map" in files:
                progress(0.7, "Asking where it matters")
                write_png(self.map(camera, functions, size, request.hu), files["map"])
        places = {name: str(request.files[name]) if name in request.files else None for name in FILES}
        return {"picture": places.pop("out"), **places, **result}

    def sensitivity(
        self, camera: Camera, functions: TransferFunctions, size: int, region: Region | None = None
    ) -> dict:
        """``on_axis`` as plain values: ``hu``, ``opacity`` and ``color``, and ``functions``, the ones asked about."""
        axis = on_axis(self.renderer, self.coarse, camera, functions, size, region)
        sampled = functions.sampled()
        asked = {"opacity": sampled.opacity[:, 1].tolist(), "color": sampled.color[:, 1:].tolist()}
        return {**{name: values.tolist() for name, values in asdict(axis).items()}, "functions": asked}

    def map(self, camera: Camera, functions: TransferFunctions, size: int, hu: tuple[float, float]) -> np.ndarray:
        """``on_picture`` as gray values, white where most changes, uint8 [size, size]."""
        change = on_picture(self.renderer, self.coarse, camera, functions, hu, size)
        return as_bytes(change / max(float(change.max()), 1e-6))

    def exploration(
        self, camera: Camera, folder: Path, count: int, layout: str, seed: int, progress: Progress = silent
    ) -> list[dict]:
        """Write a folder with ``sheet.png``, ``NNN.png`` and ``NNN.vp.json`` of each transfer function.

        Returns:
            Of each ``functions`` and ``thumbnail`` (files), ``x`` and ``y`` within 0 and 1, and ``row`` and ``column``
            on the sheet.
        """
        found = explore(self.renderer, self.coarse, camera, count, layout, seed, progress)
        cells = grid_places(found.places)
        entries = []
        with staged(folder) as temporary:
            temporary.mkdir(parents=True)
            write_png(sheet(found), temporary / "sheet.png")
            for number, functions in enumerate(found.functions):
                names = f"{number:03d}.vp.json", f"{number:03d}.png"
                write_functions(functions, temporary / names[0])
                write_png(found.thumbnails[number], temporary / names[1])
                x, y = found.places[number].tolist()
                row, column = cells[number].tolist()
                files = {"functions": str(folder / names[0]), "thumbnail": str(folder / names[1])}
                entries.append({**files, "x": x, "y": y, "row": row, "column": column})
        return entries

    def serve(self, lines: Iterable[str]) -> int:
        """Make pictures on request, as a panel that follows a 3D view wants them.

        Args:
            lines: each a JSON object, see :meth:`Request.of`, which is answered on standard output with a result
                event, see :meth:`answer`, or an error event.

        Returns:
            How many requests were answered with a result.
        """
        answered = 0
        for line in lines:
            reporter = Reporter(json_lines=True)  # a new one, since it tells the time left from its beginning
            try:
                values = json.loads(line)
            except ValueError as error:
                reporter.error(UserError(f"The request is not JSON: {error}.", "Ask for another view."))
                continue
            try:
                result = self.answer(Request.of(values, self.volume), reporter.progress)
            except UserError as error:
                reporter.error(error)
            else:
                answered += 1
                reporter.result(result)
        return answered

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


def compared(made: Rendering, true: Rendering, background: np.ndarray) -> tuple[dict, np.ndarray]:
    """The scores of a picture against VTK's, and the absolute difference as uint8 [rows, columns, 3]."""
    first, second = (over(one.rgba.astype(float), background) for one in (made, true))
    return picture_scores(first, second), as_bytes(np.abs(first - second))
