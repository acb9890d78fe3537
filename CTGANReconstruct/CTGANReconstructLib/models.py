"""The trained models that a panel can offer, read without torch from the metadata of each model's folder."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from .resources import sharedResource


@dataclass(frozen=True)
class ModelEntry:
    """A model: the ``name`` that the command line takes, and the ``title`` that people read."""

    name: str
    title: str


def modelFolders() -> list[Path]:
    """The folders that may hold models: the user's, then the shipped one. The first of a name counts."""
    userFolder = os.environ.get("CTGAN_MODELS") or Path.home() / ".ctgan" / "models"
    return [Path(userFolder), sharedResource("Models")]


def installedModels(task: str) -> list[ModelEntry]:
    """The models for a task, such as ``biplanar``; folders that hold no readable model are passed over."""
    entries: dict[str, ModelEntry] = {}
    for folder in modelFolders():
        for path in sorted(folder.glob("*/configs/metadata.json")):
            try:
                metadata = json.loads(path.read_text(encoding="utf-8"))
                title, modelTask = metadata["name"], metadata["ctgan"]["task"]
            except (OSError, ValueError, KeyError, TypeError):
                continue
            if modelTask == task:
                name = path.parents[1].name
                entries.setdefault(name, ModelEntry(name, title))
    return list(entries.values())
