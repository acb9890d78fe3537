"""Many transfer functions laid out in a plane, alike ones near each other, each as a small picture."""

from dataclasses import dataclass

import numpy as np
import torch

from ..errors import UserError
from ..events import Progress, silent
from .camera import Camera
from .coarse import CoarseVolume
from .colors import BACKGROUND, as_bytes, over
from .functions import TransferFunctions
from .random_functions import random_functions
from .raycast import Tables, cast
from .render import NeuralRenderer

LAYOUTS = ("pca", "tsne")
_THUMBNAIL = 64
_PERPLEXITY, _STEPS, _RATE, _EARLY, _EXAGGERATION = 12.0, 300, 0.5, 80, 4.0
_SEEN = 0.02  # mean opacity of a picture that shows something


@dataclass(frozen=True)
class Exploration:
    """Transfer functions and their places.

    Attributes:
        functions: of each.
        places: within 0 and 1, [n, 2].
        thumbnails: uint8 [n, 64, 64, 3].
    """

    functions: list[TransferFunctions]
    places: np.ndarray
    thumbnails: np.ndarray


def explore(
    renderer: NeuralRenderer,
    volume: CoarseVolume,
    camera: Camera,
    count: int = 64,
    layout: str = "pca",
    seed: int = 0,
    progress: Progress = silent,
) -> Exploration:
    """Draw transfer functions under which the volume shows something, and lay them out by their latent numbers.

    Args:
        renderer: whose latent space it is.
        volume, camera: of the small pictures, which the ray-caster makes.
        count: of functions, 2 to 500.
        layout: ``pca`` (the two main directions) or ``tsne`` (neighbors stay neighbors).
        seed: of the functions.
        progress: is told of each one that is found.

    Raises:
        UserError: there is no such layout, or the count is too small or too large.
    """
    if layout not in LAYOUTS:
        raise UserError(f"There is no layout {layout}.", f"Choose one of {', '.join(LAYOUTS)}.")
    if not 2 <= count <= 500:
        raise UserError(f"{count} transfer functions cannot be laid out.", "Choose 2 to 500.")
    random = np.random.default_rng(seed)
    functions, thumbnails = [], []
    for _ in range(10 * count):
        drawn = random_functions(random)
        rgba = _thumbnail(volume, camera, drawn)
        if rgba[..., 3].mean() > _SEEN:
            functions.append(drawn)
            thumbnails.append(as_bytes(over(rgba, BACKGROUND)))
            progress(len(functions) / count, f"Transfer function {len(functions)} of {count}")
        if len(functions) == count:
            break
    if len(functions) < 2:
        raise UserError("The camera sees nothing of the volume.", "Turn the camera towards it.")
    latent = renderer.latent(functions)
    return Exploration(functions, lay_out(latent, layout), np.stack(thumbnails))


def lay_out(points: np.ndarray, layout: str = "pca") -> np.ndarray:
    """Points [n, d] in a plane, each axis from 0 to 1, [n, 2]; see :func:`explore`."""
    scaled = (points - points.mean(0)) / np.maximum(points.std(0), 1e-6)
    _, _, directions = np.linalg.svd(scaled, full_matrices=False)
    plane = scaled @ directions[:2].T
    if plane.shape[1] < 2:
        plane = np.pad(plane, ((0, 0), (0, 1)))
    if layout == "tsne":
        plane = _neighbors(scaled, plane)
    low, high = plane.min(0), plane.max(0)
    return (plane - low) / np.maximum(high - low, 1e-9)


def sheet(exploration: Exploration, size: int = 1024) -> np.ndarray:
    """One picture of all, uint8 [size, size, 3]: each thumbnail at its place, on a grid so that none covers another."""
    cells = int(np.ceil(np.sqrt(len(exploration.functions))))
    side = size // cells
    picture = np.zeros((size, size, 3), np.uint8)
    for index, (row, column) in enumerate(grid_places(exploration.places)):
        rows = np.arange(side) * _THUMBNAIL // side
        small = exploration.thumbnails[index][rows][:, rows]
        picture[row * side : (row + 1) * side, column * side : (column + 1) * side] = small
    return picture


def grid_places(places: np.ndarray) -> np.ndarray:
    """A cell of a square grid, row and column, for each place [n, 2]: columns by x, within these rows by y."""
    cells = int(np.ceil(np.sqrt(len(places))))
    result = np.zeros((len(places), 2), int)
    for column, members in enumerate(np.array_split(places[:, 0].argsort(kind="stable"), cells)):
        for row, index in enumerate(members[places[members, 1].argsort(kind="stable")]):
            result[index] = row, column
    return result


def _thumbnail(volume: CoarseVolume, camera: Camera, functions: TransferFunctions) -> np.ndarray:
    with torch.inference_mode():
        seen = cast(volume, camera, Tables.of(functions, volume.device), _THUMBNAIL)
    return seen[:4].permute(1, 2, 0).cpu().numpy()


def _neighbors(points: np.ndarray, start: np.ndarray) -> np.ndarray:
    """t-SNE (van der Maaten and Hinton, JMLR 2008), exactly, from a start [n, 2]."""
    similar = torch.from_numpy(_similarities(points))
    plane = torch.tensor(start / max(float(start.std()), 1e-9) * 1e-2, requires_grad=True)
    descent = torch.optim.Adam([plane], lr=_RATE)
    apart = 1 - torch.eye(len(points), dtype=torch.float64)
    for step in range(_STEPS):
        closeness = apart / (1 + torch.cdist(plane, plane, compute_mode="donot_use_mm_for_euclid_dist") ** 2)
        shares = (closeness / closeness.sum()).clamp(min=1e-12)
        pull = similar * (_EXAGGERATION if step < _EARLY else 1.0)
        loss = -(pull * shares.log()).sum()
        descent.zero_grad()
        loss.backward()
        descent.step()
    return plane.detach().numpy()


def _similarities(points: np.ndarray) -> np.ndarray:
    """Joint probabilities of neighbors [n, n], each point's Gaussian as wide as its perplexity asks."""
    squares = ((points[:, None] - points[None]) ** 2).sum(-1)
    wanted = np.log(min(_PERPLEXITY, (len(points) - 1) / 3 + 1))
    rows = np.zeros_like(squares)
    for index, distances in enumerate(squares):
        others = np.delete(distances, index)
        low, high = 0.0, np.inf
        precision = 1 / max(float(others.mean()), 1e-9)
        for _ in range(50):
            weights = np.exp(-(others - others.min()) * precision)
            share = weights / weights.sum()
            entropy = -(share * np.log(np.maximum(share, 1e-12))).sum()
            low, high = (precision, high) if entropy > wanted else (low, precision)
            precision = precision * 2 if np.isinf(high) else (low + high) / 2
        rows[index] = np.insert(share, index, 0)
    return (rows + rows.T) / (2 * len(points))
