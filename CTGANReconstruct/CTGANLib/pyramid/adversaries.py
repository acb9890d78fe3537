"""The games that generator and discriminator can play, by name.

Each discriminator's answers are [batch, 1, ...], one for every place.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from ..evaluation.generation import told_apart

_PENALTY = 10.0


@dataclass(frozen=True)
class Adversary:
    """One game.

    Attributes:
        generator: the generator's loss, from the answers to its volumes.
        discriminator: the discriminator's loss, from the answers to real and to made volumes.
        slope: what the norm of the discriminator's gradient is pulled to between real and made; None for no penalty.
        border: answers above it call a place real; None where they only compare.
    """

    generator: Callable[[torch.Tensor], torch.Tensor]
    discriminator: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    slope: float | None = None
    border: float | None = None

    def judge(self, network: nn.Module, real: torch.Tensor, made: torch.Tensor) -> torch.Tensor:
        """The discriminator's whole loss on volumes of one size."""
        answers = network(torch.cat([real, made])).float().chunk(2)
        loss = self.discriminator(*answers)
        return loss if self.slope is None else loss + _PENALTY * gradient_penalty(network, real, made, self.slope)

    def told_apart(self, real: torch.Tensor, made: torch.Tensor) -> dict[str, float]:
        """See ``evaluation.generation.told_apart``."""
        return told_apart(real, made, self.border)


def gradient_penalty(network: nn.Module, real: torch.Tensor, made: torch.Tensor, slope: float) -> torch.Tensor:
    """Mean squared difference of the gradient's norm from ``slope``, at random places between real and made."""
    share = torch.rand(len(real), *[1] * (real.ndim - 1), device=real.device)
    between = (share * real + (1 - share) * made).requires_grad_()
    answers = network(between).float().flatten(1).mean(1)
    (gradient,) = torch.autograd.grad(answers.sum(), between, create_graph=True)
    # Of the mean over places, which hangs on their number; brought back to that of a single one.
    norms = gradient.flatten(1).norm(dim=1) * between[0, 0].numel() ** 0.5
    return ((norms - slope) ** 2).mean()


ADVERSARIES = {
    # X. Mao et al., ICCV 2017.
    "lsgan": Adversary(
        lambda made: F.mse_loss(made, torch.ones_like(made)),
        lambda real, made: (F.mse_loss(real, torch.ones_like(real)) + made.square().mean()) / 2,
        border=0.5,
    ),
    # I. Gulrajani et al., NeurIPS 2017.
    "wgan-gp": Adversary(lambda made: -made.mean(), lambda real, made: made.mean() - real.mean(), slope=1.0),
    # H. Thanh-Tung et al., ICLR 2019.
    "zero-gp": Adversary(
        lambda made: F.softplus(-made).mean(),
        lambda real, made: F.softplus(-real).mean() + F.softplus(made).mean(),
        slope=0.0,
        border=0.0,
    ),
}
