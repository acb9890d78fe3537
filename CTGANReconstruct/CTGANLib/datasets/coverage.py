"""How much of a thorax a standardized CT shows."""

from dataclasses import dataclass

import numpy as np

from ..imaging import masks
from ..imaging.geometry import Grid
from ..imaging.standardize import STANDARD_SPACING
from ..imaging.volumes import Volume

# Air within the body: lungs, and what else holds air there.
_AIR_HU = (-990, -500)
_LITER = 1e6 / STANDARD_SPACING**3  # voxels
# Less air than this is no lung; as much area of it in an outermost slice is a lung that goes on beyond it.
_NO_LUNGS, _CUT_AREA = 0.25 * _LITER, 2500 / STANDARD_SPACING**2


@dataclass(frozen=True)
class Coverage:
    """What of the lungs is in a CT.

    Attributes:
        liters: of air in the lungs' range of HU within the body.
        cut_above: the CT ends within the lungs toward the head.
        cut_below: and toward the feet.
    """

    liters: float
    cut_above: bool
    cut_below: bool

    @property
    def has_lungs(self) -> bool:
        return self.liters * _LITER >= _NO_LUNGS

    @property
    def cuts(self) -> str:
        """Where the lungs are cut, in words; empty where they are whole."""
        return " and ".join(name for name, cut in (("above", self.cut_above), ("below", self.cut_below)) if cut)

    def __str__(self) -> str:
        if not self.has_lungs:
            return "no lungs"
        return f"thorax, cut {self.cuts}" if self.cuts else "whole thorax"


def coverage(standard: Volume, original: Grid) -> Coverage:
    """How much of the lungs a standardized CT shows, and whether the original grid ends within them."""
    air = (standard.array > _AIR_HU[0]) & (standard.array < _AIR_HU[1])
    lungs = masks.opened(air, (2, 2, 2))
    corners = original.to_ras(np.array(np.meshgrid(*[(0, size - 1) for size in original.shape[::-1]])).reshape(3, -1).T)
    low, high = corners[:, 2].min(), corners[:, 2].max()
    places = standard.grid.to_ras(np.stack([np.zeros(len(air)), np.zeros(len(air)), np.arange(len(air))], axis=1))[:, 2]
    seen = np.flatnonzero((places >= low) & (places <= high))
    areas = lungs.sum(axis=(1, 2))
    # The outermost slices by two, since opening takes the very ends.
    top, bottom = areas[seen[-4:]].max(), areas[seen[:4]].max()
    return Coverage(float(lungs.sum() / _LITER), bool(top > _CUT_AREA), bool(bottom > _CUT_AREA))
