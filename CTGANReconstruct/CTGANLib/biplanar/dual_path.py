"""The dual-path generator: the rival of the geometry-aware one, from what the X2CT-GAN literature (2019) describes."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from ..imaging.geometry import Acquisition
from ..imaging.standardize import STANDARD_SIZE, STANDARD_SPACING
from .network import Residual

# The sizes of the feature volumes, and of the feature pictures beside them, fine to coarse, in the cube of 320 mm.
LEVELS = (128, 64, 32, 16, 8, 4)

# A feature volume of a view has the axes ray, row and column; so they come to stand as [k, j, i]. The beam of PA runs
# along j and its columns along i; that of LLAT runs along i and its columns along j; the rows of both run along k.
_TO_PATIENT = ((0, 1, 3, 2, 4), (0, 1, 3, 4, 2))


class DualPathGenerator(nn.Module):
    """One encoder and one decoder for each of two fixed orthogonal views (PA, LLAT), fused at each scale to a CT.

    A dense 2D encoder reads each picture. A fully connected layer turns its 4² features into 4³ ones, and its skips
    are repeated along the rays into a 3D decoder in the view's own axes. Both decoders' features, turned into the
    patient's axes and averaged, go into a third decoder at each scale, which gives the CT itself: other than the
    geometry-aware generator, the literature's does not start from the mean training volume.

    The network takes parallel rays: each picture is cut to the cube in the isocenter plane under the default
    :class:`Acquisition`, where voxels and pixels then line up. Elsewhere perspective shifts them.

    The CT of 64³ is not made from smaller pictures: the decoders stop there, at a head of their own. Pictures, 2D
    features and all weights up to 64³ are thus those of the full result, which adds its last level to that head's
    output. So nothing learned at half resolution is lost or relearned, as with the geometry-aware generator.

    Args:
        channels_2d: channels of each encoder at 128², 64², 32², 16², 8² and 4², multiples of 4.
        channels_3d: channels of each decoder at 128³, 64³, 32³, 16³, 8³ and 4³, multiples of 4. With
            (32, 64, 128, 256, 256, 128) and (16, 44, 96, 192, 192, 128) the network has the size of the published one.

    Attributes:
        mean_volume: [1, 1, 128, 128, 128], carried along for the baseline of evaluation only.
    """

    def __init__(
        self,
        channels_2d: tuple[int, ...] = (24, 48, 96, 128, 128, 64),
        channels_3d: tuple[int, ...] = (8, 24, 48, 96, 96, 48),
    ) -> None:
        super().__init__()
        self.arguments = {"channels_2d": list(channels_2d), "channels_3d": list(channels_3d)}
        self.encoders = nn.ModuleList(DenseEncoder(channels_2d) for _ in _TO_PATIENT)
        self.bottlenecks = nn.ModuleList(_bottleneck(channels_2d[-1], channels_3d[-1]) for _ in _TO_PATIENT)
        self.view_decoders = nn.ModuleList(_decoder(channels_3d, channels_2d) for _ in _TO_PATIENT)
        self.fusion_decoder = _decoder(channels_3d)
        self.heads = nn.ModuleDict({str(size): _head(channels_3d[LEVELS.index(size)]) for size in (64, 128)})
        # The CT starts nearly as air and tissue mixed, not at the middle of the HU window.
        nn.init.constant_(self.heads["64"][1].bias, -1.5)
        self.register_buffer("mean_volume", torch.zeros(1, 1, *[STANDARD_SIZE] * 3))

    def forward(self, radiographs: torch.Tensor, cameras: torch.Tensor, size: int = STANDARD_SIZE) -> torch.Tensor:
        """The CT in units of the HU window (see ``attenuation.hu_to_unit``), [batch, 1, size, size, size].

        Args:
            radiographs: standardized pictures (see ``standardize_radiographs``) [batch, 2, rows, columns].
            cameras: not read, since this network knows only its two fixed views; it is there so that both generators
                can be called alike.
            size: 128, or 64 for the half-resolution result alone.
        """
        skips = [
            encoder(picture)[::-1] for encoder, picture in zip(self.encoders, _cut_to_cube(radiographs), strict=True)
        ]
        volumes = [bottleneck(skip[0]) for bottleneck, skip in zip(self.bottlenecks, skips, strict=True)]
        fused, logit = None, 0
        for number, level_size in enumerate(LEVELS[::-1]):
            if level_size > size:
                break
            volumes = [
                decoder[number](volume, skip[number][:, :, None])
                for decoder, volume, skip in zip(self.view_decoders, volumes, skips, strict=True)
            ]
            turned = [volume.permute(axes) for volume, axes in zip(volumes, _TO_PATIENT, strict=True)]
            fused = self.fusion_decoder[number](fused, sum(turned) / len(turned))
            if str(level_size) in self.heads:
                finer = self.heads[str(level_size)](fused).float()
                logit = finer + (F.interpolate(logit, scale_factor=2, mode="trilinear") if level_size == 128 else 0)
        return torch.sigmoid(logit)


class DenseEncoder(nn.Module):
    """2D features of one view at 128², 64², 32², 16², 8² and 4²; within a level each layer reads all before it."""

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, channels[0], 7, stride=2, padding=3)
        self.levels = nn.ModuleList()
        before = channels[0]
        for number, width in enumerate(channels):
            down = nn.Identity() if number == 0 else nn.Conv2d(before, before, 4, stride=2, padding=1)
            self.levels.append(nn.Sequential(down, DenseBlock(before, width)))
            before = width

    def forward(self, picture: torch.Tensor) -> list[torch.Tensor]:
        """[batch, 1, 256, 256] to a list of [batch, channels, rows, columns], fine to coarse."""
        x, features = self.stem(picture), []
        for level in self.levels:
            x = level(x)
            features.append(x)
        return features


class DenseBlock(nn.Module):
    """Layers that read the outputs of all before them, then a 1-convolution that gathers them all."""

    def __init__(self, before: int, channels: int, layers: int = 3) -> None:
        super().__init__()
        growth = channels // 2
        self.layers = nn.ModuleList(_normalized(before + n * growth, growth, 3) for n in range(layers))
        self.gather = _normalized(before + layers * growth, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = torch.cat([x, layer(x)], 1)
        return self.gather(x)


class DecoderLevel(nn.Module):
    """One resolution of a 3D decoder: what comes from the coarser level and what comes from the side, convolved."""

    def __init__(self, size: int, from_below: int, from_side: int, channels: int) -> None:
        super().__init__()
        # A 1-convolution commutes with repeating along the rays and with growing, and is cheaper before them.
        self.side = nn.Conv3d(from_side, channels, 1)
        self.below = nn.Conv3d(from_below, channels, 1) if from_below else None
        self.block = Residual(channels, 3)
        self.size = size

    def forward(self, below: torch.Tensor | None, side: torch.Tensor) -> torch.Tensor:
        """``side`` may be one voxel deep, [batch, channels, 1, rows, columns]: it is repeated along the rays."""
        x = self.side(side)
        if self.below is not None:
            grown = self.below(below)
            if grown.shape[-1] < self.size:
                grown = F.interpolate(grown, self.size, mode="trilinear")
            x = x + grown
        return self.block(x.contiguous(memory_format=torch.channels_last_3d))


def _bottleneck(channels_2d: int, channels_3d: int) -> nn.Sequential:
    """The coarsest features of a view, [batch, channels, 4, 4] to [batch, channels, 4, 4, 4], fully connected."""
    size = LEVELS[-1]
    return nn.Sequential(
        nn.GroupNorm(channels_2d // 4, channels_2d),
        nn.SiLU(),
        nn.Flatten(),
        nn.Linear(channels_2d * size**2, channels_3d * size**3),
        nn.Unflatten(1, (channels_3d, size, size, size)),
    )


def _decoder(channels: tuple[int, ...], skips: tuple[int, ...] | None = None) -> nn.ModuleList:
    """The levels of a view's decoder with 2D skips, or, without them, of the decoder that fuses the views' ones."""
    levels, from_below = nn.ModuleList(), channels[-1] if skips else 0
    for size, width, from_side in zip(LEVELS[::-1], channels[::-1], (skips or channels)[::-1], strict=True):
        levels.append(DecoderLevel(size, from_below, from_side, width))
        from_below = width
    return levels


def _normalized(before: int, channels: int, kernel: int) -> nn.Sequential:
    """Group normalization (batches are small), activation and a 2D convolution."""
    convolution = nn.Conv2d(before, channels, kernel, padding=kernel // 2)
    return nn.Sequential(nn.GroupNorm(math.gcd(8, before), before), nn.SiLU(), convolution)


def _head(channels: int) -> nn.Sequential:
    """To one channel, zero at first: the full resolution begins as the half one left off."""
    convolution = nn.Conv3d(channels, 1, 3, padding=1)
    nn.init.zeros_(convolution.weight)
    nn.init.zeros_(convolution.bias)
    return nn.Sequential(nn.SiLU(), convolution)


def _cut_to_cube(radiographs: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Both views [batch, 1, 256, 256], cut to the cube of 320 mm in the isocenter plane, along the patient's axes.

    Rows grow toward superior (k), columns toward the right in PA (i) and anterior in LLAT (j); in radiographs they
    grow the other way.
    """
    default = Acquisition()
    magnification = default.source_to_detector_distance / default.source_to_isocenter_distance
    cube = STANDARD_SIZE * STANDARD_SPACING * magnification
    down, across = (
        -cube / (count * spacing) for count, spacing in zip(default.detector_shape, default.pixel_spacing, strict=True)
    )
    place = radiographs.new_tensor([[across, 0, 0], [0, down, 0]]).expand(len(radiographs), -1, -1)
    grid = F.affine_grid(place, [len(radiographs), 1, 2 * LEVELS[0], 2 * LEVELS[0]], align_corners=False)
    return F.grid_sample(radiographs, grid, align_corners=False, padding_mode="border").split(1, 1)
