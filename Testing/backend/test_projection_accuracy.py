"""Line integrals against bodies whose chords are known, and what summing slabs costs."""

import numpy as np
import pytest
import torch

from CTGANLib.imaging import slabs
from CTGANLib.imaging.geometry import Acquisition, Grid, View, c_arm_rotation
from CTGANLib.imaging.projection import ConeBeamProjector
from phantoms import CENTER, DIRECTIONS, chest, points, turned_grid

MIDDLE = np.array([7.0, -4.0, 3.0])


class Box:
    half = np.array([41.0, 33.0, 47.0])

    def holds(self, where: np.ndarray) -> np.ndarray:
        return (np.abs(where) < self.half).all(axis=-1)

    def chord(self, start: np.ndarray, ray: np.ndarray) -> np.ndarray:
        return length(between(start, ray, self.half))


class Ellipsoid:
    radii = np.array([45.0, 30.0, 52.0])

    def holds(self, where: np.ndarray) -> np.ndarray:
        return ((where / self.radii) ** 2).sum(axis=-1) < 1

    def chord(self, start: np.ndarray, ray: np.ndarray) -> np.ndarray:
        return length(inside_ball(start / self.radii, ray / self.radii))


class Cylinder:
    radius, half_height = 37.0, 43.0

    def holds(self, where: np.ndarray) -> np.ndarray:
        return ((where[..., :2] ** 2).sum(axis=-1) < self.radius**2) & (np.abs(where[..., 2]) < self.half_height)

    def chord(self, start: np.ndarray, ray: np.ndarray) -> np.ndarray:
        round_part = inside_ball(start[:2] / self.radius, ray[..., :2] / self.radius)
        low, high = zip(round_part, between(start[2:], ray[..., 2:], self.half_height), strict=True)
        return length((np.maximum(*low), np.minimum(*high)))


def between(start, ray, half):
    """Where rays enter and leave the space between planes at ± half, mm from the start."""
    with np.errstate(divide="ignore"):
        ends = np.stack([(-half - start) / ray, (half - start) / ray])
    return ends.min(axis=0).max(axis=-1), ends.max(axis=0).min(axis=-1)


def inside_ball(start, ray):
    a, b, c = (ray**2).sum(axis=-1), ray @ start, start @ start - 1
    root = np.sqrt(np.clip(b**2 - a * c, 0, None))
    return (-b - root) / a, (-b + root) / a


def length(interval):
    return np.clip(interval[1] - interval[0], 0, None)


def error(body, spacing: float, acquisition: Acquisition) -> float:
    """Root mean square error of the line integrals through a voxelized body, as a share of their maximum."""
    grid = Grid.centered((round(130 / spacing),) * 3, spacing)
    corners = np.stack(np.meshgrid(*[(np.arange(5) - 2) / 5 * spacing] * 3), axis=-1).reshape(-1, 3)
    share = np.mean([body.holds(points(grid) + corner - MIDDLE) for corner in corners], axis=0)
    rows, columns = np.indices(acquisition.detector_shape)
    pixel = np.stack([columns, rows, 0 * rows, 0 * rows + 1], axis=-1) @ acquisition.ijk_to_ras.T
    ray = pixel[..., :3] - acquisition.source
    ray /= np.linalg.norm(ray, axis=-1, keepdims=True)
    chord = body.chord(acquisition.source - MIDDLE, ray)
    p = ConeBeamProjector(grid, acquisition)(torch.as_tensor(share)[None, None])[0, 0].numpy()
    return np.sqrt(((p - chord) ** 2).mean()) / chord.max()


@pytest.mark.parametrize("angles", [(0, 0, 0), (90, 0, 0), (20, 7, 0), (-50, 20, 15)])
@pytest.mark.parametrize("body", [Box(), Ellipsoid(), Cylinder()], ids=lambda body: type(body).__name__)
def test_finer_voxels_converge_to_the_true_chords(body, angles):
    acquisition = Acquisition(
        View.PA, 900, 700, (120, 110), (1.5, 1.6), detector_offset=(6.0, -9.0), rotation=c_arm_rotation(*angles)
    )
    errors = [error(body, spacing, acquisition) for spacing in (8.0, 4.0, 2.0)]
    order = np.log2(errors[0] / errors[2]) / 2
    print(f"{type(body).__name__} {angles}: {errors}, order {order:.2f}")
    assert errors[2] < 0.03
    assert order > 0.8


@pytest.mark.parametrize("angles", [(0, 0, 0), (90, 0, 0), (20, 7, 0), (-50, 20, 15)])
@pytest.mark.parametrize("name", ["lps", "oblique"])
def test_summing_slabs_is_not_seen(monkeypatch, name, angles):
    ct = chest(turned_grid(DIRECTIONS[name], (200, 150, 180), (1.4, 1.4, 2.5)))
    mu = torch.as_tensor((ct.array + 1000) * 2e-5)[None, None]
    acquisition = Acquisition(
        View.PA, 1020, 850, (100, 100), (2.5, 2.5), tuple(CENTER), rotation=c_arm_rotation(*angles)
    )
    summed = ConeBeamProjector(ct.grid, acquisition)(mu)
    monkeypatch.setattr(slabs, "MAX_SHIFT", 0.0)
    exact = ConeBeamProjector(ct.grid, acquisition)(mu)
    difference = (summed - exact).square().mean().sqrt() / (exact.max() - exact.min())
    assert difference < 0.002
