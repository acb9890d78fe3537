"""Which samples to show beside the training samples that they are nearest to, to see whether they are copies."""

import numpy as np

_NEAREST, _SHARES = 3, (0.25, 0.5, 0.75)


def shown_samples(distances: np.ndarray) -> list[int]:
    """The three samples of the least distances, which would be copies if any were, then those that a quarter, half and
    three quarters of the samples come before. Infinite distances are passed over."""
    order = [int(number) for number in np.argsort(distances, kind="stable") if np.isfinite(distances[number])]
    places = [*range(min(_NEAREST, len(order))), *(int(share * (len(order) - 1)) for share in _SHARES)]
    return [order[place] for place in sorted(set(places))] if order else []


def told_distance(hu: float) -> str:
    """A distance for people."""
    return f"{hu:.0f} HU" if hu >= 10 else f"{hu:.1f} HU"
