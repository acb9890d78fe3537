"""CT -> segments, and a table of what they measure."""

from dataclasses import dataclass, field
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from .events import finiteNumber
from .nodes import readSegmentation, writeVolume
from .scene import addSegmentation, placeBeside
from .segment_tables import Measures, addMeasures, findMeasures
from .tasks import optionArguments


@dataclass(frozen=True)
class SegmentResult:
    """What a segmentation brought into the scene.

    Attributes:
        segmentation: the segments with terminology and colors, on the grid of the CT.
        table: a row for each segment, with the columns ``segment``, ``volume_ml``, ``mean_hu`` and ``surface_cm2``.
        measures: the same as values, in the order of the segments.
        warnings: what to know of the result, a sentence each, such as that no organ was found.
        model: the name of the model that was used.
        seconds: time of the computation.
        peakMemoryMb: the most memory that the computing process held.
    """

    segmentation: slicer.vtkMRMLSegmentationNode
    table: slicer.vtkMRMLTableNode
    measures: list[Measures]
    warnings: list[str]
    model: str
    seconds: float | None
    peakMemoryMb: float | None

    @property
    def volumesMl(self) -> dict[str, float]:
        """The volume of each segment in milliliters, by segment name."""
        return {each.name: each.volumeMl for each in self.measures}


@dataclass
class SegmentTask:
    """The inputs and outputs of one segmentation; see ``CTGANReconstructLogic.segment``."""

    ct: slicer.vtkMRMLScalarVolumeNode
    outputSegmentation: slicer.vtkMRMLSegmentationNode | None = None
    outputTable: slicer.vtkMRMLTableNode | None = None
    show3D: bool = True
    options: dict[str, str | None] = field(default_factory=dict)

    def prepare(self, folder: Path) -> list[str]:
        writeVolume(self.ct, folder / "ct.nrrd")
        arguments = ["segment", str(folder / "ct.nrrd"), "--out", str(folder / "segmentation.seg.nrrd")]
        return arguments + optionArguments(self.options)

    def finish(self, result: dict) -> SegmentResult:
        loaded = readSegmentation(result["segmentation"])
        measures = [_measures(entry) for entry in result["segments"]]

        slicer.mrmlScene.SaveStateForUndo()  # does nothing where undo is off, as it is in Slicer by default
        name = _("{name} segmentation").format(name=self.ct.GetName())
        segmentation = addSegmentation(loaded, self.outputSegmentation, name, self.ct, self.show3D)
        table = addMeasures(measures, segmentation, self.outputTable or findMeasures(segmentation))
        for node in (segmentation, table):
            placeBeside(node, self.ct)
        return SegmentResult(
            segmentation,
            table,
            measures,
            result.get("warnings") or [],
            result.get("model") or "",
            finiteNumber(result.get("seconds")),
            finiteNumber(result.get("peak_memory_mb")),
        )


def _measures(entry: dict) -> Measures:
    values = (finiteNumber(entry.get(name)) for name in ("volume_ml", "mean_hu", "surface_cm2"))
    volume, mean, surface = values
    return Measures(str(entry["name"]), volume or 0.0, mean, surface)
