"""Where networks cannot learn in half precision."""

import torch


def learns_in_half(device: torch.device, slices: int, kernel: int) -> bool:
    """Whether autocast leaves the gradients of 3D convolutions right.

    On CPUs that compute in bfloat16, torch (2.13 at least) leaves the gradient of a kernel to chance, up to 1e38, where
    the kernel is taller than what it slides over, unless that is a single slice: oneDNN returns memory that it has not
    written. What it computes without gradients is right.

    Args:
        device: that computes.
        slices: of the lowest input of such a convolution, along k.
        kernel: size of its kernel along k.
    """
    return device.type != "cpu" or slices == 1 or slices >= kernel
