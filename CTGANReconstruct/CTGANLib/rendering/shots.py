"""What pictures show: viewpoint, transfer functions and background, and the files that hold them.

``view.npy`` [n, 4], ``opacity.npy`` [n, 256, 2] and ``color.npy`` [n, 256, 4] are those of TFGAN (Berger et al.): their
first column is the scalar, here HU. ``light.json`` beside them has what TFGAN knows no values for.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import UserError
from ..files import staged
from .camera import View, random_view
from .colors import BACKGROUND
from .functions import TransferFunctions
from .random_functions import random_functions

VIEWS, OPACITIES, COLORS, LIGHTS = "view.npy", "opacity.npy", "color.npy", "light.json"
FILES = (VIEWS, OPACITIES, COLORS, LIGHTS)
_LIGHT = ("shade", "ambient", "diffuse", "specular", "specular_power", "unit_distance")
# Half of the pictures stand before TFGAN's background.
_PLAIN = 0.5


@dataclass(frozen=True)
class Shot:
    """One picture to be taken.

    Attributes:
        view: around the volume.
        functions: transfer functions, of 256 points each.
        background: red, green, blue.
    """

    view: View
    functions: TransferFunctions
    background: tuple[float, float, float] = BACKGROUND


def random_shots(count: int, seed: int, name: str) -> list[Shot]:
    """Shots of a volume, always the same for a seed and the volume's name; more of them begin with the same ones."""
    key = int.from_bytes(name.encode()[-32:], "little")
    random = np.random.default_rng([seed, key])
    shots = []
    for _ in range(count):
        background = BACKGROUND if random.random() < _PLAIN else tuple(random.random(3).tolist())
        shots.append(Shot(random_view(random), random_functions(random), background))
    return shots


def write_shots(folder: Path, shots: list[Shot]) -> None:
    """Write the four files; their folder is made."""
    arrays = {
        VIEWS: np.array([shot.view.row for shot in shots]),
        OPACITIES: np.stack([shot.functions.opacity for shot in shots]),
        COLORS: np.stack([shot.functions.color for shot in shots]),
    }
    for name, array in arrays.items():
        with staged(folder / name) as temporary:
            np.save(temporary, array)
    lights = [
        {**{name: getattr(shot.functions, name) for name in _LIGHT}, "background": list(shot.background)}
        for shot in shots
    ]
    with staged(folder / LIGHTS) as temporary:
        temporary.write_text(json.dumps(lights), encoding="utf-8")


def read_shots(folder: Path) -> list[Shot]:
    """Read the shots of a folder, TFGAN's own too: without ``light.json`` surfaces are not lit.

    Raises:
        UserError: files are missing or damaged, or do not fit each other; or see ``TransferFunctions``.
    """
    try:
        views, opacities, colors = (np.load(folder / name, allow_pickle=False) for name in (VIEWS, OPACITIES, COLORS))
        lights = [{}] * len(views)
        if (folder / LIGHTS).is_file():
            lights = json.loads((folder / LIGHTS).read_text(encoding="utf-8"))
        if not (len(views) == len(opacities) == len(colors) == len(lights)) or views.shape[1:] != (4,):
            raise ValueError("The files do not fit each other.")
        shots = []
        for view, opacity, color, light in zip(views, opacities, colors, lights, strict=True):
            background = tuple(light.get("background", BACKGROUND))
            values = {name: light[name] for name in _LIGHT if name in light}
            shots.append(Shot(View(*map(float, view)), TransferFunctions(opacity, color, **values), background))
    except (OSError, ValueError, AttributeError, TypeError) as error:
        advice = f"It needs {VIEWS} (n x 4), {OPACITIES} (n x 256 x 2) and {COLORS} (n x 256 x 4)."
        raise UserError(f"The views and transfer functions in {folder} cannot be read.", advice) from error
    return shots
