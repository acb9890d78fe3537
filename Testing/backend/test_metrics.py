"""Metrics against values computed by hand."""

import numpy as np
import pytest

from CTGANLib.evaluation import metrics

ZERO = np.full((8, 8, 8), -1024, np.int16)


def test_psnr_of_a_constant_error():
    # An error of 25 HU everywhere: 20 log10(2500 / 25) = 40 dB, and 20 log10(4095 / 25) = 44.286 dB.
    assert metrics.psnr_true(ZERO + 25, ZERO) == pytest.approx(40.0)
    assert metrics.psnr_x2ct(ZERO + 25, ZERO) == pytest.approx(44.2865, abs=1e-3)


def test_psnr_of_one_wrong_voxel():
    predicted = ZERO.copy()
    predicted[0, 0, 0] += 1000  # mean squared error 1000² / 512
    assert metrics.psnr_true(predicted, ZERO) == pytest.approx(10 * np.log10(2500**2 * 512 / 1000**2))


def test_psnr_truncates_to_integers_and_clips_to_the_window():
    assert metrics.psnr_true(ZERO + 25.9, ZERO) == pytest.approx(40.0)
    assert metrics.psnr_true(ZERO - 500, ZERO) == np.inf
    assert metrics.psnr_true(np.full_like(ZERO, 3000), np.full_like(ZERO, 1476)) == np.inf


def test_ssim_of_constant_slices():
    # Without structure SSIM is (2ab + c1) / (a² + b² + c1), c1 = 0.01².
    low, high = np.full((16,) * 3, -1024 + 500.0), np.full((16,) * 3, -1024 + 1000.0)
    expected = (2 * 0.2 * 0.4 + 1e-4) / (0.2**2 + 0.4**2 + 1e-4)
    assert metrics.ssim_x2ct(low, high) == pytest.approx(expected, rel=1e-4)
    assert metrics.ssim_3d(low, high) == pytest.approx(expected, rel=1e-3)  # the Gaussian is cut off


def test_ssim_is_one_for_equals_and_falls_with_noise():
    random = np.random.default_rng(0)
    true = random.uniform(-1000, 1000, (16, 16, 16))
    noisy = true + random.normal(0, 300, true.shape)
    for ssim in (metrics.ssim_x2ct, metrics.ssim_3d):
        assert ssim(true, true) == pytest.approx(1, abs=1e-5)
        assert ssim(noisy, true) < 0.95


def test_mae_only_counts_inside():
    predicted, inside = ZERO.astype(float), np.zeros(ZERO.shape, bool)
    inside[0, 0, :4] = True
    predicted[0, 0, :2], predicted[5, 5, 5] = -1024 + 30, 2000
    assert metrics.mae_hu(predicted, ZERO, inside) == pytest.approx(15.0)


def test_dice():
    first, second = np.zeros((2, 10), bool)
    first[:6], second[4:8] = True, True
    assert metrics.dice(first, second) == pytest.approx(2 * 2 / (6 + 4))
    assert metrics.dice(first[8:], second[8:]) == 1


def test_reprojection_error_fits_gain_and_offset():
    random = np.random.default_rng(1)
    measured = random.uniform(0, 4, (20, 20))
    seen = np.ones_like(measured, bool)
    exact = metrics.reprojection_error(2 * measured + 7, measured, seen)
    assert exact["ncc"] == pytest.approx(1) and exact["nrmse"] == pytest.approx(0, abs=1e-9)
    inverted = metrics.reprojection_error(-measured, measured, seen)
    assert inverted["ncc"] == pytest.approx(-1)
    # Two levels, one pixel of four wrong: the fit's residual by hand. x = 0 0 1 1, y = 0 0 0 1.
    fitted = metrics.reprojection_error(np.array([0.0, 0, 1, 1]), np.array([0.0, 0, 0, 1]), np.ones(4, bool))
    assert fitted["nrmse"] == pytest.approx(np.sqrt(0.5 / 4))
    assert fitted["ncc"] == pytest.approx(1 / np.sqrt(3))


def test_reprojection_error_only_counts_what_is_seen():
    measured = np.arange(12.0).reshape(3, 4)
    projected = measured.copy()
    projected[2] = -100
    seen = np.zeros((3, 4), bool)
    seen[:2] = True
    assert metrics.reprojection_error(projected, measured, seen)["nrmse"] == pytest.approx(0, abs=1e-9)
