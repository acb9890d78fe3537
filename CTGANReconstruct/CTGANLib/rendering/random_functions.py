"""Transfer functions to learn from: Gaussian modes of random colors, and Slicer's presets, moved and recolored.

The modes follow Berger et al., A Generative Model for Volume Rendering, IEEE TVCG 2019.
"""

import colorsys
from dataclasses import replace

import numpy as np

from .functions import LEAST_HU, MOST_HU, SAMPLES_HU, TransferFunctions
from .presets import PRESETS, preset

# HU that modes lie between: metal apart, that is what a body consists of.
_RANGE = (LEAST_HU, 1476.0)
_MARGIN = 0.1  # of the range, below and above the middles of all modes
_MOST_MODES, _LEAST_AMPLITUDE, _LEAST_WIDTH = 5, 0.1, 12.0
_DARK, _LIGHT = 0.4, 0.6
# By how much presets vary: HU, share of their widths, exponent of the opacity, and share of hue, and of the rest.
_SHIFT, _WIDTH, _STRENGTH, _HUE, _TINT = 80.0, 0.25, 0.5, 0.08, 0.2
_FROM_PRESETS, _LIT = 0.4, 0.5


def random_functions(random: np.random.Generator) -> TransferFunctions:
    """Transfer functions by their values at ``SAMPLES_HU``, shaded or not."""
    functions = _varied_preset(random) if random.random() < _FROM_PRESETS else _modes(random)
    return replace(
        functions.sampled(),
        shade=bool(random.random() < _LIT),
        ambient=random.uniform(0.1, 0.3),
        diffuse=random.uniform(0.7, 1.0),
        specular=random.choice([0.0, 0.2]),
        specular_power=float(random.choice([1.0, 10.0])),
    )


def _modes(random: np.random.Generator) -> TransferFunctions:
    low, high = _RANGE
    margin = _MARGIN * (high - low)
    count = int(random.integers(1, _MOST_MODES + 1))
    means = np.sort(random.uniform(low + margin, high - margin, count))
    widest = np.minimum(means - low, high - means) / 2
    widths = np.maximum(random.uniform(widest / 20, widest), _LEAST_WIDTH)
    amplitudes = random.uniform(_LEAST_AMPLITUDE, 1, count)
    amplitudes = amplitudes / amplitudes.sum() if count > 1 else amplitudes
    bells = np.exp(-(((SAMPLES_HU[:, None] - means) / widths) ** 2))
    opacity = np.column_stack([SAMPLES_HU, (bells @ amplitudes).clip(0, 1)])
    ends = np.array([_color(random, 0, _DARK) for _ in range(2)])
    colors = np.array([_color(random, _LIGHT, 1) for _ in range(count)])
    places = np.array([LEAST_HU, *means, MOST_HU])
    anchors = np.vstack([ends[:1], colors, ends[1:]])
    # Modes that overlap share their colors.
    shares = np.exp(-(((means[:, None] - places) / widths[:, None]) ** 2))
    anchors[1:-1] = shares @ anchors / shares.sum(1, keepdims=True)
    return TransferFunctions(opacity, np.column_stack([places, anchors]))


def _varied_preset(random: np.random.Generator) -> TransferFunctions:
    functions = preset(PRESETS[int(random.integers(len(PRESETS)))])
    shift, stretch = random.uniform(-_SHIFT, _SHIFT), 1 + random.uniform(-_WIDTH, _WIDTH)
    exponent = 2 ** random.uniform(-_STRENGTH, _STRENGTH)
    opacity, color = functions.opacity.copy(), functions.color.copy()
    middle = np.mean(opacity[opacity[:, 1] > 0, 0].clip(LEAST_HU, MOST_HU))
    for points in (opacity, color):
        inside = (points[:, 0] > LEAST_HU) & (points[:, 0] < MOST_HU)
        points[inside, 0] = (middle + (points[inside, 0] - middle) * stretch + shift).clip(LEAST_HU, MOST_HU)
    opacity[:, 1] **= exponent
    turn, tint = random.uniform(-_HUE, _HUE), 1 + random.uniform(-_TINT, _TINT, 2)
    for point in color:
        hue, lightness, saturation = colorsys.rgb_to_hls(*point[1:])
        point[1:] = colorsys.hls_to_rgb(
            (hue + turn) % 1, float(np.clip(lightness * tint[0], 0, 1)), float(np.clip(saturation * tint[1], 0, 1))
        )
    return replace(functions, opacity=opacity, color=color)


def _color(random: np.random.Generator, darkest: float, lightest: float) -> tuple[float, float, float]:
    return colorsys.hls_to_rgb(random.random(), random.uniform(darkest, lightest), random.random())
