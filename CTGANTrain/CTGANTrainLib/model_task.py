"""What the command line does with the model store."""

from dataclasses import dataclass
from pathlib import Path


@dataclass
class ModelTask:
    """One of ``verify``, ``import``, ``export``, ``rename``, ``delete``, and what it is about."""

    action: str
    values: tuple[str, ...]

    def prepare(self, folder: Path) -> list[str]:
        return ["models", self.action, *self.values]

    def finish(self, result: dict) -> dict:
        return result


def storedModels() -> list[dict]:
    """All models that can be read; see ``CTGANLib.models.store.describe`` for what is said of each."""
    from CTGANLib.models.store import describe, list_models

    return [describe(model) for model in list_models()]
