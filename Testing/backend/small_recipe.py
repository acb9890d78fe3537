"""The smallest recipe with two players, and a program that trains it, for tests that kill or join processes.

``python small_recipe.py FOLDER STEPS [SECONDS]``: each step takes so many seconds more.
"""

import copy
import sys
import time
from dataclasses import dataclass

import numpy as np
import torch

from CTGANLib.imaging.geometry import Grid
from CTGANLib.imaging.volumes import Volume
from CTGANLib.training.distributed import joined_world
from CTGANLib.training.loop import Training
from CTGANLib.training.players import Player
from CTGANLib.training.runs import Run
from CTGANLib.training.settings import TrainingSettings

SETTINGS = TrainingSettings(steps=12, batch_size=4, validations=4)


class Points:
    """Numbers to fit a line to."""

    def __init__(self, count: int = 7) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.tensor([float(index)])


@dataclass
class Batch:
    points: torch.Tensor
    noise: torch.Tensor


class Line:
    """A generator fits a line to noisy points; a discriminator guesses the noise."""

    def __init__(self, seconds: float = 0.0, largest: int = 99) -> None:
        torch.manual_seed(5)
        self.device, self.seconds, self.largest = torch.device("cpu"), seconds, largest
        generator, discriminator = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
        self.players = {
            name: Player(network, torch.optim.Adam(network.parameters()), lambda number: 0.1, floor=floor, clip=100)
            for name, network, floor in (("generator", generator, 0.0), ("discriminator", discriminator, 0.01))
        }
        self.average = copy.deepcopy(generator)
        self.worse_from = 10**9

    def examples(self, items: torch.Tensor, seeds: list[int]) -> Batch:
        if len(items) > self.largest:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return Batch(items, torch.cat([torch.randn(1, 1, generator=torch.Generator().manual_seed(s)) for s in seeds]))

    def losses(self, player: str, network: torch.nn.Module, batch: Batch, number: int) -> dict[str, torch.Tensor]:
        if player == "generator":
            time.sleep(self.seconds)
            error = network(batch.points) - 2 * batch.points - batch.noise - torch.rand(1)
            return {"fit": (error**2).mean(), "small": 1e-3 * (network(batch.points) ** 2).mean()}
        return {"discriminator": ((network(batch.noise) - batch.points) ** 2).mean()} if number % 3 else {}

    def validate(self, data) -> tuple[dict[str, float], dict[str, Volume]]:
        steps = self.players["generator"].optimizer.state_dict()["state"][0]["step"]
        volume = Volume(np.full((3, 4, 5), int(steps), np.int16), Grid.centered((3, 4, 5), 2.0))
        return {"score": -abs(float(steps) - self.worse_from)}, {"prediction": volume, "truth": volume}


def main(folder: str, steps: str, seconds: str = "0") -> None:
    settings = TrainingSettings(steps=int(steps), batch_size=4, validations=0)
    with joined_world("cpu") as world:
        ticks = iter(range(0, 10**9, 130))  # so that each step is followed by a checkpoint
        recipe = Line(float(seconds))
        Training(recipe, Points(), [], Run(folder), settings, world, clock=lambda: next(ticks)).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
