"""One plain training loop for every recipe: steps, progress, checkpoints that are complete or absent, resume."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import torch
from torch.utils.data import Dataset

from ..errors import UserError
from ..events import Progress, silent
from ..files import staged

CHECKPOINT = "checkpoint.pt"
_CHECKPOINT_SECONDS = 120


class Recipe(Protocol):
    """What a recipe offers the loop."""

    steps: int
    batch_size: int

    def step(self, number: int, batch: torch.Tensor) -> dict[str, float]:
        """Learn from a batch; return the losses by name."""

    def state_dict(self) -> dict:
        """All that a resumed run needs, as tensors and plain values."""

    def load_state_dict(self, state: dict) -> None:
        """Continue where :meth:`state_dict` was taken."""


def train(
    recipe: Recipe,
    data: Dataset,
    folder: str | Path,
    seed: int = 0,
    progress: Progress = silent,
    clock: Callable[[], float] = time.monotonic,
) -> float:
    """Run a recipe to its last step, resuming the checkpoint that ``folder`` holds, if any.

    Every step draws its batch and its random numbers from (seed, step) alone, so a resumed run continues as if it had
    never stopped. ``folder`` receives ``checkpoint.pt`` every two minutes and ``losses.jsonl``, a line a step.

    Returns:
        Seconds spent on all steps, those before a resume included.

    Raises:
        UserError: the checkpoint is damaged or the losses are no longer numbers.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    first, spent = _resume(recipe, folder / CHECKPOINT)
    saved = begin = clock() - spent
    with _losses_from(folder / "losses.jsonl", first) as log:
        for number in range(first, recipe.steps):
            torch.manual_seed(hash((seed, number)) % 2**63)
            batch = torch.stack([data[index] for index in _draw(len(data), recipe.batch_size, seed, number)])
            losses = recipe.step(number, batch)
            if not all(torch.isfinite(torch.tensor(list(losses.values())))):
                raise UserError(
                    f"Training diverged at step {number}.", "Start again with a lower learning rate."
                )
            log.write(json.dumps({"step": number, **losses}) + "\n")
            progress((number + 1) / recipe.steps, " ".join(f"{name} {value:.4f}" for name, value in losses.items()))
            if clock() - saved > _CHECKPOINT_SECONDS:
                log.flush()
                saved = clock()
                _save(recipe, number + 1, saved - begin, folder / CHECKPOINT)
    spent = clock() - begin
    _save(recipe, recipe.steps, spent, folder / CHECKPOINT)
    return spent


def _draw(count: int, batch_size: int, seed: int, number: int) -> list[int]:
    """The cases of step ``number``: permutations of all cases, one after the other, cut into batches."""
    positions = range(number * batch_size, (number + 1) * batch_size)
    return [_permutation(count, seed, position // count)[position % count] for position in positions]


def _permutation(count: int, seed: int, epoch: int) -> list[int]:
    generator = torch.Generator().manual_seed(hash((seed, -1, epoch)) % 2**63)
    return torch.randperm(count, generator=generator).tolist()


def _save(recipe: Recipe, step: int, seconds: float, path: Path) -> None:
    with staged(path) as temporary:
        torch.save({"step": step, "seconds": seconds, "recipe": recipe.state_dict()}, temporary)


def _resume(recipe: Recipe, path: Path) -> tuple[int, float]:
    """Load a checkpoint if there is one; return the step to go on with and the seconds spent before."""
    if not path.exists():
        return 0, 0.0
    try:
        state = torch.load(path, weights_only=True)
        recipe.load_state_dict(state["recipe"])
        return state["step"], state["seconds"]
    except Exception as error:
        raise UserError(
            f"The checkpoint {path} cannot be resumed.", "It is damaged or of another recipe; choose another folder."
        ) from error


def _losses_from(path: Path, step: int):
    """The loss log, open for writing after the lines before ``step``."""
    kept = [line for line in path.read_text().splitlines() if json.loads(line)["step"] < step] if path.exists() else []
    path.write_text("".join(line + "\n" for line in kept))
    return path.open("a")
