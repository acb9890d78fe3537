"""The checked cases of a data set in a table, with thumbnails and a check mark to keep or drop each."""

from collections.abc import Callable

import qt
from slicer.i18n import tr as _

from CTGANReconstructLib.events import finiteNumber
from CTGANReconstructLib.item_tables import selectedRows, setHeaders, setText

from .case_list import CaseList, name

_THUMBNAIL_SIZE = 48


class CasesTable:
    """Shows a :class:`CaseList` in a table widget."""

    def __init__(self, table: qt.QTableWidget, onKept: Callable[[str, bool], None]) -> None:
        """Take over the widget; ``onKept`` is called with a case when the user keeps or drops it."""
        self._table, self._onKept = table, onKept
        self._cases: CaseList | None = None
        setHeaders(
            table,
            [
                _("Case"),
                _("Role"),
                _("Remarks"),
                _("Modality"),
                _("Spacing (mm)"),
                _("Extent (mm)"),
                _("Coverage"),
                _("HU range"),
                _("Orientation"),
                _("Study"),
            ],
        )
        for column, width in enumerate((140, 65, 195, 60, 115, 115, 90, 90, 75)):
            table.setColumnWidth(column, width)
        table.iconSize = qt.QSize(_THUMBNAIL_SIZE, _THUMBNAIL_SIZE)
        table.verticalHeader().setDefaultSectionSize(_THUMBNAIL_SIZE + 4)
        table.connect("itemChanged(QTableWidgetItem*)", self._onItemChanged)

    def show(self, cases: CaseList | None) -> None:
        """Show these cases, or with None, nothing."""
        self._cases = cases
        rows = cases.rows if cases else []
        wasBlocked = self._table.blockSignals(True)
        self._table.setRowCount(0)
        self._table.setRowCount(len(rows))
        for number, row in enumerate(rows):
            self._showCase(number, row)
        self._table.blockSignals(wasBlocked)

    def update(self) -> None:
        """Show the roles as they are now."""
        wasBlocked = self._table.blockSignals(True)
        for number, row in enumerate(self._cases.rows):
            self._showRole(number, row)
        self._table.blockSignals(wasBlocked)

    def selected(self) -> list[str]:
        """The names of the selected cases, from the top."""
        return [name(self._cases.rows[row]) for row in selectedRows(self._table)] if self._cases else []

    def _showCase(self, number: int, row: dict) -> None:
        first = setText(self._table, number, 0, name(row))
        first.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable | qt.Qt.ItemIsUserCheckable)
        first.setToolTip(str(row.get("path") or name(row)))
        if row.get("thumbnail"):
            first.setIcon(qt.QIcon(str(row["thumbnail"])))
        texts = [
            str(row.get("modality") or ""),
            _numbers(row.get("spacing"), " × "),
            _numbers(row.get("extent"), " × "),
            str(row.get("coverage") or ""),
            _numbers(row.get("hu_range"), " – "),
            str(row.get("orientation") or ""),
            str(row.get("study_description") or ""),
        ]
        for column, text in enumerate(texts, 3):
            setText(self._table, number, column, text)
        self._showRole(number, row)

    def _showRole(self, number: int, row: dict) -> None:
        kept = self._cases.isKept(name(row))
        self._table.item(number, 0).setCheckState(qt.Qt.Checked if kept else qt.Qt.Unchecked)
        setText(self._table, number, 1, self._cases.role(name(row)))
        warnings = row.get("warnings") if isinstance(row.get("warnings"), list) else []
        setText(self._table, number, 2, " ".join(filter(None, [self._cases.reason(row), *map(str, warnings)])))

    def _onItemChanged(self, item: qt.QTableWidgetItem) -> None:
        if item.column() == 0 and self._cases:
            self._onKept(name(self._cases.rows[item.row()]), item.checkState() == qt.Qt.Checked)


def _numbers(values: object, separator: str) -> str:
    """A short text for numbers out of JSON; empty for anything else."""
    numbers = [finiteNumber(value) for value in values] if isinstance(values, list) else []
    return separator.join("?" if number is None else f"{number:.4g}" for number in numbers)
