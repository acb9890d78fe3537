"""Pictures to learn from: many of each volume, rendered by VTK, with what a network is to make them from.

Each volume has a folder: its shots (see ``shots``), ``pictures.json``, the coarse volume ``coarse.npz``, and shards of
16 pictures, folders of arrays: ``rgba`` (uint8 [n, size, size, 4], color times opacity), ``opacity`` (uint8) and
``depth`` (uint16), VTK's opacity and depth passes at half the size, ``cast`` (float16 [n, 5, size, size], what the
ray-caster sees).
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from ..datasets.cases import Case
from ..errors import UserError
from ..events import Progress, silent
from ..files import staged
from ..imaging.geometry import Grid
from ..imaging.volumes import check_hu, read_any_volume
from .coarse import CoarseVolume
from .raycast import Tables, cast
from .shots import FILES as SHOT_FILES
from .shots import Shot, read_shots, write_shots
from .surfaces import surfaces

INFO = "pictures.json"
SIZES = (256, 512)
"""Pixels of a side of pictures to learn from."""
FARTHEST = 65535
"""That stands for 1 in depth passes."""

_ANY = Grid.centered((2, 2, 2), 1.0)
_VERSION = 3
_SHARD = 16
_ARRAYS = ("rgba", "opacity", "depth", "cast")


@dataclass(frozen=True)
class Picture:
    """One picture with all that is known of it; see the module's arrays.

    Attributes:
        volume: the name of what is shown.
        shot: what it shows.
        rgba, opacity, depth, cast: its arrays.
    """

    volume: str
    shot: Shot
    rgba: np.ndarray
    opacity: np.ndarray
    depth: np.ndarray
    cast: np.ndarray

    @property
    def surfaces(self) -> torch.Tensor:
        """What its passes tell, see ``surfaces.surfaces``; it takes no grid, since viewpoints are around any volume."""
        opacity, depth = self.opacity.astype(np.float32) / 255, self.depth.astype(np.float32) / FARTHEST
        return surfaces(opacity, depth, self.shot.view.camera(_ANY), _ANY)


def render_case(case: Case, shots: list[Shot], folder: Path, size: int, progress: Progress = silent) -> Path:
    """Render a volume's pictures into its folder, those that are not there yet.

    Args:
        case: of a CT in HU.
        shots: all of its pictures.
        folder: of the volume.
        size: pixels of a side.
        progress: is told of each shard.

    Returns:
        The folder's ``pictures.json``.

    Raises:
        UserError: the volume cannot be read or is not a CT, VTK cannot draw here, or the folder holds other pictures.
    """
    info = {
        "version": _VERSION,
        "size": size,
        "count": len(shots),
        "name": case.name,
        "patient": case.patient,
        "role": case.role,
        "source": case.source,
    }
    if (folder / INFO).is_file():
        _check_same(folder, info, shots)
    missing = [number for number in range(-(-len(shots) // _SHARD)) if not _shard(folder, number).is_dir()]
    if missing:
        volume = read_any_volume(case.path, case.slices)
        check_hu(volume.array, case.name)
        from .vtk_renderer import VtkRenderer

        renderer, coarse = VtkRenderer(volume), CoarseVolume.of(volume)
        write_shots(folder, shots)
        _write_coarse(coarse, folder / "coarse.npz")
        for done, number in enumerate(missing):
            progress(done / len(missing), f"{case.name}: picture {number * _SHARD + 1} of {len(shots)}")
            some = shots[number * _SHARD : (number + 1) * _SHARD]
            with staged(_shard(folder, number)) as temporary:
                temporary.mkdir()
                for name, array in _rendered(renderer, coarse, volume.grid, some, size).items():
                    np.save(temporary / f"{name}.npy", array)
        with staged(folder / INFO) as temporary:
            temporary.write_text(json.dumps(info, indent=2), encoding="utf-8")
    return folder / INFO


def picture_cases(data: Path) -> Iterator[tuple[Case, Path]]:
    """The volumes whose pictures a folder holds, with their ``pictures.json``."""
    for path in sorted(Path(data).glob(f"*/{INFO}")):
        info = read_info(path)
        yield Case(info["name"], path, info["patient"], info["role"], info["source"]), path


def read_info(path: Path) -> dict:
    """What a ``pictures.json`` says.

    Raises:
        UserError: it is damaged or of another version.
    """
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
        if info["version"] == _VERSION and {"size", "count", "name", "patient", "role", "source"} <= set(info):
            return info
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise UserError(f"The pictures in {path.parent} are damaged or of another version.", "Render them again.")


def point_to(path: Path, cache: Path) -> Path:
    """A file in a cache, named by the content of a volume's pictures, that stands for their ``pictures.json``."""
    digest = hashlib.sha256(path.read_bytes())
    for name in SHOT_FILES:
        digest.update((path.parent / name).read_bytes())
    pointer = cache / f"{digest.hexdigest()[:32]}.json"
    with staged(pointer) as temporary:
        temporary.write_text(json.dumps({"pictures": str(path.resolve())}), encoding="utf-8")
    return pointer


