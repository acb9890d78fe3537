"""Tables of a panel: rows of text that are replaced or brought up to date."""

import qt


def setHeaders(table: qt.QTableWidget, headers: list[str]) -> None:
    """Name the columns; each is as wide as it needs to be, and the last one takes what is left."""
    table.setColumnCount(len(headers))
    table.setHorizontalHeaderLabels(headers)
    header = table.horizontalHeader()
    header.setSectionResizeMode(qt.QHeaderView.Interactive)
    header.setStretchLastSection(True)
    table.verticalHeader().visible = False


def showRows(table: qt.QTableWidget, rows: list[list[str]]) -> None:
    """Show rows of text. Cells that stay are kept, so that the selection and the scroll bar stay too."""
    wasBlocked = table.blockSignals(True)
    table.setRowCount(len(rows))
    for number, row in enumerate(rows):
        for column, text in enumerate(row):
            setText(table, number, column, text)
    table.blockSignals(wasBlocked)


def setText(table: qt.QTableWidget, row: int, column: int, text: str) -> qt.QTableWidgetItem:
    """Show a text that cannot be edited, in full as a tool tip; return its cell."""
    item = table.item(row, column)
    if item is None:
        item = qt.QTableWidgetItem()
        item.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable)
        table.setItem(row, column, item)
    if item.text() != text:
        item.setText(text)
        item.setToolTip(text)
    return item


def selectedRows(table: qt.QTableWidget) -> list[int]:
    """The numbers of the selected rows, from the top."""
    items = ((row, table.item(row, 0)) for row in range(table.rowCount))
    return [row for row, item in items if item is not None and item.isSelected()]
