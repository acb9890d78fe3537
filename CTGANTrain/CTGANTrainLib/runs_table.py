"""The list of runs: what each is, how far, and what it was told."""

from collections.abc import Callable
from pathlib import Path

import qt
from slicer.i18n import tr as _

from CTGANLib.training.runs import Run
from CTGANReconstructLib.item_tables import selectedRows, setHeaders, showRows

from .run_state import RunState, bestText, createdText, settingsText


class RunsTable:
    """Shows runs in a table widget, one a row. A run stays selected while the list changes around it."""

    def __init__(self, table: qt.QTableWidget, onSelected: Callable[[], None]) -> None:
        """Take over the widget; ``onSelected`` is called when the user selects other runs."""
        self._table = table
        self._runs: list[Run] = []
        setHeaders(table, [_("Name"), _("State"), _("Step"), _("Best score"), _("Begun"), _("Settings")])
        for column, width in enumerate((100, 85, 95, 120, 110)):
            table.setColumnWidth(column, width)
        table.itemSelectionChanged.connect(onSelected)

    def show(self, runs: list[tuple[Run, RunState]]) -> None:
        """Show these runs and their states."""
        selected = {run.folder for run in self.selected()}
        self._runs = [run for run, _state in runs]
        showRows(self._table, [_row(run, state) for run, state in runs])
        if {run.folder for run in self.selected()} != selected:  # rows have come or gone above
            self.select(selected)

    def selected(self) -> list[Run]:
        """The selected runs, from the top."""
        return [self._runs[row] for row in selectedRows(self._table) if row < len(self._runs)]

    def select(self, folders: set[Path]) -> None:
        """Select runs by their folders, without telling of it."""
        wasBlocked = self._table.blockSignals(True)
        for row, run in enumerate(self._runs):
            for column in range(self._table.columnCount):
                self._table.item(row, column).setSelected(run.folder in folders)
        self._table.blockSignals(wasBlocked)


def _row(run: Run, state: RunState) -> list[str]:
    info = run.info()
    return [run.name, state.label, state.steps, bestText(state.best), createdText(info), settingsText(info)]
