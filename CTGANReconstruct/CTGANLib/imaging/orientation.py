"""Which way a radiograph is shown, for people: the view's name, letters of directions, and markers in pictures."""

import numpy as np

from .geometry import Acquisition, View

_LETTERS = (("R", "L"), ("A", "P"), ("H", "F"))  # of the positive and negative RAS directions, as in DICOM
# A direction within some 23° of an axis is named by one letter; a beam this near to that of a view has its name.
_ALMOST = 0.4
_SAME_VIEW = np.cos(np.radians(10.0))

# Letters of 5 x 7 dots, a row a number whose highest bit is the leftmost dot.
_GLYPHS = {
    "A": (0x0E, 0x11, 0x11, 0x1F, 0x11, 0x11, 0x11),
    "F": (0x1F, 0x10, 0x10, 0x1E, 0x10, 0x10, 0x10),
    "H": (0x11, 0x11, 0x11, 0x1F, 0x11, 0x11, 0x11),
    "L": (0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x1F),
    "P": (0x1E, 0x11, 0x11, 0x1E, 0x10, 0x10, 0x10),
    "R": (0x1E, 0x11, 0x11, 0x1E, 0x14, 0x12, 0x11),
    "T": (0x1F, 0x04, 0x04, 0x04, 0x04, 0x04, 0x04),
}
_MARGIN = 3  # dots between a marker and the border


def letters(direction: np.ndarray) -> str:
    """The patient's sides that a RAS direction points to, the nearest first, such as ``L`` or ``LA``."""
    direction = np.asarray(direction) / np.linalg.norm(direction)
    axes = [axis for axis in np.argsort(-np.abs(direction)) if abs(direction[axis]) > _ALMOST]
    return "".join(_LETTERS[axis][int(direction[axis] < 0)] for axis in axes)


def named_view(acquisition: Acquisition) -> View | None:
    """The view whose beam this is, to 10°; an oblique beam has none."""
    beams = {view: Acquisition(view).beam_direction @ acquisition.beam_direction for view in View}
    view = max(beams, key=beams.get)
    return view if beams[view] > _SAME_VIEW else None


def with_markers(picture: np.ndarray, acquisition: Acquisition) -> np.ndarray:
    """A picture with letters burned in: the patient's sides at both edges, and the view's name between them.

    Args:
        picture: [rows, columns], at least 0; the markers are as white as its brightest pixel.
        acquisition: how it was taken.
    """
    marked = picture.copy()
    left, right = letters(-acquisition.column_direction), letters(acquisition.column_direction)
    view = named_view(acquisition)
    for text, place in ((left, 0.0), (view.value if view else "", 0.5), (right, 1.0)):
        _draw(marked, text, place)
    return marked


def _draw(picture: np.ndarray, text: str, place: float) -> None:
    """Write a text along the top of a picture, ``place`` from its left edge (0) to the right one (1)."""
    size = max(1, min(picture.shape) // 128)
    margin = _MARGIN * size
    for number, letter in enumerate(text):
        dots = np.array([[bits >> shift & 1 for shift in (4, 3, 2, 1, 0)] for bits in _GLYPHS[letter]], bool)
        glyph = dots.repeat(size, axis=0).repeat(size, axis=1)
        room = picture.shape[1] - 2 * margin - (6 * len(text) - 1) * size
        column = margin + round(place * room) + 6 * number * size
        window = picture[margin : margin + len(glyph), max(column, 0) : column + glyph.shape[1]]
        window[glyph[: window.shape[0], : window.shape[1]]] = picture.max()
