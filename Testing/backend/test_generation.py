"""Measures of generated pictures: each tells what it is meant to tell, and nothing where there is nothing."""

import numpy as np
import pytest
import torch

from CTGANLib.evaluation.features import RandomFeatures, standardized
from CTGANLib.evaluation.generation import (
    density_coverage,
    frechet_distance,
    frechet_distance_of_planes,
    hu_histogram_distance,
    kid,
    mmd,
    nearest,
    pairwise_ms_ssim,
    precision_recall,
    ratio,
)
from CTGANLib.models.store import find_model
from CTGANLib.segmentation.features import SEGMENTER, SegmenterFeatures
from CTGANLib.segmentation.network import definitions
from CTGANLib.segmentation.segmenter import TASK
from CTGANLib.segmentation.tasks import CHEST


def cloud(count: int, seed: int, mean: float = 0.0, deviation: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, deviation, (count, 8))


def test_kid_is_the_unbiased_estimate_and_zero_for_one_distribution():
    first, second = cloud(6, 0), cloud(5, 1)
    kernel = [[(float(x @ y) / 8 + 1) ** 3 for y in (*first, *second)] for x in (*first, *second)]
    within = np.mean([kernel[i][j] for i in range(6) for j in range(6) if i != j])
    other = np.mean([kernel[6 + i][6 + j] for i in range(5) for j in range(5) if i != j])
    across = np.mean([kernel[i][6 + j] for i in range(6) for j in range(5)])
    assert kid(first, second).value == pytest.approx(within + other - 2 * across)
    same = [kid(cloud(80, n), cloud(80, 100 + n)).value for n in range(40)]
    assert abs(np.mean(same)) < 3 * np.std(same) / np.sqrt(40) and min(same) < 0


@pytest.mark.parametrize("measure", [kid, mmd])
def test_intervals_hold_zero_for_one_distribution_and_not_for_two(measure):
    inside = [(e := measure(cloud(60, n), cloud(60, 500 + n))).low <= 0 <= e.high for n in range(40)]
    assert np.mean(inside) > 0.85
    apart = measure(cloud(60, 0), cloud(60, 1, mean=0.8))
    assert 0 < apart.low < apart.value < apart.high
    assert measure(cloud(60, 0), cloud(60, 1, mean=1.6)).value > apart.value


def test_slices_of_few_patients_say_less_than_as_many_patients():
    patients = np.repeat(np.arange(6), 20)
    of_patients = cloud(6, 0)[patients] + 0.1 * cloud(120, 1)
    alone = kid(of_patients, cloud(120, 2))
    together = kid(of_patients, cloud(120, 2), groups=(patients, None))
    assert together.value == alone.value and together.half_width > 2 * alone.half_width


def test_precision_tells_quality_and_recall_variety():
    real = cloud(300, 0)
    for generated, high in ((cloud(300, 1), (True, True)), (0.2 * cloud(300, 1), (True, False))):
        precision, recall = precision_recall(generated, real)
        density, coverage = density_coverage(generated, real)
        assert (precision > 0.7, recall > 0.7) == high and (density > 0.7, coverage > 0.7) == high
    elsewhere = cloud(300, 1, mean=20)
    assert precision_recall(elsewhere, real) == (0, 0) and density_coverage(elsewhere, real) == (0, 0)


def test_neighborhoods_pass_over_the_own_patient():
    patients = np.repeat(np.arange(6), 20)
    real = cloud(6, 0)[patients] + 0.01 * cloud(120, 1)
    other = cloud(40, 2)
    assert precision_recall(other, real)[0] == density_coverage(other, real)[0] == 0
    assert precision_recall(other, real, (None, patients))[0] > 0.3
    assert density_coverage(other, real, (None, patients))[1] > 0.3


def test_a_ratio_of_distances_hardly_hangs_on_the_patients_of_the_second_set():
    patients = np.repeat(np.arange(6), 20)
    second = cloud(6, 0)[patients] + 0.1 * cloud(120, 1)
    one, other = (kid(cloud(120, 2, mean=mean), second, (None, patients)) for mean in (1.0, 0.7))
    found = ratio(one, other)
    assert found.value == pytest.approx(one.value / other.value) and found.low <= found.value <= found.high
    apart = np.hypot(*(estimate.half_width / estimate.value for estimate in (one, other)))
    assert found.half_width / found.value < 0.6 * apart
    assert ratio(one, one).low == ratio(one, one).high == 1
    same = kid(cloud(120, 2), cloud(120, 3))
    assert ratio(one, same).high == np.inf or same.low > 0


def test_the_distance_of_planes_sees_each_direction():
    random = np.random.default_rng(0)
    volumes = random.normal(0, 100, (4, 24, 24, 24))
    striped = [volumes + 300 * np.sign(np.sin(np.indices(volumes.shape)[axis])) for axis in (1, 2, 3)]

    def described(pictures):
        return np.stack([pictures.mean((1, 2)), pictures.std((1, 2)), np.diff(pictures, axis=1).std((1, 2))], 1)

    same = frechet_distance_of_planes(volumes + random.normal(0, 1, volumes.shape), volumes, described)
    assert all(frechet_distance_of_planes(other, volumes, described) > 10 * same + 1 for other in striped)


