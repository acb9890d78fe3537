"""What is known of each voxel: the set of labels that it may have.

Cases are labeled in part, and coarsely: one has bones that nobody has told apart, another a liver and no spleen. A set
says just that, and what is not known is not learned as background (marginal loss: Shi et al., Medical Image Analysis
2021). Sets are numbers: bit n is set where class n of the task is possible.
"""

import numpy as np

from ..errors import UserError
from ..imaging.volumes import Volume
from .chest_rules import chest_sets
from .sources import Source
from .tasks import CHEST, Task


def label_sets(ct: Volume, sources: list[Source], task: Task) -> np.ndarray:
    """The sets of a CT's voxels, uint16 [k, j, i].

    Args:
        ct: in HU, on the grid of the answer.
        sources: label files; where they contradict each other, the first is right.
        task: whose classes they are.

    Raises:
        UserError: a file is damaged, or none has a label of the task.
    """
    sets, known = np.full(ct.grid.shape, task.all_bits, np.uint16), False
    for source in sources:
        if source.rules:
            if task.name != CHEST.name:  # it has come here from another process
                continue
            found = chest_sets(ct, source.values(ct.grid))
        else:
            found = _named_sets(source, ct, task)
            if found is None:
                continue
        known = True
        both = sets & found
        sets = np.where(both > 0, both, sets)
    if not known:
        raise UserError("It has no labels for this task.", "Put label files beside the CT.")
    return sets


def _named_sets(source: Source, ct: Volume, task: Task) -> np.ndarray | None:
    """The sets by named structures; None where none of them matters to the task."""
    told = source.told(task.meanings)
    if not told:
        return None
    array, names = source.read(ct.grid, told)
    # What the source shows all of is nowhere else.
    whole = [label for label in task.labels if task.is_whole(label, told)]
    table = [task.all_bits & ~task.bits(*whole), *(task.bits(*task.meanings[name]) for name in names)]
    return np.array(table, np.uint16)[array]
