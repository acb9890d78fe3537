"""CT -> radiographs of it, as an X-ray machine would see it (DRRs)."""

from dataclasses import dataclass, field
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from .nodes import readVolume, writeVolume
from .scene import addVolume, placeBeside
from .tasks import optionArguments

Pose = str | tuple[float, ...]
"""A view (``PA``, ``AP``, ``LLAT``, ``RLAT``), or primary, secondary and perhaps roll angle of a C-arm in degrees."""


@dataclass
class ProjectTask:
    """The inputs and outputs of one projection; see ``CTGANReconstructLogic.project``.

    Attributes:
        ct: a CT in HU.
        outputs: the poses, and for each the node that takes the radiograph, or None for a new one.
        options: options of the command line.
    """

    ct: slicer.vtkMRMLScalarVolumeNode
    outputs: dict[Pose, slicer.vtkMRMLScalarVolumeNode | None]
    options: dict[str, float | bool | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._poses = sorted(self.outputs, key=lambda pose: not isinstance(pose, str))  # the command line's order

    def prepare(self, folder: Path) -> list[str]:
        if self.ct in self.outputs.values():
            raise ValueError(_("The output must be another volume than the CT."))
        writeVolume(self.ct, folder / "ct.nrrd")
        arguments = ["project", str(folder / "ct.nrrd")]
        if views := [pose for pose in self._poses if isinstance(pose, str)]:
            arguments += ["--view", *views]
        for angles in self._poses[len(views) :]:
            arguments += ["--angles", *map(str, angles)]
        arguments += ["--out", *(str(folder / f"radiograph{number}.nrrd") for number in range(len(self._poses)))]
        return arguments + optionArguments(self.options)

    def finish(self, result: dict) -> dict[Pose, slicer.vtkMRMLScalarVolumeNode]:
        loaded = [readVolume(path) for path in result["radiographs"]]
        radiographs = {}
        for pose, volume in zip(self._poses, loaded, strict=True):
            name = _("{pose} radiograph of {ct}").format(pose=_poseName(pose), ct=self.ct.GetName())
            radiographs[pose] = addVolume(volume, self.outputs[pose], name)
            placeBeside(radiographs[pose], self.ct)
        return radiographs


def _poseName(pose: Pose) -> str:
    return pose if isinstance(pose, str) else " ".join(f"{angle:g}°" for angle in pose)
