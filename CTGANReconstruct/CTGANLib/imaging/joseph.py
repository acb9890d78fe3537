"""Line integrals along any rays: Joseph's method, slab by slab along the axis that each ray follows most."""

import torch
from torch.nn import functional as F

from .rays import RayBundle
from .slabs import Slabs, SlabSum

# Points that are interpolated at once: few enough for a CPU's cache, or enough to keep a GPU busy.
_BLOCK = 2**20
_GPU_BLOCK = 2**24


class JosephSums:
    """Sums of slabs' values where rays cross them, each interpolated between four voxels.

    Source: P. M. Joseph, IEEE TMI 1(3), 1982.

    Args:
        rays: the rays.
        summing: how slabs are summed first.
        plane: number of voxels of a slab along its slower and its faster axis.
        like: a tensor of the type and on the device of the sums.

    Attributes:
        start, slope: of the rays, [rays, 2], where -1 and 1 are the outer edges of a slab, as in grid_sample.
    """

    def __init__(self, rays: RayBundle, summing: SlabSum, plane: tuple[int, int], like: torch.Tensor) -> None:
        self._summing, self._plane = summing, plane
        self._positions = summing.positions.to(like)
        scale = 2 / torch.tensor(plane[::-1], dtype=torch.float64)
        self.start = ((rays.start + 0.5) * scale - 1).to(like)
        self.slope = (rays.slope * scale).to(like)

    def project(self, slabs: Slabs) -> torch.Tensor:
        """The slabs' sums [batch, rays]."""
        sums = self.start.new_zeros(len(slabs.volume), len(self.start))
        for some in self._blocks():
            stack = slabs.stack(self._summing, some)
            sums += F.grid_sample(stack, self._crossings(some), align_corners=False)[:, :, 0].sum(0)
        return sums

    def transpose(self, values: torch.Tensor, volume: torch.Tensor) -> None:
        """The transpose of :meth:`project`: [batch, rays], written into a volume [batch, 1, k, j, i]."""
        for some in self._blocks():
            crossings = self._crossings(some)
            nothing = values.new_zeros(1).expand(len(crossings), len(values), *self._plane)
            stack, _ = _sample_backward(values, nothing, crossings, [True, False])
            self._summing.spread(stack, self._summing.part(volume, some))

    def rays_gradient(self, values: torch.Tensor, slabs: Slabs) -> tuple[torch.Tensor, torch.Tensor]:
        """Gradients for start and slope of the gradient for the sums [batch, rays]."""
        start, slope = torch.zeros_like(self.start), torch.zeros_like(self.slope)
        for some in self._blocks():
            stack = slabs.stack(self._summing, some)
            _, gradient = _sample_backward(values, stack, self._crossings(some), [False, True])
            start += gradient[:, 0].sum(0)
            slope += (gradient[:, 0] * self._positions[some, None, None]).sum(0)
        return start, slope

    def _crossings(self, some: slice) -> torch.Tensor:
        """Where the rays cross some groups of slabs: [groups, 1, rays, 2]."""
        return torch.addcmul(self.start, self._positions[some, None, None], self.slope)[:, None].detach()

    def _blocks(self) -> list[slice]:
        at_once = max(1, (_BLOCK if self.start.device.type == "cpu" else _GPU_BLOCK) // len(self.start))
        return [slice(first, first + at_once) for first in range(0, len(self._positions), at_once)]


def _sample_backward(values: torch.Tensor, stack: torch.Tensor, crossings: torch.Tensor, wanted: list[bool]):
    gradient = values[None, :, None].expand(len(crossings), -1, -1, -1)
    return torch.ops.aten.grid_sampler_2d_backward(gradient, stack, crossings, 0, 0, False, wanted)
