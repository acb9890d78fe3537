"""The panel of the Project task: a CT, views and geometry to radiographs, with a small live picture of the pose."""

from collections.abc import Callable

import slicer
from slicer.i18n import tr as _

from .acquisitions import drawAcquisition, showAcquisition
from .backend import Backend
from .job_control import JobControl
from .nodes import ctProblem, firstCT
from .panel_widget import Panel
from .picture_view import pixmapOf
from .preview import startPreview
from .project_task import Pose, ProjectTask
from .scene import removeShown, showRadiograph
from .server import Server

Radiographs = dict[Pose, slicer.vtkMRMLScalarVolumeNode]

FRONTAL, LATERAL = ("PA", "AP"), ("LLAT", "RLAT")


class ProjectPanel(Panel):
    """Connects the widgets of ``UI/ProjectPanel.ui`` with the parameter node and the backend."""

    def __init__(
        self,
        ui,
        backend: Backend,
        onPair: Callable[[slicer.vtkMRMLScalarVolumeNode, slicer.vtkMRMLScalarVolumeNode], None],
    ) -> None:
        """Take over the widgets; ``onPair`` is called with a frontal and a lateral radiograph to reconstruct from."""
        self.ui = ui
        self.radiographs: Radiographs = {}
        self.preview: Server | None = None
        self._backend, self._onPair = backend, onPair
        self._parameters = None
        self._active = False
        self._previewed = None
        self._previewModels: list[slicer.vtkMRMLModelNode] = []
        self.job = JobControl(
            ui.projectButton, ui.projectProgressBar, ui.projectStatusLabel, backend, self._makeTask, self._onDone
        )
        ui.reconstructFromTheseButton.clicked.connect(self._onReconstruct)
        self._showPicture(None)

    def setParameters(self, parameters) -> None:
        """Follow a parameter node, or with None, no longer."""
        self._parameters = parameters
        if parameters is None:
            self.radiographs = {}
            self._stopPreview()
        else:
            self._chooseCT()
            self.update()

    def setActive(self, active: bool) -> None:
        """Keep the preview only as long as the panel is seen."""
        self._active = active
        if active:
            self._chooseCT()
        self._updatePreview()

    def update(self) -> None:
        """Show whether all is chosen, and what the chosen pose looks like."""
        self.job.setReady(self._problem(), _("Make the radiographs; those of an earlier time are replaced"))
        pair = self._pair()
        self.ui.reconstructFromTheseButton.enabled = pair is not None
        self.ui.reconstructFromTheseButton.toolTip = (
            _("Make a CT from the frontal and the lateral radiograph, to compare with the true one")
            if pair
            else _("Project a frontal (PA or AP) and a lateral view first")
        )
        for slider in (self.ui.primarySlider, self.ui.secondarySlider, self.ui.rollSlider):
            slider.enabled = self._parameters.projectAngles
        self._updatePreview()

    def _chooseCT(self) -> None:
        """Choose the first CT of the scene where none is chosen, so that opening one is enough."""
        if self._parameters is not None and self._parameters.ctVolume is None:
            self._parameters.ctVolume = firstCT()

    def _poses(self) -> list[Pose]:
        """The chosen poses; that of the angles last."""
        parameters = self._parameters
        views = {
            "PA": parameters.projectPA,
            "AP": parameters.projectAP,
            "LLAT": parameters.projectLLAT,
            "RLAT": parameters.projectRLAT,
        }
        poses: list[Pose] = [view for view, chosen in views.items() if chosen]
        if parameters.projectAngles:
            poses.append((parameters.primaryAngle, parameters.secondaryAngle, parameters.rollAngle))
        return poses

    def _problem(self) -> str:
        """Why the task cannot be started, or nothing."""
        if self._parameters.ctVolume is None:
            return _("Choose a CT")
        if problem := ctProblem(self._parameters.ctVolume):
            return problem
        return "" if self._poses() else _("Choose at least one view")

    def _geometry(self) -> dict[str, float | None]:
        """The lengths that are not automatic."""
        parameters = self._parameters
        return {
            "sourceToDetectorDistance": parameters.projectSourceToDetectorDistance or None,
            "sourceToIsocenterDistance": parameters.projectSourceToIsocenterDistance or None,
            "detectorSize": parameters.detectorSize,
            "pixelSpacing": parameters.projectPixelSpacing or None,
        }

    def _makeTask(self) -> ProjectTask:
        parameters = self._parameters
        outputs = {pose: self._earlier(pose) for pose in self._poses()}
        options = {**self._geometry(), "energy": parameters.energy or None, "film": parameters.film}
        return ProjectTask(parameters.ctVolume, outputs, options)

    def _earlier(self, pose: Pose) -> slicer.vtkMRMLScalarVolumeNode | None:
        """The radiograph of a pose that was made before and is still in the scene; the angles share one."""
        same = (node for made, node in self.radiographs.items() if _kind(made) == _kind(pose))
        return next((node for node in same if node.GetScene()), None)

    def _onDone(self, radiographs: Radiographs) -> None:
        self.radiographs = radiographs
        for pose, radiograph in radiographs.items():
            showAcquisition(radiograph)
            showRadiograph(radiograph, "Green" if pose in FRONTAL else "Yellow" if pose in LATERAL else "Red")
        slicer.util.resetThreeDViews()
        self.update()

    def _pair(self) -> list[slicer.vtkMRMLScalarVolumeNode] | None:
        """A frontal and a lateral radiograph of the last projection that are still in the scene."""
        pair = [
            next((self.radiographs[view] for view in views if view in self.radiographs), None)
            for views in (FRONTAL, LATERAL)
        ]
        return pair if all(node is not None and node.GetScene() for node in pair) else None

    def _onReconstruct(self, checked: bool = False) -> None:
        if pair := self._pair():
            self._onPair(*pair)

    def _updatePreview(self) -> None:
        """Start, ask or end the preview, as the panel's state says."""
        parameters = self._parameters
        wanted = self._active and parameters is not None and parameters.preview and not self._problem()
        if not wanted or (self._previewed is not None and self._previewed is not parameters.ctVolume):
            self._stopPreview()
        if not wanted:
            return
        if self._previewed is None:
            self._startPreview()
        if self.preview is not None:
            self.preview.request(self._previewRequest())

    def _startPreview(self) -> None:
        self._previewed = self._parameters.ctVolume
        if self._backend.missingPackages():  # the user is asked when something is to be made
            return
        try:
            self.preview = startPreview(self._backend, self._previewed, self._onPicture, self._showProblem)
        except (ValueError, OSError) as error:
            self._showProblem(str(error))
        else:
            self._showProblem(_("The preview is coming"))

    def _stopPreview(self) -> None:
        if self.preview is not None:
            self.preview.stop()
        self.preview = self._previewed = None
        for model in self._previewModels:
            removeShown(model)
        self._previewModels = []
        self._showPicture(None)

    def _previewRequest(self) -> dict:
        """The pose of the angles where they are chosen, else the first view."""
        pose = self._poses()[-1] if self._parameters.projectAngles else self._poses()[0]
        lengths = {
            "source_to_detector_distance": self._parameters.projectSourceToDetectorDistance,
            "source_to_isocenter_distance": self._parameters.projectSourceToIsocenterDistance,
            "pixel_spacing": self._parameters.projectPixelSpacing,
        }
        request = {name: value for name, value in lengths.items() if value}
        request["detector_size"] = self._parameters.detectorSize
        return {**request, "view": pose} if isinstance(pose, str) else {**request, "angles": pose}

    def _onPicture(self, png: bytes, acquisition: dict) -> None:
        self._showPicture(pixmapOf(png))
        self._previewModels = drawAcquisition(acquisition, self._previewModels, _("Preview"), temporary=True)

    def _showPicture(self, pixmap) -> None:
        self.ui.previewLabel.visible = pixmap is not None
        self.ui.previewProblemLabel.visible = False
        if pixmap is not None:
            self.ui.previewLabel.setPixmap(pixmap)

    def _showProblem(self, text: str) -> None:
        self._showPicture(None)
        self.ui.previewProblemLabel.text = text
        self.ui.previewProblemLabel.visible = True


def _kind(pose: Pose) -> str:
    """The view, or ``angles``."""
    return pose if isinstance(pose, str) else "angles"
