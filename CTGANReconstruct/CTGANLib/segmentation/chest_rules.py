"""What the rule-made label maps of chests say of each voxel, made better by geometry, and where they say nothing.

Their values: 1 right lung, 2 left lung, 3 trachea and main bronchi, 4 bone, 5 fat, 6 other soft tissue, 7 vessels and
walls within the lungs' hull, 8 mediastinum (a slab between the lungs, cut flat below, with some of the liver's dome),
0 outside and couch.
"""

import numpy as np
import SimpleITK as sitk

from ..imaging import masks
from ..imaging.volumes import Volume
from .bone import BONE_HU, solid
from .labels import AIRWAY, BODY, LEFT_LUNG, LIVER, MEDIASTINUM, RIBS, RIGHT_LUNG, SPLEEN, VERTEBRAE
from .tasks import CHEST

_RIGHT, _LEFT, _AIRWAY, _BONE, _FAT, _SOFT, _IN_LUNG, _MEDIASTINUM = range(1, 9)
_BONE_REACH = 6.0  # mm; what is as dense farther from bone may be bone that the rules miss, or vessels with contrast
_VESSEL_ML = 10.0  # no bone that they miss is larger
# The spine's middle is searched for this far from the body's; mm.
_SPINE_REACH, _SPINE_BOX = 50.0, 40.0
# Bone so far beside the spine's middle, before and behind it, is vertebra for sure; farther out it is rib for sure.
_VERTEBRA, _RIB, _VERTEBRA_FRONT, _VERTEBRA_REAR = 20.0, 42.0, 32.0, 62.0
_VESSELS = 65.0
_HEART_REACH, _SLAB_END, _BELOW_SLAB = 50.0, 20.0, 30.0
_LIVER_HU, _LIVER_DEPTH, _LIVER_BESIDE = (20, 220), 60.0, 20.0


def chest_sets(ct: Volume, rules: np.ndarray) -> np.ndarray:
    """The possible labels of each voxel, as sets of the task CHEST, uint16 [k, j, i].

    Args:
        ct: in HU on cubic voxels, right, front and up along i, j and k.
        rules: the values, on the same grid.
    """
    chest = _Chest(ct, rules)
    sets = np.where(chest.inside, CHEST.bits(BODY), 1).astype(np.uint16)
    chest.abdomen(sets)
    chest.middle(sets)
    sets[rules == _RIGHT] = CHEST.bits(RIGHT_LUNG)
    sets[rules == _LEFT] = CHEST.bits(LEFT_LUNG)
    sets[rules == _IN_LUNG] = CHEST.bits(RIGHT_LUNG, LEFT_LUNG, MEDIASTINUM, BODY)
    sets[rules == _AIRWAY] = CHEST.bits(AIRWAY)
    chest.bones(sets)
    return sets


