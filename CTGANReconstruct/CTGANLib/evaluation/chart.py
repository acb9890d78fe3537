"""A chart of scores as SVG, and the elements that such pictures are made of."""

import math
from html import escape

# Told apart by people who see few colors as well (Okabe and Ito, 2008).
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
_WIDTH, _HEIGHT = 860, 300
_LEFT, _TOP, _RIGHT, _BOTTOM = 56, 34, 16, 96
_MOST_LABELS = 40


def chart(scores: dict[str, dict[str, float]], label: str) -> str:
    """Dots over the cases, a color a method, the cases in order of the first method's score.

    Args:
        scores: by method, then by case.
        label: of the vertical axis.

    Returns:
        An SVG document.
    """
    first = next(iter(scores.values()))
    cases = sorted(first, key=first.get)
    values = [value for by_case in scores.values() for value in by_case.values() if math.isfinite(value)]
    low, high, step = _axis(min(values, default=0.0), max(values, default=1.0))
    across = (_WIDTH - _LEFT - _RIGHT) / len(cases)
    places = {case: _LEFT + across * (number + 0.5) for number, case in enumerate(cases)}

    def height(value: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (high - value) / (high - low)

    parts = [svg_text(_LEFT - 48, 18, label, size=12)]
    for number in range(round((high - low) / step) + 1):
        value = low + number * step
        parts.append(_line(_LEFT, height(value), _WIDTH - _RIGHT, height(value)))
        parts.append(svg_text(_LEFT - 8, height(value) + 4, f"{value:g}", "end"))
    for case in cases if len(cases) <= _MOST_LABELS else []:
        x, y = places[case], _HEIGHT - _BOTTOM + 14
        parts.append(f'<g transform="translate({x:.1f},{y}) rotate(-35)">{svg_text(0, 0, case[:24], "end")}</g>')
    for number, (method, by_case) in enumerate(scores.items()):
        color = COLORS[number % len(COLORS)]
        parts += [
            f'<circle cx="{places[case]:.1f}" cy="{height(value):.1f}" r="4" fill="{color}" fill-opacity="0.85"/>'
            for case, value in by_case.items()
            if case in places and math.isfinite(value)
        ]
        x = _LEFT + 140 + 190 * (number % 4)
        y = 16 + 14 * (number // 4)
        parts.append(f'<circle cx="{x}" cy="{y - 4}" r="4" fill="{color}"/>' + svg_text(x + 9, y, method[:28], size=12))
    return svg(_WIDTH, _HEIGHT, parts)


def svg(width: float, height: float, parts: list[str]) -> str:
    """A document of that size in pixels."""
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{"".join(parts)}</svg>'


def svg_text(x: float, y: float, text: str, anchor: str = "start", size: int = 11, color: str = "#333333") -> str:
    """A line of text, escaped."""
    style = f'font-family="Helvetica, Arial, sans-serif" font-size="{size}" fill="{color}" text-anchor="{anchor}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(text)}</text>'


def _axis(low: float, high: float) -> tuple[float, float, float]:
    """Round ends that hold all values, and the distance of the lines between, of which there are four to ten."""
    spread = max(high - low, 1e-6 * max(abs(high), 1.0))
    power = 10.0 ** math.floor(math.log10(spread))
    step = next(step for step in (power / 5, power / 2, power, 2 * power) if spread / step <= 8)
    return math.floor(low / step) * step, math.ceil(high / step + 1e-9) * step, step


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#cccccc" stroke-width="1"/>'
