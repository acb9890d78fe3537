"""Makes a reconstruction fit its radiographs better, where they know more than the generator has read from them.

The generator's CT x₀ is taken as a guess whose errors have a known size and extent, the covariance C. The radiographs
show P x through an unknown gain and offset, and noise of variance N. The most probable CT is x₀ + C Pᵀ z, where
(P C Pᵀ + N) z = gain · y + offset − P x₀ and z is orthogonal to what gain and offset can explain: both are fitted
together with the CT (universal kriging; G. Matheron, 1969). z has one number a pixel and is found by conjugate
gradients. C keeps air as air and spreads what is missing along the rays to where the generator is usually wrong.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.nn import functional as F

from ..imaging.attenuation import HU_MAX, HU_MIN, MU_BONE, MU_WATER, attenuation_to_hu, hu_to_attenuation
from ..imaging.geometry import Acquisition, Grid
from ..imaging.projection import ConeBeamProjector
from ..imaging.radiographs import Radiograph
from ..imaging.standardize import FIELD_SIZE, STANDARD_SIZE
from ..imaging.volumes import Volume
from .uncertainty import usual_error

# How the refinement went: the radiographs are line integrals up to gain and offset; they are not, and only their
# detail has been used; or the reconstruction stays as it was.
FULL, CAUTIOUS, NONE = "full", "cautious", "none"

_STEPS = 10
_ROWS = 64  # of the pictures that are fitted: 6 mm at the isocenter, as fine as a correction can be
_MARGIN = (FIELD_SIZE - STANDARD_SIZE) // 2  # voxels around the reconstruction that the radiographs see too
_COARSE = 2  # voxels of the reconstruction along each edge of the voxels that are fitted

# How far the generator's error is trusted to reach: a share of the usual error, and where it is alike.
_ERROR_SCALE = 0.8
_REACH = (15.0, 10.0, 10.0)  # mm along k, j and i over which errors are alike
_OUTSIDE = 2.0  # times that, in what the radiographs see around the reconstruction

# How surprising a misfit may be: its squared Mahalanobis distance, a pixel. In experiments with tone curves, scatter
# and wrong poses, the full refinement made no CT worse below the first limit, many above it; two radiographs of
# another patient lay above the second.
_SURPRISE_LINEAR, _SURPRISE_MAX = 0.4, 2.0


@dataclass(frozen=True)
class _Response:
    """What radiographs show beside gain, offset and the CT, standard deviations in units of line integrals.

    Attributes:
        noise: of each pixel.
        tone: of each of eight knots of a tone curve.
        haze: of what varies slowly over the picture, such as scatter and the balancing of exposure.
    """

    noise: float
    tone: float = 0.0
    haze: float = 0.0


_LINEAR, _UNKNOWN = _Response(noise=0.15), _Response(noise=0.3, tone=1.0, haze=1.0)
_KNOTS, _HAZE_REACH = 8, 40.0  # mm at the isocenter


@torch.inference_mode()
def refine(volume: Volume, radiographs: tuple[Radiograph, ...], pictured: tuple[np.ndarray, ...]) -> tuple[Volume, str]:
    """A CT that explains its radiographs better.

    Args:
        volume: the reconstruction in HU on the standard grid, 128³ voxels of 2.5 mm along R, A and S.
        radiographs: on the standard detector (see ``on_standard_detector``); their gain and offset do not matter.
        pictured: for each, its pixels [rows, columns] that show something (bool); the others are not fitted.

    Returns:
        The CT, int16, on the same grid, and how it went: ``FULL``, ``CAUTIOUS`` or ``NONE``, which is the ``volume``.
    """
    try:
        pixels = _Pixels(volume.grid, radiographs, pictured)
    except ValueError:  # a source in what surrounds the reconstruction
        return volume, NONE
    guess = _Guess(volume)
    if not pixels.agree_with(guess):
        return volume, NONE
    weights, surprise = _solve(guess, pixels, _LINEAR)
    if not surprise <= _SURPRISE_MAX:
        return volume, NONE
    if surprise <= _SURPRISE_LINEAR:
        return guess.corrected(pixels.backproject(weights)), FULL
    weights, _ = _solve(guess, pixels, _UNKNOWN)
    return guess.corrected(pixels.backproject(weights)), CAUTIOUS


class _Guess:
    """The reconstruction, what may lie around it, and the covariance C = D K D of their errors.

    D is how large errors are, K how alike those of two voxels: exp(−distance / reach) along each axis.
    """

    def __init__(self, volume: Volume) -> None:
        self._volume = volume
        hu = torch.from_numpy(volume.array.astype(np.float32))[None, None]
        self._attenuation = hu_to_attenuation(hu)
        self._deviation = _ERROR_SCALE * usual_error(hu) * torch.where(hu > 0, MU_BONE - MU_WATER, MU_WATER) / 1000
        self.attenuation = _surrounded(self._attenuation)
        self.deviation = _surrounded(self._deviation)
        inside = self.deviation[_inside(_COARSE)].clone()
        self.deviation *= _OUTSIDE
        self.deviation[_inside(_COARSE)] = inside
        spacing = volume.grid.spacing[0] * _COARSE
        self._alike = [_alike(self.deviation.shape[-1], spacing / reach) for reach in _REACH]

    def spread(self, backprojected: torch.Tensor) -> torch.Tensor:
        """K D x."""
        along_k, along_j, along_i = self._alike
        x = (self.deviation * backprojected) @ along_i
        x = along_j @ x
        return (along_k @ x.flatten(3)).view_as(x)

    def corrected(self, backprojected: torch.Tensor) -> Volume:
        """x₀ + D K D x as a CT; no attenuation gets negative."""
        change = F.interpolate(self.spread(backprojected), scale_factor=_COARSE, mode="trilinear")
        attenuation = self._attenuation + self._deviation * change[_inside(1)]
        before = self._volume.array
        hu = attenuation_to_hu(attenuation)[0, 0].clip(HU_MIN, HU_MAX).round().short().numpy()
        # The attenuation does not tell HU below −1000 apart.
        return Volume(np.where((hu <= -1000) & (before < -1000), before, hu).astype(np.int16), self._volume.grid)


class _Pixels:
    """The radiographs as coarse pictures [1, views, rows, columns], and their rays through :class:`_Guess`.

    Raises:
        ValueError: a source lies in the guess.
    """

    def __init__(self, grid: Grid, radiographs: tuple[Radiograph, ...], pictured: tuple[np.ndarray, ...]) -> None:
        field = Grid.centered((FIELD_SIZE,) * 3, grid.spacing[0], tuple(grid.center)).coarser(_COARSE)
        rows = radiographs[0].array.shape[0]
        step = rows // _ROWS
        acquisitions = [_coarser(radiograph.acquisition, step) for radiograph in radiographs]
        self._projector = ConeBeamProjector(field, acquisitions)
        pictures = torch.from_numpy(np.stack([radiograph.array for radiograph in radiographs]).astype(np.float32))
        self.pictures = F.avg_pool2d(pictures[None], step)
        shown = F.avg_pool2d(torch.from_numpy(np.stack(pictured).astype(np.float32))[None], step)
        self.used = (shown == 1).float()
        # The outermost pixels hold frames of pictures, and rays that leave the field.
        self.used[..., [0, -1], :] = self.used[..., [0, -1]] = 0
        acquisition = acquisitions[0]
        magnification = acquisition.source_to_detector_distance / acquisition.source_to_isocenter_distance
        self.spacing = max(acquisition.pixel_spacing) / magnification

    def project(self, attenuation: torch.Tensor) -> torch.Tensor:
        """P x on the pixels that are used."""
        return self.used * self._projector(attenuation)

    def backproject(self, values: torch.Tensor) -> torch.Tensor:
        """Pᵀ z."""
        return self._projector.adjoint(self.used * values)

    def agree_with(self, guess: _Guess) -> bool:
        """Whether each picture shows something that grows with what the guess attenuates."""
        projected = self.project(guess.attenuation)
        for number in range(projected.shape[1]):
            used = self.used[0, number] > 0
            if used.sum() < 100:
                return False
            both = torch.stack([projected[0, number][used], self.pictures[0, number][used]])
            if not torch.corrcoef(both)[0, 1] > 0:  # nor is it so if one of both is the same everywhere
                return False
        return True

    def responses(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Orthonormal, what gain and offset explain [pixels, 2 views]; the knots of tone curves [pixels, 8 views]."""
        lines, knots = [], []
        for number in range(self.pictures.shape[1]):
            used = self.used[0, number]
            low, high = torch.quantile(self.pictures[0, number][used > 0], torch.tensor([0.005, 0.995]))
            unit = (self.pictures[0, number] - low) / (high - low).clip(min=1e-12)
            lines += [self._alone(number, used), self._alone(number, used * unit)]
            place = unit.clip(0, 1) * (_KNOTS - 1)
            knots += [self._alone(number, used * (1 - (place - knot).abs()).clip(min=0)) for knot in range(_KNOTS)]
        return torch.linalg.qr(torch.stack(lines, 1).double())[0].float(), torch.stack(knots, 1)

    def _alone(self, number: int, picture: torch.Tensor) -> torch.Tensor:
        """A picture of one view among empty ones, flat."""
        blank = torch.zeros_like(self.pictures)
        blank[0, number] = picture
        return blank.flatten()


