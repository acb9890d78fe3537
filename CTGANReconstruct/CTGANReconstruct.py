from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import slicer
from slicer import (
    vtkMRMLModelNode,
    vtkMRMLScalarVolumeNode,
    vtkMRMLSegmentationNode,
    vtkMRMLTableNode,
    vtkMRMLVectorVolumeNode,
    vtkMRMLViewNode,
)
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import Choice, WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import ScriptedLoadableModule, ScriptedLoadableModuleLogic

from CTGANReconstructLib.acquisitions import showAcquisition
from CTGANReconstructLib.backend import Backend, CTGANLibBackend
from CTGANReconstructLib.events import Progress
from CTGANReconstructLib.module_tests import ModuleTest
from CTGANReconstructLib.panel_widget import Panel, PanelWidget
from CTGANReconstructLib.project_panel import ProjectPanel
from CTGANReconstructLib.project_task import ProjectTask
from CTGANReconstructLib.reconstruct_panel import AUTOMATIC, ReconstructPanel
from CTGANReconstructLib.reconstruct_task import ReconstructResult, ReconstructTask
from CTGANReconstructLib.render_explorer import ExploredFunctions, ExploreTask
from CTGANReconstructLib.render_functions import FunctionsHistory
from CTGANReconstructLib.render_fusion import METHODS, FusionTask
from CTGANReconstructLib.render_panel import RenderPanel
from CTGANReconstructLib.render_sensitivity import SensitivityResult, SensitivityTask
from CTGANReconstructLib.render_task import RenderResult, RenderTask, Shot
from CTGANReconstructLib.render_view import View
from CTGANReconstructLib.sample_data import loadSample, registerSampleData
from CTGANReconstructLib.segment_panel import SegmentPanel
from CTGANReconstructLib.segment_task import SegmentResult, SegmentTask
from CTGANReconstructLib.synthesize_panel import SynthesizePanel
from CTGANReconstructLib.synthesize_task import SynthesizeResult, SynthesizeTask
from CTGANReconstructLib.tasks import runTask

OnProgress = Callable[[Progress], None]


