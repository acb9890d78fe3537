"""The cone-beam projector: digitally reconstructed radiographs and their exact adjoint."""

import numpy as np
import torch
from torch import nn

from ..errors import UserError
from .attenuation import hu_to_attenuation
from .geometry import Acquisition, Grid, View
from .radiographs import Radiograph
from .standardize import find_body, upright, without_table
from .volumes import Volume


class ConeBeamProjector(nn.Module):
    """Line integrals of a volume along the rays from the source to the detector pixels (Joseph's method).

    For a detector parallel to two axes of the grid the cone beam is separable: with the slabs s of the volume
    perpendicular to the beam, P = Σ_s R_s V_s C_sᵀ, where R_s and C_s interpolate linearly between voxels, times the
    length of the oblique ray through a slab. The gradient that autograd computes is the exact adjoint, since
    projection is linear and the matrices are constants; no activation is stored for it.

    Source: P. M. Joseph, IEEE TMI 1(3), 1982.

    Args:
        grid: the voxels. Its axes must be parallel to the detector's (any order and sign).
        acquisition: source and detector.

    Raises:
        ValueError: detector and grid are not parallel, or the source lies inside the volume.
    """

    def __init__(self, grid: Grid, acquisition: Acquisition) -> None:
        super().__init__()
        self.grid, self.acquisition = grid, acquisition
        frame = np.stack([acquisition.beam_direction, acquisition.row_direction, acquisition.column_direction])
        alignment = frame @ grid.directions
        self._axes = tuple(int(axis) for axis in np.abs(alignment).argmax(axis=1))  # of (i, j, k)
        signs = alignment[range(3), self._axes]
        if sorted(self._axes) != [0, 1, 2] or np.abs(np.abs(signs) - 1).max() > 1e-6:
            raise ValueError("The detector must be parallel to two axes of the volume.")

        depth, down, across = self._positions(frame, signs)
        if depth.min() <= 0:
            raise ValueError("The source must lie outside the volume.")
        matrix = acquisition.ijk_to_ras
        pixel_zero = matrix[:3, 3] - acquisition.source
        rows = pixel_zero @ frame[1] + acquisition.pixel_spacing[0] * np.arange(acquisition.detector_shape[0])
        columns = pixel_zero @ frame[2] + acquisition.pixel_spacing[1] * np.arange(acquisition.detector_shape[1])

        demagnification = depth / acquisition.source_to_detector_distance
        row_weights = _hat_weights(rows, down, demagnification)
        # [rows, slabs · voxels]: the sum over slabs becomes part of one matrix product.
        self.register_buffer("_row_weights", row_weights.permute(1, 0, 2).flatten(1), persistent=False)
        self.register_buffer(
            "_column_weights", _hat_weights(columns, across, demagnification).mT.contiguous(), persistent=False
        )
        tangent = (rows[:, None] ** 2 + columns[None, :] ** 2) / acquisition.source_to_detector_distance**2
        ray_length = grid.spacing[self._axes[0]] * np.sqrt(1 + tangent)
        self.register_buffer("_ray_length", torch.as_tensor(ray_length, dtype=torch.float32), persistent=False)

    def _positions(self, frame: np.ndarray, signs: np.ndarray) -> list[np.ndarray]:
        """Voxel centers from the source along the frame's three directions, each for the grid axis parallel to it."""
        first = frame @ (self.grid.to_ras(np.zeros(3)) - self.acquisition.source)
        sizes, spacing = self.grid.shape[::-1], self.grid.spacing
        return [
            first[n] + signs[n] * spacing[axis] * np.arange(sizes[axis]) for n, axis in enumerate(self._axes)
        ]

    @property
    def _array_order(self) -> tuple[int, ...]:
        """Dimensions of a [batch, k, j, i] tensor in the order batch, slab, row, column."""
        return (0, *(3 - axis for axis in self._axes))

    def forward(self, volume: torch.Tensor) -> torch.Tensor:
        """Line integrals (dimensionless) [batch, 1, rows, columns] of attenuation in 1/mm [batch, 1, k, j, i]."""
        slabs = volume[:, 0].permute(self._array_order)
        across = slabs @ self._column_weights.to(slabs.dtype)
        image = self._row_weights.to(slabs.dtype) @ across.flatten(1, 2)
        return (image * self._ray_length.to(slabs.dtype))[:, None]

    def adjoint(self, image: torch.Tensor) -> torch.Tensor:
        """The transposed projection: [batch, 1, rows, columns] to [batch, 1, k, j, i]."""
        weighted = image[:, 0] * self._ray_length.to(image.dtype)
        down = (self._row_weights.to(image.dtype).mT @ weighted).unflatten(1, (len(self._column_weights), -1))
        slabs = down @ self._column_weights.to(image.dtype).mT
        return slabs.permute(tuple(np.argsort(self._array_order)))[:, None]


