"""Paths: line edit with history, directory button."""

from __future__ import annotations

from PySide6 import QtCore, QtWidgets
from PySide6.QtCore import Property, Signal

from .standin import plain, standin


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
    settingKey = plain("QString", "settingKey", "")
    minimumContentsLength = plain("int", "minimumContentsLength", 0)

    def __init__(self, *arguments: object) -> None:
        """Takes (parent) or (label, nameFilters, filters, parent)."""
        parents = [argument for argument in arguments if isinstance(argument, QtWidgets.QWidget)]
        super().__init__(*parents)
        self._combo = QtWidgets.QComboBox(self)
        self._combo.setEditable(True)
        self._browse = QtWidgets.QToolButton(self)
        self._browse.setText("...")
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._combo, 1)
        layout.addWidget(self._browse)
        self._combo.lineEdit().textChanged.connect(self.currentPathChanged.emit)
        self._browse.clicked.connect(self.browse)

    def setCurrentPath(self, path: str) -> None:
        """Changes the path."""
        self._combo.lineEdit().setText(path)

    currentPath = Property(str, lambda self: self._combo.lineEdit().text, setCurrentPath)
    showBrowseButton = Property(
        bool, lambda self: not self._browse.isHidden(), lambda self, value: self._browse.setVisible(value)
    )
    showHistoryButton = plain("bool", "showHistoryButton", True)

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
        """Remembers the path under ``settingKey``, newest first, ten of them."""
        if self.settingKey and self.currentPath:
            settings = QtCore.QSettings()
            known = settings.value(self.settingKey) or []
            known = [known] if isinstance(known, str) else list(known)
            settings.setValue(self.settingKey, [self.currentPath, *(p for p in known if p != self.currentPath)][:10])

    def retrieveHistory(self) -> None:
        """Fills the history from the settings; the newest becomes the path where there was none."""
        path = self.currentPath
        known = QtCore.QSettings().value(self.settingKey) or []
        blocker = QtCore.QSignalBlocker(self)
        self._combo.clear()
        self._combo.addItems([known] if isinstance(known, str) else list(known))
        self.setCurrentPath(path)
        blocker.unblock()
        if not path:
            self.setCurrentPath(self._combo.itemText(0))


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
