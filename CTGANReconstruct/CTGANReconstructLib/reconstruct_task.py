"""Radiographs -> CT, uncertainty, segmentation, and how well the CT explains the radiographs."""

from dataclasses import dataclass, field
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from .nodes import readSegmentation, readVolume, writeRadiograph
from .scene import addCT, addSegmentation, addUncertainty, addVolume, placeBeside
from .tasks import optionArguments

Radiograph = slicer.vtkMRMLScalarVolumeNode | str | Path | None
"""A one-slice volume node, or a DICOM, PNG, JPEG, TIFF, NIfTI or NRRD file; nothing for a view that there is not."""

WARNINGS = "CTGAN.Warnings"
"""The attribute of a CT that keeps what its user was warned of, a line each."""


@dataclass(frozen=True)
class ReconstructResult:
    """What a reconstruction brought into the scene.

    Attributes:
        volume: the CT in HU, in the patient's RAS mm.
        uncertainty: one standard deviation of the error to be expected at each voxel of the CT, HU, or None.
        segmentation: body, lungs, mediastinum and bone of the CT, or None.
        reprojections: radiographs of the CT, posed on their detectors; keys ``pa`` and ``lateral``, or the one given.
        consistency: for each view, ``ncc`` (correlation of re-projection and radiograph, 1 is best) and ``nrmse``.
        consistencyBefore: the same before the refinement.
        refinement: how it went: ``full``; ``cautious``, where the radiographs are no line integrals; ``none``, where
            they do not fit the CT and it was left alone. None if it was not asked for.
        warnings: what was found in the radiographs and put right, and what to mind in the CT, which keeps these
            sentences in its attribute ``CTGAN.Warnings``.
        modelSeconds: time of the model itself.
        peakMemoryMb: the most memory that the computing process held.
    """

    volume: slicer.vtkMRMLScalarVolumeNode
    uncertainty: slicer.vtkMRMLScalarVolumeNode | None
    segmentation: slicer.vtkMRMLSegmentationNode | None
    reprojections: dict[str, slicer.vtkMRMLScalarVolumeNode]
    consistency: dict[str, dict[str, float]]
    consistencyBefore: dict[str, dict[str, float]]
    refinement: str | None
    warnings: list[str]
    modelSeconds: float | None
    peakMemoryMb: float | None


@dataclass
class ReconstructTask:
    """The inputs and outputs of one reconstruction; see ``CTGANReconstructLogic.reconstruct``."""

    pa: Radiograph
    lateral: Radiograph
    outputVolume: slicer.vtkMRMLScalarVolumeNode | None = None
    outputSegmentation: slicer.vtkMRMLSegmentationNode | None = None
    outputUncertainty: slicer.vtkMRMLScalarVolumeNode | None = None
    uncertainty: bool = False
    segment: bool = True
    reproject: bool = True
    options: dict[str, str | float | bool | None] = field(default_factory=dict)

    def prepare(self, folder: Path) -> list[str]:
        given = {name: node for name, node in (("pa", self.pa), ("lateral", self.lateral)) if node}
        if not given:
            raise ValueError(_("Choose a PA or a lateral radiograph, or both."))
        outputs = [node for node in (self.outputVolume, self.outputUncertainty) if node is not None]
        if any(node in given.values() for node in outputs):
            raise ValueError(_("The output must be another volume than the radiographs."))
        if len(outputs) == 2 and outputs[0] is outputs[1]:
            raise ValueError(_("CT and uncertainty must be different volumes."))
        arguments = ["reconstruct", "--out", str(folder / "ct.nrrd")]
        for name, radiograph in given.items():
            arguments += [f"--{name}", str(_file(radiograph, folder, name))]
        if self.uncertainty:
            arguments += ["--uncertainty", str(folder / "uncertainty.nrrd")]
        if self.segment:
            arguments += ["--segmentation", str(folder / "segmentation.seg.nrrd")]
        if self.reproject:
            arguments += ["--reprojections", str(folder / "reprojections")]
        return arguments + optionArguments(self.options)

    def finish(self, result: dict) -> ReconstructResult:
        volume = readVolume(result["volume"])
        uncertainty = readVolume(result["uncertainty"]) if self.uncertainty else None
        segmentation = readSegmentation(result["segmentation"]) if self.segment else None
        paths = (result.get("reprojections") or {}) if self.reproject else {}
        reprojections = {view: readVolume(path) for view, path in paths.items()}

        sibling = next((node for node in (self.pa, self.lateral) if isinstance(node, slicer.vtkMRMLNode)), None)
        volume = addCT(volume, self.outputVolume, _("CT from radiographs"))
        warnings = result.get("warnings") or []
        volume.SetAttribute(WARNINGS, "\n".join(warnings) or None)
        placeBeside(volume, sibling)
        if uncertainty is not None:
            name = _("{name} uncertainty").format(name=volume.GetName())
            uncertainty = addUncertainty(uncertainty, self.outputUncertainty, name)
            placeBeside(uncertainty, sibling)
        if segmentation is not None:
            name = _("{name} segmentation").format(name=volume.GetName())
            segmentation = addSegmentation(segmentation, self.outputSegmentation, name, volume)
            placeBeside(segmentation, sibling)
        titles = {"pa": _("PA re-projection"), "lateral": _("Lateral re-projection")}
        for view, node in reprojections.items():
            reprojections[view] = addVolume(node, None, titles.get(view, view))
            placeBeside(reprojections[view], sibling)
        return ReconstructResult(
            volume,
            uncertainty,
            segmentation,
            reprojections,
            result.get("consistency") or {},
            result.get("consistency_before") or {},
            result.get("refinement"),
            warnings,
            result.get("model_seconds"),
            result.get("peak_memory_mb"),
        )


def _file(radiograph: Radiograph, folder: Path, name: str) -> Path:
    if isinstance(radiograph, slicer.vtkMRMLNode):
        return writeRadiograph(radiograph, folder, name)
    return Path(radiograph).resolve()
