"""How like real ones generated pictures or volumes are, how varied, and whether they are copies.

Most compare two sets of features, float arrays [n, features] of a :mod:`feature network <.features>`. No figure says
much alone: each belongs beside that of real held-out data against the same real data.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from monai.metrics import MultiScaleSSIMMetric

from .features import standardized

_MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_MS_SSIM_WINDOW = 11
_HU_BINS = np.arange(-1024.0, 1477.0, 10.0)


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % bootstrap interval.

    Attributes:
        draws: the figure of each resampling.
    """

    value: float
    low: float
    high: float
    draws: np.ndarray | None = field(default=None, repr=False, compare=False)

    @property
    def half_width(self) -> float:
        """Half the width of the interval, for tables."""
        return (self.high - self.low) / 2


def kid(
    first: np.ndarray,
    second: np.ndarray,
    groups: tuple[np.ndarray | None, np.ndarray | None] = (None, None),
    seed: int = 0,
) -> Estimate:
    """Kernel distance of two sets of features: unbiased MMD² with the kernel (x·y / features + 1)³.

    0 for sets of one distribution; below 0 by chance. M. Bińkowski et al., ICLR 2018.

    Args:
        first, second: [n, features] and [m, features], n and m at least 2.
        groups: number of the patient of each row, so that patients are drawn instead of rows, which are alike within
            one; ``None`` where rows stand for themselves.
        seed: of the bootstrap.
    """
    features = first.shape[1]
    return _mmd(first, second, lambda x, y: (x @ y.T / features + 1) ** 3, groups, seed)


def mmd(
    first: np.ndarray,
    second: np.ndarray,
    groups: tuple[np.ndarray | None, np.ndarray | None] = (None, None),
    seed: int = 0,
) -> Estimate:
    """:func:`kid` with a Gaussian kernel as wide as the median distance within ``second``.

    A. Gretton et al., JMLR 13, 2012.
    """
    width = float(np.median(_squared_distances(second, second)[np.triu_indices(len(second), 1)]))
    return _mmd(first, second, lambda x, y: np.exp(-_squared_distances(x, y) / max(width, 1e-12)), groups, seed)


def _mmd(
    first: np.ndarray,
    second: np.ndarray,
    kernel: Callable[[np.ndarray, np.ndarray], np.ndarray],
    groups: tuple[np.ndarray | None, np.ndarray | None],
    seed: int,
    draws: int = 200,
) -> Estimate:
    if min(len(first), len(second)) < 2:
        raise ValueError("Two rows at least are needed on both sides.")
    first, second = first.astype(np.float64), second.astype(np.float64)
    within, across, other = kernel(first, first), kernel(first, second), kernel(second, second)
    # Each side by itself, so that distances to the same second set are resampled alike.
    counts = [
        np.vstack([np.ones(len(rows)), _drawn(len(rows), group, draws, np.random.default_rng((seed, side)))])
        for side, (rows, group) in enumerate(zip((first, second), groups, strict=True))
    ]
    values = (
        _mean_of_pairs(within, counts[0])
        + _mean_of_pairs(other, counts[1])
        - 2 * ((counts[0] @ across) * counts[1]).sum(1) / (counts[0].sum(1) * counts[1].sum(1))
    )
    low, high = np.percentile(values[1:], [2.5, 97.5])
    # A resampled set is as much further from the other one as a resampling adds spread; moved back, without the bias.
    bias = values[1:].mean() - values[0]
    return Estimate(float(values[0]), float(low - bias), float(high - bias), values[1:])


def ratio(one: Estimate, other: Estimate) -> Estimate:
    """One :func:`kid` or :func:`mmd` over another one to the same second set, such as that of real samples.

    Both are resampled with the same patients of the second set, so that it does not matter much which ones these are.
    Infinite where the other one is not above 0.
    """
    above, below = (np.array([estimate.value, *estimate.draws]) for estimate in (one, other))
    values = np.divide(above, below, out=np.full(len(above), np.inf), where=below > 0)
    low, high = np.percentile(values[1:], [2.5, 97.5], method="nearest")
    return Estimate(float(values[0]), float(low), float(high), values[1:])