def project(volume: Volume, acquisition: Acquisition) -> Radiograph:
    """The line integrals of a CT in HU as a radiograph.

    Raises:
        UserError: the acquisition cannot see the volume.
    """
    try:
        projector = ConeBeamProjector(volume.grid, acquisition)
    except ValueError as error:
        raise UserError(str(error), "Change the acquisition.") from error
    with torch.inference_mode():
        attenuation = hu_to_attenuation(torch.from_numpy(volume.array.astype(np.float32)))
        return Radiograph(projector(attenuation[None, None])[0, 0].numpy(), acquisition)


def project_views(
    volume: Volume,
    views: list[View | str],
    detector_size: int = 512,
    *,
    source_to_detector_distance: float = Acquisition.source_to_detector_distance,
    source_to_isocenter_distance: float | None = None,
    pixel_spacing: float | None = None,
) -> list[Radiograph]:
    """Radiographs of the patient in a CT in HU, the table removed, the middle of the thorax in the isocenter.

    Args:
        volume: any grid and directions.
        views: for each a radiograph.
        detector_size: rows and columns.
        source_to_detector_distance: mm.
        source_to_isocenter_distance: mm; without it the isocenter is 200 mm before the detector.
        pixel_spacing: mm; without it the detector is 430 mm wide.

    Raises:
        UserError: there is no body in the CT, or the acquisition cannot be.
    """
    body, center = find_body(volume)
    patient = without_table(_upright(volume), body)
    spacing = pixel_spacing or 430 / detector_size
    try:
        acquisitions = [
            Acquisition(
                View(view),
                source_to_detector_distance,
                source_to_isocenter_distance or source_to_detector_distance - 200,
                (detector_size, detector_size),
                (spacing, spacing),
                center,
            )
            for view in views
        ]
    except ValueError as error:
        raise UserError(str(error), "Give the right distances and pixel spacing in mm.") from error
    return [project(patient, acquisition) for acquisition in acquisitions]


def _upright(volume: Volume) -> Volume:
    """The volume itself if its axes lie along R, A and S, else resampled so that they do."""
    alignment = np.abs(volume.grid.directions)
    if np.allclose(alignment, alignment.round(), atol=1e-6):
        return volume
    return volume.resample(upright(volume.grid, float(volume.grid.spacing.min())))


def _hat_weights(pixels: np.ndarray, voxels: np.ndarray, demagnification: np.ndarray) -> torch.Tensor:
    """Linear-interpolation weights [slabs, pixels, voxels]: each ray reads its two nearest voxels in each slab.

    Args:
        pixels: positions of the pixels on the detector, mm from the central ray.
        voxels: positions of the voxel centers, mm from the central ray, evenly spaced.
        demagnification: for each slab, its distance from the source over that of the detector.
    """
    spacing = voxels[1] - voxels[0] if len(voxels) > 1 else 1.0
    index = (demagnification[:, None] * pixels[None, :] - voxels[0]) / spacing
    distance = torch.as_tensor(index, dtype=torch.float32)[:, :, None] - torch.arange(len(voxels))
    return distance.abs_().neg_().add_(1).clamp_(min=0)