class CTGANReconstruct(ScriptedLoadableModule):
    """Two radiographs become a CT."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("CTGAN Reconstruct")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Tomographic Reconstruction")]
        self.parent.dependencies = []
        self.parent.contributors = ["CTGAN contributors"]
        self.parent.helpText = _(
            "Makes a CT and a segmentation from a PA and a lateral radiograph with a generative network, and says how "
            "well they agree; makes radiographs of a CT, in any view; segments and measures a CT; and makes CTs of "
            "patients who do not exist; "
            "and shows any volume as a volume rendering by a network, and what the picture depends on. "
            "Not for diagnosis: much of what is shown is the network's guess. "
            "The README on the extension's home page has a tutorial."
        )
        self.parent.acknowledgementText = _(
            "The sample patient is LIDC-IDRI-0001 (The Cancer Imaging Archive, CC BY 3.0)."
        )
        slicer.app.connect("startupCompleted()", registerSampleData)


@parameterNodeWrapper
class CTGANReconstructParameterNode:
    """The choices of the panels.

    Reconstruct: of each radiograph a node or, without one, a file is used; one of both may be missing. Views and
    lengths (mm) that are automatic or 0 come from the radiograph's own description. Without an output node, a new one
    is made.

    Project: a radiograph for each view that is true, and with ``projectAngles`` one of a C-arm at three angles
    (degrees). Lengths (mm) and the energy (keV) that are 0 are the usual ones.

    Segment: the same CT as that of Project, and the same device as that of Reconstruct. Without an output node, a new
    one is made.

    Synthesize: the same device. The sizes (voxels) count unless ``synthesisLearnedSize`` is true; the class is one of
    the model's, or empty for all in turn.

    Render: the same CT as that of Project, and the same device. The map is of the HU from ``mapLowHu`` to
    ``mapHighHu``; the CT can be fused with ``fusionVolume``.
    """

    paVolume: vtkMRMLScalarVolumeNode
    lateralVolume: vtkMRMLScalarVolumeNode
    paFile: str
    lateralFile: str
    paView: Annotated[str, Choice([AUTOMATIC, "PA", "AP"])] = AUTOMATIC
    lateralView: Annotated[str, Choice([AUTOMATIC, "LLAT", "RLAT"])] = AUTOMATIC
    sourceToDetectorDistance: Annotated[float, WithinRange(0, 10000)] = 0.0
    sourceToIsocenterDistance: Annotated[float, WithinRange(0, 10000)] = 0.0
    pixelSpacing: Annotated[float, WithinRange(0, 10)] = 0.0
    model: str
    device: Annotated[str, Choice(["auto", "cpu", "cuda", "mps"])] = "auto"
    sharpness: Annotated[float, WithinRange(0, 1)] = 0.0
    check: bool = True
    refine: bool = True
    uncertainty: bool = False
    segment: bool = True
    reproject: bool = True
    outputVolume: vtkMRMLScalarVolumeNode
    outputSegmentation: vtkMRMLSegmentationNode

    ctVolume: vtkMRMLScalarVolumeNode
    projectPA: bool = True
    projectAP: bool = False
    projectLLAT: bool = True
    projectRLAT: bool = False
    projectAngles: bool = False
    primaryAngle: Annotated[float, WithinRange(-180, 180)] = 0.0
    secondaryAngle: Annotated[float, WithinRange(-90, 90)] = 0.0
    rollAngle: Annotated[float, WithinRange(-180, 180)] = 0.0
    projectSourceToDetectorDistance: Annotated[float, WithinRange(0, 10000)] = 0.0
    projectSourceToIsocenterDistance: Annotated[float, WithinRange(0, 10000)] = 0.0
    detectorSize: Annotated[int, WithinRange(32, 4096)] = 512
    projectPixelSpacing: Annotated[float, WithinRange(0, 10)] = 0.0
    energy: Annotated[float, WithinRange(0, 200)] = 0.0
    film: bool = False
    preview: bool = True

    segmentationModel: str = "ChestSegmentation"
    segmentOutput: vtkMRMLSegmentationNode
    show3D: bool = True

    synthesisModel: str = "ChestPyramid"
    synthesisClass: str
    synthesisCount: Annotated[int, WithinRange(1, 10000)] = 1
    synthesisSeed: Annotated[int, WithinRange(0, 2147483647)] = 0
    synthesisLearnedSize: bool = True
    synthesisSizeI: Annotated[int, WithinRange(1, 1024)] = 141
    synthesisSizeJ: Annotated[int, WithinRange(1, 1024)] = 141
    synthesisSizeK: Annotated[int, WithinRange(1, 1024)] = 23
    synthesisStartScale: Annotated[int, WithinRange(0, 100)] = 0

    renderView: vtkMRMLViewNode
    renderFollow: bool = True
    renderCompare: bool = True
    renderSize: Annotated[int, Choice([128, 256, 512])] = 256
    renderingModel: str = "ChestRendering"
    mapLowHu: Annotated[int, WithinRange(-1024, 3071)] = 100
    mapHighHu: Annotated[int, WithinRange(-1024, 3071)] = 400
    showMap: bool = True
    exploreCount: Annotated[int, WithinRange(2, 500)] = 36
    exploreLayout: Annotated[str, Choice(["pca", "tsne"])] = "pca"
    fusionVolume: vtkMRMLScalarVolumeNode
    fusionMethod: Annotated[str, Choice(METHODS)] = "pyramid"


class CTGANReconstructWidget(PanelWidget):
    """The module's place in the window: a tab for each task."""

    def makeLogic(self) -> "CTGANReconstructLogic":
        return CTGANReconstructLogic()

    def makePanels(self, logic: "CTGANReconstructLogic") -> list[Panel]:
        reconstruct = ReconstructPanel(self.loadPage(_("Reconstruct"), "UI/ReconstructPanel.ui"), logic.backend)

        def reconstructFrom(pa: vtkMRMLScalarVolumeNode, lateral: vtkMRMLScalarVolumeNode) -> None:
            self.showPanel(reconstruct)
            reconstruct.startWith(pa, lateral)

        project = ProjectPanel(self.loadPage(_("Project"), "UI/ProjectPanel.ui"), logic.backend, reconstructFrom)
        segment = SegmentPanel(self.loadPage(_("Segment"), "UI/SegmentPanel.ui"), logic.backend)
        synthesize = SynthesizePanel(self.loadPage(_("Synthesize"), "UI/SynthesizePanel.ui"), logic.backend)
        render = RenderPanel(self.loadPage(_("Render"), "UI/RenderPanel.ui"), logic.backend)
        return [reconstruct, project, segment, synthesize, render]


