"""Volumes as stacks of slabs along the beam, neighboring slabs summed where no pixel can tell them apart."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

# Summing neighboring slabs shifts what each of them shows on the detector. This bounds the shift: root mean square
# over slabs and rays, in pixels. On a chest CT it costs 0.1 to 0.2 % of the picture's mean (Testing/benchmarks).
MAX_SHIFT = 0.165

Transform = Callable[[torch.Tensor], torch.Tensor]
ALL = slice(None)

# Voxels that are summed at once: few enough for a CPU's cache.
_BLOCK = 2**19


def full_precision(tensor: torch.Tensor) -> torch.autocast:
    """A context in which matrix products keep their precision, even within autocast."""
    return torch.autocast(tensor.device.type, enabled=False)


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, apply, transpose):
        ctx.maps = transpose, apply
        with full_precision(x):
            return apply(x)

    @staticmethod
    def backward(ctx, gradient):
        return _Linear.apply(gradient, *ctx.maps), None, None


def linear(x: torch.Tensor, apply: Transform, transpose: Transform) -> torch.Tensor:
    """``apply(x)``, differentiable any number of times through ``transpose``, its transposed map. Saves no tensor."""
    return _Linear.apply(x, apply, transpose)


def slabs_to_sum(shift: float, size: int) -> int:
    """How many neighboring slabs may be summed.

    Args:
        shift: pixels by which two neighboring slabs differ on the detector, root mean square over the rays.
        size: how many slabs there are.
    """
    # The slabs of a group of n lie √((n² - 1) / 12) from its middle, root mean square.
    largest = math.sqrt(12 * (MAX_SHIFT / shift) ** 2 + 1) if shift > 0 else size
    return max(1, min(size, int(largest)))


@dataclass(frozen=True)
class SlabSum:
    """Sums of neighboring slabs of a volume. Half-precision values are summed in single precision.

    Attributes:
        axis: 0, 1 or 2 for slabs along i, j or k.
        count: how many neighbors to sum; the last group may be smaller.
        size: how many slabs there are.
    """

    axis: int
    count: int
    size: int

    @property
    def positions(self) -> torch.Tensor:
        """Middle of each group as an index into the slabs; float64."""
        first = torch.arange(0, self.size, self.count, dtype=torch.float64)
        return (first + (first + self.count).clamp(max=self.size) - 1) / 2

    def part(self, volume: torch.Tensor, groups: slice = ALL, rows: slice = ALL) -> torch.Tensor:
        """A view of some groups of slabs and of some rows along the slower of the other axes: [batch, k, j, i]."""
        first, last, _ = groups.indices(-(-self.size // self.count))
        index = [ALL] * 4
        index[3 - self.axis] = slice(first * self.count, last * self.count)
        index[2 if self.axis == 2 else 1] = rows
        return volume[:, 0][tuple(index)]

    def sum(self, x: torch.Tensor) -> torch.Tensor:
        """A :meth:`part` of a volume to the stack of its summed slabs [groups, batch, slower axis, faster axis]."""
        dimension, slower = 3 - self.axis, 2 if self.axis == 2 else 1
        dtype = torch.promote_types(x.dtype, torch.float32)
        if self.count == 1:
            return x.movedim(dimension, 0).to(dtype)
        shape = [n for axis, n in enumerate(x.shape) if axis != dimension]
        stack = x.new_empty(-(-x.shape[dimension] // self.count), *shape, dtype=dtype)
        rows = max(1, _BLOCK * x.shape[slower] // max(1, x.numel()))
        for first in range(0, x.shape[slower], rows):
            block = x.narrow(slower, first, min(rows, x.shape[slower] - first)).to(dtype)
            stack[:, :, first : first + rows] = self._sum(block, dimension)
        return stack

    def _sum(self, x: torch.Tensor, dimension: int) -> torch.Tensor:
        whole = x.shape[dimension] // self.count * self.count
        groups = x.narrow(dimension, 0, whole).unflatten(dimension, (-1, self.count))
        # A product with ones is twice as fast as torch.sum.
        if dimension == 3:
            sums = groups @ x.new_ones(self.count)
        else:
            sums = (x.new_ones(1, self.count) @ groups.flatten(dimension + 2)).squeeze(-2)
            sums = sums.unflatten(-1, groups.shape[dimension + 2 :])
        if whole < x.shape[dimension]:
            rest = x.narrow(dimension, whole, x.shape[dimension] - whole).sum(dimension, keepdim=True)
            sums = torch.cat([sums, rest], dimension)
        return sums.movedim(dimension, 0)

    def spread(self, stack: torch.Tensor, part: torch.Tensor) -> None:
        """The transpose of :meth:`sum`, written into a :meth:`part` of a volume."""
        dimension = 3 - self.axis
        whole = part.shape[dimension] // self.count * self.count
        stack = stack.movedim(0, dimension)
        groups = part.narrow(dimension, 0, whole).unflatten(dimension, (-1, self.count))
        groups.copy_(stack.narrow(dimension, 0, whole // self.count).unsqueeze(dimension + 1))
        if whole < part.shape[dimension]:
            part.narrow(dimension, whole, part.shape[dimension] - whole).copy_(stack.narrow(dimension, -1, 1))


class Slabs:
    """The slabs of a volume, summed as they are asked for.

    Args:
        volume: attenuation [batch, 1, k, j, i] in 1/mm.
    """

    def __init__(self, volume: torch.Tensor) -> None:
        self.volume = volume

    def stack(self, summing: SlabSum, groups: slice = ALL, rows: slice = ALL) -> torch.Tensor:
        """Summed slabs [groups, batch, slower axis, faster axis], all or some, see :class:`SlabSum`."""
        return summing.sum(summing.part(self.volume, groups, rows))


class PreparedVolume(Slabs):
    """A volume that is projected many times: its slabs are summed once, and again after it was changed.

    It carries no gradient to the volume. Changes that bypass torch (through a numpy array that shares the memory)
    cannot be seen: prepare the volume again after them.

    Args:
        volume: attenuation [batch, 1, k, j, i] in 1/mm.
    """

    def __init__(self, volume: torch.Tensor) -> None:
        super().__init__(volume.detach())
        self._version = self._current_version
        self._stacks: dict[SlabSum, torch.Tensor] = {}

    @property
    def _current_version(self) -> int:
        return 0 if self.volume.is_inference() else self.volume._version

    def stack(self, summing: SlabSum, groups: slice = ALL, rows: slice = ALL) -> torch.Tensor:
        if self._version != self._current_version:
            self._stacks.clear()
            self._version = self._current_version
        if summing not in self._stacks:
            self._stacks[summing] = super().stack(summing)
        return self._stacks[summing][groups, :, rows]
