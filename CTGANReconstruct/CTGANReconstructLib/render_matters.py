"""The section *What matters* of the Render panel: curves on the axis of HU, and a map on the picture."""

from collections.abc import Callable

import qt
from slicer.i18n import tr as _

from .backend import Backend
from .job_control import JobControl
from .picture_view import PictureView, pixmapOf, withMap, withRectangle
from .render_sensitivity import SensitivityAxis, SensitivityResult, SensitivityTask, peaksText
from .render_task import Shot

_SMALLEST = 2  # pixels of a side of a region


class Matters:
    """Asks what the picture depends on, of the whole or of a rectangle that is drawn on it.

    Attributes:
        job: the computation.
        result: what was found, of the picture that is shown.
        region: first and last row, first and last column of the picture, the last ones not included; None for all.
    """

    def __init__(self, ui, backend: Backend, makeShot: Callable[[], Shot], options: Callable[[], dict]) -> None:
        """Take over the widgets.

        Args:
            ui: of the panel.
            backend: does the computing.
            makeShot: what the picture shows.
            options: of the command line.
        """
        self._ui, self._makeShot, self._options = ui, makeShot, options
        self._parameters = None
        self._size = 0
        self._drawer: SensitivityAxis | None = None
        self.result: SensitivityResult | None = None
        self.region: tuple[int, int, int, int] | None = None
        self._picture = PictureView(ui.mapView, self._onRegion)
        self._axis = PictureView(ui.axisView, self._onRange)
        self.job = JobControl(
            ui.mattersButton, ui.mattersProgressBar, ui.mattersStatusLabel, backend, self._makeTask, self._onDone
        )
        ui.wholePictureButton.clicked.connect(self._onWhole)
        ui.mapCheckBox.toggled.connect(lambda checked: self._show())
        self.forget()

    def setParameters(self, parameters) -> None:
        """Follow a parameter node, or with None, no longer."""
        self._parameters = parameters

    def setReady(self, problem: str) -> None:
        """Say why nothing can be asked, if so."""
        self.job.setReady(problem, _("Ask where on the axis of HU the picture depends on the transfer functions"))

    def forget(self) -> None:
        """Show nothing, as the picture is another one now."""
        self.result = None
        self._show()

    def _makeTask(self) -> SensitivityTask:
        shot, parameters = self._makeShot(), self._parameters
        if shot.size != self._size:
            self.region, self._size = None, shot.size
        hu = tuple(sorted((parameters.mapLowHu, parameters.mapHighHu)))
        return SensitivityTask(shot, self.region, hu, self._options())

    def _onDone(self, result: SensitivityResult) -> None:
        self.result = result
        self._show()

    def _onRegion(self, left: float, top: float, right: float, bottom: float) -> None:
        edges = [min(max(round(edge), 0), self._size) for edge in (top, bottom, left, right)]
        if edges[1] - edges[0] >= _SMALLEST and edges[3] - edges[2] >= _SMALLEST:
            self.region = tuple(edges)
            self._again()

    def _onWhole(self, checked: bool = False) -> None:
        self.region = None
        self._again()

    def _onRange(self, left: float, top: float, right: float, bottom: float) -> None:
        if self._drawer is not None:
            self._parameters.mapLowHu = round(self._drawer.huAt(left))
            self._parameters.mapHighHu = round(self._drawer.huAt(right))
            self._again()

    def _again(self) -> None:
        self._show()
        if not self.job.running:
            self.job.start()

    def _show(self) -> None:
        ui, result = self._ui, self.result
        self._drawer = SensitivityAxis(result) if result else None
        for widget in (ui.axisView, ui.mapView, ui.mattersLabel, ui.mapCheckBox, ui.wholePictureButton):
            widget.visible = result is not None
        ui.wholePictureButton.enabled = self.region is not None
        if result is None:
            self._axis.show(None)
            self._picture.show(None)
            return
        parameters = self._parameters
        self._axis.show(self._drawer.draw(ui.axisView.palette, (parameters.mapLowHu, parameters.mapHighHu)))
        self._picture.show(self._drawn(result))
        ui.mattersLabel.text = "\n".join([peaksText(result), *result.warnings])

    def _drawn(self, result: SensitivityResult) -> qt.QPixmap:
        pixmap = pixmapOf(result.png)
        if self._ui.mapCheckBox.checked:
            pixmap = withMap(pixmap, pixmapOf(result.mapPNG))
        if self.region:
            top, bottom, left, right = self.region
            pixmap = withRectangle(pixmap, left, top, right, bottom)
        return pixmap
