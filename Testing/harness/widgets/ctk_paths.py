"""Paths: line edit with history, directory button."""

from __future__ import annotations

import re

from PySide6 import QtCore, QtWidgets
from PySide6.QtCore import Property, Signal

from .standin import plain, standin

_MOST_REMEMBERED = 5


@standin
class ctkPathLineEdit(QtWidgets.QWidget):
    """A path to type or to browse for, with a history that is kept in the settings."""

    Dirs, Files, Drives, NoSymLinks, AllEntries = 0x001, 0x002, 0x004, 0x008, 0x007
    Readable, Writable, Executable, Hidden = 0x010, 0x020, 0x040, 0x100
    NoDotAndDotDot, NoDot, NoDotDot = 0x1000, 0x2000, 0x4000
    ShowDirsOnly, DontConfirmOverwrite, DontUseNativeDialog = 0x01, 0x04, 0x10

    currentPathChanged = Signal(str)
    validInputChanged = Signal(bool)
    filters = plain("int", "filters", AllEntries | Readable)
    options = plain("int", "options", 0)
    nameFilters = plain("QStringList", "nameFilters", ())
    label = plain("QString", "label", "")
    minimumContentsLength = plain("int", "minimumContentsLength", 0)

    def __init__(self, *arguments: object) -> None:
        """Takes (parent) or (label, nameFilters, filters, parent)."""
        parents = [argument for argument in arguments if isinstance(argument, QtWidgets.QWidget)]
        super().__init__(*parents)
        self._setting_key, self._is_valid = "", False
        self._combo = QtWidgets.QComboBox(self)
        self._combo.setEditable(True)
        self._combo.setInsertPolicy(QtWidgets.QComboBox.InsertPolicy.NoInsert)
        self._browse = QtWidgets.QToolButton(self)
        self._browse.setText("...")
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._combo, 1)
        layout.addWidget(self._browse)
        self._combo.lineEdit().textChanged.connect(self._tell)
        self._browse.clicked.connect(self.browse)

    def setCurrentPath(self, path: str) -> None:
        """Changes the path."""
        self._combo.lineEdit().setText(path)

    currentPath = Property(str, lambda self: self._combo.lineEdit().text, setCurrentPath)
    showBrowseButton = Property(
        bool, lambda self: not self._browse.isHidden(), lambda self, value: self._browse.setVisible(value)
    )
    showHistoryButton = plain("bool", "showHistoryButton", True)

    def setSettingKey(self, key: str) -> None:
        """Where the history is kept; it is read at once."""
        self._setting_key = key
        self.retrieveHistory()

    settingKey = Property(str, lambda self: self._setting_key, setSettingKey)

    def _tell(self, path: str) -> None:
        """Tells acceptable paths only, and whether the path has become acceptable or no longer is."""
        valid = self._accepts(path)
        if valid:
            self.currentPathChanged.emit(path)
        if valid != self._is_valid:
            self._is_valid = valid
            self.validInputChanged.emit(valid)

    def _accepts(self, path: str) -> bool:
        """As CTK's validator: not an empty path, and with filters for names only the ending after the first dot of each
        pattern, in that case; the pattern ``*`` does not count."""
        patterns = [pattern for text in self.nameFilters for pattern in text.partition("(")[2].rstrip(")").split()]
        endings = [match[1] for pattern in patterns if (match := re.match(r"\*\.(\w+)", pattern))]
        return bool(path) and (not endings or any(re.fullmatch(rf".*\.{ending}?", path) for ending in endings))

    def browse(self) -> None:
        """Asks for a path, as the button does."""
        dialog = QtWidgets.QFileDialog
        if not self.filters & self.Files:
            path = dialog.getExistingDirectory(self, self.label)
        elif self.filters & self.Writable:
            path = dialog.getSaveFileName(self, self.label)
        else:
            path = dialog.getOpenFileName(self, self.label)
        if path:
            self.setCurrentPath(path)

    def comboBox(self) -> QtWidgets.QComboBox:
        """The field in the middle."""
        return self._combo

    def addCurrentPathToHistory(self) -> None:
        """Remembers the path as the newest one. As in CTK, the path may be another one for a moment."""
        path = self.currentPath
        if not path:
            return
        QtCore.QSettings().setValue(self._history_key(), [path, *(known for known in self._history() if known != path)])
        index = self._combo.findText(path)
        if index >= 0:
            self._combo.removeItem(index)
        while self._combo.count >= _MOST_REMEMBERED:
            self._combo.removeItem(self._combo.count - 1)
        self._combo.insertItem(0, path)
        self._combo.setCurrentIndex(0)

    def retrieveHistory(self) -> None:
        """Fills the history from the settings; the newest becomes the path where there was none."""
        path = self.currentPath
        wasBlocked = self.blockSignals(True)
        self._combo.clear()
        self._combo.addItems(self._history()[:_MOST_REMEMBERED])
        if path:
            self.setCurrentPath(path)
        self.blockSignals(wasBlocked)
        if not path:
            self._combo.setCurrentIndex(0)

    def _history(self) -> list[str]:
        known = QtCore.QSettings().value(self._history_key()) or []
        return [known] if isinstance(known, str) else list(known)

    def _history_key(self) -> str:
        return f"ctkPathLineEdit/{self._setting_key or self.objectName}"


@standin
class ctkDirectoryButton(QtWidgets.QWidget):
    """A button that shows a folder and asks for another one."""

    directoryChanged = Signal(str)
    directorySelected = Signal(str)
    caption = plain("QString", "caption", "")
    text = plain("QString", "text", "")

    def __init__(self, *arguments: object) -> None:
        """Takes (parent) or (directory, parent)."""
        parents = [argument for argument in arguments if isinstance(argument, QtWidgets.QWidget)]
        super().__init__(*parents)
        self._button = QtWidgets.QPushButton(self)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._button)
        self._button.clicked.connect(self.browse)
        self._directory = QtCore.QDir(
            arguments[0] if arguments and isinstance(arguments[0], str) else ""
        ).absolutePath()
        self._button.setText(self._directory)

    def setDirectory(self, path: str) -> None:
        """Changes the folder; CTK makes the path absolute, so an empty one becomes the working folder."""
        before, self._directory = self._directory, QtCore.QDir(path).absolutePath()
        self._button.setText(self._directory)
        self.directorySelected.emit(self._directory)
        if self._directory != before:
            self.directoryChanged.emit(self._directory)

    directory = Property(str, lambda self: self._directory, setDirectory)

    def browse(self) -> str:
        """Asks for a folder."""
        path = QtWidgets.QFileDialog.getExistingDirectory(self, self.caption, self._directory)
        if path:
            self.setDirectory(path)
        return path