class CTGANReconstructLogic(ScriptedLoadableModuleLogic):
    """What the module can do, for scripts and the Python console. Each call returns when the work is done.

    Failures raise ``ValueError`` for wrong inputs and ``RuntimeError`` for everything else, with one clear sentence;
    the scene is then as it was. ``onProgress`` is called with :class:`Progress`
    (``fraction``, ``message``, ``secondsLeft``).
    """

    def __init__(self, backend: Backend | None = None) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        self.backend = backend or CTGANLibBackend()

    def getParameterNode(self) -> CTGANReconstructParameterNode:
        return CTGANReconstructParameterNode(super().getParameterNode())

    def installPackages(self) -> None:
        """Install the Python packages that the computing needs, where they are missing, with the user's consent."""
        self.backend.installPackages()

    def reconstruct(
        self,
        paVolume: vtkMRMLScalarVolumeNode | str | Path | None,
        lateralVolume: vtkMRMLScalarVolumeNode | str | Path | None,
        outputVolume: vtkMRMLScalarVolumeNode | None = None,
        outputSegmentation: vtkMRMLSegmentationNode | None = None,
        outputUncertainty: vtkMRMLScalarVolumeNode | None = None,
        *,
        sharpness: float = 0.0,
        uncertainty: bool = False,
        segment: bool = True,
        reproject: bool = True,
        check: bool = True,
        refine: bool = True,
        model: str = "",
        device: str = "auto",
        paView: str = "",
        lateralView: str = "",
        sourceToDetectorDistance: float | None = None,
        sourceToIsocenterDistance: float | None = None,
        pixelSpacing: float | None = None,
        onProgress: OnProgress | None = None,
    ) -> ReconstructResult:
        """Make a CT from a frontal and a lateral radiograph of one patient, or from one of both.

        Args:
            paVolume: the frontal radiograph: a one-slice volume node, or a DICOM, PNG, JPEG, TIFF, NIfTI or NRRD file.
                Where None, it is taken to be that of a mean patient.
            lateralVolume: the lateral radiograph, likewise.
            outputVolume: takes the CT (HU, RAS mm); a new node where None.
            outputSegmentation: takes the segmentation; a new node where None.
            outputUncertainty: takes the uncertainty, which is then made.
            sharpness: 0 for the CT that comes nearest to the truth, up to 1 for texture as in real CTs, which looks
                more real and is not more true. Above 0 the model needs texture weights.
            uncertainty: whether to make a volume of the error to be expected at each voxel, one standard deviation in
                HU. The CT is then the mean of what the model's snapshots make.
            segment: whether to segment the CT.
            reproject: whether to bring radiographs of the CT into the scene, posed on their detectors.
            check: whether to check radiographs that do not say how they were taken, and to put right what can be:
                inversion, a lateral that faces right, labels and blades, the size of the pixels.
            refine: whether to make the CT fit the radiographs better than the model did, as far as they can be trusted.
            model: the name of an installed model; the default one where empty.
            device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
            paView: ``PA`` or ``AP``; where empty, what the radiograph says of itself.
            lateralView: ``LLAT`` (left side at the detector) or ``RLAT``; where empty, likewise.
            sourceToDetectorDistance: mm; where None, what the radiographs say of themselves.
            sourceToIsocenterDistance: mm, likewise.
            pixelSpacing: between pixels on the detector, mm, likewise.
            onProgress: called as the work goes on.
        """
        options = {
            "model": model,
            "device": device,
            "asGiven": not check,
            "noRefine": not refine,
            "sharpness": sharpness or None,
            "paView": paView,
            "lateralView": lateralView,
            "sourceToDetectorDistance": sourceToDetectorDistance,
            "sourceToIsocenterDistance": sourceToIsocenterDistance,
            "pixelSpacing": pixelSpacing,
        }
        task = ReconstructTask(
            paVolume,
            lateralVolume,
            outputVolume,
            outputSegmentation,
            outputUncertainty,
            uncertainty or outputUncertainty is not None,
            segment,
            reproject,
            options,
        )
        return runTask(task, self.backend, onProgress)

    def project(
        self,
        ctVolume: vtkMRMLScalarVolumeNode,
        view: str = "PA",
        outputVolume: vtkMRMLScalarVolumeNode | None = None,
        *,
        angles: tuple[float, ...] | None = None,
        sourceToDetectorDistance: float | None = None,
        sourceToIsocenterDistance: float | None = None,
        detectorSize: int | None = None,
        pixelSpacing: float | None = None,
        energy: float | None = None,
        film: bool = False,
        onProgress: OnProgress | None = None,
    ) -> vtkMRMLScalarVolumeNode:
        """Make a radiograph of a CT (DRR), posed on its detector.

        Args:
            ctVolume: a CT in HU.
            view: ``PA``, ``AP``, ``LLAT`` or ``RLAT``.
            outputVolume: takes the radiograph (line integrals of the attenuation, bone bright); a new node where None.
            angles: instead of a view, primary, secondary and perhaps roll angle of a C-arm in degrees; 0, 0 is PA.
            sourceToDetectorDistance: mm.
            sourceToIsocenterDistance: mm.
            detectorSize: rows and columns of the detector, pixels.
            pixelSpacing: between pixels on the detector, mm.
            energy: of the photons, keV; without it, that of the radiographs which the models have learned from.
            film: whether to make the look of a film, 0 to 1, rather than line integrals.
            onProgress: called as the work goes on.
        """
        options = {
            "sourceToDetectorDistance": sourceToDetectorDistance,
            "sourceToIsocenterDistance": sourceToIsocenterDistance,
            "detectorSize": detectorSize,
            "pixelSpacing": pixelSpacing,
            "energy": energy,
            "film": film,
        }
        pose = view if angles is None else tuple(angles)
        return runTask(ProjectTask(ctVolume, {pose: outputVolume}, options), self.backend, onProgress)[pose]

    def showAcquisition(self, radiographVolume: vtkMRMLScalarVolumeNode) -> list[vtkMRMLModelNode]:
        """Draw source, detector and beam of a radiograph from :meth:`project` or :meth:`reconstruct` in 3D.

        Returns:
            Their models, in this order. A second call for the same radiograph changes them.
        """
        return showAcquisition(radiographVolume)

    def segment(
        self,
        ctVolume: vtkMRMLScalarVolumeNode,
        outputSegmentation: vtkMRMLSegmentationNode | None = None,
        *,
        model: str = "",
        device: str = "auto",
        outputTable: vtkMRMLTableNode | None = None,
        onProgress: OnProgress | None = None,
    ) -> SegmentResult:
        """Segment a CT, and measure its segments.

        Args:
            ctVolume: a CT in HU, true or reconstructed, in any orientation; its transform, if any, must be linear.
            outputSegmentation: takes the segments (on the grid of the CT, RAS mm), with surfaces for 3D; what it held
                is replaced, and can be brought back where the scene's undo is on. A new node where None.
            model: the name of an installed model for segmentation; the default one where empty.
            device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
            outputTable: takes volume (ml), mean (HU) and surface (cm²) of each segment; where None, the table that
                belongs to the segmentation already, or a new one.
            onProgress: called as the work goes on.
        """
        options = {"model": model, "device": device}
        task = SegmentTask(ctVolume, outputSegmentation, outputTable, options=options)
        return runTask(task, self.backend, onProgress)

    def synthesize(
        self,
        model: str = "",
        count: int = 1,
        seed: int = 0,
        size: tuple[int, int, int] | None = None,
        startScale: int | None = None,
        className: str = "",
        device: str = "auto",
        onProgress: OnProgress | None = None,
    ) -> SynthesizeResult:
        """Make CT volumes, or a stack of CT slices, of patients who do not exist.

        Args:
            model: the name of an installed model of volumes (a pyramid) or of slices; the default one where empty.
            count: how many volumes; of a model of slices, how many slices in one volume.
            seed: 0 to 2147483647. The same one gives the same volume, with the same other choices and device. The
                seeds of further volumes follow it.
            size: voxels along I, J and K, of pyramids only; where None, as the model has learned. The voxels stay as
                large in mm.
            startScale: of pyramids only; the first scale that is random. 0, the coarsest, where None. All scales below
                it are those of a volume that the model has learned from, to which the result is then nearer.
            className: what slices are to show, where the model has learned with classes; all in turn where empty.
            device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
            onProgress: called as the work goes on.

        Returns:
            The result, whose ``volumes`` are new nodes in the subject-hierarchy folder *Synthetic*.
        """
        task = SynthesizeTask(count, seed, size, startScale, className, {"model": model, "device": device})
        return runTask(task, self.backend, onProgress)

    def render(
        self,
        volume: vtkMRMLScalarVolumeNode,
        outputVolume: vtkMRMLVectorVolumeNode | None = None,
        *,
        view: View | None = None,
        volumeProperty: "slicer.vtkMRMLVolumePropertyNode | str | Path | None" = None,
        size: int = 256,
        truth: bool = False,
        model: str = "",
        device: str = "auto",
        onProgress: OnProgress | None = None,
    ) -> RenderResult:
        """Make a picture of a volume by a network, as volume rendering would show it.

        Args:
            volume: a CT in HU, in any orientation; its transform, if any, must be linear.
            outputVolume: takes the picture; a new node where None. See ``RenderResult.volume``; ``RenderResult`` also
                writes it as PNG.
            view: a 3D view, whose camera and background count, or a camera node, or a ``vtkCamera`` (RAS, mm); from the
                front where None. The picture is square: it has the height of the view.
            volumeProperty: a volume property node, the name of one of Slicer's CT presets, or a ``.vp.json`` file;
                where None, that of the volume's volume rendering, and the preset *CT-Chest-Contrast-Enhanced* for a
                volume that has none. Gradient opacity and cropping are ignored, which a warning then says.
            size: rows and columns, a multiple of 16 up to 1024.
            truth: whether to ray-cast the whole volume with VTK, too, and to compare.
            model: the name of an installed model for rendering; the default one where empty.
            device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
            onProgress: called as the work goes on.
        """
        shot = Shot(volume, view, volumeProperty, size)
        task = RenderTask(shot, outputVolume, truth, {"model": model, "device": device})
        return runTask(task, self.backend, onProgress)

    def renderSensitivity(
        self,
        volume: vtkMRMLScalarVolumeNode,
        *,
        region: tuple[int, int, int, int] | None = None,
        hu: tuple[float, float] = (100.0, 400.0),
        view: View | None = None,
        volumeProperty: "slicer.vtkMRMLVolumePropertyNode | str | Path | None" = None,
        size: int = 256,
        model: str = "",
        device: str = "auto",
        onProgress: OnProgress | None = None,
    ) -> SensitivityResult:
        """Ask how much a picture would change if the transfer functions did, by gradients.

        Args:
            volume, view, volumeProperty, size, model, device, onProgress: as for :meth:`render`.
            region: first and last row, first and last column of the picture, the last ones not included; all where
                None.
            hu: lowest and highest of the range whose effect is mapped.
        """
        shot = Shot(volume, view, volumeProperty, size)
        return runTask(SensitivityTask(shot, region, hu, {"model": model, "device": device}), self.backend, onProgress)

    def exploreFunctions(
        self,
        volume: vtkMRMLScalarVolumeNode,
        count: int = 64,
        layout: str = "pca",
        seed: int = 0,
        *,
        view: View | None = None,
        model: str = "",
        device: str = "auto",
        onProgress: OnProgress | None = None,
    ) -> list[ExploredFunctions]:
        """Draw transfer functions under which a volume shows something, and lay them out by how alike they are.

        Args:
            volume, view, model, device, onProgress: as for :meth:`render`.
            count: of the functions, 2 to 500.
            layout: ``pca``, the two main directions of the model's latent space, or ``tsne``.
            seed: of the functions.
        """
        options = {"count": count, "layout": layout, "seed": seed, "model": model, "device": device}
        return runTask(ExploreTask(Shot(volume, view), options), self.backend, onProgress)

    def applyFunctions(
        self, volume: vtkMRMLScalarVolumeNode, functions: "slicer.vtkMRMLVolumePropertyNode"
    ) -> "slicer.vtkMRMLVolumePropertyNode":
        """Give a volume's volume rendering the transfer functions of a volume property, such as one that
        :meth:`exploreFunctions` has found; return the volume's own node, a new one where it had none."""
        return FunctionsHistory().apply(functions, volume)

    def fuse(
        self,
        volumes: list[vtkMRMLScalarVolumeNode],
        outputVolume: vtkMRMLScalarVolumeNode | None = None,
        *,
        method: str = "pyramid",
        uncertainties: list[vtkMRMLScalarVolumeNode] | None = None,
        onProgress: OnProgress | None = None,
    ) -> vtkMRMLScalarVolumeNode:
        """Make one volume of several that are registered to each other.

        Args:
            volumes: two or more, in HU; the result is on the grid of the first.
            outputVolume: takes the result; a new node where None.
            method: ``average``; ``pyramid``, at each place and scale the detail of the volume that has most of it; or
                ``learned``, by a small network that learns from these volumes.
            uncertainties: instead of a method, of each volume its expected errors, one standard deviation in HU, as
                :meth:`reconstruct` makes them: the surer a volume, the more it counts.
            onProgress: called as the work goes on.
        """
        task = FusionTask(volumes, outputVolume, uncertainties or [], {"fusion": method})
        return runTask(task, self.backend, onProgress)


