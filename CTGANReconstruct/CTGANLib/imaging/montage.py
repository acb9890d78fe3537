"""Many slices as one picture, as readers see them, and such pictures over time as an animation."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import UserError
from ..files import staged
from .images import write_image

_GAP = 2
_MILLISECONDS, _LAST_MILLISECONDS = 400, 2000


def montage(slices: np.ndarray, window: tuple[float, float], columns: int | None = None) -> np.ndarray:
    """Slices side by side in a window, row by row, with black lines between them.

    Args:
        slices: [n, rows, columns] as they are to be seen; see :func:`as_read`.
        window: the values that become black and white.
        columns: slices in a row; by default the whole is about square.

    Returns:
        uint8 [rows, columns].
    """
    count, height, width = slices.shape
    columns = columns or int(np.ceil(np.sqrt(count * height / width)))
    rows = -(-count // columns)
    gray = ((slices - window[0]) / (window[1] - window[0])).clip(0, 1) * 255
    sheet = np.zeros((rows * (height + _GAP) - _GAP, columns * (width + _GAP) - _GAP), np.uint8)
    for number, picture in enumerate(gray.round().astype(np.uint8)):
        row, column = divmod(number, columns)
        top, left = row * (height + _GAP), column * (width + _GAP)
        sheet[top : top + height, left : left + width] = picture
    return sheet


def as_read(axial: np.ndarray) -> np.ndarray:
    """Axial slices [n, j, i], with i toward the patient's right and j to the front, as they are read: front up, the
    patient's left on the right."""
    return axial[:, ::-1, ::-1]


def check_png(path: Path) -> None:
    """Check that a picture can be written under a name.

    Raises:
        UserError: it is not called .png.
    """
    if path.suffix.lower() != ".png":
        raise UserError(f"A picture cannot be written as {path.name}.", "Use .png.")


def write_png(picture: np.ndarray, path: Path) -> None:
    """Write uint8 [rows, columns], or [rows, columns, 3] in color.

    Raises:
        UserError: the place cannot be written, or it is not called .png.
    """
    check_png(path)
    with staged(path) as temporary:
        write_image(sitk.GetImageFromArray(np.ascontiguousarray(picture), isVector=picture.ndim == 3), temporary)


def write_gif(pictures: Sequence[Path], path: Path) -> None:
    """Write pictures of one size as an animation, which holds the last one longer; nothing where there is none.

    It needs Pillow, which comes with Slicer; without it nothing is written.

    Raises:
        UserError: the place cannot be written, or a picture cannot be read.
    """
    if not pictures or importlib.util.find_spec("PIL") is None:
        return
    from PIL import Image

    try:
        frames = [Image.open(picture).convert("L") for picture in pictures]
    except OSError as error:
        raise UserError("A picture of the training cannot be read.", "Delete the run's previews.") from error
    durations = [_MILLISECONDS] * (len(frames) - 1) + [_LAST_MILLISECONDS]
    with staged(path) as temporary:
        frames[0].save(temporary, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0)
