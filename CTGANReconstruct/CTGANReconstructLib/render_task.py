"""Volume, camera and transfer functions -> a picture by the network, beside VTK's."""

from __future__ import annotations  # the classes of Slicer's volume rendering may be loaded after this file

import json
from dataclasses import dataclass, field
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from .events import finiteNumber
from .nodes import writeVolume
from .render_functions import DEFAULT_PRESET, croppingNote, propertyOf, readFunctions
from .render_pictures import pictureVolume
from .render_view import View, backgroundOf, cameraFields, cameraOf
from .scene import addVolume, placeBeside
from .tasks import optionArguments


@dataclass(frozen=True)
class RenderResult:
    """A picture, and what it was compared with.

    Attributes:
        volume: the picture in color, a vector volume of one slice that stands in the plane through the camera's focal
            point (RAS, mm) with its upper row first.
        png: the same as a PNG file's content.
        truthPng: VTK's picture by ray-casting of the whole volume on the CPU; None where it was not wanted.
        differencePng: the absolute difference of both, likewise.
        seconds: that the network and its ray-caster took.
        truthSeconds: that VTK took.
        scores: ``rmse``, ``relative_l2``, ``ssim``, ``ms_ssim``, ``psnr`` and ``emd`` against VTK's picture.
        warnings: what of the volume rendering the picture does not show, a sentence each.
        model: the name of the model that was used.
    """

    volume: slicer.vtkMRMLVectorVolumeNode
    png: bytes
    truthPng: bytes | None
    differencePng: bytes | None
    seconds: float | None
    truthSeconds: float | None
    scores: dict[str, float]
    warnings: list[str]
    model: str

    def writePNG(self, path: str | Path) -> None:
        """Write the picture to a file."""
        Path(path).write_bytes(self.png)


@dataclass
class Shot:
    """What a picture shows; see ``CTGANReconstructLogic.render``.

    Attributes:
        volume: a CT in HU.
        view: from where; from the front where None, or where the view has no camera yet.
        volumeProperty: a volume property node, the name of one of Slicer's CT presets, or a ``.vp.json`` file; where
            None, that of the volume's volume rendering, or Slicer's preset for a CT.
        size: pixels of a side.
    """

    volume: slicer.vtkMRMLScalarVolumeNode
    view: View | None = None
    volumeProperty: slicer.vtkMRMLVolumePropertyNode | str | Path | None = None
    size: int = 256

    def request(self) -> tuple[dict, list[str]]:
        """The request that the backend is sent (``Request.of`` of CTGANLib), and warnings.

        Raises:
            ValueError: there are no transfer functions.
        """
        values: dict = {"size": self.size}
        camera = cameraOf(self.view)
        if camera is not None:
            values["camera"] = cameraFields(camera)
        if background := backgroundOf(self.view):
            values["background"] = background
        values["transfer"], warnings = self._transfer()
        return values, [*warnings, *croppingNote(self.volume)]

    def prepare(self, folder: Path) -> tuple[list[str], list[str]]:
        """Write all of it into a folder; give the backend's arguments, and warnings.

        Raises:
            ValueError: the volume cannot be written, or there are no transfer functions.
        """
        request, warnings = self.request()
        writeVolume(self.volume, folder / "ct.nrrd")
        transfer = request["transfer"]
        if isinstance(transfer, dict):
            (folder / "functions.vp.json").write_text(json.dumps(transfer), encoding="utf-8")
            transfer = str(folder / "functions.vp.json")
        arguments = [str(folder / "ct.nrrd"), "--transfer", transfer, "--size", str(self.size)]
        if "camera" in request:
            (folder / "camera.json").write_text(json.dumps(request["camera"]), encoding="utf-8")
            arguments += ["--camera", str(folder / "camera.json")]
        if "background" in request:
            arguments += ["--background", *map(str, request["background"])]
        return ["render", *arguments], warnings

    def _transfer(self) -> tuple[dict | str, list[str]]:
        chosen = self.volumeProperty
        if chosen is None:
            chosen = propertyOf(self.volume) or DEFAULT_PRESET
        if isinstance(chosen, (str, Path)):
            return str(chosen), []
        return readFunctions(chosen)


@dataclass
class RenderTask:
    """The inputs and outputs of one picture; see ``CTGANReconstructLogic.render``."""

    shot: Shot
    output: slicer.vtkMRMLVectorVolumeNode | None = None
    truth: bool = False
    options: dict[str, str | None] = field(default_factory=dict)

    def prepare(self, folder: Path) -> list[str]:
        arguments, self._warnings = self.shot.prepare(folder)
        files = ("out", "truth", "difference") if self.truth else ("out",)
        for name in files:
            arguments += [f"--{name}", str(folder / f"{name}.png")]
        return arguments + optionArguments(self.options)

    def finish(self, result: dict) -> RenderResult:
        pngs = [_read(result.get(name)) for name in ("picture", "truth", "difference")]
        return RenderResult(
            addPicture(pngs[0], result["camera"], self.shot.volume, self.output),
            *pngs,
            finiteNumber(result.get("seconds")),
            finiteNumber(result.get("truth_seconds")),
            result.get("scores") or {},
            self._warnings,
            result.get("model") or "",
        )


def addPicture(
    png: bytes,
    camera: dict,
    volume: slicer.vtkMRMLScalarVolumeNode,
    output: slicer.vtkMRMLVectorVolumeNode | None = None,
) -> slicer.vtkMRMLVectorVolumeNode:
    """Put a picture of a volume into ``output``, or into a new node beside the volume."""
    name = _("{name} picture").format(name=volume.GetName())
    node = addVolume(pictureVolume(png, camera), output, name)
    placeBeside(node, volume)
    return node


def _read(path: str | None) -> bytes | None:
    return Path(path).read_bytes() if path else None