class CTGANReconstructTest(ModuleTest):
    """Run in Slicer by Reload and Test, and by the extension's build."""

    def test_samplePatient(self) -> None:
        logic = CTGANReconstructLogic()
        registerSampleData()
        pa, lateral, ct = loadSample()
        result = logic.reconstruct(pa, lateral)
        self.assertGreater(result.consistency["pa"]["ncc"], 0.9)
        self.assertLess(slicer.util.arrayFromVolume(result.volume).min(), -900)
        self.assertGreater(result.segmentation.GetSegmentation().GetNumberOfSegments(), 0)
        radiograph = logic.project(ct, "LLAT", detectorSize=128)
        self.assertGreater(slicer.util.arrayFromVolume(radiograph).max(), 2)
        self.assertGreater(logic.segment(ct).volumesMl["Right lung"], 1000)

    def test_synthetic_volume(self) -> None:
        (volume,) = CTGANReconstructLogic().synthesize(seed=3).volumes
        self.assertLess(slicer.util.arrayFromVolume(volume).min(), -900)

    def test_picture(self) -> None:
        registerSampleData()
        view = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLViewNode")
        result = CTGANReconstructLogic().render(loadSample()[2], view=view, truth=True)
        self.assertEqual(slicer.util.arrayFromVolume(result.volume).shape, (1, 256, 256, 3))
        self.assertGreater(result.scores["ssim"], 0.7)
