"""Transfer functions: what opacity and color a CT number has, and how surfaces are lit."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ..errors import UserError
from ..files import staged

LEAST_HU, MOST_HU = -1024, 3071
"""HU that functions can tell apart; what lies beyond has the values at the ends."""
# Three quarters of the samples lie where tissues differ least.
_PIECES = ((LEAST_HU, -200, 48), (-200, 600, 160), (600, MOST_HU, 48))
SAMPLES_HU = np.concatenate([np.linspace(low, high, n, endpoint=high == MOST_HU) for low, high, n in _PIECES])
"""HU of the 256 samples that networks see and that ``opacity.npy`` and ``color.npy`` hold."""

_MOST_OPAQUE = 0.9999
_ADVICE = "Export the volume property from Slicer again, or correct its points."


@dataclass(frozen=True, eq=False)
class TransferFunctions:
    """Piecewise linear functions of HU, constant beyond their ends, and the light, as in VTK's volume property.

    Attributes:
        opacity: points (HU, opacity of ``unit_distance``) [n, 2].
        color: points (HU, red, green, blue) [n, 4].
        shade: whether surfaces are lit, by a white lamp at the camera.
        ambient, diffuse, specular, specular_power: of the light.
        unit_distance: mm of the material that the opacities hold for.

    Raises:
        UserError: points are missing, not numbers, not in the order of their HU, not within 0 and 1, or no CT number
            has any opacity.
    """

    opacity: np.ndarray
    color: np.ndarray
    shade: bool = False
    ambient: float = 0.1
    diffuse: float = 0.9
    specular: float = 0.2
    specular_power: float = 10.0
    unit_distance: float = field(default=1.0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "opacity", _checked(self.opacity, "opacity", 2))
        object.__setattr__(self, "color", _checked(self.color, "color", 4))
        light = [self.ambient, self.diffuse, self.specular, self.specular_power, self.unit_distance]
        if not np.isfinite(light).all() or min(light) < 0 or self.unit_distance == 0:
            raise UserError("The light of the transfer functions makes no sense.", "Give numbers from 0 on.")
        if not self.opacity_at(np.arange(LEAST_HU, MOST_HU + 1)).any():
            raise UserError(
                f"No CT number from {LEAST_HU} to {MOST_HU} HU has any opacity.", "Move the opacity function there."
            )

    def opacity_at(self, hu: np.ndarray) -> np.ndarray:
        """Opacity of ``unit_distance`` at CT numbers of any shape."""
        return np.interp(hu, *self.opacity.T)

    def color_at(self, hu: np.ndarray) -> np.ndarray:
        """Red, green and blue at CT numbers of any shape, [..., 3]."""
        return np.stack([np.interp(hu, self.color[:, 0], channel) for channel in self.color.T[1:]], -1)

    def sampled(self) -> "TransferFunctions":
        """These functions by their values at ``SAMPLES_HU``."""
        opacity = np.column_stack([SAMPLES_HU, self.opacity_at(SAMPLES_HU)])
        color = np.column_stack([SAMPLES_HU, self.color_at(SAMPLES_HU)])
        return replace(self, opacity=opacity, color=color)


def read_functions(path: str | os.PathLike) -> TransferFunctions:
    """Read a volume property as Slicer writes it (``.vp.json``).

    Raises:
        UserError: the file is missing or not a volume property, or see :class:`TransferFunctions`.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"There is no volume property {path}.", "Save the one of the volume rendering there."
        ) from error
    try:
        return from_slicer(json.loads(text))
    except ValueError as error:
        raise UserError(f"{path} is not a volume property.", _ADVICE) from error


def write_functions(functions: TransferFunctions, path: str | os.PathLike) -> None:
    """Write a volume property that Slicer reads (``.vp.json``)."""
    with staged(path) as temporary:
        temporary.write_text(json.dumps(to_slicer(functions), indent=2), encoding="utf-8")