def _drawn(count: int, groups: np.ndarray | None, draws: int, random: np.random.Generator) -> np.ndarray:
    """How often each row is in each of some samples of the groups with replacement, [draws, count]."""
    numbers = np.arange(count) if groups is None else np.unique(groups, return_inverse=True)[1]
    total = int(numbers.max()) + 1
    if total < 2:  # one patient alone cannot be resampled
        numbers, total = np.arange(count), count
    samples = random.integers(0, total, (draws, total))
    times = np.stack([np.bincount(sample, minlength=total) for sample in samples])
    return times[:, numbers].astype(np.float64)


def _mean_of_pairs(kernel: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean of a kernel over the pairs of different rows, each as often as drawn, for each sample."""
    own = counts**2 @ np.diag(kernel)
    pairs = counts.sum(1) ** 2 - (counts**2).sum(1)
    return (((counts @ kernel) * counts).sum(1) - own) / np.maximum(pairs, 1)


def frechet_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Fréchet distance of normal distributions fitted to two sets of features (M. Heusel et al., NeurIPS 2017).

    It grows with the number of features over that of rows; with fewer rows than features prefer :func:`kid`.
    """
    means = [rows.mean(0) for rows in (first, second)]
    one, two = (np.cov(rows.astype(np.float64), rowvar=False) for rows in (first, second))
    values, vectors = np.linalg.eigh(one)
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    between = np.sqrt(np.linalg.eigvalsh(root @ two @ root).clip(0)).sum()
    return float(((means[0] - means[1]) ** 2).sum() + np.trace(one) + np.trace(two) - 2 * between)


Groups = tuple[np.ndarray | None, np.ndarray | None]
"""Numbers of the patients of the rows of two sets."""


def precision_recall(
    generated: np.ndarray, real: np.ndarray, groups: Groups = (None, None), neighbors: int = 5
) -> tuple[float, float]:
    """Share of generated samples among the real ones, and of real ones among the generated.

    T. Kynkäänniemi et al., NeurIPS 2019. A neighborhood reaches to the ``neighbors``-th one of another patient: slices
    of one patient are so alike that another patient's would never lie among them.
    """
    between = _squared_distances(generated, real)
    among_real = (between <= _radii(real, groups[1], neighbors)).any(1).mean()
    among_generated = (between <= _radii(generated, groups[0], neighbors)[:, None]).any(0).mean()
    return float(among_real), float(among_generated)


def density_coverage(
    generated: np.ndarray, real: np.ndarray, groups: Groups = (None, None), neighbors: int = 5
) -> tuple[float, float]:
    """In how many neighborhoods of real samples the generated ones lie, over the number expected, and the share of
    real samples with a generated one in their neighborhood. M. F. Naeem et al., ICML 2020; neighborhoods as in
    :func:`precision_recall`."""
    inside = _squared_distances(generated, real) <= _radii(real, groups[1], neighbors)
    return float(inside.sum() / (neighbors * len(generated))), float(inside.any(0).mean())


def _radii(rows: np.ndarray, groups: np.ndarray | None, neighbors: int) -> np.ndarray:
    """Squared distance of each row to its k-th neighbor among those of other patients, or among all others."""
    squares = _squared_distances(rows, rows)
    numbers = np.arange(len(rows)) if groups is None or np.ptp(groups) == 0 else groups
    squares[numbers[:, None] == numbers] = np.inf
    # Fewer where there are not as many others.
    least = (np.isfinite(squares).sum(1) - 1).clip(0, neighbors - 1)
    return np.sort(squares, axis=1)[np.arange(len(rows)), least]


def _squared_distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    first, second = first.astype(np.float64), second.astype(np.float64)
    squares = (first**2).sum(1)[:, None] + (second**2).sum(1) - 2 * first @ second.T
    return squares.clip(0)


def pairwise_ms_ssim(hu: np.ndarray, window: tuple[float, float], pairs: int = 200, seed: int = 0) -> Estimate:
    """Mean MS-SSIM of random pairs of one set: 1 where all are alike, lower the more they vary.

    Z. Wang et al., Asilomar 2003, with as many of its five scales as fit.

    Args:
        hu: pictures [n, rows, columns] or volumes [n, k, j, i], n at least 2, in HU or any unit.
        window: of the values; what lies outside is clipped.
        pairs: how many.
        seed: of their choice.
    """
    random = np.random.default_rng(seed)
    one = random.integers(0, len(hu), pairs)
    two = (one + random.integers(1, len(hu), pairs)) % len(hu)
    scales = int(np.clip(np.log2(max(min(hu.shape[1:]) / _MS_SSIM_WINDOW, 1)) + 1, 1, len(_MS_SSIM_WEIGHTS)))
    weights = np.array(_MS_SSIM_WEIGHTS[:scales])
    metric = MultiScaleSSIMMetric(hu.ndim - 1, 1.0, weights=(weights / weights.sum()).tolist(), reduction="none")
    unit = torch.from_numpy(((hu.astype(np.float32) - window[0]) / (window[1] - window[0])).clip(0, 1))[:, None]
    values = np.array([float(metric(unit[[a]], unit[[b]])) for a, b in zip(one, two, strict=True)])
    low, high = np.percentile(values[random.integers(0, pairs, (200, pairs))].mean(1), [2.5, 97.5])
    return Estimate(float(values.mean()), float(low), float(high))


def frechet_distance_of_planes(
    first: np.ndarray, second: np.ndarray, features: Callable[[np.ndarray], np.ndarray], most: int = 300
) -> float:
    """2.5D-FID: the mean of the :func:`frechet_distance` of axial, coronal and sagittal slices.

    Features have mean 0 and deviation 1 over the second set's slices of each plane.

    Args:
        first, second: volumes [n, k, j, i] and [m, k, j, i] in HU.
        features: of pictures [slices, rows, columns].
        most: slices of each set and plane, evenly chosen.
    """
    distances = []
    for axis in (1, 2, 3):
        described = []
        for volumes in (second, first):
            slices = np.moveaxis(volumes, axis, 1).reshape(-1, *np.delete(volumes.shape[1:], axis - 1))
            places = np.linspace(0, len(slices) - 1, min(len(slices), most)).round().astype(int)
            described.append(features(slices[places]))
        reference, other = standardized(*described)
        distances.append(frechet_distance(other, reference))
    return float(np.mean(distances))


def hu_histogram_distance(first: np.ndarray, second: np.ndarray, bins: np.ndarray = _HU_BINS) -> float:
    """How many HU the voxels of one set have to be moved on average to be distributed as those of the other.

    The Wasserstein-1 distance of both distributions between −1024 and 1476 HU, in steps of 10 HU.

    Args:
        first, second: values, any shape.
        bins: borders of even steps, for values in another unit.
    """
    shares = [np.histogram(values.clip(bins[0], bins[-1]), bins)[0] / values.size for values in (first, second)]
    return float(np.abs(np.cumsum(shares[0] - shares[1])).sum() * (bins[1] - bins[0]))


def nearest(
    samples: np.ndarray,
    training: np.ndarray,
    sample_groups: np.ndarray | None = None,
    training_groups: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The nearest training sample of each sample, by root mean square difference, to find copies.

    Args:
        samples, training: [n, ...] and [m, ...], HU or features.
        sample_groups, training_groups: patients; those of the same number are passed over, as for training samples
            among themselves.

    Returns:
        Indices into ``training`` and distances, [n] each.
    """
    flat = [array.reshape(len(array), -1) for array in (samples, training)]
    squares = _squared_distances(*flat) / flat[0].shape[1]
    if sample_groups is not None and training_groups is not None:
        squares[sample_groups[:, None] == training_groups] = np.inf
    index = squares.argmin(1)
    return index, np.sqrt(squares[np.arange(len(samples)), index])


def told_apart(real: torch.Tensor, made: torch.Tensor, border: float | None) -> dict[str, float]:
    """What a discriminator's answers to real and made pictures or volumes say of the game.

    Args:
        real, made: answers, any shape.
        border: those above it call something real; None for a critic, whose answers only compare.

    Returns:
        ``accuracy_real`` and ``accuracy_made``, the shares called by the right name: both 0.5 where the discriminator
        guesses; the generator's share of successes is 1 − ``accuracy_made``. Of a critic ``wasserstein``, by how much
        it rates the real ones higher: its estimate of the Wasserstein-1 distance, up to a factor.
    """
    if border is None:
        return {"wasserstein": float(real.mean() - made.mean())}
    shares = (real > border).float().mean(), (made < border).float().mean()
    return {"accuracy_real": float(shares[0]), "accuracy_made": float(shares[1])}
