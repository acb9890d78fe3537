"""Buttons, boxes and simple inputs of CTK."""

from __future__ import annotations

from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Property, Signal

from .standin import plain, standin


@standin
class ctkCollapsibleButton(QtWidgets.QAbstractButton):
    """A header that shows or hides the widgets in it. Collapsed means not checked, as in CTK."""

    contentsCollapsed = Signal(bool)
    flat = plain("bool", "flat", False)
    collapsedHeight = plain("int", "collapsedHeight", 10)

    def __init__(self, *arguments: object) -> None:
        """Takes (parent) or (text, parent)."""
        text = arguments[0] if arguments and isinstance(arguments[0], str) else ""
        parents = [argument for argument in arguments if isinstance(argument, QtWidgets.QWidget)]
        super().__init__(*parents)
        self._hidden_by_collapse: list[QtWidgets.QWidget] = []
        self.setText(text)
        self.setCheckable(True)
        self.setChecked(True)
        self.toggled.connect(self._show_contents)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Minimum, QtWidgets.QSizePolicy.Policy.Preferred)
        self.setContentsMargins(0, self._header_height(), 0, 0)

    def collapsed(self) -> bool:
        """Whether the contents are hidden."""
        return not self.checked

    def setCollapsed(self, collapsed: bool) -> None:
        """Hides or shows the contents."""
        self.setChecked(not collapsed)

    collapsed = Property(bool, collapsed, setCollapsed)

    def _header_height(self) -> int:
        return self.fontMetrics().height() + 8

    def _show_contents(self, shown: bool) -> None:
        if shown:
            for child in self._hidden_by_collapse:
                child.setVisible(True)
            self._hidden_by_collapse = []
        else:
            self._hide_contents()
        self.updateGeometry()
        self.contentsCollapsed.emit(not shown)

    def _hide_contents(self) -> None:
        children = [child for child in self.children() if isinstance(child, QtWidgets.QWidget)]
        visible = [child for child in children if not child.isHidden()]
        self._hidden_by_collapse += visible
        for child in visible:
            child.setVisible(False)

    def showEvent(self, event: QtGui.QShowEvent) -> None:
        """Hides what was put into a collapsed button, such as the rest of its .ui file."""
        if not self.checked:
            self._hide_contents()
        super().showEvent(event)

    def sizeHint(self) -> QtCore.QSize:
        """The header, and the layout under it unless collapsed."""
        header = QtCore.QSize(self.fontMetrics().horizontalAdvance(self.text) + 30, self._header_height())
        layout = self.layout()
        return layout.totalSizeHint().expandedTo(header) if layout and self.checked else header

    minimumSizeHint = sizeHint

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        """Draws the header with its arrow."""
        painter = QtGui.QPainter(self)
        header = QtCore.QRect(0, 0, self.width, self._header_height())
        painter.fillRect(header, self.palette.color(QtGui.QPalette.ColorRole.Button))
        arrow = "\u25be" if self.checked else "\u25b8"
        painter.drawText(header.adjusted(6, 0, 0, 0), QtCore.Qt.AlignmentFlag.AlignVCenter, f"{arrow}  {self.text}")
        painter.end()


@standin
class ctkCollapsibleGroupBox(QtWidgets.QGroupBox):
    """A group box whose check mark shows or hides what is in it."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)
        self.setCheckable(True)
        self.toggled.connect(self._expand)

    def _expand(self, shown: bool) -> None:
        for child in self.children():
            if isinstance(child, QtWidgets.QWidget):
                child.setVisible(shown)

    collapsed = Property(bool, lambda self: not self.checked, lambda self, value: self.setChecked(not value))
    collapsedHeight = plain("int", "collapsedHeight", 14)


@standin
class ctkPushButton(QtWidgets.QPushButton):
    """A push button with text alignment."""


@standin
class ctkCheckablePushButton(ctkPushButton):
    """A push button with a check box in it."""

    checkBoxToggled = Signal(bool)
    checkBoxControlsButton = plain("bool", "checkBoxControlsButton", True)
    checkBoxControlsButtonToggleState = plain("bool", "checkBoxControlsButtonToggleState", True)
    checkBoxUserCheckable = plain("bool", "checkBoxUserCheckable", True)


@standin
class ctkMenuButton(QtWidgets.QPushButton):
    """A push button with a menu at its side."""


@standin
class ctkCheckBox(QtWidgets.QCheckBox):
    """A check box that may have an icon."""


@standin
class ctkComboBox(QtWidgets.QComboBox):
    """A combo box with a default text and a choice of what the scroll wheel does."""

    NeverScroll, AlwaysScroll, ScrollWithFocus, ScrollWithNoFocus = 0, 1, 2, 4
    forceDefault = plain("bool", "forceDefault", False)
    scrollWheelEffect = plain("int", "scrollWheelEffect", 1)
    defaultText = Property(str, lambda self: self.placeholderText, lambda self, text: self.setPlaceholderText(text))

    def _user_data(self) -> str:
        data = self.itemData(self.currentIndex)
        return "" if data is None else str(data)

    def setCurrentUserDataAsString(self, text: str) -> None:
        """Chooses the item with this user data, none when there is no such item."""
        self.setCurrentIndex(self.findData(text))

    currentUserDataAsString = Property(str, _user_data, setCurrentUserDataAsString)


@standin
class ctkColorPickerButton(QtWidgets.QPushButton):
    """A button that holds a color."""

    colorChanged = Signal(QtGui.QColor)
    displayColorName = plain("bool", "displayColorName", True)

    def setColor(self, color: QtGui.QColor) -> None:
        """Changes the color."""
        if color != self.color:
            self.__dict__["_color"] = color
            self.colorChanged.emit(color)

    color = Property(QtGui.QColor, lambda self: self.__dict__.get("_color", QtGui.QColor("black")), setColor)


@standin
class ctkMessageBox(QtWidgets.QMessageBox):
    """A message box that can be told not to come again."""

    dontShowAgain = plain("bool", "dontShowAgain", False)
    dontShowAgainVisible = plain("bool", "dontShowAgainVisible", False)
    dontShowAgainSettingsKey = plain("QString", "dontShowAgainSettingsKey", "")


@standin
class ctkFittedTextBrowser(QtWidgets.QTextBrowser):
    """A text browser as high as its text."""

    collapsed = plain("bool", "collapsed", False)

    def setCollapsibleText(self, text: str) -> None:
        """Shows a text of which the first lines stay when collapsed."""
        self.setText(text)
