"""The trained models that a panel can offer, read without torch from the metadata of each model's folder."""

import json
import os
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from .resources import sharedResource


@dataclass(frozen=True)
class ModelEntry:
    """A model that can be chosen.

    Attributes:
        name: what the command line takes.
        title: what people read.
        task: what it is for, such as ``biplanar``.
        folder: its bundle.
        hasTexture: whether its results can be sharpened.
        snapshots: how many members its ensemble has beside the main weights.
    """

    name: str
    title: str
    task: str
    folder: Path
    hasTexture: bool = False
    snapshots: int = 0


def modelFolders() -> list[Path]:
    """The folders that may hold models: the shipped one, then the user's. The last of a name counts."""
    userFolder = os.environ.get("CTGAN_MODELS") or Path.home() / ".ctgan" / "models"
    return [sharedResource("Models"), Path(userFolder)]


def installedModels(*tasks: str) -> list[ModelEntry]:
    """The models for one of these tasks, such as ``biplanar``; folders that hold no readable model are passed over.

    Those that ship come first, so that a new model of the user's own is there to choose, but is not chosen by itself.
    Where several have the same title, as those that were trained here, the title tells the name too.
    """
    entries: dict[str, ModelEntry] = {}
    for folder in modelFolders():
        for path in sorted(folder.glob("*/configs/metadata.json")):
            try:
                metadata = json.loads(path.read_text(encoding="utf-8"))
                title, task = metadata["name"], metadata["ctgan"]["task"]
                further = set(metadata["ctgan"].get("further", {}))
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
                continue
            if task in tasks:
                bundle = path.parents[1]
                texture, snapshots = "texture" in further, len(further - {"texture"})
                entries[bundle.name] = ModelEntry(bundle.name, title, task, bundle, texture, snapshots)
    count = Counter(entry.title for entry in entries.values())
    return [
        entry if count[entry.title] == 1 else replace(entry, title=f"{entry.name}: {entry.title}")
        for entry in entries.values()
    ]
