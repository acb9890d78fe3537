"""Hounsfield units, attenuation coefficients and the scale of the networks, for numpy arrays and torch tensors."""

# Linear attenuation coefficients in 1/mm near 70 keV, the mean energy of a chest radiograph's beam
# (NIST XCOM; bone is cortical bone and stands at 1000 HU on the bilinear scale).
MU_WATER = 0.0192
MU_BONE = 0.0573

# The window of the biplanar literature (X2CT-GAN): HU + 1024 clipped to [0, 2500].
HU_MIN = -1024.0
HU_MAX = 1476.0


def hu_to_attenuation(hu):
    """Linear attenuation coefficient in 1/mm of CT numbers in HU: bilinear, with air (−1000 HU and below) at zero."""
    below = hu.clip(-1000.0, 0.0) * (MU_WATER / 1000.0)
    above = hu.clip(0.0, None) * ((MU_BONE - MU_WATER) / 1000.0)
    return MU_WATER + below + above


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
