"""Augmented patients are still patients: sides stay, shapes come between shapes, what is told is nearly what is."""

import numpy as np
import pytest
import torch

from CTGANLib.biplanar.cameras import varied_acquisitions
from CTGANLib.imaging.geometry import Acquisition
from CTGANLib.training.augmentation import deform, recolor, restyle
from CTGANLib.training.blending import displacement_toward
from CTGANLib.training.implants import grow_nodules, implant
from phantoms import prepared


def test_augmentation_keeps_air_air_and_moves_the_rest():
    torch.manual_seed(0)
    hu = torch.from_numpy(prepared())[None].repeat(2, 1, 1, 1, 1)
    changed = deform(hu, 2.5)
    assert changed.shape == hu.shape and changed.amin() >= -1024.5 and changed.amax() <= 1000.5
    assert not torch.allclose(changed[0], changed[1], atol=1)
    bright = [np.argwhere(volume[0].numpy() > 500).mean(axis=0) for volume in (hu[0], changed[0], changed[1])]
    assert all(1 < np.linalg.norm(place - bright[0]) < 25 for place in bright[1:])
    assert torch.equal(recolor(hu)[hu == -1024], hu[hu == -1024])


def test_deformation_does_not_flip_sides():
    torch.manual_seed(1)
    hu = torch.from_numpy(prepared())[None].repeat(8, 1, 1, 1, 1)
    for volume in deform(hu, 2.5):
        k, j, i = np.argwhere(volume[0].numpy() > 500).mean(axis=0)
        body = np.argwhere(volume[0].numpy() > -500).mean(axis=0)
        assert i > body[2] + 10 and j < body[1] - 5 and k > body[0] + 5


def test_restyled_pictures_stay_ordered_and_finite():
    torch.manual_seed(2)
    pictures = torch.linspace(0, 8, 64).expand(3, 2, 64, 64)
    styled = restyle(pictures)
    assert torch.isfinite(styled).all()
    assert (styled[..., 8:-8].mean(2).diff(dim=-1).mean(-1) > 0).all()


def test_collimated_pictures_go_on_outward():
    torch.manual_seed(3)
    pictures = torch.linspace(0, 8, 64).expand(16, 2, 64, 64)
    cut = [picture for picture in restyle(pictures).flatten(0, 1) if torch.equal(picture[0], picture[1])]
    assert 0 < len(cut) < 32


def _ellipsoid(radii: tuple[float, float, float], center: tuple[float, float, float]) -> torch.Tensor:
    k, j, i = torch.meshgrid(*[torch.arange(64.0)] * 3, indexing="ij")
    inside = sum(((x - c) / r) ** 2 for x, c, r in zip((k, j, i), center, radii, strict=True)) < 1
    return torch.where(inside, 40.0, -1000.0)[None]


def test_a_patient_takes_the_shape_of_another():
    one, other = _ellipsoid((20, 14, 18), (30, 32, 34)), _ellipsoid((24, 11, 15), (33, 30, 31))
    toward = displacement_toward(one, other)[None]

    def misfit(share: float, aim: torch.Tensor) -> float:
        moved = deform(one[None], 2.5, shift=0, elastic=0, affine=False, toward=share * toward)[0]
        return float((moved - aim).abs().mean())

    assert misfit(1.0, other) < 0.4 * misfit(0.0, other)
    assert misfit(0.0, one) < misfit(0.5, one) < misfit(1.0, one)
    assert displacement_toward(one, one).abs().max() < 1e-3


def test_without_any_amount_a_patient_stays():
    hu = torch.from_numpy(prepared())[None]
    torch.testing.assert_close(deform(hu, 2.5, shift=0, elastic=0, affine=False), hu, atol=0.5, rtol=0)


def test_implants_lie_in_the_body_and_nodules_in_the_lungs():
    torch.manual_seed(4)
    hu = torch.from_numpy(prepared())[None].repeat(6, 1, 1, 1, 1)
    hu[:, :, 50:110, 60:100, 40:70] = -850
    before = hu.clone()
    changed = implant(hu, 2.5)
    assert torch.equal(hu, before)
    assert (changed >= hu).all() and changed.amax() <= 2500
    assert (changed > 290).sum() > (hu > 290).sum()
    soft = (changed > -150) & (changed < 200) & (hu == -850)
    assert soft.any()
    assert not (changed != hu)[:, :, :, :, 140:].any()


def test_nodules_grow_in_lungs_and_are_told_where_there_was_air():
    hu = torch.full((60, 62, 64), -1000.0)
    hu[4:56, 4:56, 4:60], hu[20:40, 20:40, 20:36] = 40.0, -850.0
    hu[:, 60, :] = -800.0  # a thin couch
    diameters, densities = [], []
    for seed in range(30):
        torch.manual_seed(seed)
        before = hu.clone()
        changed, grown = grow_nodules(hu, 2.0)
        assert torch.equal(hu, before) and (changed >= hu).all()
        assert grown.any() and (hu[grown] == -850).all() and (changed[grown] > -800).all()
        assert torch.equal(changed[:, 56:], hu[:, 56:]) and changed.amax() <= 150
        diameters.append((6 * 8 * int(grown.sum()) / np.pi) ** (1 / 3))
        densities.append(float(changed[grown].median()))
    assert min(diameters) < 8 and max(diameters) > 20
    assert min(densities) < -400 and max(densities) > 0
    solid, nowhere = grow_nodules(torch.full((20, 20, 20), 40.0), 2.0)
    assert not nowhere.any() and (solid == 40).all()


def test_what_is_told_of_the_cameras_is_nearly_true():
    torch.manual_seed(5)
    pairs = [varied_acquisitions() for _ in range(100)]
    ideal = 0
    for true, told in pairs:
        for actual, believed in zip(true, told, strict=True):
            assert actual.view is believed.view
            assert actual.beam_direction @ believed.beam_direction > np.cos(np.radians(1.5))
            assert believed.source_to_detector_distance == pytest.approx(actual.source_to_detector_distance, rel=0.021)
            ideal += actual.rotation == Acquisition().rotation
        assert abs(true[0].beam_direction @ true[1].beam_direction) < np.sin(np.radians(30))
    assert 60 < ideal < 140
    assert {a.view.value for true, _ in pairs for a in true} == {"PA", "AP", "LLAT", "RLAT"}
