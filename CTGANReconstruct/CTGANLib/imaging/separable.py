"""Line integrals where the detector is parallel to two axes of the volume: one axis after the other."""

import torch
from torch.nn import functional as F

from .rays import SeparableRays
from .slabs import ALL, Slabs, SlabSum

# Voxels of summed slabs that are interpolated at once: few enough for a CPU's cache.
_BLOCK = 2**18


class SeparableSums:
    """Sums of slabs' values where rays cross them, the same as :class:`.joseph.JosephSums` gives.

    With the slabs V_s, P = Σ_s R_s V_s C_sᵀ, where R_s and C_s interpolate linearly between two voxels each.

    Args:
        rays: the rays.
        summing: how slabs are summed first.
        plane: number of voxels of a slab along its slower and its faster axis.
        like: a tensor of the type and on the device of the sums.
    """

    def __init__(self, rays: SeparableRays, summing: SlabSum, plane: tuple[int, int], like: torch.Tensor) -> None:
        self._summing, self._plane, self._rows_are_slow = summing, plane, rays.rows_are_slow
        slow = rays.slow[0, :, None] + rays.slow[1, :, None] * summing.positions
        self._reach = slow.amin(1), slow.amax(1)
        self._slow = slow.to(like)  # [pixels, slabs]
        # grid_sample counts from -1 to 1 between the outer edges of the picture.
        fast = (rays.fast[0] + summing.positions[:, None] * rays.fast[1] + 0.5) * (2 / plane[1]) - 1
        self._fast = F.pad(fast[:, None, :, None], (0, 1)).to(like)  # [slabs, 1, pixels, (x, 0)]

    def project(self, slabs: Slabs) -> torch.Tensor:
        """The slabs' sums [batch, pixels]."""
        image = self._fast.new_zeros(len(slabs.volume), len(self._slow), self._fast.shape[2])
        for rows, pixels in self._blocks(len(slabs.volume)):
            stack = slabs.stack(self._summing, ALL, rows)
            # Each row of voxels is a channel of a picture that is one pixel high.
            lines = F.grid_sample(stack.flatten(1, 2)[:, :, None], self._fast, align_corners=False)
            lines = lines.view(*stack.shape[:3], -1).transpose(0, 1).flatten(1, 2)
            image[:, pixels] += self._weights(rows, pixels) @ lines
        return (image if self._rows_are_slow else image.mT).flatten(1)

    def transpose(self, values: torch.Tensor, volume: torch.Tensor) -> None:
        """The transpose of :meth:`project`: [batch, pixels], written into a volume [batch, 1, k, j, i]."""
        shape = len(self._slow), self._fast.shape[2]
        image = values.unflatten(1, shape) if self._rows_are_slow else values.unflatten(1, shape[::-1]).mT
        for rows, pixels in self._blocks(len(values)):
            lines = self._weights(rows, pixels).mT @ image[:, pixels]
            lines = lines.unflatten(1, (len(self._fast), -1)).transpose(0, 1)
            nothing = values.new_zeros(1).expand(len(lines), lines.shape[1] * lines.shape[2], 1, self._plane[1])
            stack, _ = torch.ops.aten.grid_sampler_2d_backward(
                lines.flatten(1, 2)[:, :, None], nothing, self._fast, 0, 0, False, [True, False]
            )
            part = self._summing.part(volume, ALL, rows)
            self._summing.spread(stack.view(*lines.shape[:3], self._plane[1]), part)

    def _blocks(self, batch: int) -> list[tuple[slice, slice]]:
        """Rows of voxels along the slower axis, block by block, and the pixels that see them."""
        at_once = max(1, _BLOCK // (batch * len(self._fast) * self._plane[1]))
        low, high = self._reach
        blocks = []
        for first in range(0, self._plane[0], at_once):
            last = min(first + at_once, self._plane[0])
            seen = ((high > first - 1) & (low < last)).nonzero()
            pixels = slice(int(seen.min()), int(seen.max()) + 1) if len(seen) else slice(0, 0)
            blocks.append((slice(first, last), pixels))
        return blocks

    def _weights(self, rows: slice, pixels: slice) -> torch.Tensor:
        """R_s as a matrix [pixels, slabs · voxels]: the product with it also sums the slabs."""
        voxels = torch.arange(rows.start, rows.stop, device=self._slow.device, dtype=self._slow.dtype)
        distance = self._slow[pixels, :, None] - voxels
        return distance.abs_().neg_().add_(1).clamp_(min=0).flatten(1)
