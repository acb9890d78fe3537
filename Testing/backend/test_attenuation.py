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
