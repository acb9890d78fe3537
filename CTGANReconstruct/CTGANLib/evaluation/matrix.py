"""A matrix of correlations as SVG, as the chart is: sharp at any size, with numbers that can be read and copied."""

from .chart import svg, svg_text

# From strongly negative over nothing to strongly positive; told apart by people who see few colors as well.
_NEGATIVE, _ZERO, _POSITIVE = (213, 94, 0), (255, 255, 255), (0, 75, 140)
_CELLS, _LARGEST, _SMALLEST = 440, 38, 8
_LEFT, _TOP, _MARGIN = 150, 120, 16
_LETTERS = 22
_LEAST_FOR_NUMBERS = 26  # pixels of a cell


def matrix_chart(values: dict[str, dict[str, float]], down: str, across: str) -> tuple[str, int]:
    """A colored square for each value within −1 and 1, with the number where there is room; the diagonal is framed.

    Args:
        values: by the name of the row, then by the name of the column; both have the same names.
        down: what the rows are.
        across: what the columns are.

    Returns:
        An SVG document and its width in pixels.
    """
    names = list(values)
    cell = max(_SMALLEST, min(_LARGEST, _CELLS // len(names)))
    size = cell * len(names)
    parts = [svg_text(_MARGIN, 20, f"{down} ↓   {across} →", size=12)]
    for row, name in enumerate(names):
        y = _TOP + row * cell
        parts.append(svg_text(_LEFT - 6, y + cell / 2 + 4, name[:_LETTERS], "end"))
        x = _LEFT + row * cell + cell / 2
        parts.append(f'<g transform="translate({x:.1f},{_TOP - 6}) rotate(-50)">{svg_text(0, 0, name[:_LETTERS])}</g>')
        for column, other in enumerate(names):
            value = values[name][other]
            parts.append(_square(_LEFT + column * cell, y, cell, _shade(value)))
            if cell >= _LEAST_FOR_NUMBERS:
                ink = "#ffffff" if abs(value) > 0.55 else "#333333"
                middle = _LEFT + column * cell + cell / 2
                text = f"{value:.2f}".replace("-", "−")
                parts.append(svg_text(middle, y + cell / 2 + 4, text, "middle", color=ink))
    parts += [_square(_LEFT + n * cell, _TOP + n * cell, cell, "none", "#000000") for n in range(len(names))]
    width = _LEFT + size + _TOP  # the last slanted name reaches beyond its column
    return svg(width, _TOP + size + _MARGIN, parts), width


def _shade(value: float) -> str:
    share, color = min(abs(value), 1.0), _POSITIVE if value > 0 else _NEGATIVE
    return "#" + "".join(f"{round(z + share * (c - z)):02x}" for z, c in zip(_ZERO, color, strict=True))


def _square(x: float, y: float, size: float, fill: str, line: str = "#dddddd") -> str:
    place = f'x="{x}" y="{y}" width="{size}" height="{size}"'
    return f'<rect {place} fill="{fill}" stroke="{line}" stroke-width="{2 if fill == "none" else 1}"/>'
