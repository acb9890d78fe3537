"""The recipes that can be trained, by name; a room is imported when it is asked for."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..training.kit import Kit

RECIPES = ("biplanar", "segmentation", "slices", "pyramid", "rendering")


def recipe_kit(recipe: str) -> "Kit":
    """What the recipe's room offers."""
    return importlib.import_module(f"..{recipe}.kit", __package__).KIT
