"""Many transfer functions laid out in a plane as small pictures, of which one can become a volume's own."""

from __future__ import annotations  # the classes of Slicer's volume rendering may be loaded after this file

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from .backend import Backend
from .job_control import JobControl
from .picture_view import pixmapOf
from .render_functions import FunctionsHistory, loadFunctions
from .render_task import Shot
from .tasks import optionArguments

_ICON = 64  # pixels


@dataclass(frozen=True)
class ExploredFunctions:
    """Transfer functions that were found.

    Attributes:
        functions: a volume property outside the scene.
        png: a small picture of the volume with them, 64 x 64 pixels, as a PNG file's content.
        x, y: where they lie among the others, 0 to 1; alike ones lie near each other.
        row, column: the same on a square grid on which none covers another.
    """

    functions: slicer.vtkMRMLVolumePropertyNode
    png: bytes
    x: float
    y: float
    row: int
    column: int


@dataclass
class ExploreTask:
    """The inputs of one exploration; see ``CTGANReconstructLogic.exploreFunctions``."""

    shot: Shot
    options: dict[str, str | int | None] = field(default_factory=dict)

    def prepare(self, folder: Path) -> list[str]:
        arguments, _warnings = self.shot.prepare(folder)
        return [*arguments, "--explore", str(folder / "explored"), *optionArguments(self.options)]

    def finish(self, result: dict) -> list[ExploredFunctions]:
        return [
            ExploredFunctions(
                loadFunctions(entry["functions"]),
                Path(entry["thumbnail"]).read_bytes(),
                *(entry[name] for name in ("x", "y", "row", "column")),
            )
            for entry in result["functions"]
        ]


class Explorer:
    """The section *Transfer functions* of the panel."""

    def __init__(
        self, ui, backend: Backend, makeTask: Callable[[], ExploreTask], volume: Callable[[], slicer.vtkMRMLVolumeNode]
    ) -> None:
        """Take over the widgets.

        Args:
            ui: of the panel.
            backend: does the computing.
            makeTask: what is to be explored.
            volume: the one that gets what is picked.
        """
        self._ui, self._volume = ui, volume
        self.found: list[ExploredFunctions] = []
        self._picked: ExploredFunctions | None = None
        self.history = FunctionsHistory()
        self.job = JobControl(
            ui.exploreButton, ui.exploreProgressBar, ui.exploreStatusLabel, backend, makeTask, self._onDone
        )
        ui.functionsTable.setIconSize(qt.QSize(_ICON, _ICON))
        for header in (ui.functionsTable.horizontalHeader(), ui.functionsTable.verticalHeader()):
            header.visible = False
            header.setDefaultSectionSize(_ICON + 2)
            header.setMinimumSectionSize(_ICON + 2)
        ui.functionsTable.connect("cellActivated(int,int)", self._onPicked)
        ui.functionsTable.connect("cellClicked(int,int)", self._onPicked)
        ui.undoFunctionsButton.clicked.connect(self._onUndo)
        self.clear()

    def clear(self) -> None:
        """Forget what was found and picked."""
        self.history.clear()
        self._show([])

    def _onDone(self, found: list[ExploredFunctions]) -> None:
        self._show(found)

    def _onPicked(self, row: int, column: int) -> None:
        picked = next((each for each in self.found if (each.row, each.column) == (row, column)), None)
        volume = self._volume()
        # A double click picks once.
        if picked is not None and picked is not self._picked and volume is not None:
            self._picked = picked
            self.history.apply(picked.functions, volume)
            self._showUndo()

    def _onUndo(self, checked: bool = False) -> None:
        self._picked = None
        self.history.undo()
        self._showUndo()

    def _show(self, found: list[ExploredFunctions]) -> None:
        self.found, self._picked = found, None
        table = self._ui.functionsTable
        table.clear()
        side = max((max(each.row, each.column) + 1 for each in found), default=0)
        table.setRowCount(side)
        table.setColumnCount(side)
        for each in found:
            item = qt.QTableWidgetItem()
            item.setIcon(qt.QIcon(pixmapOf(each.png)))
            item.setToolTip(_("Click to give the volume these transfer functions"))
            table.setItem(each.row, each.column, item)
        table.visible = bool(found)
        self._showUndo()

    def _showUndo(self) -> None:
        self._ui.undoFunctionsButton.enabled = self.history.canUndo
