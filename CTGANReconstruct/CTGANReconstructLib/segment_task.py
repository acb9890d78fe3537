"""CT -> body, lungs and bone."""

from dataclasses import dataclass
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from .nodes import readSegmentation, writeVolume
from .scene import addSegmentation, placeBeside


@dataclass(frozen=True)
class SegmentResult:
    """What a segmentation brought into the scene.

    Attributes:
        segmentation: the segments, with terminology.
        volumesMl: the volume of each segment in milliliters, by segment name.
    """

    segmentation: slicer.vtkMRMLSegmentationNode
    volumesMl: dict[str, float]


@dataclass
class SegmentTask:
    """The inputs and outputs of one segmentation; see ``CTGANReconstructLogic.segment``."""

    ct: slicer.vtkMRMLScalarVolumeNode
    outputSegmentation: slicer.vtkMRMLSegmentationNode | None = None

    def prepare(self, folder: Path) -> list[str]:
        writeVolume(self.ct, folder / "ct.nrrd")
        return ["segment", str(folder / "ct.nrrd"), "--out", str(folder / "segmentation.seg.nrrd")]

    def finish(self, result: dict) -> SegmentResult:
        loaded = readSegmentation(result["segmentation"])
        name = _("{name} segmentation").format(name=self.ct.GetName())
        segmentation = addSegmentation(loaded, self.outputSegmentation, name, self.ct)
        placeBeside(segmentation, self.ct)
        return SegmentResult(segmentation, result.get("volumes_ml") or {})
