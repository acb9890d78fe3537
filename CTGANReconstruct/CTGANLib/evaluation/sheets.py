"""Pictures of a case for reports: truth, reconstructions and their differences in three planes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .scores import RESERVED, TRUTH

WINDOW = (-1000.0, 400.0)
"""HU that are shown black and white."""
LARGEST_DIFFERENCE = 800.0
"""HU of the last color of the scale of absolute differences."""

_SIZE, _MARGIN = 256, 6
# What the names of pairs begin with among those of the cases, which have no such letter.
_PAIRS = "\n"
_QUALITY = 88
# Black, purple, red, orange, pale yellow: the difference is nothing where nothing is seen. Near matplotlib's inferno.
_COLORS = np.array([(0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164)], float)
# Planes as readers see them: the patient's left on the right, the front to the left in the sagittal one.
_PLANES: dict[str, tuple[Callable[[np.ndarray], np.ndarray], str]] = {
    "axial": (lambda hu: hu[hu.shape[0] // 2, ::-1, ::-1], "RL"),
    "coronal": (lambda hu: hu[::-1, hu.shape[1] // 2, ::-1], "RL"),
    "sagittal": (lambda hu: hu[::-1, ::-1, hu.shape[2] // 2], "AP"),
}
PLANES = tuple(_PLANES)
# The marks, five pixels wide. Neither SimpleITK nor numpy writes text, and four letters need no library for it.
_LETTERS = {
    "R": ("####.", "#...#", "#...#", "####.", "#.#..", "#..#.", "#...#"),
    "L": ("#....", "#....", "#....", "#....", "#....", "#....", "#####"),
    "A": (".###.", "#...#", "#...#", "#####", "#...#", "#...#", "#...#"),
    "P": ("####.", "#...#", "#...#", "####.", "#....", "#....", "#...."),
}


class Sheets:
    """Draws each case that an evaluation shows into small files, so that memory stays constant.

    Args:
        folder: takes the pictures; it may be temporary, since reports carry copies.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = Path(folder)
        self._cases: dict[str, dict[str, list[Path]]] = {}

    def __call__(self, case: str, volumes: dict[str, np.ndarray], rows: list[dict]) -> None:
        """Draw the truth, each method and, of models that are scored by it, the difference; see ``evaluation.Show``.

        Args:
            volumes: HU [k, j, i] of isotropic voxels, i to the patient's right, j to the front, k to the head.
        """
        drawn, scored = {}, {row["method"] for row in rows} - RESERVED
        for method, hu in volumes.items():
            drawn[method] = self._write(f"{len(self._cases)}_{len(drawn)}", hu, _gray)
            if method in scored:
                difference = np.abs(hu.astype(np.float32) - volumes[TRUTH])
                drawn[f"|{method} − {TRUTH}|"] = self._write(f"{len(self._cases)}_{len(drawn)}", difference, _colored)
        self._cases[case] = drawn

    def add_pairs(self, title: str, pairs: list[tuple[str, np.ndarray, np.ndarray]]) -> None:
        """Draw pictures above what they are compared with, such as the nearest training samples.

        Args:
            title: what is compared with what.
            pairs: what to say of each two, and both, [rows, columns] as they are read, from 0 (black) to 1 (white).
        """
        drawn: dict[str, list[Path]] = {}
        for number, (told, *pictures) in enumerate(pairs):
            names = [f"{len(self._cases)}_{number}_{place}.jpg" for place in ("above", "below")]
            drawn[f"{number + 1}: {told}"] = [self._folder / name for name in names]
            for picture, path in zip(pictures, drawn[f"{number + 1}: {told}"], strict=True):
                write_jpeg(_shaded(_enlarged(picture)), path)
        self._cases[f"{_PAIRS}{title}"] = drawn

    @property
    def pairs(self) -> dict[str, dict[str, list[bytes]]]:
        """What :meth:`add_pairs` drew: by title and what is said of each two, both JPEGs."""
        names = [name for name in self._cases if name.startswith(_PAIRS)]
        return {name.removeprefix(_PAIRS): self.pictures(name) for name in names}

    def __contains__(self, case: str) -> bool:
        """Whether a case was shown."""
        return case in self._cases

    def pictures(self, case: str) -> dict[str, list[bytes]]:
        """By title, in the order of the sheet's columns: a JPEG for each of ``PLANES``."""
        return {title: [path.read_bytes() for path in paths] for title, paths in self._cases[case].items()}

    def _write(self, name: str, volume: np.ndarray, shade: Callable[[np.ndarray], np.ndarray]) -> list[Path]:
        paths = []
        for plane, (cut, sides) in _PLANES.items():
            path = self._folder / f"{name}_{plane}.jpg"
            write_jpeg(marked(shade(_enlarged(cut(volume))), sides), path)
            paths.append(path)
        return paths


def color_scale(path: Path) -> None:
    """Draw the scale of the differences, from 0 to ``LARGEST_DIFFERENCE``, to a JPEG."""
    write_jpeg(_colored(np.tile(np.linspace(0, LARGEST_DIFFERENCE, _SIZE), (12, 1))), path)


def write_jpeg(rgb: np.ndarray, path: Path) -> None:
    """Write uint8 [rows, columns, 3]."""
    image = sitk.GetImageFromArray(rgb, isVector=True)
    sitk.WriteImage(image, str(path), useCompression=True, compressionLevel=_QUALITY)


def marked(rgb: np.ndarray, sides: str) -> np.ndarray:
    """A picture [rows, columns, 3] with the letters of its left and right side in the upper corners."""
    result = rgb.copy()
    for letter, left in zip(sides, (True, False), strict=True):
        dots = np.array([[dot == "#" for dot in line] for line in _LETTERS[letter]]).repeat(2, 0).repeat(2, 1)
        rows, columns = dots.shape
        start = _MARGIN if left else rgb.shape[1] - _MARGIN - columns
        # On black, since the patient may reach into the corner.
        result[_MARGIN - 3 : _MARGIN + rows + 3, start - 3 : start + columns + 3] = 0
        result[_MARGIN : _MARGIN + rows, start : start + columns][dots] = 255
    return result


def _enlarged(plane: np.ndarray) -> np.ndarray:
    """A slice with its smaller side brought to about 256 pixels, in true proportions."""
    factor = max(1, round(_SIZE / min(plane.shape)))
    image = sitk.GetImageFromArray(np.ascontiguousarray(plane, np.float32))
    return sitk.GetArrayFromImage(sitk.Expand(image, [factor, factor], sitk.sitkLinear))


def _gray(hu: np.ndarray) -> np.ndarray:
    return _shaded((hu - WINDOW[0]) / (WINDOW[1] - WINDOW[0]))


def _shaded(share: np.ndarray) -> np.ndarray:
    return np.repeat((255 * share.clip(0, 1)).round().astype(np.uint8)[..., None], 3, axis=-1)


def _colored(difference: np.ndarray) -> np.ndarray:
    place = (difference / LARGEST_DIFFERENCE).clip(0, 1) * (len(_COLORS) - 1)
    channels = [np.interp(place, range(len(_COLORS)), _COLORS[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)
