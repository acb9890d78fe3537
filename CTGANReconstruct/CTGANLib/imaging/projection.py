"""The cone-beam projector: digitally reconstructed radiographs and their exact adjoint."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from ..errors import UserError
from .attenuation import hu_to_attenuation
from .geometry import Acquisition, Grid
from .joseph import JosephSums
from .radiographs import Radiograph
from .rays import RayBundle, SeparableRays, bundles, camera_rays, check_in_front, move_rays, separate
from .separable import SeparableSums
from .slabs import PreparedVolume, Slabs, SlabSum, full_precision, linear, slabs_to_sum
from .volumes import Volume


class ConeBeamProjector(nn.Module):
    """Line integrals of a volume along the rays from the source to the detector pixels (Joseph's method).

    Where the detector is parallel to two axes of the grid the beam is separable and each axis is interpolated on its
    own, else each slab at once; the results are the same. Slabs of the volume that no pixel can tell apart are summed
    first. The projection is linear in the volume and :meth:`adjoint`, which is also its gradient, is its exact
    transpose; nothing is stored for it.

    Volumes may be on any device, in float32, in half precision (summed in float32) or in float64.

    Source: P. M. Joseph, IEEE TMI 1(3), 1982.

    Args:
        grid: the voxels, in any direction.
        acquisitions: one view or several with detectors of the same shape.

    Raises:
        ValueError: the source lies inside the volume or beside it, or the detectors differ in shape.
    """

    def __init__(self, grid: Grid, acquisitions: Acquisition | Sequence[Acquisition]) -> None:
        super().__init__()
        self.grid = grid
        self.acquisitions = [acquisitions] if isinstance(acquisitions, Acquisition) else list(acquisitions)
        if len({a.detector_shape for a in self.acquisitions}) != 1:
            raise ValueError("The detectors of all views must have the same shape.")
        self._views = [_ProjectedView(grid, a) for a in self.acquisitions]

    def forward(self, volume: torch.Tensor | PreparedVolume, pose: torch.Tensor | None = None) -> torch.Tensor:
        """Line integrals (dimensionless) [batch, views, rows, columns].

        Args:
            volume: attenuation in 1/mm [batch, 1, k, j, i], or prepared for many projections.
            pose: [views, 6], a rigid movement of source and detector: rotation vector about the isocenter (radians)
                and translation (mm), both along R, A and S. Gradients flow to it.

        Raises:
            ValueError: the volume is not one of the grid.
        """
        tensor = volume.volume if isinstance(volume, PreparedVolume) else volume
        if tensor.ndim != 5 or tensor.shape[1:] != (1, *self.grid.shape):
            raise ValueError(f"The volume's shape {tuple(tensor.shape)} is not [batch, 1, *{self.grid.shape}].")
        views = self._views if pose is None else [v.moved(p) for v, p in zip(self._views, pose, strict=True)]
        with full_precision(tensor):
            return torch.stack([view.project(volume) for view in views], dim=1)

    def adjoint(self, image: torch.Tensor) -> torch.Tensor:
        """The transposed projection: [batch, views, rows, columns] to [batch, 1, k, j, i], summed over the views."""
        return sum(view.transpose(image[:, number]) for number, view in enumerate(self._views))


@contextmanager
def _lasting() -> Iterator[None]:
    """Tensors that are kept can serve later calls with gradients, even if the first call is in inference mode."""
    gradients = torch.is_grad_enabled()
    with torch.inference_mode(False), torch.set_grad_enabled(gradients):
        yield


class _ProjectedView:
    """One view of a grid.

    Args:
        grid: the voxels.
        acquisition: the view.
        pose: see :meth:`ConeBeamProjector.forward`.
    """

    def __init__(self, grid: Grid, acquisition: Acquisition, pose: torch.Tensor | None = None) -> None:
        self._grid, self._acquisition = grid, acquisition
        with _lasting():
            rays = torch.as_tensor(camera_rays(acquisition))
            if pose is not None:
                rays = move_rays(rays, pose.to("cpu", torch.float64), torch.as_tensor(acquisition.isocenter))
            if not acquisition.parallel:
                check_in_front(rays.detach(), torch.as_tensor(acquisition.beam_direction), grid)
            separable = separate(rays, grid, acquisition.detector_shape) if pose is None else None
            self._rays = [separable] if separable else bundles(rays, grid, acquisition.detector_shape)
        self._parts: dict[tuple, list[_Part]] = {}

    def moved(self, pose: torch.Tensor) -> "_ProjectedView":
        return _ProjectedView(self._grid, self._acquisition, pose)

    def project(self, volume: torch.Tensor | PreparedVolume) -> torch.Tensor:
        """[batch, rows, columns]."""
        image = 0
        for part in self._parts_for(volume if isinstance(volume, torch.Tensor) else volume.volume):
            values = part.project(volume) * part.length
            blank = values.new_zeros(len(values), math.prod(self._acquisition.detector_shape))
            image = image + blank.index_add(1, part.pixels, values)
        return image.unflatten(1, self._acquisition.detector_shape)

    def transpose(self, image: torch.Tensor) -> torch.Tensor:
        """[batch, rows, columns] to [batch, 1, k, j, i]."""
        parts, flat = self._parts_for(image), image.flatten(1)
        return sum(part.transpose(flat[:, part.pixels] * part.length) for part in parts)

    def _parts_for(self, tensor: torch.Tensor) -> list["_Part"]:
        """The parts on a tensor's device and in its precision, made on first use."""
        key = tensor.device, torch.promote_types(tensor.dtype, torch.float32)
        if key not in self._parts:
            with _lasting():
                like = torch.empty(0, device=key[0], dtype=key[1])
                self._parts[key] = [self._part(rays, like) for rays in self._rays]
        return self._parts[key]

    def _part(self, rays: RayBundle | SeparableRays, like: torch.Tensor) -> "_Part":
        acquisition, sizes = self._acquisition, self._grid.shape[::-1]
        magnification = acquisition.source_to_detector_distance / acquisition.source_to_isocenter_distance
        pixel = min(acquisition.pixel_spacing) / (1 if acquisition.parallel else magnification)
        size = sizes[rays.axis]
        summing = SlabSum(rays.axis, slabs_to_sum(rays.drift(self._grid.spacing) / pixel, size), size)
        fast, slow = (n for axis, n in enumerate(sizes) if axis != rays.axis)
        kind = SeparableSums if isinstance(rays, SeparableRays) else JosephSums
        sums = kind(rays, summing, (slow, fast), like)
        return _Part(self._grid.shape, sums, rays.pixels.to(like.device), rays.length.to(like))


@dataclass(frozen=True)
class _Part:
    """The pixels of a picture whose rays follow one axis of the grid most, and what their rays sum."""

    shape: tuple[int, int, int]
    sums: SeparableSums | JosephSums
    pixels: torch.Tensor
    length: torch.Tensor

    def project(self, volume: torch.Tensor | PreparedVolume) -> torch.Tensor:
        """The sums [batch, pixels]."""
        if isinstance(self.sums, JosephSums) and self.sums.start.requires_grad:
            tensor = volume if isinstance(volume, torch.Tensor) else volume.volume
            return _MovingRays.apply(tensor, self.sums.start, self.sums.slope, self, volume)
        if isinstance(volume, PreparedVolume):
            return self.sums.project(volume)
        return linear(volume, self._project, self._transpose)

    def transpose(self, values: torch.Tensor) -> torch.Tensor:
        """[batch, pixels] to [batch, 1, k, j, i]."""
        return linear(values, self._transpose, self._project)

    def _project(self, volume: torch.Tensor) -> torch.Tensor:
        return self.sums.project(Slabs(volume))

    def _transpose(self, values: torch.Tensor) -> torch.Tensor:
        volume = values.new_empty(len(values), 1, *self.shape)
        self.sums.transpose(values, volume)
        return volume


class _MovingRays(torch.autograd.Function):
    """The sums of a part with gradients for the rays too; it saves the volume only."""

    @staticmethod
    def forward(ctx, tensor, start, slope, part, volume):
        ctx.save_for_backward(tensor)
        ctx.part, ctx.prepared = part, volume if isinstance(volume, PreparedVolume) else None
        return part.sums.project(ctx.prepared or Slabs(tensor))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        (tensor,) = ctx.saved_tensors
        with full_precision(tensor):
            to_volume = ctx.part._transpose(gradient) if ctx.needs_input_grad[0] else None
            to_rays = ctx.part.sums.rays_gradient(gradient, ctx.prepared or Slabs(tensor))
        return to_volume, *to_rays, None, None


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
