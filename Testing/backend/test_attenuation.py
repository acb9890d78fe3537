"""Hounsfield units, attenuation and the scale of the networks."""

import numpy as np
import pytest
import torch

from CTGANLib.imaging import attenuation


@pytest.mark.parametrize("make", [np.asarray, torch.as_tensor], ids=["numpy", "torch"])
def test_attenuation_of_known_materials(make):
    mu = attenuation.hu_to_attenuation(make(np.array([-1000.0, -850.0, 0.0, 1000.0])))
    np.testing.assert_allclose(np.asarray(mu), [0, 0.15 * 0.0192, 0.0192, 0.0573], rtol=1e-6)


def test_air_never_attenuates_less_than_nothing():
    assert attenuation.hu_to_attenuation(np.array([-3024.0]))[0] == pytest.approx(0, abs=1e-12)


def test_attenuation_and_back():
    hu = np.linspace(-1000, 3000, 401)
    np.testing.assert_allclose(attenuation.attenuation_to_hu(attenuation.hu_to_attenuation(hu)), hu, atol=1e-6)


def test_unit_scale():
    np.testing.assert_allclose(attenuation.hu_to_unit(np.array([-1024.0, 226.0, 1476.0, 5000.0])), [0, 0.5, 1, 1])
    hu = np.linspace(-1024, 1476, 11)
    np.testing.assert_allclose(attenuation.unit_to_hu(attenuation.hu_to_unit(hu)), hu, atol=1e-9)


@pytest.mark.parametrize("make", [np.asarray, torch.as_tensor], ids=["numpy", "torch"])
def test_energies_of_the_table(make):
    hu = make(np.array([-1000.0, 0.0]))
    np.testing.assert_allclose(np.asarray(attenuation.hu_to_attenuation(hu, 60)), [0, 0.02059], atol=1e-12)
    np.testing.assert_allclose(np.asarray(attenuation.hu_to_attenuation(hu, 100)), [0, 0.01707], atol=1e-12)


def test_the_energy_of_a_ct_gives_back_what_the_ct_measured():
    hu = np.linspace(-1000, 2000, 7)
    mu = attenuation.hu_to_attenuation(hu, 70)
    np.testing.assert_allclose(1000 * (mu / mu[2] - 1), hu, atol=1e-9)
    assert mu[2] == pytest.approx(0.0193, abs=0.0001)  # NIST XCOM: 0.0193 per mm
    # Where cortical bone stands at 70 keV, it has its own coefficient at all energies.
    bone = attenuation.hu_to_attenuation(np.array([1593.0]), 60)[0]
    assert bone == pytest.approx(0.3148 * 1.92 / 10, rel=0.002)


def test_soft_radiation_shows_more_bone():
    tissue, bone = np.array([40.0]), np.array([800.0])
    mu = [[attenuation.hu_to_attenuation(hu, energy)[0] for hu in (tissue, bone)] for energy in (40, 70, 120)]
    ratios = [bone / tissue for tissue, bone in mu]
    assert ratios == sorted(ratios, reverse=True)


@pytest.mark.parametrize("energy", [None, 20, 60, 100, 200])
def test_aerated_lung_keeps_its_differences(energy):
    emphysema, healthy, water = attenuation.hu_to_attenuation(np.array([-950.0, -850.0, 0.0]), energy)
    assert healthy - emphysema == pytest.approx(0.1 * water)


@pytest.mark.parametrize("energy", [0, 19, 201, -60, float("nan")])
def test_unknown_energies(energy):
    with pytest.raises(ValueError, match="between 20 and 200 keV"):
        attenuation.hu_to_attenuation(np.zeros(1), energy)
