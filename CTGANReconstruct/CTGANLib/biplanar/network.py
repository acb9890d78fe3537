"""The geometry-aware generator (two radiographs and their cameras to a CT) and the discriminator of its training."""

import numpy as np
import torch
from monai.networks.nets import PatchDiscriminator
from torch import nn
from torch.nn import functional as F

from ..imaging.geometry import Acquisition, Grid
from ..imaging.standardize import STANDARD_SIZE, STANDARD_SPACING
from .correction import unexplained

# The sizes of the feature volumes, coarse to fine, in the standard cube of 320 mm.
LEVELS = (16, 32, 64, 128)


class BiplanarGenerator(nn.Module):
    """Lifts 2D features of both radiographs along their rays into space and decodes them, coarse to fine, to a CT.

    Each voxel of each level reads the features at its projected position in either view, so the cameras are an
    input and not an assumption. The output is the mean training volume plus what the radiographs tell apart from it.

    Args:
        channels_2d: channels of the radiograph encoder at strides 2, 4, 8 and 16.
        channels_3d: channels of the decoder at 128³, 64³, 32³ and 16³.
        heads: attention heads at 16³, where each voxel may look at all others; one number a layer.
        corrected: resolutions that also see what the coarser result leaves unexplained of the radiographs.
    """

    # What a model to start from may lack, since it begins as if it were not there.
    may_begin_anew = ("context.", "correct.")

    def __init__(
        self,
        channels_2d: tuple[int, ...] = (16, 48, 96, 160),
        channels_3d: tuple[int, ...] = (8, 32, 64, 128),
        heads: tuple[int, ...] = (4,),
        corrected: tuple[int, ...] = (128,),
    ) -> None:
        super().__init__()
        widths = {"channels_2d": list(channels_2d), "channels_3d": list(channels_3d)}
        self.arguments = {**widths, "heads": list(heads), "corrected": list(corrected)}
        self.encoder = RadiographEncoder(channels_2d)
        coarse_to_fine = list(zip(LEVELS, channels_2d[::-1], channels_3d[::-1], strict=True))
        self.levels = nn.ModuleList()
        from_below = 0
        for size, features, channels in coarse_to_fine:
            blocks = 1 if size > 32 else 2
            self.levels.append(DecoderLevel(size, features, from_below, channels, blocks, size in corrected))
            from_below = channels
        self.context = nn.ModuleList(Context(channels_3d[-1], count) for count in heads)
        self.heads = nn.ModuleDict({str(size): _output_head(channels) for size, _, channels in coarse_to_fine[-2:]})
        mean = torch.zeros(1, 1, *[STANDARD_SIZE] * 3)
        self.register_buffer("mean_volume", mean)

    def forward(self, radiographs: torch.Tensor, cameras: torch.Tensor, size: int = STANDARD_SIZE) -> torch.Tensor:
        """The CT in units of the HU window (see ``attenuation.hu_to_unit``), [batch, 1, size, size, size].

        Args:
            radiographs: standardized pictures (see ``standardize_radiographs``) [batch, 2, rows, columns].
            cameras: pinhole matrices (see :func:`camera_matrix`) [batch, 2, 3, 4].
            size: 128, or 64 for the half-resolution result alone.
        """
        pictures, features = radiographs, self.encoder(radiographs)
        volume, change = None, 0
        for level, feature in zip(self.levels, features[::-1], strict=True):
            if level.size > size:
                break
            mean = F.adaptive_avg_pool3d(self.mean_volume, level.size)
            left = None
            if level.correct is not None:
                coarse = F.adaptive_avg_pool3d(self.mean_volume, level.size // 2) + change
                left = unexplained(coarse, F.interpolate(pictures, feature.shape[-2:], mode="area"), cameras)
            volume = level(feature, pictures, cameras, mean, volume, left)
            for context in self.context if level.size == LEVELS[0] else ():
                volume = context(volume)
            if str(level.size) in self.heads:
                finer = self.heads[str(level.size)](volume).float()
                change = finer + (F.interpolate(change, scale_factor=2, mode="trilinear") if level.size == 128 else 0)
        return mean + change


class RadiographEncoder(nn.Module):
    """2D features of radiographs at strides 2, 4, 8 and 16; both views share the weights but not the first bias."""

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.view = nn.Parameter(torch.zeros(2, channels[0]))
        self.stem = nn.Conv2d(1, channels[0], 5, padding=2)
        self.stages = nn.ModuleList()
        before = channels[0]
        for width in channels:
            widen = nn.Conv2d(before, width, 3, padding=1)
            self.stages.append(nn.Sequential(nn.AvgPool2d(2), widen, Residual(width, 2)))
            before = width

    def forward(self, radiographs: torch.Tensor) -> list[torch.Tensor]:
        """[batch, 2, rows, columns] to a list of [batch, 2, channels, rows / stride, columns / stride]."""
        batch = len(radiographs)
        x = self.stem(radiographs.flatten(0, 1)[:, None]) + self.view.repeat(batch, 1)[:, :, None, None]
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x.unflatten(0, (batch, 2)))
        return features


