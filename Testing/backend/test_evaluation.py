"""Tables of scores."""

import math

import pytest

from CTGANLib.training.evaluation import interval, summarize, table


def test_interval_of_three_values():
    # Standard deviation 1, t(2) = 4.30: 4.30 / √3.
    assert interval([1.0, 2.0, 3.0]) == pytest.approx(4.30 / math.sqrt(3))
    assert math.isnan(interval([1.0]))


def test_summary_keeps_methods_apart():
    rows = [
        {"case": "a", "method": "ours", "psnr_true": 20.0},
        {"case": "a", "method": "mean volume", "psnr_true": 10.0},
        {"case": "b", "method": "ours", "psnr_true": 22.0},
        {"case": "b", "method": "mean volume", "psnr_true": 14.0},
    ]
    ours, mean = summarize(rows)
    assert (ours["method"], ours["n"], ours["psnr_true"]) == ("ours", 2, 21.0)
    assert (mean["method"], mean["psnr_true"]) == ("mean volume", 12.0)
    assert mean["psnr_true_ci95"] == pytest.approx(12.71 * math.sqrt(8) / math.sqrt(2))


def test_table_shows_intervals_behind_means():
    text = table([{"method": "ours", "n": 2, "psnr_true": 21.0, "psnr_true_ci95": 1.5}])
    assert text.splitlines() == [
        "| method | n | psnr_true    |",
        "|--------|---|--------------|",
        "| ours   | 2 | 21.00 ± 1.50 |",
    ]
