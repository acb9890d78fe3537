"""The figures of reader studies: area under the ROC curve, shares and agreement, with their intervals."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

_Z = 1.959964
_DRAWS = 2000


class Figure(NamedTuple):
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float


UNKNOWN = Figure(math.nan, math.nan, math.nan)


def auc(positive: Sequence[float], negative: Sequence[float]) -> Figure:
    """Area under the ROC curve: how often a positive has the higher score than a negative, ties counted half.

    Interval: DeLong et al., Biometrics 44, 1988. Where its variance is 0, as for scores that part both kinds, or cannot
    be estimated, method 5 of Newcombe, Statistics in Medicine 25, 2006, which is not a point there.

    Args:
        positive, negative: scores; without one of either the area is unknown.
    """
    if not len(positive) or not len(negative):
        return UNKNOWN
    wins = _wins(np.asarray(positive, float), np.asarray(negative, float))
    area = float(wins.mean())
    if min(wins.shape) > 1:
        variance = sum(float(np.var(wins.mean(axis), ddof=1)) / wins.shape[1 - axis] for axis in (0, 1))
        if variance > 1e-12:
            spread = _Z * math.sqrt(variance)
            return Figure(area, max(area - spread, 0.0), min(area + spread, 1.0))
    return Figure(area, *_newcombe(area, *wins.shape))


def share(successes: int, count: int) -> Figure:
    """A share, with the score interval of E. B. Wilson, JASA 22, 1927; unknown where nothing was counted."""
    if not count:
        return UNKNOWN
    middle = (successes + _Z**2 / 2) / (count + _Z**2)
    spread = _Z / (count + _Z**2) * math.sqrt(successes * (count - successes) / count + _Z**2 / 4)
    return Figure(successes / count, max(middle - spread, 0.0), min(middle + spread, 1.0))


def guessing(successes: int, count: int) -> float:
    """Probability that somebody who guesses is at least as far from half right (exact binomial test, two-sided)."""
    distance = abs(2 * successes - count)
    ways = sum(math.comb(count, right) for right in range(count + 1) if abs(2 * right - count) >= distance)
    return ways / 2**count


def cohen_kappa(first: Sequence, second: Sequence) -> float:
    """Agreement of two readers on the same cases beyond chance: 1 in all, 0 as by chance.

    J. Cohen, Educational and Psychological Measurement 20, 1960. Not a number where chance alone explains all.
    """
    if not len(first):
        return math.nan
    agreed = np.mean([one == two for one, two in zip(first, second, strict=True)])
    names = set(first) | set(second)
    chance = sum(np.mean([v == name for v in first]) * np.mean([v == name for v in second]) for name in names)
    return float((agreed - chance) / (1 - chance)) if chance < 1 else math.nan


def fleiss_kappa(counts: np.ndarray) -> float:
    """Agreement of several readers beyond chance. J. L. Fleiss, Psychological Bulletin 76, 1971.

    Args:
        counts: [cases, categories], how many readers chose each; as many for each case, at least two.
    """
    counts = np.asarray(counts, float)
    readers = counts.sum(1)[0] if len(counts) else 0
    if readers < 2:
        return math.nan
    agreed = ((counts**2).sum(1) - readers) / (readers * (readers - 1))
    chance = float(((counts.sum(0) / counts.sum()) ** 2).sum())
    return float((agreed.mean() - chance) / (1 - chance)) if chance < 1 else math.nan


def over_readers(positive: np.ndarray, negative: np.ndarray, seed: int = 0) -> dict[str, Figure]:
    """Means over readers, with intervals that hold for other readers and other cases of the same kind.

    Percentile bootstrap that draws readers, positives and negatives anew each time (B. Efron and R. Tibshirani, An
    Introduction to the Bootstrap, 1993; of readers and cases: C. Rutter, Academic Radiology 7, 2000). Where no draw
    differs, as of readers who are all right, the interval is that of one reader of these cases, which is not a point.

    Args:
        positive, negative: scores [readers, cases]; above 0 they call a case positive. Not a number: no answer.
        seed: of the draws.

    Returns:
        ``auc``, ``accuracy``, ``sensitivity``, ``specificity``.
    """
    random = np.random.default_rng(seed)
    readers = len(positive)
    drawn = [_drawn(size, random) for size in (readers, positive.shape[1], negative.shape[1])]
    of_readers, weights = drawn[0], drawn[1:]
    known = [~np.isnan(scores) for scores in (positive, negative)]
    right = [known[0] & (positive > 0), known[1] & (negative < 0)]
    hits, counts = ([w @ each.T for w, each in zip(weights, of, strict=True)] for of in (right, known))
    areas = np.stack([_weighted_auc(positive[n], negative[n], *weights) for n in range(readers)], axis=1)
    of_each = {
        "auc": areas,
        "accuracy": _over(hits[0] + hits[1], counts[0] + counts[1]),
        "sensitivity": _over(hits[0], counts[0]),
        "specificity": _over(hits[1], counts[1]),
    }
    figures = {name: _figure(values, of_readers) for name, values in of_each.items()}
    return figures | _alike(figures, *(int(each.any(axis=0).sum()) for each in known))


def _wins(positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
    """1 where a positive has the higher score than a negative, a half where they are alike, [positive, negative]."""
    difference = positive[:, None] - negative
    return (difference > 0) + 0.5 * (difference == 0)


def _newcombe(area: float, positives: int, negatives: int) -> tuple[float, float]:
    """The areas from which the one found is just as far as their own spread allows."""
    halves = (positives + negatives) / 2 - 1

    def too_far(other: float) -> bool:
        inner = 1 + halves * (1 - other) / (2 - other) + halves * other / (1 + other)
        return (area - other) ** 2 > _Z**2 * other * (1 - other) / (positives * negatives) * inner

    ends = []
    for outer in (0.0, 1.0):
        inside, outside = area, outer
        for _ in range(50):
            middle = (inside + outside) / 2
            inside, outside = (inside, middle) if too_far(middle) else (middle, outside)
        ends.append(inside)
    return ends[0], ends[1]


def _alike(figures: dict[str, Figure], positives: int, negatives: int) -> dict[str, Figure]:
    """Of figures whose draws are all alike, what stands for them."""
    counts = {"accuracy": positives + negatives, "sensitivity": positives, "specificity": negatives}
    found = {}
    for name, figure in figures.items():
        if figure.high - figure.low < 1e-9:
            value, count = figure.value, counts.get(name)
            ends = share(round(value * count), count)[1:] if count else _newcombe(value, positives, negatives)
            found[name] = Figure(value, *ends)
    return found


def _drawn(size: int, random: np.random.Generator) -> np.ndarray:
    """How often each of so many is in the set itself (first row) and in sets drawn from it, [1 + draws, size]."""
    drawn = random.multinomial(size, np.full(size, 1 / size), _DRAWS) if size else np.zeros((_DRAWS, 0))
    return np.vstack([np.ones(size), drawn])


def _weighted_auc(positive: np.ndarray, negative: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """A reader's area for each set of cases, [sets]."""
    known = ~np.isnan(positive)[:, None] & ~np.isnan(negative)
    wins = np.where(known, _wins(positive, negative), 0.0)
    return _over(((first @ wins) * second).sum(1), ((first @ known) * second).sum(1))


def _over(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    return np.divide(values, counts, out=np.full(np.shape(values), math.nan), where=counts > 0)


def _figure(values: np.ndarray, weights: np.ndarray) -> Figure:
    """Of values [sets, readers] the mean over the readers of each set, those without a value passed over."""
    known = ~np.isnan(values)
    means = _over((np.where(known, values, 0) * weights).sum(1), (known * weights).sum(1))
    found = means[1:][~np.isnan(means[1:])]
    low, high = np.percentile(found, [2.5, 97.5]) if len(found) else (math.nan, math.nan)
    return Figure(float(means[0]), float(low), float(high))