def pointed_to(path: Path) -> Path:
    """The ``pictures.json`` that a file of :func:`point_to` stands for, or that file itself."""
    if path.name == INFO:
        return path
    try:
        return Path(json.loads(path.read_text(encoding="utf-8"))["pictures"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} does not say where pictures are.", "Prepare the data again.") from error


def read_coarse(path: Path, device: str | torch.device = "cpu") -> CoarseVolume:
    """The coarse volume of the pictures of a ``pictures.json``, or of what stands for it."""
    with np.load(pointed_to(path).parent / "coarse.npz", allow_pickle=False) as file:
        grid = Grid(file["hu"].shape, file["ijk_to_ras"])
        whole = Grid(tuple(int(n) for n in file["whole_shape"]), file["whole_ijk_to_ras"])
        return CoarseVolume(file["hu"], grid, whole, device)


class Pictures(Dataset):
    """The pictures of several volumes, of one size, read from disk when asked for.

    Args:
        files: the volumes' ``pictures.json``, or what stands for them.

    Raises:
        UserError: their sizes differ, or see :func:`read_info`.
    """

    def __init__(self, files: list[Path]) -> None:
        self.files = [pointed_to(Path(file)) for file in files]
        infos = [read_info(file) for file in self.files]
        if len({info["size"] for info in infos}) > 1:
            raise UserError("The pictures are of several sizes.", "Render all of them at one size.")
        self._names = [info["name"] for info in infos]
        self._places = [(n, place) for n, info in enumerate(infos) for place in range(info["count"])]

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> Picture:
        volume, place = self._places[index]
        folder = self.files[volume].parent
        arrays = _arrays(_shard(folder, place // _SHARD))
        picked = (np.array(arrays[name][place % _SHARD]) for name in _ARRAYS)
        return Picture(self._names[volume], _shots(folder)[place], *picked)


def _rendered(renderer, coarse: CoarseVolume, grid: Grid, shots: list[Shot], size: int) -> dict[str, np.ndarray]:
    pictures: dict[str, list[np.ndarray]] = {name: [] for name in _ARRAYS}
    for shot in shots:
        camera = shot.view.camera(grid)
        pictures["rgba"].append(renderer.rgba(camera, shot.functions, size))
        pictures["opacity"].append(renderer.rgba(camera, shot.functions, size // 2)[..., 3])
        depth = renderer.depth(camera, shot.functions, size // 2)
        pictures["depth"].append((depth * FARTHEST).round().astype(np.uint16))
        with torch.inference_mode():
            seen = cast(coarse, camera, Tables.of(shot.functions), size)
        pictures["cast"].append(seen.numpy().astype(np.float16))
    return {name: np.stack(arrays) for name, arrays in pictures.items()}


def _check_same(folder: Path, info: dict, shots: list[Shot]) -> None:
    here = read_info(folder / INFO)
    same = {name: here[name] for name in ("size", "count", "name")} == {n: info[n] for n in ("size", "count", "name")}
    old = read_shots(folder)
    if not same or any(a.view != b.view for a, b in zip(old, shots, strict=True)):
        raise UserError(f"{folder} holds other pictures already.", "Choose another folder, or delete it.")


def _write_coarse(coarse: CoarseVolume, path: Path) -> None:
    with staged(path) as temporary:
        np.savez_compressed(
            temporary,
            hu=coarse.hu,
            ijk_to_ras=coarse.grid.ijk_to_ras,
            whole_shape=np.array(coarse.whole.shape),
            whole_ijk_to_ras=coarse.whole.ijk_to_ras,
        )


def _shard(folder: Path, number: int) -> Path:
    return folder / f"shard_{number:04d}"


@lru_cache(maxsize=256)
def _arrays(shard: Path) -> dict[str, np.ndarray]:
    return {name: np.load(shard / f"{name}.npy", mmap_mode="r") for name in _ARRAYS}


@lru_cache(maxsize=64)
def _shots(folder: Path) -> list[Shot]:
    return read_shots(folder)
