"""Radiographs as the generator sees them: on a standard detector, free of exposure and gain."""

from dataclasses import replace

import numpy as np
import torch
from torch.nn import functional as F

from ..imaging.geometry import Acquisition, View
from ..imaging.radiographs import Radiograph

# What the generator learns from and is scored on.
VIEWS = (View.PA, View.LLAT)


def on_standard_detector(radiograph: Radiograph) -> Radiograph:
    """The radiograph on the detector of training: 256² pixels, 430 mm wide, centered on the central ray.

    Where the picture does not reach, its border goes on.
    """
    acquisition = radiograph.acquisition
    default = Acquisition()
    standard = replace(
        acquisition,
        detector_shape=default.detector_shape,
        pixel_spacing=default.pixel_spacing,
        detector_offset=(0.0, 0.0),
    )
    if acquisition == standard:
        return radiograph
    picture = torch.from_numpy(radiograph.array)[None, None]
    # Averaging whole pixels first, so that none is passed over.
    blocks = [max(1, round(n / o)) for n, o in zip(standard.pixel_spacing, acquisition.pixel_spacing, strict=True)]
    averaged = F.avg_pool2d(picture, blocks, ceil_mode=True, count_include_pad=False)
    axes = []
    for axis, count in enumerate(standard.detector_shape):
        from_ray = (np.arange(count) - (count - 1) / 2) * standard.pixel_spacing[axis]
        pixel = (from_ray - acquisition.detector_offset[1 - axis]) / acquisition.pixel_spacing[axis]
        # To [−1, 1] over the averaged picture, whose last block may overhang.
        edge = pixel + acquisition.detector_shape[axis] / 2
        axes.append(torch.as_tensor(2 * edge / (blocks[axis] * averaged.shape[2 + axis]) - 1, dtype=torch.float32))
    rows, columns = torch.meshgrid(*axes, indexing="ij")
    resampled = F.grid_sample(
        averaged, torch.stack([columns, rows], -1)[None], align_corners=False, padding_mode="border"
    )
    return replace(radiograph, array=resampled[0, 0].numpy(), acquisition=standard)


def reach(radiograph: Radiograph) -> np.ndarray:
    """Which pixels [256, 256] of the standard detector the picture reaches; beyond, its border only goes on."""
    acquisition, standard = radiograph.acquisition, Acquisition()
    inside = []
    for axis, count in enumerate(standard.detector_shape):
        from_ray = (np.arange(count) - (count - 1) / 2) * standard.pixel_spacing[axis]
        from_middle = np.abs(from_ray - acquisition.detector_offset[1 - axis])
        inside.append(from_middle <= acquisition.detector_shape[axis] * acquisition.pixel_spacing[axis] / 2)
    return np.logical_and.outer(*inside)


def standardize_radiographs(pictures: torch.Tensor) -> torch.Tensor:
    """Each picture of [batch, views, rows, columns] from its 1st and 99th percentile to about [−1, 1].

    Real radiographs come without absolute attenuation, so neither gain nor offset may matter.
    """
    # A quarter of the pixels gives the same percentiles in a quarter of the time.
    sample = pictures[..., ::2, ::2].flatten(2).float()
    low, high = torch.quantile(sample, torch.tensor([0.01, 0.99], device=pictures.device), dim=2)[..., None, None]
    return ((pictures - low) / (high - low).clip(1e-6) * 2 - 1).clip(-2, 2)
