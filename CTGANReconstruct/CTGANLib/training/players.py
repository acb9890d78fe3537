"""The networks that learn, alone or against each other, and how one step moves them."""

import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn

from ..errors import UserError
from .distributed import World

_AVERAGED_STEPS, _AVERAGED_SHARE = 200, 6
"""The running average spans so many steps, and of a short run one part in so many."""

Items = torch.Tensor | list
"""Patients of one size as a tensor [patients, ...], others as a list."""


@dataclass
class Player:
    """One network that learns.

    Attributes:
        network: on the device that trains.
        optimizer: of its parameters.
        rate: the learning rate at a step.
        floor: while its loss lies below, a player does not move, so that the others can catch up.
        clip: largest norm of the gradient.
    """

    network: nn.Module
    optimizer: torch.optim.Optimizer
    rate: Callable[[int], float]
    floor: float = 0.0
    clip: float = 1.0


class Recipe(Protocol):
    """What is learned, from what, by which losses.

    Attributes:
        players: by name, in the order in which they move; the first makes what is published.
        average: takes the running average of the first player's weights.
        device: that trains.
    """

    players: dict[str, Player]
    average: nn.Module
    device: torch.device

    def examples(self, items: Items, seeds: list[int]) -> Any:
        """What the players see of some patients, which are one tensor on the device, or a list where they differ in
        size. Random numbers for item n come from ``seeds[n]`` alone, so that it does not matter which process or which
        part of a batch it falls to. The result may take along, from one player to the next, what both need."""

    def losses(self, player: str, network: nn.Module, batch: Any, number: int) -> dict[str, torch.Tensor]:
        """The losses of a player at step ``number``, weighted, as means over the batch; their sum is minimized.
        Empty where it sits the step out. ``network`` is the player's, wrapped for training in several processes."""

    def validate(self, items: list[torch.Tensor]) -> tuple[dict[str, float], dict[str, Any]]:
        """Scores of the average network on patients held out, higher is better for the first; and of the first
        patient the volumes ``prediction`` and ``truth`` to look at, perhaps with a picture ``sheet`` for people (uint8
        [rows, columns]), which is kept of every validation."""


class Table:
    """Moves the players of a recipe, in several processes, and in parts of a batch where memory is short.

    Attributes:
        part: patients that are computed at a time.
    """

    def __init__(self, recipe: Recipe, world: World, part: int, steps: int) -> None:
        """``steps`` is the length of the whole run."""
        self.recipe, self.part, self._world = recipe, part, world
        self._averaged = min(_AVERAGED_STEPS, max(10, steps // _AVERAGED_SHARE))
        self._networks = {name: world.wrap(player.network) for name, player in recipe.players.items()}
        self._moves = 0

    def step(self, number: int, items: Items, seeds: list[int], seed: int, scale: float) -> dict[str, float]:
        """Move every player once.

        Args:
            number: of the step.
            items: this process's patients.
            seeds: of the random numbers of each patient.
            seed: of those that all patients share; the same in all processes.
            scale: of the learning rates.

        Returns:
            The losses by name, means over all processes. A player whose losses are not numbers has not moved.

        Raises:
            UserError: not even one patient at a time fits into memory.
        """
        losses: dict[str, float] = {}
        parts: list = []
        for name, player in self.recipe.players.items():
            moved = None
            while moved is None:
                try:
                    parts = parts or self._parts(items, seeds)
                    moved = self._world.mean(self._gradient(name, number, parts, seed))
                except RuntimeError as error:
                    if not _is_out_of_memory(error):
                        raise
                    parts = []
                    self._take_smaller_parts(error)
            total = sum(moved.values())
            if moved and math.isfinite(total) and total >= player.floor:
                _descend(player, scale * player.rate(number))
            losses |= moved
        self._follow()
        return losses

    def state_dict(self) -> dict:
        """Everything that learns, as tensors and plain values."""
        players = self.recipe.players.items()
        return {
            "networks": {name: player.network.state_dict() for name, player in players},
            "optimizers": {name: player.optimizer.state_dict() for name, player in players},
            "average": self.recipe.average.state_dict(),
            "moves": self._moves,
        }

    def load_state_dict(self, state: dict) -> None:
        """Continue where :meth:`state_dict` was taken."""
        for name, player in self.recipe.players.items():
            player.network.load_state_dict(state["networks"][name])
            player.optimizer.load_state_dict(state["optimizers"][name])
        self.recipe.average.load_state_dict(state["average"])
        self._moves = state["moves"]

    def _parts(self, items: Items, seeds: list[int]) -> list[tuple[Any, float]]:
        """For each part of the batch what the players see of it, and its share of the batch."""
        chunks = [slice(start, start + self.part) for start in range(0, len(items), self.part)]
        return [
            (self.recipe.examples(self._here(items[chunk]), seeds[chunk]), len(seeds[chunk]) / len(items))
            for chunk in chunks
        ]

    def _here(self, items: Items) -> Items:
        return items.to(self.recipe.device) if isinstance(items, torch.Tensor) else items

    def _gradient(self, name: str, number: int, parts: list[tuple[Any, float]], seed: int) -> dict[str, float]:
        """Add up the gradient of one player over the parts; return its losses."""
        network = self._networks[name]
        for other, player in self.recipe.players.items():
            player.network.requires_grad_(other == name)
        self.recipe.players[name].optimizer.zero_grad(set_to_none=True)
        losses: dict[str, float] = {}
        for index, (batch, share) in enumerate(parts):
            torch.manual_seed(seed)
            last = index == len(parts) - 1
            with nullcontext() if last else self._world.without_exchange(network):
                values = self.recipe.losses(name, network, batch, number)
                if values:
                    (share * sum(values.values())).backward()
            for key, value in values.items():
                losses[key] = losses.get(key, 0.0) + share * float(value.detach())
        return losses

    def _take_smaller_parts(self, error: RuntimeError) -> None:
        if self.part == 1:
            advice = "Train on another device, or close other programs that use its memory."
            raise UserError("Not even one patient at a time fits into the memory of the device.", advice) from error
        self.part = (self.part + 1) // 2
        for player in self.recipe.players.values():
            player.optimizer.zero_grad(set_to_none=True)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    @torch.no_grad()
    def _follow(self) -> None:
        """The average forgets the beginning quickly."""
        self._moves += 1
        weight = 1 / min(self._moves, self._averaged)
        newest = next(iter(self.recipe.players.values())).network
        for kept, new in zip(self.recipe.average.parameters(), newest.parameters(), strict=True):
            kept.lerp_(new, weight)
        for kept, new in zip(self.recipe.average.buffers(), newest.buffers(), strict=True):
            # Such as the means of batch normalization, which single batches say little of.
            kept.lerp_(new, weight) if kept.is_floating_point() else kept.copy_(new)


def _descend(player: Player, rate: float) -> None:
    for group in player.optimizer.param_groups:
        group["lr"] = rate
    nn.utils.clip_grad_norm_(player.network.parameters(), player.clip)
    player.optimizer.step()


def _is_out_of_memory(error: RuntimeError) -> bool:
    """CUDA has a type for it; MPS and the CPU say it in words."""
    text = str(error)
    return isinstance(error, torch.OutOfMemoryError) or "out of memory" in text or "can't allocate memory" in text
