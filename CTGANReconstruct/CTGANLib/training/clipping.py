"""What clipping to the window of HU mends in a result is no error of the network."""

import torch


def as_clipped(predicted: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Predicted values of a window [0, 1], with the truth's own value where both lie at or beyond the same end of it.

    There the clipped result is the truth. So a network may give less than air around the body, and need not hit it:
    what is left of haze there is what lowers SSIM most.

    Args:
        predicted, target: of the same shape.
    """
    past = ((target <= 0) & (predicted < 0)) | ((target >= 1) & (predicted > 1))
    return torch.where(past, target, predicted)
