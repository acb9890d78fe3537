"""What a picture depends on: its sensitivity to the transfer functions, as curves on the axis of HU and as a map."""

import json
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import qt
from slicer.i18n import tr as _

from .render_task import Shot
from .tasks import optionArguments

_TICKS = (-1000, -500, -200, 0, 100, 200, 300, 400, 500, 600, 2000)  # HU
_STRIP, _LABELS = 10, 18  # pixels below the curves: colors, numbers
_CHANNELS = ("red", "green", "blue")
_DECADES = 3.0
_AIR = -900.0  # HU; opacity below it would change so much that it would hide all else


@dataclass(frozen=True)
class SensitivityResult:
    """How much a picture, or its region, would change if the transfer functions did.

    Attributes:
        hu: of the 256 samples of the functions, three quarters of them from -200 to 600 HU.
        opacity: mean change of a pixel's channels per unit of opacity at each sample [256].
        color: per unit of red, green and blue [256, 3].
        functionOpacity, functionColor: the transfer functions themselves at the samples [256], [256, 3].
        mapPNG: where on the picture the range of HU matters, in gray, white where most; as a PNG file's content.
        png: the picture.
        warnings: what of the volume rendering the picture does not show, a sentence each.
    """

    hu: np.ndarray
    opacity: np.ndarray
    color: np.ndarray
    functionOpacity: np.ndarray
    functionColor: np.ndarray
    mapPNG: bytes
    png: bytes
    warnings: list[str]


@dataclass
class SensitivityTask:
    """The inputs of one computation; see ``CTGANReconstructLogic.renderSensitivity``."""

    shot: Shot
    region: tuple[int, int, int, int] | None = None
    hu: tuple[float, float] = (100.0, 400.0)
    options: dict[str, str | None] = field(default_factory=dict)

    def prepare(self, folder: Path) -> list[str]:
        arguments, self._warnings = self.shot.prepare(folder)
        arguments += ["--out", str(folder / "picture.png"), "--map", str(folder / "map.png")]
        arguments += ["--sensitivity", str(folder / "sensitivity.json"), "--hu", *map(str, self.hu)]
        if self.region:
            arguments += ["--region", *map(str, self.region)]
        return arguments + optionArguments(self.options)

    def finish(self, result: dict) -> SensitivityResult:
        values = json.loads(Path(result["sensitivity"]).read_text(encoding="utf-8"))
        functions = values["functions"]
        arrays = (values["hu"], values["opacity"], values["color"], functions["opacity"], functions["color"])
        pngs = (Path(result[name]).read_bytes() for name in ("map", "picture"))
        return SensitivityResult(*map(np.array, arrays), *pngs, self._warnings)


class SensitivityAxis:
    """Draws the curves; their samples stand side by side, so that tissues have the most room."""

    def __init__(self, result: SensitivityResult, width: int = 512, height: int = 150) -> None:
        self._result, self._width, self._height = result, width, height

    def draw(self, palette: qt.QPalette, hu: tuple[float, float]) -> qt.QPixmap:
        """The picture: the opacity function as a gray area, the sensitivity to it as a line in the color of text, over
        three decades up to the most above air; the sensitivities to red, green and blue in these colors; the colors
        below, and the range ``hu``."""
        pixmap = qt.QPixmap(self._width, self._height)
        pixmap.fill(palette.color(qt.QPalette.Base))
        painter = qt.QPainter(pixmap)
        text = palette.color(qt.QPalette.Text)
        self._drawFunctions(painter)
        left, right = (self._place(value) for value in hu)
        marked = qt.QColor(palette.color(qt.QPalette.Highlight))
        marked.setAlpha(60)
        painter.fillRect(left, 0, max(1, right - left), self._floor, marked)
        most = max(float(np.abs(self._result.color).max()), 1e-12)
        for channel, name in enumerate(_CHANNELS):
            self._drawCurve(painter, np.abs(self._result.color[:, channel]) / most, qt.QColor(name))
        opacity = np.abs(self._result.opacity)
        most = max(float(opacity[self._result.hu > _AIR].max()), 1e-12)
        self._drawCurve(painter, 1 + np.log10((opacity / most).clip(10**-_DECADES, 1)) / _DECADES, text)
        painter.setPen(text)
        for value in _TICKS:
            painter.drawLine(self._place(value), self._floor, self._place(value), self._floor + _STRIP + 3)
            painter.drawText(self._place(value) + 2, self._height - 3, str(value))
        painter.end()
        return pixmap

    def huAt(self, x: float) -> float:
        """The HU at a column of the picture."""
        samples = np.arange(len(self._result.hu))
        return float(np.interp(x / self._width * len(samples), samples, self._result.hu))

    @property
    def _floor(self) -> int:
        return self._height - _STRIP - _LABELS

    def _place(self, hu: float) -> int:
        samples = np.arange(len(self._result.hu))
        return round(float(np.interp(hu, self._result.hu, samples)) / len(samples) * self._width)

    def _drawFunctions(self, painter: qt.QPainter) -> None:
        result, count = self._result, len(self._result.hu)
        gray = qt.QColor(128, 128, 128, 70)
        edges = [round(number / count * self._width) for number in range(count + 1)]
        for number, (left, right) in enumerate(pairwise(edges)):
            tall = round(float(result.functionOpacity[number]) * self._floor)
            painter.fillRect(left, self._floor - tall, right - left, tall, gray)
            color = qt.QColor(*(round(255 * float(channel)) for channel in result.functionColor[number]))
            painter.fillRect(left, self._floor, right - left, _STRIP, color)

    def _drawCurve(self, painter: qt.QPainter, heights: np.ndarray, color: qt.QColor) -> None:
        painter.setPen(color)
        xs = [round((number + 0.5) / len(heights) * self._width) for number in range(len(heights))]
        ys = [round((1 - float(height)) * (self._floor - 2)) + 1 for height in heights]
        for number in range(1, len(xs)):
            painter.drawLine(xs[number - 1], ys[number - 1], xs[number], ys[number])


def peaksText(result: SensitivityResult) -> str:
    """Where on the axis of HU the colors and the opacity matter, in words."""
    seen = np.abs(result.color).sum(axis=1)
    if not seen.max() > 0:
        return _("Nothing is seen there.")
    share = np.cumsum(seen) / seen.sum()
    low, high = (round(float(result.hu[np.searchsorted(share, part)])) for part in (0.1, 0.9))
    solid = result.hu > _AIR
    most = round(float(result.hu[solid][np.abs(result.opacity[solid]).argmax()]))
    text = _("80 % of what is seen lies from {low} to {high} HU. Air apart, opacity would change most at {most} HU.")
    return text.format(low=low, high=high, most=most)
