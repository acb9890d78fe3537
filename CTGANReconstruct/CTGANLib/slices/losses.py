"""What the two players of a slice GAN are told: with a discriminator, or with a critic."""

import torch
from torch import nn
from torch.nn import functional as F

from ..training.augmentation import uniform

SOFT = 0.15
"""How far soft labels may be from 1 and 0."""
CLIPPED = 0.01
"""Largest weight of a clipped critic."""
CRITIC_STEPS = 5
"""Steps of a critic for each of its generator."""
PENALTY_EVERY = 8
"""Steps of a discriminator between those with a penalty, which costs as much as two steps without."""
_PENALTY = 10.0
_REAL_PENALTY = 1.0


def discriminator_loss(real: torch.Tensor, made: torch.Tensor, soft: bool) -> torch.Tensor:
    """Mean binary cross entropy of logits [n] of real and made pictures.

    Soft labels are drawn from 0.85 to 1 and from 0 to 0.15 (T. Salimans et al., NeurIPS 2016, on both sides).
    """
    most = SOFT if soft else 0.0
    targets = (
        1 - uniform(0, most, len(real), device=real.device),
        uniform(0, most, len(made), device=made.device),
    )
    losses = [F.binary_cross_entropy_with_logits(*pair) for pair in zip((real, made), targets, strict=True)]
    return sum(losses) / 2


def real_penalty(values: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """Mean squared slope of a discriminator at real pictures, for one step in ``PENALTY_EVERY``: R1 (L. Mescheder et
    al., ICML 2018), lazily (T. Karras et al., CVPR 2020)."""
    (slope,) = torch.autograd.grad(values.sum(), real, create_graph=True)
    return PENALTY_EVERY * _REAL_PENALTY / 2 * slope.square().flatten(1).sum(1).mean()


def fooling_loss(made: torch.Tensor) -> torch.Tensor:
    """Of a generator against a discriminator: the cross entropy of its pictures with real ones (non-saturating)."""
    return F.softplus(-made).mean()


def clip_weights(critic: nn.Module) -> None:
    """Keep a critic from growing steep (M. Arjovsky et al., ICML 2017)."""
    with torch.no_grad():
        for weight in critic.parameters():
            weight.clamp_(-CLIPPED, CLIPPED)


def between(real: torch.Tensor, made: torch.Tensor) -> torch.Tensor:
    """Random mixtures of real and made pictures, whose gradient is asked for."""
    share = uniform(0, 1, len(real), 1, 1, 1, device=real.device)
    return (real + share * (made - real)).detach().requires_grad_(True)


def gradient_penalty(values: torch.Tensor, mixtures: torch.Tensor) -> torch.Tensor:
    """How far the critic's slope is from 1 at mixtures (I. Gulrajani et al., NeurIPS 2017)."""
    (slope,) = torch.autograd.grad(values.sum(), mixtures, create_graph=True)
    return _PENALTY * ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()
