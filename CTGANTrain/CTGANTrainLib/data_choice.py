"""The field for a data set, which is a folder or a table of cases: typed, dropped, or browsed for."""

from collections.abc import Callable
from pathlib import Path

import qt
from slicer.i18n import tr as _

from CTGANReconstructLib.path_edits import connectPath


class DataChoice:
    """A path edit, which browses for folders, and beside it a button that browses for tables."""

    def __init__(self, edit, tableButton: qt.QAbstractButton, onChanged: Callable[[str], None]) -> None:
        """Take over the widgets; ``onChanged`` is called with each new path."""
        self._edit = edit
        connectPath(edit, onChanged)
        tableButton.clicked.connect(self._onBrowse)

    def show(self, path: str) -> None:
        """Show a path."""
        if self._edit.currentPath != path:
            self._edit.currentPath = path

    def remember(self) -> None:
        """Offer the path again later, in the list of the edit."""
        self._edit.addCurrentPathToHistory()

    def problem(self) -> str:
        """A sentence that says why this is no data set, or nothing."""
        path = self._edit.currentPath
        if not path:
            return _("Choose a data folder or a table of cases")
        if not Path(path).exists():
            return _("There is no folder or table {path}").format(path=path)
        if Path(path).is_file() and Path(path).suffix != ".tsv":
            return _("A table of cases ends in .tsv")
        return ""

    def _onBrowse(self, checked: bool = False) -> None:
        path = qt.QFileDialog.getOpenFileName(
            self._edit, _("Table of cases"), self._edit.currentPath, _("Tables of cases (*.tsv)")
        )
        if path:
            self._edit.currentPath = path
