"""From line integrals to what a detector measures and a reader sees."""

import numpy as np
import pytest

from CTGANLib.imaging.attenuation import hu_to_attenuation
from CTGANLib.imaging.drr import develop
from CTGANLib.imaging.film import expose, film, line_integral, transmission
from CTGANLib.imaging.geometry import Acquisition
from CTGANLib.imaging.pictures import FILM, LINE_INTEGRAL
from CTGANLib.imaging.radiographs import Radiograph

SPACING = (2.0, 2.0)


def chest_film() -> np.ndarray:
    """Line integrals [rows, columns]: air beside, tissue, two lungs in it, a spine."""
    p = np.zeros((100, 120))
    p[10:, 10:110] = 3.0
    p[20:80, 20:50] = p[20:80, 70:100] = 1.0
    p[10:, 57:63] = 6.0
    return p


def test_beer_lambert():
    assert transmission(np.array([0.0, 1.0]))[1] == pytest.approx(1 / np.e)
    np.testing.assert_allclose(line_integral(transmission(chest_film())), chest_film(), atol=1e-9)
    assert np.isfinite(line_integral(np.zeros(1)))


def test_scatter_adds_its_share_and_lowers_the_contrast():
    p = np.full((200, 200), 2.0)
    np.testing.assert_allclose(expose(p, SPACING, scatter=0.5), 1.5 * np.exp(-2), rtol=1e-3)
    p[:, 100:] = 3.0
    primary, measured = np.exp(-p), expose(p, SPACING, scatter=0.5)
    assert measured[0, 90] / measured[0, 110] < primary[0, 90] / primary[0, 110]


def test_noise_is_that_of_counted_photons():
    p = np.full((300, 300), 1.0)
    measured = expose(p, SPACING, photons=1000)
    expected = np.exp(-1)
    assert measured.mean() == pytest.approx(expected, rel=0.002)
    assert measured.std() == pytest.approx(np.sqrt(expected / 1000), rel=0.02)
    np.testing.assert_array_equal(measured, expose(p, SPACING, photons=1000))
    assert not np.array_equal(measured, expose(p, SPACING, photons=1000, seed=1))


@pytest.mark.parametrize("wrong", [{"scatter": -0.1}, {"photons": 0}, {"photons": -5}])
def test_exposures_that_cannot_be(wrong):
    with pytest.raises(ValueError, match="below zero"):
        expose(np.zeros((2, 2)), SPACING, **wrong)


def test_film_is_black_beside_the_patient_and_white_in_bone():
    picture = film(chest_film())
    air, lung, tissue, bone = picture[0, 0], picture[50, 30], picture[90, 30], picture[50, 60]
    assert air == 0
    assert 0.05 < lung < 0.3 < tissue < 0.95 < bone < 1


def test_film_of_twice_the_contrast_is_the_same():
    p = chest_film()
    np.testing.assert_allclose(film(2 * p)[p > 0], film(p)[p > 0], atol=0.06)


def test_film_of_air_alone():
    assert np.isfinite(film(np.zeros((4, 4)))).all()


def test_aerated_lung_keeps_its_contrast():
    """Emphysema of −950 HU, 60 mm long, in a lung of −850 HU shows on the film."""
    difference = 60 * np.subtract(*hu_to_attenuation(np.array([-850.0, -950.0])))
    p = chest_film()
    p[40:60, 30:40] -= difference
    picture = film(p)
    assert picture[30, 30] - picture[50, 35] > 0.01  # more than two gray values of 256


def test_develop():
    p = chest_film().astype(np.float32)
    raw = Radiograph(p, Acquisition(detector_shape=p.shape))
    assert develop(raw).kind == LINE_INTEGRAL
    np.testing.assert_array_equal(develop(raw).array, p)
    noisy = develop(raw, photons=5000, scatter=0.3)
    assert noisy.kind == LINE_INTEGRAL and (noisy.array < p + 0.1)[p > 0].mean() > 0.99
    seen = develop(raw, as_film=True)
    assert seen.kind == FILM and 0 <= seen.array.min() < seen.array.max() <= 1
