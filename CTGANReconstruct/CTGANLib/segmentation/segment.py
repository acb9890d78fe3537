"""Labels of a CT, by rules or by a trained network."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..datasets.values import implausible_values, not_hounsfield
from ..errors import UserError
from ..events import Progress, part, silent
from ..imaging.volumes import Volume, read_any_volume
from .labels import BODY, LABELS, Label, structure
from .measuring import measure
from .rules import segment_by_rules
from .segmenter import Segmenter

__all__ = ["Segmentation", "read_ct", "segment", "segment_ct", "structure", "volumes_ml"]


@dataclass(frozen=True)
class Segmentation:
    """What a network found in a CT.

    Attributes:
        labels: on the CT's own grid, uint8.
        names: the labels of the model.
        rows: what each segment measures; see ``measuring.measure``.
        warnings: a sentence each.
    """

    labels: Volume
    names: tuple[Label, ...]
    rows: list[dict]
    warnings: list[str]


def segment(volume: Volume, segmenter: Segmenter | None = None) -> Volume:
    """Label map of a CT in HU or a reconstruction, on its own grid: uint8, values of labels, 0 outside the body.

    Args:
        volume: the CT.
        segmenter: a network; without one rules find ``labels.LABELS``, which smooth reconstructions suit better.

    Raises:
        UserError: the rules find no body.
    """
    return segmenter(volume) if segmenter else segment_by_rules(volume)


def volumes_ml(labels: Volume) -> dict[str, float]:
    """Milliliters of each structure that rules find by its name; the body is everything inside the skin."""
    voxel = abs(float(np.linalg.det(labels.grid.ijk_to_ras[:3, :3]))) / 1000
    return {label.name: round(float(structure(labels, label).sum()) * voxel, 1) for label in LABELS}


def read_ct(path: Path) -> tuple[Volume, list[str]]:
    """A CT from a file or the folder of a DICOM series, and warnings about its values.

    Raises:
        UserError: it is missing, damaged, no CT, not 3D, or not in HU; the message says what it looks like.
    """
    volume = read_any_volume(path)
    if fault := not_hounsfield(volume.array):
        raise UserError(fault.replace("It ", f"{path} ", 1), "Choose a CT in Hounsfield units.")
    doubt = implausible_values(volume.array)
    return volume, [doubt] if doubt else []


def segment_ct(volume: Volume, segmenter: Segmenter, progress: Progress = silent) -> Segmentation:
    """Label a CT with a network and measure what it has found."""
    labels = segmenter(volume, part(progress, 0, 0.9))
    progress(0.9, "Measuring")
    names = segmenter.task.offered
    rows = measure(labels, volume, names)
    organs = [row for row in rows if row["name"] != BODY.name]
    found = any(row["volume_ml"] for row in organs)
    warnings = [] if found else [f"None of these was found: {', '.join(row['name'] for row in organs)}."]
    return Segmentation(labels, names, rows, warnings)
