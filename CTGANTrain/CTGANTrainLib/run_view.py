"""The selected runs in the plot view, and the widgets that choose what is seen of them."""

import slicer
from slicer.i18n import tr as _

from CTGANLib.training.runs import Run

from .run_plots import LOSSES, SCORES, RunPlots


class RunView:
    """Open from the moment when the user starts a run or asks for curves, until the scene closes.

    Attributes:
        isOpen: whether the scene's nodes follow the runs.
    """

    def __init__(self, ui) -> None:
        self._ui = ui
        self._plots = RunPlots()
        self._runs: list[Run] = []
        self._chart: slicer.vtkMRMLPlotChartNode | None = None
        self.isOpen = False
        ui.curvesComboBox.addItem(_("Losses"), LOSSES)
        ui.curvesComboBox.addItem(_("Validation scores"), SCORES)
        ui.curveComboBox.addItem(_("All"), "")
        ui.curvesComboBox.connect("currentIndexChanged(int)", self._onKind)
        ui.curveComboBox.connect("currentIndexChanged(int)", self._onChoice)
        ui.logarithmicCheckBox.toggled.connect(self._onChoice)

    def open(self) -> None:
        """From now on, show in the scene what the runs do."""
        self.isOpen = True

    def close(self) -> None:
        """Forget the scene's nodes, which are about to go."""
        self.isOpen = False
        self._chart = None

    def update(self, runs: list[Run]) -> None:
        """Bring the curves of these runs up to date."""
        self._runs = runs
        if not runs:
            return
        self._listCurves()
        only = self._ui.curveComboBox.itemData(self._ui.curveComboBox.currentIndex) or ""
        self._chart = self._plots.update(runs, self._kind(), only, self._ui.logarithmicCheckBox.checked)

    def show(self) -> None:
        """Bring the chart into view."""
        if self._chart is not None:
            self._plots.show(self._chart)

    def _kind(self) -> str:
        return self._ui.curvesComboBox.itemData(self._ui.curvesComboBox.currentIndex)

    def _listCurves(self) -> None:
        """Offer the curves that there are; what was chosen stays so."""
        combo = self._ui.curveComboBox
        names = ["", *self._plots.names(self._runs, self._kind())]
        if [combo.itemData(index) for index in range(combo.count)] == names:
            return
        chosen = combo.itemData(combo.currentIndex)
        wasBlocked = combo.blockSignals(True)
        combo.clear()
        for name in names:
            combo.addItem(name or _("All"), name)
        combo.currentIndex = max(0, combo.findData(chosen))
        combo.blockSignals(wasBlocked)

    def _onKind(self, index: int) -> None:
        self._ui.logarithmicCheckBox.enabled = self._kind() == LOSSES
        self._onChoice()
        self.show()

    def _onChoice(self, *_values: object) -> None:
        if self.isOpen:
            self.update(self._runs)