class _Chest:
    """A chest in HU with its rule labels, right, front and up along i, j and k."""

    def __init__(self, ct: Volume, rules: np.ndarray) -> None:
        self.hu, self.rules, self.spacing = ct.array, rules, float(ct.grid.spacing[0])
        self.inside = masks.filled_slices(rules > 0)
        columns = np.flatnonzero(self.inside.any(axis=(0, 1)))
        self.middle_i = int(columns.mean()) if len(columns) else rules.shape[2] // 2
        lungs = (rules == _RIGHT) | (rules == _LEFT)
        self.under_right = _below(rules == _RIGHT) & ~_above(lungs)
        self.under_lungs = _below(lungs) & ~_above(lungs)
        self.right = (np.arange(rules.shape[2]) - self.middle_i) * self.spacing  # mm to the right of the middle

    def voxels(self, mm: float) -> int:
        return round(mm / self.spacing)

    def abdomen(self, sets: np.ndarray) -> None:
        """Soft tissue below the lungs may be liver or spleen; the dome under the right lung is liver."""
        soft = np.isin(self.rules, (_SOFT, _MEDIASTINUM))
        slab = np.flatnonzero((self.rules == _MEDIASTINUM).any(axis=(1, 2)))
        below = np.arange(len(sets))[:, None, None] < (slab[0] if len(slab) else 0)
        may_be = soft & (self.under_lungs | below)
        sets[may_be & (self.right > 0)] = CHEST.bits(BODY, LIVER)
        sets[may_be & (self.right <= 0)] = CHEST.bits(BODY, LIVER, SPLEEN)
        smooth = sitk.GetArrayFromImage(sitk.SmoothingRecursiveGaussian(sitk.GetImageFromArray(self.hu), 1.0))
        dome = soft & self.under_right & (self.right > _LIVER_BESIDE)
        dome &= (smooth > _LIVER_HU[0]) & (smooth < _LIVER_HU[1])
        heights = np.flatnonzero(dome.sum(axis=(1, 2)) * self.spacing**2 > 400)
        if len(heights):
            dome[: max(heights[-1] - self.voxels(_LIVER_DEPTH), 0)] = False
            core = masks.largest_part(masks.opened(dome, (self.voxels(6.0),) * 3))
            sets[core] = CHEST.bits(LIVER)

    def middle(self, sets: np.ndarray) -> None:
        """The mediastinum, its lower end uncertain."""
        slab = self.rules == _MEDIASTINUM
        heights = np.flatnonzero(slab.any(axis=(1, 2)))
        if not len(heights):
            return
        uncertain = CHEST.bits(MEDIASTINUM, BODY, LIVER, SPLEEN)
        level = np.arange(len(sets))[:, None, None] - heights[0]
        liver_side = self.right > _HEART_REACH
        # Above the domes, what lies under the left lung is the heart.
        sure = slab & ~(self.under_lungs & (self.right > 0)) & (level >= self.voxels(_SLAB_END))
        sets[slab & ~(self.under_lungs & liver_side)] = uncertain
        sets[sure] = CHEST.bits(MEDIASTINUM)
        beneath = (level < 0) & (level >= -self.voxels(_BELOW_SLAB)) & ~self.under_lungs
        footprint = slab[heights[0] : heights[0] + self.voxels(_SLAB_END)].any(axis=0)
        sets[beneath & footprint & (self.rules == _SOFT)] = uncertain

    def bones(self, sets: np.ndarray) -> None:
        """Bones with their marrow; near the spine vertebrae, else ribs and others, between them either."""
        bone, doubtful = self._bone()
        spine_i, spine_j = self._spine(bone)
        beside = np.abs(np.arange(sets.shape[2])[None, None] - spine_i[:, None, None]) * self.spacing
        before = (np.arange(sets.shape[1])[None, :, None] - spine_j[:, None, None]) * self.spacing
        near = (before < _VERTEBRA_FRONT) & (before > -_VERTEBRA_REAR)
        sets[doubtful] |= CHEST.bits(MEDIASTINUM, VERTEBRAE, RIBS)
        sets[bone] = CHEST.bits(RIBS)
        # Before the spine, thresholds take vessels with contrast for bone.
        sets[bone & (before > _VERTEBRA_FRONT) & (before < _VESSELS) & (beside < _VESSELS)] = CHEST.bits(
            BODY, MEDIASTINUM, VERTEBRAE, RIBS
        )
        sets[bone & near & (beside < _RIB)] = CHEST.bits(VERTEBRAE, RIBS)
        sets[bone & near & (beside < _VERTEBRA)] = CHEST.bits(VERTEBRAE)

    def _bone(self) -> tuple[np.ndarray, np.ndarray]:
        """Bones with their marrow and without the spinal canal, and what else is as dense and small."""
        tissue = np.isin(self.rules, (_BONE, _FAT, _SOFT))
        dense = (self.hu > BONE_HU) & tissue
        near = masks.dilate(self.rules == _BONE, (self.voxels(_BONE_REACH),) * 3)
        far = dense & ~near
        large = masks.without_small(far, round(_VESSEL_ML * 1000 / self.spacing**3))
        return solid(dense & near, tissue, self.hu, self.spacing), far & ~large

    def _spine(self, bone: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """i and j of the middle of the vertebral body in each slice: where most bone is around, near the middle."""
        size = [2 * (self.voxels(_SPINE_BOX) // 2) + 1] * 3
        image = sitk.GetImageFromArray(bone.astype(np.float32))
        mass = sitk.GetArrayFromImage(sitk.BoxMean(image, [n // 2 for n in size]))
        mass[:, :, np.abs(self.right) > _SPINE_REACH] = 0
        places = np.array([np.unravel_index(cut.argmax(), cut.shape) for cut in mass], float)
        j, i = (_smooth_line(places[:, axis], self.voxels(_SPINE_BOX)) for axis in (0, 1))
        return i, j


def _smooth_line(values: np.ndarray, width: int) -> np.ndarray:
    """A running median over ``2 width + 1`` values."""
    padded = np.pad(values, width, mode="edge")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * width + 1), axis=1)


def _below(mask: np.ndarray) -> np.ndarray:
    """Voxels that have some of a mask above them."""
    return np.logical_or.accumulate(mask[::-1], axis=0)[::-1]


def _above(mask: np.ndarray) -> np.ndarray:
    """Voxels that have some of a mask below them."""
    return np.logical_or.accumulate(mask, axis=0)
