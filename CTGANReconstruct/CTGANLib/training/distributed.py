"""Training in several processes under ``torchrun``: torch's DistributedDataParallel and the little around it."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

# One process prepares a data set while the others wait; torchrun notices a dead one by itself.
_TIMEOUT = timedelta(hours=12)


@dataclass(frozen=True)
class World:
    """The processes that train together; by default one alone.

    Attributes:
        rank: this process among them, from 0.
        size: how many they are.
    """

    rank: int = 0
    size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this process writes and reports."""
        return self.rank == 0

    def wrap(self, network: nn.Module) -> nn.Module:
        """The network with gradients averaged over the processes."""
        if self.size == 1:
            return network
        # A run at half resolution does not use all parameters.
        return DistributedDataParallel(network, find_unused_parameters=True)

    def without_exchange(self, network: nn.Module) -> AbstractContextManager:
        """A context in which a wrapped network only adds up gradients."""
        return network.no_sync() if self.size > 1 else nullcontext()

    def mean(self, values: dict[str, float]) -> dict[str, float]:
        """Mean of each value over the processes."""
        if self.size == 1 or not values:
            return values
        total = torch.tensor(list(values.values()), dtype=torch.float64)
        total = total.to(_exchange_device())
        distributed.all_reduce(total)
        return dict(zip(values, (total / self.size).tolist(), strict=True))

    def agreed(self, value: int) -> int:
        """The main process's value, in all of them."""
        if self.size == 1:
            return value
        shared = torch.tensor([value], device=_exchange_device())
        distributed.broadcast(shared, 0)
        return int(shared)

    def wait(self) -> None:
        """Wait until all processes are here."""
        self.agreed(0)


@contextmanager
def joined_world(device: str) -> Iterator[World]:
    """The processes that ``torchrun`` started with this one, or this one alone.

    Args:
        device: ``cuda`` uses NCCL and one GPU a process, all others gloo.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield World()
        return
    if device == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("nccl" if device == "cuda" else "gloo", timeout=_TIMEOUT)
    try:
        yield World(distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()


def is_restarted() -> bool:
    """Whether this process takes the place of one that is gone: as torchrun says, or the files of a cluster."""
    counts = ("TORCHELASTIC_RESTART_COUNT", "CTGAN_RESTARTED")
    return any(int(os.environ.get(name) or 0) > 0 for name in counts)


def _exchange_device() -> str:
    return "cuda" if distributed.get_backend() == "nccl" else "cpu"
