"""3D convolutions that learn in half precision too."""

import torch
from torch import nn


class Conv3d(nn.Conv3d):
    """torch's, but in full precision where its half precision would spoil what is learned.

    On CPUs that compute in bfloat16, torch (2.13 at least) leaves the gradient of a kernel to chance, up to 1e38, where
    the kernel is taller than what it slides over, unless that is a single slice: oneDNN returns memory that it has not
    written. What it computes without gradients is right.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        spoiled = input.device.type == "cpu" and torch.is_grad_enabled() and 1 < input.shape[-3] < self.kernel_size[0]
        if not spoiled:
            return super().forward(input)
        with torch.autocast(input.device.type, enabled=False):
            return super().forward(input.float())


def with_true_gradients(network: nn.Module) -> nn.Module:
    """A network with :class:`Conv3d` for torch's, in place; its weights and their names stay."""
    for module in network.modules():
        if type(module) is nn.Conv3d:
            module.__class__ = Conv3d
    return network
