"""Many anatomies from few patients: deform and recolor CTs in batches, on the device that trains.

No left-right flip: the heart stays on its side.
"""

import math

import torch
from torch.nn import functional as F

from ..imaging.attenuation import HU_MIN

_POINTS = 24


def uniform(low: float, high: float, *shape: int, device: torch.device | str = "cpu") -> torch.Tensor:
    """Random numbers in [low, high]."""
    return torch.rand(shape, device=device) * (high - low) + low


def deform(
    hu: torch.Tensor,
    spacing: float,
    shift: float = 20.0,
    elastic: float = 8.0,
    affine: bool = True,
    toward: torch.Tensor | None = None,
) -> torch.Tensor:
    """Random rotation (±10°), scaling (0.85 to 1.15 per axis), shift and smooth elastic deformation.

    Args:
        hu: [batch, 1, k, j, i] on a cubic grid along R, A, S.
        spacing: of the grid, mm.
        shift: largest shift along each axis, mm.
        elastic: standard deviation of the elastic displacement, mm.
        affine: whether to rotate and scale.
        toward: displacements to add [batch, 3, ...], see ``blending.displacement_toward``.
    """
    batch, size, device = len(hu), hu.shape[-1], hu.device
    half_extent = spacing * size / 2
    matrix = _rotation(uniform(-10, 10, batch, 3, device=device) * math.pi / 180)
    scale = uniform(0.92, 1.08, batch, 1, 1, device=device) * uniform(0.93, 1.07, batch, 3, 1, device=device)
    matrix = matrix / scale if affine else torch.eye(3, device=device).expand(batch, 3, 3)
    offset = uniform(-shift, shift, batch, 3, 1, device=device) / half_extent
    # All is smooth, so it is worked out on a few points, first and last voxel among them, and interpolated.
    last = 1 - 1 / size
    axis = torch.linspace(-last, last, _POINTS, device=device)
    k, j, i = torch.meshgrid(axis, axis, axis, indexing="ij")
    places = torch.einsum("bxy,ykji->bxkji", matrix, torch.stack([i, j, k])) + offset[..., None, None]
    # Independent displacements every 80 mm or so, cubic in effect by two linear steps.
    control = torch.randn(batch, 3, 6, 6, 6, device=device) * (elastic / half_extent)
    places = places + F.interpolate(control, (_POINTS,) * 3, mode="trilinear")
    if toward is not None:
        places = places + F.grid_sample(toward, places.movedim(1, -1), align_corners=False, padding_mode="border")
    grid = F.interpolate(places, (size,) * 3, mode="trilinear", align_corners=True).permute(0, 2, 3, 4, 1)
    return F.grid_sample(hu - HU_MIN, grid, align_corners=False, padding_mode="zeros") + HU_MIN


def _rotation(angles: torch.Tensor) -> torch.Tensor:
    """Rotation matrices [batch, 3, 3] from angles [batch, 3] (radians) about three axes in turn."""
    generator = torch.zeros(len(angles), 3, 3, device=angles.device)
    for axis, (row, column) in enumerate(((1, 2), (0, 2), (0, 1))):
        generator[:, row, column], generator[:, column, row] = angles[:, axis], -angles[:, axis]
    return torch.matrix_exp(generator)


def recolor(hu: torch.Tensor) -> torch.Tensor:
    """Other scanners, contrast and calcification: lung ±60 HU, soft tissue ±20 HU, bone × 0.8 to 1.2."""
    lung, soft, bone = (uniform(-n, n, len(hu), 1, 1, 1, 1, device=hu.device) for n in (60, 20, 0.2))
    in_lung = torch.sigmoid((-500 - hu) / 50) * (hu > -1000)
    in_soft = torch.sigmoid((hu + 300) / 50)
    return hu + lung * in_lung + soft * in_soft + bone * (hu - 150).clip(0)


def restyle(line_integrals: torch.Tensor) -> torch.Tensor:
    """Other radiography systems: scattered radiation, tone curve, blur and noise on pictures [batch, views, r, c]."""
    batch, views = line_integrals.shape[:2]
    device = line_integrals.device
    transmitted = torch.exp(-line_integrals)
    scatter = F.interpolate(F.adaptive_avg_pool2d(transmitted, 8), line_integrals.shape[-2:], mode="bilinear")
    picture = -torch.log(transmitted + uniform(0, 0.3, batch, views, 1, 1, device=device) * scatter)
    low, high = picture.amin((2, 3), keepdim=True), picture.amax((2, 3), keepdim=True)
    unit = ((picture - low) / (high - low).clip(1e-6)).clip(1e-4)
    toned = unit ** torch.exp(uniform(-0.35, 0.35, batch, views, 1, 1, device=device))
    blurred = F.avg_pool2d(toned, 3, 1, 1, count_include_pad=False)
    sharpness = uniform(0, 1.2, batch, views, 1, 1, device=device)
    noise = torch.randn_like(toned) * uniform(0, 0.015, batch, views, 1, 1, device=device)
    return _collimated(blurred + sharpness * (toned - blurred) + noise)


def _collimated(pictures: torch.Tensor, most: float = 0.12) -> torch.Tensor:
    """One picture in four loses up to ``most`` of its extent at each border; what is left goes on outward."""
    indices = []
    for size in pictures.shape[-2:]:
        lost = uniform(0, most * size, *pictures.shape[:2], 2) * (uniform(0, 1, *pictures.shape[:2], 1) < 0.25)
        low, high = lost.long().to(pictures.device)[..., None].unbind(2)
        indices.append(torch.arange(size, device=pictures.device).maximum(low).minimum(size - 1 - high))
    rows, columns = indices
    lined_up = pictures.gather(2, rows[..., None].expand_as(pictures))
    return lined_up.gather(3, columns[..., None, :].expand_as(pictures))
