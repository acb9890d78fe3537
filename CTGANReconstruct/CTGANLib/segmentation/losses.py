"""Dice and cross entropy where a voxel has a set of possible labels instead of one."""

import torch
from monai.losses import DiceLoss
from torch.nn import functional as F

# Classes that a patch does not show tell nothing by their Dice, but cost little where hardly anything is predicted.
_SMOOTH = 1.0


def members(sets: torch.Tensor, classes: int) -> torch.Tensor:
    """Which classes are possible, as booleans [batch, classes, ...], from sets [batch, 1, ...]."""
    numbers = torch.arange(classes, device=sets.device).view(1, -1, *[1] * (sets.ndim - 2))
    return (sets >> numbers & 1).bool()


def set_loss(logits: torch.Tensor, sets: torch.Tensor) -> torch.Tensor:
    """Marginal cross entropy, and Dice where it is known whether a voxel is of a class (Shi et al., 2021).

    Args:
        logits: [batch, classes, k, j, i].
        sets: of possible classes, whole numbers [batch, 1, k, j, i].
    """
    possible = members(sets, logits.shape[1])
    logits = logits.float()
    total = logits.logsumexp(1)
    entropy = (total - logits.masked_fill(~possible, -1e4).logsumexp(1)).mean()
    only = possible & (possible.sum(1, keepdim=True) == 1)
    known = only | ~possible
    dice = DiceLoss(include_background=False, batch=True, smooth_nr=_SMOOTH, smooth_dr=_SMOOTH)
    return entropy + dice(logits.softmax(1) * known, only.float())


def deep_loss(levels: list[torch.Tensor], sets: torch.Tensor) -> torch.Tensor:
    """:func:`set_loss` of each level of a network with deep supervision, the coarser ones with less weight."""
    weights = [0.5**n for n in range(len(levels))]
    losses = []
    for logits in levels:
        seen = F.interpolate(sets.float(), logits.shape[2:], mode="nearest").int() if losses else sets
        losses.append(set_loss(logits, seen))
    return sum(weight * loss for weight, loss in zip(weights, losses, strict=True)) / sum(weights)