def from_slicer(values: dict) -> TransferFunctions:
    """The transfer functions of a ``.vp.json``'s object, of its first component.

    Raises:
        UserError: they are missing or make no sense, or opacity depends on the gradient, which is not supported.
    """
    try:
        part = values["volumeProperties"][0]["components"][0]
        opacity = _points(part["scalarOpacity"], lambda point: [point["y"]])
        color = _points(part["rgbTransferFunction"], lambda point: point["color"])
        light = part.get("lighting", {})
        gradient = [] if part.get("disableGradientOpacity") else part.get("gradientOpacity", {}).get("points", [])
        uneven = any(float(point["y"]) != 1 for point in gradient)
        numbers = {
            "ambient": float(light.get("ambient", 0.1)),
            "diffuse": float(light.get("diffuse", 0.9)),
            "specular": float(light.get("specular", 0.2)),
            "specular_power": float(light.get("specularPower", 10.0)),
            "unit_distance": float(part.get("scalarOpacityUnitDistance", 1.0)),
        }
        shade = bool(part.get("shade", False))
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise UserError("The volume property has no transfer functions.", _ADVICE) from error
    if uneven:
        raise UserError("Opacity depends on the gradient in this volume property.", "Set the gradient opacity to 1.")
    return TransferFunctions(opacity, color, shade, **numbers)


def to_slicer(functions: TransferFunctions) -> dict:
    """A ``.vp.json``'s object."""
    plain = {"midpoint": 0.5, "sharpness": 0.0}
    component = {
        "componentWeight": 1.0,
        "shade": functions.shade,
        "lighting": {
            "diffuse": functions.diffuse,
            "ambient": functions.ambient,
            "specular": functions.specular,
            "specularPower": functions.specular_power,
        },
        "disableGradientOpacity": False,
        "scalarOpacityUnitDistance": functions.unit_distance,
        "rgbTransferFunction": {
            "type": "colorTransferFunction",
            "points": [{"x": float(x), "color": [float(n) for n in rgb], **plain} for x, *rgb in functions.color],
        },
        "scalarOpacity": {
            "type": "piecewiseLinearFunction",
            "points": [{"x": float(x), "y": float(y), **plain} for x, y in functions.opacity],
        },
        "gradientOpacity": {
            "type": "piecewiseLinearFunction",
            "points": [{"x": x, "y": 1.0, **plain} for x in (0.0, 255.0)],
        },
    }
    return {
        "@schema": "https://raw.githubusercontent.com/slicer/slicer/main/Modules/Loadable/VolumeRendering/Resources/"
        "Schema/volume-property-schema-v1.0.0.json#",
        "volumeProperties": [{"independentComponents": True, "interpolationType": "linear", "components": [component]}],
    }


def extinction(opacity: np.ndarray, unit_distance: float) -> np.ndarray:
    """Extinction per mm of material with an opacity of ``unit_distance`` mm."""
    return -np.log1p(-np.minimum(opacity, _MOST_OPAQUE)) / unit_distance


def _checked(points: np.ndarray, name: str, columns: int) -> np.ndarray:
    try:
        points = np.asarray(points, float)
    except (TypeError, ValueError) as error:
        raise UserError(f"The {name} function has points that are not numbers.", _ADVICE) from error
    if points.ndim != 2 or points.shape[1] != columns or not len(points):
        raise UserError(f"The {name} function has no points.", _ADVICE)
    if not np.isfinite(points).all():
        raise UserError(f"The {name} function has points that are not numbers.", _ADVICE)
    if (np.diff(points[:, 0]) < 0).any():
        raise UserError(f"The points of the {name} function are not in the order of their HU.", _ADVICE)
    if points[:, 1:].min() < -1e-6 or points[:, 1:].max() > 1 + 1e-6:
        raise UserError(f"The {name} function has values that are not within 0 and 1.", _ADVICE)
    return np.column_stack([points[:, 0], points[:, 1:].clip(0, 1)])


def _points(function: dict, values) -> np.ndarray:
    """Points [n, columns] of a piecewise function; bent pieces become many straight ones."""
    rows = [[float(point["x"]), *map(float, values(point))] for point in function["points"]]
    bends = [(float(point.get("midpoint", 0.5)), float(point.get("sharpness", 0.0))) for point in function["points"]]
    if all(bend == (0.5, 0.0) for bend in bends[:-1]):  # the last one bends nothing
        return np.array(rows)
    return _straightened(rows, bends)


def _straightened(rows: Sequence[list[float]], bends: Sequence[tuple[float, float]]) -> np.ndarray:
    """VTK's own evaluation of bent pieces, every HU."""
    import vtk

    channels = []
    for channel in range(1, len(rows[0])):
        function = vtk.vtkPiecewiseFunction()
        for row, bend in zip(rows, bends, strict=True):
            function.AddPoint(row[0], row[channel], *bend)
        hu = np.union1d([row[0] for row in rows], np.arange(np.ceil(rows[0][0]), rows[-1][0]))
        channels.append([function.GetValue(value) for value in hu])
    return np.column_stack([hu, *channels])
