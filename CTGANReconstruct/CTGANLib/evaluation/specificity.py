"""Whether methods tell patients apart: their volumes must be like their own truth more than like anybody else's."""

import numpy as np

from .scores import interval

MOST_CASES = 50
"""Cases that are compared with each other; of more, the first ones."""
_BLOCK = 4  # voxels along each edge that are averaged before, so that the volumes of all cases can be held


class Specificity:
    """Completes the rows of an evaluation, case by case, with what needs the volumes of other cases.

    Rows get ``truth_ncc``, the correlation with the truth, and ``other_ncc``, that with the same method's volume of
    the case before (for the first case: of the last; for one alone ``None``). Both are high for any two chests. What
    tells patients apart is how they differ from the mean patient: ``correlations`` holds, by case, the correlation of
    the volume with that case's truth after the mean training volume was taken from both, at a quarter of the
    resolution.

    Args:
        mean_hu: the mean training volume in HU [k, j, i].
    """

    def __init__(self, mean_hu: np.ndarray) -> None:
        self._mean = _coarse(mean_hu)
        self._truths: dict[str, np.ndarray] = {}
        self._volumes: dict[str, dict[str, np.ndarray]] = {}
        self._rows: dict[str, dict[str, dict]] = {}
        self._first: dict[str, np.ndarray] = {}
        self._last: dict[str, np.ndarray] = {}

    def add(self, case: str, truth: np.ndarray, volumes: dict[str, np.ndarray], rows: list[dict]) -> None:
        """The true HU of a case and its volumes by method, in the order of its rows."""
        self._rows[case] = dict(zip(volumes, rows, strict=True))
        for method, row in self._rows[case].items():
            row["truth_ncc"] = correlation(volumes[method], truth)
            row["other_ncc"] = correlation(volumes[method], self._last[method]) if self._last else None
        self._first, self._last = self._first or volumes, volumes
        if len(self._truths) < MOST_CASES:
            self._truths[case] = self._deviation(truth)
            self._volumes[case] = {method: self._deviation(hu) for method, hu in volumes.items()}

    def close(self) -> None:
        """Complete the rows once all cases are there."""
        if len(self._rows) > 1:
            for method, row in next(iter(self._rows.values())).items():
                row["other_ncc"] = correlation(self._first[method], self._last[method])
        truths = {case: _normalized(truth) for case, truth in self._truths.items()}
        for case, volumes in self._volumes.items():
            for method, volume in volumes.items():
                own = _normalized(volume)
                values = {other: round(float(own @ truth), 4) for other, truth in truths.items()}
                self._rows[case][method]["correlations"] = values

    def _deviation(self, hu: np.ndarray) -> np.ndarray:
        """From the mean patient, coarse, in half precision (exact to 1 HU)."""
        return (_coarse(hu) - self._mean).astype(np.float16)


def specificity_table(rows: list[dict]) -> list[dict]:
    """How well each method tells patients apart, from the ``correlations`` of its rows.

    Returns:
        A row a method: ``own_truth``, the mean correlation with the own truth, ``other_truths`` with those of others
        (both with ``_ci95``), and ``own_is_highest``, the share of cases for which the own truth is the nearest.
        Nothing where there is but one case.
    """
    table = []
    for method, matrix in correlation_matrices(rows).items():
        if len(matrix) < 2:
            continue
        own = [by_truth[case] for case, by_truth in matrix.items()]
        others = [[value for other, value in by_truth.items() if other != case] for case, by_truth in matrix.items()]
        means = [float(np.mean(values)) for values in others]
        highest = [mine > max(values) for mine, values in zip(own, others, strict=True)]
        table.append(
            {
                "method": method,
                "n": len(own),
                "own_truth": float(np.mean(own)),
                "own_truth_ci95": interval(own),
                "other_truths": float(np.mean(means)),
                "other_truths_ci95": interval(means),
                "own_is_highest": float(np.mean(highest)),
            }
        )
    return table


def correlation_matrices(rows: list[dict]) -> dict[str, dict[str, dict[str, float]]]:
    """By method and case: the correlation of its volume with the truth of each case."""
    matrices: dict[str, dict[str, dict[str, float]]] = {}
    for row in rows:
        if "correlations" in row:
            matrices.setdefault(row["method"], {})[row["case"]] = row["correlations"]
    return matrices


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Normalized cross-correlation; 0 where one of both is the same everywhere."""
    if not np.ptp(first) or not np.ptp(second):
        return 0.0
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])


def _coarse(hu: np.ndarray) -> np.ndarray:
    """Means over blocks of voxels; what does not fill a block is left out."""
    counts = [size // _BLOCK for size in hu.shape]
    whole = hu[tuple(slice(count * _BLOCK) for count in counts)].astype(np.float32)
    return whole.reshape(counts[0], _BLOCK, counts[1], _BLOCK, counts[2], _BLOCK).mean(axis=(1, 3, 5))


def _normalized(deviation: np.ndarray) -> np.ndarray:
    """Flat, of mean 0 and length 1; 0 where it is the same everywhere."""
    flat = deviation.astype(np.float32).ravel()
    flat -= flat.mean()
    length = float(np.linalg.norm(flat))
    return flat / length if length > 1e-6 else np.zeros_like(flat)
