"""CT -> a radiograph of it, as an X-ray machine would see it (DRR)."""

from dataclasses import dataclass, field
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from .nodes import readVolume, writeVolume
from .scene import addVolume, placeBeside
from .tasks import optionArguments


@dataclass
class ProjectTask:
    """The inputs and outputs of one projection; see ``CTGANReconstructLogic.project``."""

    ct: slicer.vtkMRMLScalarVolumeNode
    view: str
    outputVolume: slicer.vtkMRMLScalarVolumeNode | None = None
    options: dict[str, float | None] = field(default_factory=dict)

    def prepare(self, folder: Path) -> list[str]:
        if self.outputVolume is self.ct:
            raise ValueError(_("The output must be another volume than the CT."))
        writeVolume(self.ct, folder / "ct.nrrd")
        arguments = ["project", str(folder / "ct.nrrd"), "--view", self.view, "--out", str(folder / "radiograph.nrrd")]
        return arguments + optionArguments(self.options)

    def finish(self, result: dict) -> slicer.vtkMRMLScalarVolumeNode:
        loaded = readVolume(result["radiographs"][0])
        name = _("{view} radiograph of {ct}").format(view=self.view, ct=self.ct.GetName())
        radiograph = addVolume(loaded, self.outputVolume, name)
        placeBeside(radiograph, self.ct)
        return radiograph
