"""Several volumes of one patient -> one."""

from dataclasses import dataclass, field
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from .nodes import readVolume, writeVolume
from .scene import addCT, placeBeside
from .tasks import optionArguments

METHODS = ["average", "pyramid", "learned"]


@dataclass
class FusionTask:
    """The inputs and outputs of one fusion; see ``CTGANReconstructLogic.fuse``."""

    volumes: list[slicer.vtkMRMLScalarVolumeNode]
    output: slicer.vtkMRMLScalarVolumeNode | None = None
    uncertainties: list[slicer.vtkMRMLScalarVolumeNode] = field(default_factory=list)
    options: dict[str, str | None] = field(default_factory=dict)

    def prepare(self, folder: Path) -> list[str]:
        if len(self.volumes) < 2:
            raise ValueError(_("Fusion needs two volumes or more."))
        if self.output in [*self.volumes, *self.uncertainties]:
            raise ValueError(_("The output must be another volume than those that are fused."))
        arguments = ["render", *_write(self.volumes, folder, "volume"), "--fused", str(folder / "fused.nrrd")]
        if self.uncertainties:
            arguments += ["--deviations", *_write(self.uncertainties, folder, "deviation")]
        return arguments + optionArguments(self.options)

    def finish(self, result: dict) -> slicer.vtkMRMLScalarVolumeNode:
        loaded = readVolume(result["fused"])
        name = _("{names} fused").format(names=" + ".join(volume.GetName() for volume in self.volumes))
        node = addCT(loaded, self.output, name)
        placeBeside(node, self.volumes[0])
        return node


def _write(volumes: list[slicer.vtkMRMLScalarVolumeNode], folder: Path, name: str) -> list[str]:
    paths = [folder / f"{name}{number}.nrrd" for number in range(len(volumes))]
    for volume, path in zip(volumes, paths, strict=True):
        writeVolume(volume, path)
    return list(map(str, paths))