def test_frechet_distance_of_normal_distributions():
    one, two = cloud(20000, 0), cloud(20000, 1, mean=0.5, deviation=2.0)
    assert frechet_distance(one, two) == pytest.approx(8 * (0.5**2 + (2 - 1) ** 2), rel=0.05)
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-6)


def test_ms_ssim_of_pairs_is_lower_the_more_they_vary():
    base, noise = (np.random.default_rng(n).normal(-300, 300, (12, 64, 64)) for n in (0, 1))
    window = (-1000.0, 400.0)
    copies = np.repeat(base[:1], 12, 0)
    assert pairwise_ms_ssim(copies, window, 20).value == pytest.approx(1, abs=1e-5)
    alike, varied = (pairwise_ms_ssim(values, window, 20) for values in (copies + 0.2 * noise, base))
    assert 1 > alike.low > varied.high and varied.low <= varied.value <= varied.high
    assert pairwise_ms_ssim(np.random.default_rng(2).normal(0, 1, (3, 12, 16, 20)), (-3, 3), 4).value < 0.5


def test_histogram_distance_is_in_hu():
    first = np.random.default_rng(0).uniform(-800, 200, 10_000)
    assert hu_histogram_distance(first, first[::-1] + 100) == pytest.approx(100, abs=5)
    assert hu_histogram_distance(first, first) == 0
    shares = np.linspace(0, 1, 251)
    assert hu_histogram_distance(first / 2000 + 0.5, first / 2000 + 0.55, shares) == pytest.approx(0.05, abs=0.005)


def test_a_copy_is_found_and_the_own_patient_passed_over():
    training = np.random.default_rng(0).normal(0, 100, (5, 8, 8))
    index, distance = nearest(np.stack([training[3] + 10, training[1]]), training)
    assert index.tolist() == [3, 1] and distance == pytest.approx([10, 0], abs=1e-3)
    groups = np.array([0, 0, 1, 1, 2])
    index, distance = nearest(training, training, groups, groups)
    assert (groups[index] != groups).all() and distance.min() > 50


def test_the_segmenters_features_are_those_of_an_endlessly_tall_body():
    volume = -500 + 300 * torch.randn(1, 1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    network = find_model(SEGMENTER).load(TASK, definitions())
    features = SegmenterFeatures((2.0, 2.0))  # the voxels that the segmenter sees
    low, high = CHEST.window
    found = features(volume[0, 0].numpy())[0]
    assert CHEST.spacing == 2.0 and found.shape == (240,)

    def misfit(height):
        tall = ((volume - low) / (high - low)).clip(0, 1).mul(2).sub(1).expand(-1, -1, height, -1, -1)
        with torch.no_grad():
            levels = network.encoder(tall.contiguous())
        parts = [part for level in levels for part in (level.mean((2, 3, 4))[0], torch.zeros(level.shape[1]))]
        means = torch.cat(parts).numpy()
        return np.abs(found - means)[means != 0].mean()

    # What the ends of a body do to the means is inverse to its height.
    assert misfit(96) < 0.6 * misfit(48) < 0.4 * misfit(24)


def test_the_segmenters_features_see_organs():
    rows, columns = np.mgrid[:64, :64]
    sizes = np.random.default_rng(0).uniform(10, 20, (2, 12, 1, 1))
    bodies = np.where(((rows - 32) / 24) ** 2 + ((columns - 32) / 28) ** 2 < 1, 40.0, -1000.0)
    lungs = [np.where(((rows - 32) / side) ** 2 + ((abs(columns - 32) - 13) / 9) ** 2 < 1, -850.0, 0) for side in sizes]
    first, second = (np.where(inside < 0, inside, bodies) for inside in lungs)
    features = SegmenterFeatures((5.0, 5.0))
    reference, alike, empty = standardized(features(first), features(second), features(np.stack([bodies] * 12)))
    assert kid(empty, reference).low > abs(kid(alike, reference).value)


def test_features_are_always_the_same_and_see_structure():
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:64, :64]
    smooth = -1000 + 1400 * (((rows - 30) ** 2 + (columns - random.uniform(20, 44, (16, 1, 1))) ** 2) < 400)
    shuffled = random.permuted(smooth.reshape(16, -1), axis=1).reshape(smooth.shape)
    features = RandomFeatures((-1000.0, 400.0))
    first, second = features(smooth), features(shuffled)
    assert first.shape == (16, 480) and np.array_equal(first, RandomFeatures((-1000.0, 400.0))(smooth))
    # Fixed for all times: what was measured once can be compared with what is measured later.
    assert features(np.full((1, 64, 64), -300.0))[0, :32].sum() == pytest.approx(0, abs=1e-5)
    reference, other = standardized(first, second)
    assert reference.mean() == pytest.approx(0, abs=1e-9) and kid(other, reference).low > 1