class DecoderLevel(nn.Module):
    """One resolution: lift both views, fuse them with the coarser level, decode."""

    def __init__(
        self, size: int, features: int, from_below: int, channels: int, blocks: int, corrected: bool = False
    ) -> None:
        super().__init__()
        self.size = size
        # Mixing channels commutes with lifting and is much cheaper on pictures than on volumes.
        self.mix = nn.Conv2d(2 * (features + 1), 2 * channels, 1, groups=2)
        self.agree = nn.Conv3d(channels, channels, 1)
        self.place = nn.Conv3d(4, channels, 1)
        self.correct = _silent(nn.Conv2d(2, 2 * channels, 3, padding=1, groups=2)) if corrected else None
        self.below = nn.Conv3d(from_below, channels, 1) if from_below else None
        self.blocks = nn.Sequential(*[Residual(channels, 3) for _ in range(blocks)])
        self.register_buffer("points", _points(size), persistent=False)

    def forward(
        self,
        features: torch.Tensor,
        pictures: torch.Tensor,
        cameras: torch.Tensor,
        mean: torch.Tensor,
        below: torch.Tensor | None,
        left: torch.Tensor | None,
    ) -> torch.Tensor:
        picture = F.interpolate(pictures, features.shape[-2:], mode="area")[:, :, None].to(features.dtype)
        mixed = self.mix(torch.cat([features, picture], 2).flatten(1, 2))
        if left is not None:
            mixed = mixed + self.correct(left.to(mixed.dtype))
        first, second = lift(mixed.unflatten(1, (2, -1)), cameras, self.points).unbind(1)
        position = (self.points / (STANDARD_SPACING * STANDARD_SIZE / 2)).movedim(-1, 0)[None]
        x = first + second + self.agree(first * second) + self.place(torch.cat([position, mean], 1))
        if below is not None:
            x = x + F.interpolate(self.below(below), scale_factor=2, mode="trilinear")
        return self.blocks(x.contiguous(memory_format=torch.channels_last_3d))


class Context(nn.Module):
    """A transformer layer over all voxels of a small volume; it begins as if it were not there."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(
            channels, heads, 2 * channels, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        for last in (self.layer.self_attn.out_proj, self.layer.linear2):
            _silent(last)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        voxels = self.layer(x.flatten(2).mT).mT.unflatten(2, x.shape[2:])
        return voxels.contiguous(memory_format=torch.channels_last_3d)


class Residual(nn.Module):
    """x + two 3-convolutions of it, normalized by groups (batches are small)."""

    def __init__(self, channels: int, dimensions: int) -> None:
        super().__init__()
        convolution = nn.Conv3d if dimensions == 3 else nn.Conv2d
        self.body = nn.Sequential(
            nn.GroupNorm(channels // 4, channels),
            nn.SiLU(),
            convolution(channels, channels, 3, padding=1),
            nn.SiLU(),
            convolution(channels, channels, 3, padding=1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x)


def lift(features: torch.Tensor, cameras: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Read 2D features at the projections of points in space: backprojection with a bilinear footprint.

    Args:
        features: [batch, views, channels, rows, columns].
        cameras: [batch, views, 3, 4], see :func:`camera_matrix`.
        points: [k, j, i, 3] in mm along R, A, S from the isocenter.

    Returns:
        [batch, views, channels, k, j, i]; zero where a point lies outside a picture.
    """
    batch, views = features.shape[:2]
    homogeneous = points.flatten(0, 2) @ cameras[..., :3].mT + cameras[..., 3][..., None, :]
    position = (homogeneous[..., :2] / homogeneous[..., 2:]).flatten(0, 1)
    sampled = F.grid_sample(
        features.flatten(0, 1).float(), position[:, :, None].float(), align_corners=False, padding_mode="zeros"
    )
    return sampled[..., 0].unflatten(0, (batch, views)).unflatten(-1, points.shape[:3]).to(features.dtype)


def camera_matrix(acquisition: Acquisition, center: tuple[float, float, float] = (0, 0, 0)) -> np.ndarray:
    """3×4 matrix from mm along R, A, S from ``center`` (RAS) to picture coordinates in [−1, 1] (times depth)."""
    rows, columns = acquisition.detector_shape
    matrix = acquisition.projection_matrix.copy()
    matrix[:, 3] += matrix[:, :3] @ np.asarray(center)
    matrix[0] = (2 * matrix[0] + matrix[2]) / columns - matrix[2]
    matrix[1] = (2 * matrix[1] + matrix[2]) / rows - matrix[2]
    return matrix


def discriminator() -> nn.Module:
    """3D PatchGAN on a CT, its detail, and the lifted radiographs that it must fit (conditional); MONAI's network.

    Without a norm: instance norm takes the mean over a patch away, by which its texture is told.
    """
    return PatchDiscriminator(spatial_dims=3, channels=24, in_channels=4, num_layers_d=3, norm=None)


def channels_last(network: nn.Module) -> nn.Module:
    """The network with the memory layout in which 3D convolutions are several times faster on CPUs."""
    for module in network.modules():
        if isinstance(module, nn.Conv3d):
            module.to(memory_format=torch.channels_last_3d)
    return network


def _points(size: int) -> torch.Tensor:
    """Voxel centers of a level in mm from the isocenter, [k, j, i, 3]."""
    grid = Grid.centered((size,) * 3, STANDARD_SPACING * STANDARD_SIZE / size)
    k, j, i = np.meshgrid(*[np.arange(size)] * 3, indexing="ij")
    return torch.as_tensor(grid.to_ras(np.stack([i, j, k], -1)), dtype=torch.float32)


def _output_head(channels: int) -> nn.Module:
    return nn.Sequential(nn.SiLU(), _silent(nn.Conv3d(channels, 1, 3, padding=1)))


def _silent(layer: nn.Module) -> nn.Module:
    """The layer, giving zero until it has learned."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
