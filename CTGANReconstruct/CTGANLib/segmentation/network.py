"""The networks that label a CT: MONAI's, and a small CNN as the least that they have to beat."""

import math
from collections.abc import Callable

import torch
from monai.networks.nets import DynUNet, SegResNetDS, UNet, VNet
from torch import nn
from torch.nn import functional as F

from ..training.precision import with_true_gradients

_DYN_UNET_DEPTHS = 2
_VNET_STRIDE, _VNET_DROPOUT, _VNET_BACKGROUND = 16, 0.1, 0.99


class SmallCNN(nn.Module):
    """Down and up again: 32, 64 and 128 channels, pooling, transposed convolutions, no skips.

    It follows the CNN that KiTS19 beginners start from, with one class a label in place of one sigmoid for all.

    Args:
        classes: of the output.
        filters: channels from fine to coarse.
    """

    def __init__(self, classes: int, filters: tuple[int, ...] = (32, 64, 128)) -> None:
        super().__init__()
        down, channels = [], 1
        for number, width in enumerate(filters):
            down += [nn.MaxPool3d(2)] if number else []
            down += [nn.Conv3d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
            channels = width
        up = []
        for width in filters[-2::-1]:
            up += [nn.ConvTranspose3d(channels, width, 2, stride=2), nn.ReLU(inplace=True)]
            channels = width
        self.layers = nn.Sequential(*down, *up, nn.Conv3d(channels, classes, 3, padding=1))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits [batch, classes, k, j, i] of an image [batch, 1, k, j, i] whose sides are multiples of 4."""
        return self.layers(image)


def small_cnn(classes: int, filters: int) -> nn.Module:
    return SmallCNN(classes, (filters, 2 * filters, 4 * filters))


def seg_res_net(classes: int, filters: int, dimensions: int = 3) -> nn.Module:
    """Myronenko, BrainLes 2018, with deep supervision."""
    return SegResNetDS(dimensions, filters, 1, classes, norm="instance", blocks_down=(1, 2, 2, 4), dsdepth=3)


def dyn_unet(classes: int, filters: int) -> nn.Module:
    """The network of nnU-Net (Isensee et al., Nature Methods 2021)."""
    return DynUNet(
        *(3, 1, classes),
        kernel_size=[3] * 4,
        strides=[1, 2, 2, 2],
        upsample_kernel_size=[2, 2, 2],
        filters=[filters * 2**level for level in range(4)],
        deep_supervision=True,
        deep_supr_num=_DYN_UNET_DEPTHS,
    )


def unet(classes: int, filters: int) -> nn.Module:
    channels = [filters * 2**level for level in range(4)]
    return UNet(3, 1, classes, channels, strides=(2, 2, 2), num_res_units=2, norm="instance")


class AnySizeVNet(VNet):
    """Milletari et al., 3DV 2016, for images whose sides are not multiples of 16 too.

    It begins with a background of 99 %; how rare the labels are it would take a thousand steps to learn (T.-Y. Lin et
    al., "Focal Loss for Dense Object Detection", ICCV 2017, section 3.3).
    """

    def __init__(self, classes: int) -> None:
        super().__init__(3, 1, classes, dropout_prob_down=_VNET_DROPOUT, dropout_prob_up=(_VNET_DROPOUT,) * 2)
        with torch.no_grad():
            bias = self.out_tr.conv2.bias.zero_()
            bias[0] = math.log(_VNET_BACKGROUND / (1 - _VNET_BACKGROUND))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        missing = [-size % _VNET_STRIDE for size in image.shape[:1:-1]]
        padded = F.pad(image, [n for side in missing for n in (0, side)], value=float(image.min()))
        k, j, i = image.shape[2:]
        return super().forward(padded)[..., :k, :j, :i]


def v_net(classes: int, filters: int) -> nn.Module:
    """Its channels are always those of ``FILTERS``."""
    return AnySizeVNet(classes)


NETWORKS = {"SegResNet": seg_res_net, "DynUNet": dyn_unet, "UNet": unet, "VNet": v_net, "SmallCNN": small_cnn}
"""By name, each a function of the number of classes and the channels at full resolution."""
FILTERS = {"SegResNet": 16, "DynUNet": 16, "UNet": 16, "VNet": 16, "SmallCNN": 32}
STRIDE = 8
"""Sides of what any of them sees are multiples of it."""


def build(name: str, classes: int, filters: int) -> nn.Module:
    """A network, which says in ``arguments`` what it was built from."""
    network = with_true_gradients(NETWORKS[name](classes, filters))
    network.arguments = {"_target_": f"{__name__}.{name}", "classes": [classes], "filters": [filters]}
    return network


def definitions() -> dict[str, Callable[..., nn.Module]]:
    """What builds each network from its ``arguments``, as a bundle holds them."""

    def builder(name: str) -> Callable[..., nn.Module]:
        return lambda classes, filters: build(name, *classes, *filters)

    return {name: builder(name) for name in NETWORKS}


def outputs(network: nn.Module, image: torch.Tensor) -> list[torch.Tensor]:
    """Logits of a network that learns, the finest first, each half as fine as the one before."""
    answer = network(image)
    if isinstance(answer, (list, tuple)):
        return list(answer)
    if answer.ndim == 6:  # DynUNet brings them to one size and stacks them
        return [level[:, :, :: 2**n, :: 2**n, :: 2**n] for n, level in enumerate(answer.unbind(1))]
    return [answer]


def channels_last(network: nn.Module) -> nn.Module:
    """The memory order in which 3D convolutions are fast."""
    return network.to(memory_format=torch.channels_last_3d)
