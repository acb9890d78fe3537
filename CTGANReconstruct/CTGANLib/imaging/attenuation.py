"""Hounsfield units, attenuation coefficients and the scale of the networks, for numpy arrays and torch tensors."""

import numpy as np

# Linear attenuation coefficients in 1/mm of water and of what stands at 1000 HU on the bilinear scale, near 70 keV,
# the mean energy of a chest radiograph's beam. What holds without an energy, and what the shipped models have learned.
MU_WATER = 0.0192
MU_BONE = 0.0573

# Mass attenuation coefficients with coherent scattering in cm²/g of liquid water and of cortical bone (ICRU-44), of
# 1.92 g/cm³: J. H. Hubbell and S. M. Seltzer, NISTIR 5632, tables of 2004, which agree with NIST XCOM.
_KEV = (20.0, 30.0, 40.0, 50.0, 60.0, 80.0, 100.0, 150.0, 200.0)
_WATER = (0.8096, 0.3756, 0.2683, 0.2269, 0.2059, 0.1837, 0.1707, 0.1505, 0.1370)
_CORTICAL_BONE = (4.001, 1.331, 0.6655, 0.4242, 0.3148, 0.2229, 0.1855, 0.1480, 0.1309)
_BONE_DENSITY = 1.92
_CT_KEV = 70.0  # mean energy of a CT scanner's beam at 120 kV

# The window of the biplanar literature (X2CT-GAN): HU + 1024 clipped to [0, 2500].
HU_MIN = -1024.0
HU_MAX = 1476.0


def hu_to_attenuation(hu, energy: float | None = None):
    """Linear attenuation coefficient in 1/mm of CT numbers in HU.

    Bilinear: a line from air (−1000 HU and below, zero) to water (0 HU), so that aerated lung keeps its differences,
    and another one through bone. With an ``energy`` the second line goes through cortical bone at the CT number that
    it has in a CT at 70 keV.

    Args:
        hu: numpy array or torch tensor.
        energy: of the radiograph's photons, keV, 20 to 200; without it, the coefficients of the shipped models.

    Raises:
        ValueError: the energy is outside of the table.
    """
    water, slope = _bilinear(energy)
    return water + hu.clip(-1000.0, 0.0) * (water / 1000.0) + hu.clip(0.0, None) * slope


def _bilinear(energy: float | None) -> tuple[float, float]:
    """Attenuation of water in 1/mm, and its growth above water in 1/mm per HU."""
    if energy is None:
        return MU_WATER, (MU_BONE - MU_WATER) / 1000.0
    if not _KEV[0] <= energy <= _KEV[-1]:
        raise ValueError(f"The energy is {energy:g} keV but must lie between {_KEV[0]:g} and {_KEV[-1]:g} keV.")
    water, bone = _coefficients(energy)
    ct_water, ct_bone = _coefficients(_CT_KEV)
    bone_hu = 1000.0 * (ct_bone / ct_water - 1.0)
    return water, (bone - water) / bone_hu


def _coefficients(energy: float) -> tuple[float, float]:
    """Attenuation of water and of cortical bone in 1/mm; between the table's energies along powers, as XCOM does."""
    water, bone = (
        float(np.exp(np.interp(np.log(energy), np.log(_KEV), np.log(values)))) for values in (_WATER, _CORTICAL_BONE)
    )
    return water / 10.0, bone * _BONE_DENSITY / 10.0


def attenuation_to_hu(mu):
    """CT numbers in HU of attenuation coefficients in 1/mm; the inverse of :func:`hu_to_attenuation` above −1000 HU."""
    below = mu.clip(0.0, MU_WATER) * (1000.0 / MU_WATER) - 1000.0
    above = (mu - MU_WATER).clip(0.0, None) * (1000.0 / (MU_BONE - MU_WATER))
    return below + above


def hu_to_unit(hu):
    """HU window [−1024, 1476] to [0, 1], clipped: what the networks read and write."""
    return (hu.clip(HU_MIN, HU_MAX) - HU_MIN) / (HU_MAX - HU_MIN)


def unit_to_hu(unit):
    """[0, 1] back to HU; values outside are kept, so that gradients are too."""
    return unit * (HU_MAX - HU_MIN) + HU_MIN
