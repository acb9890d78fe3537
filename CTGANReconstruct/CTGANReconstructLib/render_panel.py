"""The panel of the Render task: neural pictures that follow a 3D view, beside VTK's, and what they depend on."""

from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from .backend import Backend
from .events import Progress
from .job_control import JobControl, showError, showProgress
from .model_choice import ModelChoice
from .nodes import ctProblem, firstCT
from .panel_widget import Panel
from .picture_view import PictureView, pixmapOf
from .render_explorer import Explorer, ExploreTask
from .render_follow import LivePicture, RenderFollower
from .render_functions import DEFAULT_PRESET, propertyOf
from .render_fusion import FusionTask
from .render_matters import Matters
from .render_pictures import showPicture
from .render_task import Shot, addPicture
from .render_view import firstView
from .scene import showCT


class RenderPanel(Panel):
    """Connects the widgets of ``UI/RenderPanel.ui`` with the parameter node and the backend."""

    def __init__(self, ui, backend: Backend) -> None:
        self.ui = ui
        self.last: LivePicture | None = None
        self._backend = backend
        self._parameters = None
        self._active = False
        self._views = [PictureView(ui.neuralView), PictureView(ui.truthView), PictureView(ui.differenceView)]
        self._models = ModelChoice(ui.renderModelComboBox, "rendering", self._onModelChosen)
        self.follower = RenderFollower(backend, self._onPicture, self._showProblem, self._onProgress, self._onAsked)
        self.matters = Matters(ui, backend, self._makeShot, self._options)
        self.explorer = Explorer(ui, backend, self._makeExploration, lambda: self._parameters.ctVolume)
        self.fusion = JobControl(
            ui.fuseButton, ui.fuseProgressBar, ui.fuseStatusLabel, backend, self._makeFusion, self._onFused
        )
        ui.renderButton.clicked.connect(self._onRender)
        ui.snapshotButton.clicked.connect(self._onSnapshot)
        ui.savePNGButton.clicked.connect(self._onSavePNG)
        self._clear()

    def setParameters(self, parameters) -> None:
        """Follow a parameter node, or with None, no longer."""
        self._parameters = parameters
        self.matters.setParameters(parameters)
        if parameters is None:
            self.follower.stop()
            self.explorer.clear()
            self._clear()
        else:
            self._choose()
            self.update()

    def setActive(self, active: bool) -> None:
        """Follow the view only as long as the panel is seen."""
        self._active = active
        if active and self._parameters is not None:
            self._choose()
            self.update()
        elif not active:
            self.follower.stop()
            self._showButtons()

    def stop(self) -> None:
        """End all that computes."""
        self.follower.stop()
        for job in (self.matters.job, self.explorer.job, self.fusion):
            job.stop()

    def update(self) -> None:
        """Show whether all is chosen, and follow the view if wanted."""
        if self._parameters is None:
            return
        problem = self._problem()
        self.matters.setReady(problem)
        self.explorer.job.setReady(problem, _("Draw transfer functions and lay out pictures of the volume with them"))
        self.fusion.setReady(self._fusionProblem(), _("Make one volume of both"))
        if problem:
            self.follower.stop()
            self._clear()
        elif self._active:
            self._follow()
        self._showButtons()

    def _choose(self) -> None:
        """Choose what is there, so that opening the panel is enough."""
        parameters = self._parameters
        self._models.list(parameters.renderingModel)
        if parameters.ctVolume is None:
            parameters.ctVolume = firstCT()
        if parameters.renderView is None:
            parameters.renderView = firstView()

    def _onModelChosen(self, name: str) -> None:
        if self._parameters is not None:
            self._parameters.renderingModel = name

    def _problem(self) -> str:
        """Why there can be no picture, or nothing."""
        if self._parameters.ctVolume is None:
            return _("Choose a volume")
        if problem := ctProblem(self._parameters.ctVolume):
            return problem
        return "" if self._parameters.renderingModel else _("No model is installed")

    def _fusionProblem(self) -> str:
        parameters = self._parameters
        if parameters.ctVolume is None or parameters.fusionVolume is None:
            return _("Choose two volumes")
        if parameters.ctVolume is parameters.fusionVolume:
            return _("Choose another volume than the one above")
        return ctProblem(parameters.ctVolume) or ctProblem(parameters.fusionVolume)

    def _options(self) -> dict[str, str]:
        return {"model": self._parameters.renderingModel, "device": self._parameters.device}

    def _makeShot(self) -> Shot:
        parameters = self._parameters
        return Shot(parameters.ctVolume, parameters.renderView, None, parameters.renderSize)

    def _makeExploration(self) -> ExploreTask:
        parameters = self._parameters
        options = {"count": parameters.exploreCount, "layout": parameters.exploreLayout}
        return ExploreTask(self._makeShot(), {**self._options(), **options})

    def _makeFusion(self) -> FusionTask:
        parameters = self._parameters
        volumes = [parameters.ctVolume, parameters.fusionVolume]
        return FusionTask(volumes, options={"fusion": parameters.fusionMethod})

    def _onFused(self, volume: slicer.vtkMRMLScalarVolumeNode) -> None:
        showCT(volume)
        self._parameters.ctVolume = volume

    def _follow(self) -> None:
        parameters = self._parameters
        self.follower.choose(self._makeShot(), parameters.renderCompare, self._options())
        if not parameters.renderFollow:
            self.follower.rest()
        elif self.follower.server is None and self._backend.missingPackages():  # the user is asked at Render
            self._showProblem(_("Python packages are missing. Click Render to install them."))
        else:
            self.follower.follow()

    def _onRender(self, checked: bool = False) -> None:
        if self.follower.waiting:
            self.follower.stop()
            self._parameters.renderFollow = False
            self._showProblem(_("Cancelled"))
            return
        try:
            if self._backend.missingPackages():
                self._backend.installPackages()
        except Exception as error:
            showError(error)
            return
        self.follower.choose(self._makeShot(), self._parameters.renderCompare, self._options())
        self.follower.ask()
        self._showButtons()

    def _onAsked(self, notes: list[str]) -> None:
        """What was shown is not what is asked for now."""
        node = propertyOf(self._parameters.ctVolume)
        source = (
            _("Transfer functions: {name}").format(name=node.GetName())
            if node is not None
            else _("Transfer functions: {preset}, as this volume has no volume rendering").format(preset=DEFAULT_PRESET)
        )
        self.ui.functionsLabel.text = "\n".join([source, *notes])
        self.ui.renderProblemLabel.visible = False
        self._compareWith(None)
        self.matters.forget()
        self._showButtons()

    def _onPicture(self, picture: LivePicture) -> None:
        self.last = picture
        pixmap = pixmapOf(picture.png)
        self._views[0].show(pixmap)
        self.ui.neuralLabel.text = _("Neural\n{seconds:.2f} s").format(seconds=picture.seconds)
        if picture.truthPng is not None:
            self._compareWith(picture)
        self._showButtons()

    def _compareWith(self, picture: LivePicture | None) -> None:
        """Show VTK's picture and the difference, or that they are not there."""
        pngs = (picture.truthPng, picture.differencePng) if picture else (None, None)
        for view, png in zip(self._views[1:], pngs, strict=True):
            view.show(pixmapOf(png) if png else None)
        if picture is None:
            truth, difference = _("VTK") + "\n", _("Difference") + "\n"
        else:
            scores = picture.scores
            truth = _("VTK\n{seconds:.2f} s").format(seconds=picture.truthSeconds)
            difference = _("RMSE {rmse:.3f}\nSSIM {ssim:.3f}").format(rmse=scores["rmse"], ssim=scores["ssim"])
        self.ui.truthLabel.text, self.ui.differenceLabel.text = truth, difference

    def _onProgress(self, progress: Progress) -> None:
        if self.follower.waiting or progress.fraction == 0:
            showProgress(self.ui.renderProgressBar, self.ui.renderStatusLabel, progress)

    def _showProblem(self, text: str) -> None:
        self._compareWith(None)
        self._views[0].show(None)
        self.last = None
        self.ui.renderProblemLabel.text = text
        self.ui.renderProblemLabel.visible = True
        self._showButtons()

    def _clear(self) -> None:
        """Show nothing."""
        self._showProblem("")
        self.ui.renderProblemLabel.visible = False
        self.ui.neuralLabel.text = _("Neural") + "\n"
        self.ui.functionsLabel.text = ""
        self.matters.forget()

    def _showButtons(self) -> None:
        ui, waiting = self.ui, self.follower.waiting
        problem = self._problem() if self._parameters is not None else ""
        ui.renderButton.text = _("Cancel") if waiting else _("Render")
        ui.renderButton.enabled = waiting or not problem
        ui.renderButton.toolTip = problem or (
            _("End the computation, and follow the view no longer") if waiting else _("Make the picture now")
        )
        ui.renderProgressBar.visible = ui.renderStatusLabel.visible = waiting
        for button in (ui.snapshotButton, ui.savePNGButton):
            button.enabled = self.last is not None

    def _onSnapshot(self, checked: bool = False) -> None:
        showPicture(addPicture(self.last.png, self.last.camera, self.last.shot.volume))

    def _onSavePNG(self, checked: bool = False) -> None:
        name = f"{self.last.shot.volume.GetName()}.png"
        path = qt.QFileDialog.getSaveFileName(slicer.util.mainWindow(), _("Save picture"), name, "PNG (*.png)")
        if not path:
            return
        try:
            Path(path).write_bytes(self.last.png)
        except OSError as error:
            slicer.util.errorDisplay(_("The picture cannot be saved: {reason}.").format(reason=error.strerror))
