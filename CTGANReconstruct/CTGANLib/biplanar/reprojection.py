"""A CT projected again beside the radiographs that it was made from, or that it should explain."""

import numpy as np

from ..evaluation.metrics import reprojection_error
from ..imaging.geometry import Acquisition, Grid
from ..imaging.projection import project
from ..imaging.radiographs import Radiograph
from ..imaging.volumes import Volume


def reproject(volume: Volume, radiographs: tuple[Radiograph, ...]) -> tuple[Radiograph, ...]:
    """A CT in HU projected onto the detectors of radiographs, line integrals."""
    return tuple(project(volume, radiograph.acquisition) for radiograph in radiographs)


def reprojection_errors(
    volume: Volume,
    measured: tuple[Radiograph, ...],
    projected: tuple[Radiograph, ...],
    pictured: tuple[np.ndarray, ...] | None = None,
) -> tuple[dict[str, float], ...]:
    """How well the projections of a CT fit the measured radiographs: ``ncc`` and ``nrmse`` of each view.

    Args:
        volume: the CT.
        measured, projected: the radiographs and those of the CT, on the same detectors.
        pictured: for each, the pixels [rows, columns] that the radiograph reaches; all, where None.
    """
    errors = []
    for again, radiograph, reached in zip(projected, measured, pictured or (True,) * len(measured), strict=True):
        seen = _seen(volume.grid, radiograph.acquisition)
        shown = seen & reached
        errors.append(reprojection_error(again.array, radiograph.array, shown if shown.any() else seen))
    return tuple(errors)


def _seen(grid: Grid, acquisition: Acquisition) -> np.ndarray:
    """The pixels [rows, columns] whose rays cross the middle plane of the grid within it.

    Outside, the radiograph shows parts of the patient that the reconstruction does not hold.
    """
    ijk_to_ras = acquisition.ijk_to_ras
    rows, columns = np.indices(acquisition.detector_shape)
    pixels = np.stack([columns, rows], -1) @ ijk_to_ras[:3, :2].T + ijk_to_ras[:3, 3]
    share = acquisition.source_to_isocenter_distance / acquisition.source_to_detector_distance
    crossing = grid.to_ijk(acquisition.source + share * (pixels - acquisition.source))
    return ((crossing >= -0.5) & (crossing <= np.asarray(grid.shape[::-1]) - 0.5)).all(axis=-1)