def _solve(guess: _Guess, pixels: _Pixels, response: _Response) -> tuple[torch.Tensor, float]:
    """The weights z [1, views, rows, columns] and how surprising the misfit is for this response."""
    line, knots = pixels.responses()
    rows, columns = pixels.pictures.shape[-2:]
    reach = _HAZE_REACH / pixels.spacing
    down, across = _alike(rows, 1 / reach, 2), _alike(columns, 1 / reach, 2)

    def unexplained(z: torch.Tensor) -> torch.Tensor:
        flat = z.flatten()
        return (flat - line @ (line.T @ flat)).view_as(z)

    def covariance(z: torch.Tensor) -> torch.Tensor:
        result = pixels.project(guess.deviation * guess.spread(pixels.backproject(z)))
        if response.haze:
            result = result + response.haze**2 * pixels.used * (down @ (pixels.used * z) @ across)
        if response.tone:
            result = result + response.tone**2 * (knots @ (knots.T @ z.flatten())).view_as(z)
        return unexplained(result) + response.noise**2 * z

    misfit = -unexplained(pixels.project(guess.attenuation))
    z = _conjugate_gradients(covariance, misfit)
    return z, float((misfit * z).sum() / pixels.used.sum())


def _conjugate_gradients(matrix, right: torch.Tensor) -> torch.Tensor:
    """An approximate solution of ``matrix(x) = right``; the matrix is symmetric and positive."""
    x, residual, direction = torch.zeros_like(right), right, right
    square = (residual**2).sum()
    for _ in range(_STEPS):
        if square <= 1e-12:
            break
        turned = matrix(direction)
        length = square / (direction * turned).sum()
        x, residual = x + length * direction, residual - length * turned
        before, square = square, (residual**2).sum()
        direction = residual + square / before * direction
    return x


def _surrounded(values: torch.Tensor) -> torch.Tensor:
    """The reconstruction's border carried on through the field that the radiographs see, on the coarse grid."""
    return F.avg_pool3d(F.pad(values, (_MARGIN,) * 6, mode="replicate"), _COARSE)


def _inside(coarse: int) -> tuple:
    """Where the reconstruction lies in the field."""
    margin = _MARGIN // coarse
    return (..., *[slice(margin, -margin)] * 3)


def _alike(count: int, step: float, power: int = 1) -> torch.Tensor:
    """How alike the values of ``count`` places are, ``step`` reaches apart: exp(−distanceᵖ / p)."""
    place = torch.arange(count) * step
    return torch.exp(-((place[:, None] - place).abs() ** power) / power)


def _coarser(acquisition: Acquisition, step: int) -> Acquisition:
    return replace(
        acquisition,
        detector_shape=tuple(count // step for count in acquisition.detector_shape),
        pixel_spacing=tuple(spacing * step for spacing in acquisition.pixel_spacing),
    )
