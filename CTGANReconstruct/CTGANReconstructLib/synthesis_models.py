"""What a model can make from noise, read without torch from its bundle."""

import json
from dataclasses import dataclass
from pathlib import Path

from .models import ModelEntry

TASKS = ("pyramid", "slices")
"""The tasks whose models make something from noise."""

Size = tuple[int, int, int]
"""Voxels along i, j, k."""


@dataclass(frozen=True)
class Abilities:
    """What can be asked of a model beside count and seed.

    Attributes:
        description: a sentence or two about the model.
        makesVolumes: whether it makes volumes, and not one stack of slices.
        sizes: of the volumes that it learned from at each scale, the coarsest first; empty for slices.
        hasFixedSlices: whether all its volumes have as many slices.
        classes: the names of the classes that it can tell apart.
    """

    description: str = ""
    makesVolumes: bool = True
    sizes: tuple[Size, ...] = ()
    hasFixedSlices: bool = False
    classes: tuple[str, ...] = ()


def abilitiesOf(model: ModelEntry) -> Abilities:
    """Read the abilities of a model for one of ``TASKS``. What a damaged bundle does not tell is taken to be missing;
    the backend says so when the model is used."""
    metadata, inference = (_json(model.folder / "configs" / name) for name in ("metadata.json", "inference.json"))
    ours, network = (_dictionary(metadata.get("ctgan")), _dictionary(inference.get("network_def")))
    return Abilities(
        str(metadata.get("description", "")),
        model.task == "pyramid",
        _sizes(_list(network.get("shapes"), int)),
        network.get("dimensions") == [2],
        tuple(_list(ours.get("classes"), str)),
    )


def _json(path: Path) -> dict:
    try:
        return _dictionary(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def _dictionary(value: object) -> dict:
    return value if isinstance(value, dict) else {}


def _list(value: object, kind: type) -> list:
    return value if isinstance(value, list) and all(isinstance(each, kind) for each in value) else []


def _sizes(shapes: list[int]) -> tuple[Size, ...]:
    """Shapes (k, j, i) of all scales, one after the other, as sizes along i, j, k."""
    return tuple((shapes[n + 2], shapes[n + 1], shapes[n]) for n in range(0, len(shapes) - 2, 3))
