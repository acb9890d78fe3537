"""Noise -> CT volumes, or a stack of slices, of patients who do not exist."""

import json
import operator
from dataclasses import dataclass, field
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from .events import finiteNumber
from .nodes import readVolume
from .scene import addCT, addVolume, placeInFolder
from .synthesis_models import Size
from .tasks import optionArguments

ORIGIN = "CTGAN.Synthetic"
"""The attribute of a synthetic volume that tells how it was made, as JSON: ``model``, ``seed``, other choices."""


@dataclass(frozen=True)
class SynthesizeResult:
    """What a synthesis brought into the scene.

    Attributes:
        volumes: the volumes, in the order of their seeds, or one stack of slices. CTs are in HU, around the origin of
            RAS; radiographs, which some models make, are shares of brightness, on coronal planes. Each tells in its
            attribute ``CTGAN.Synthetic`` how it was made.
        warnings: what to know of the result, a sentence each.
        model: the name of the model that was used.
        seconds: time of the computation.
        peakMemoryMb: the most memory that the computing process held.
    """

    volumes: list[slicer.vtkMRMLScalarVolumeNode]
    warnings: list[str]
    model: str
    seconds: float | None
    peakMemoryMb: float | None


@dataclass
class SynthesizeTask:
    """The inputs of one synthesis; see ``CTGANReconstructLogic.synthesize``."""

    count: int = 1
    seed: int = 0
    size: Size | None = None
    startScale: int | None = None
    className: str = ""
    options: dict[str, str | None] = field(default_factory=dict)

    def prepare(self, folder: Path) -> list[str]:
        arguments = ["synthesize", "--out", str(folder / "volumes")]
        arguments += ["--count", _whole(self.count, _("The count")), "--seed", _whole(self.seed, _("The seed"))]
        if self.size is not None:
            if len(self.size) != 3:
                raise ValueError(_("The size has to be three whole numbers: voxels along I, J and K."))
            arguments += ["--size", *(_whole(count, _("The size")) for count in self.size)]
        if self.startScale is not None:
            arguments += ["--start-scale", _whole(self.startScale, _("The start scale"))]
        return arguments + optionArguments({"class": self.className, **self.options})

    def finish(self, result: dict) -> SynthesizeResult:
        model, loaded = result["model"], [readVolume(path) for path in result["volumes"]]
        add = addVolume if result.get("kind") == "radiographs" else addCT
        kind = ", ".join(filter(None, (model, self.className)))
        volumes = []
        for seed, volume in enumerate(loaded, start=self.seed):
            node = add(volume, None, _("{kind}, seed {seed}").format(kind=kind, seed=seed))
            node.SetAttribute(ORIGIN, json.dumps({"model": model, **self._choices(seed)}))
            placeInFolder(node, _("Synthetic"))
            volumes.append(node)
        return SynthesizeResult(
            volumes,
            result.get("warnings") or [],
            model,
            finiteNumber(result.get("seconds")),
            finiteNumber(result.get("peak_memory_mb")),
        )

    def _choices(self, seed: int) -> dict[str, object]:
        """What a volume depends on, beside the model."""
        choices = {"seed": seed, "size": self.size, "startScale": self.startScale, "className": self.className}
        return {name: value for name, value in choices.items() if value not in (None, "")}


def _whole(value: int, what: str) -> str:
    """A whole number for the command line.

    Raises:
        ValueError: it is none.
    """
    try:
        return str(operator.index(value))
    except TypeError:
        raise ValueError(_("{what} has to be a whole number, not {value}.").format(what=what, value=value)) from None
