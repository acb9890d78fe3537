"""Numbers: spin box, slider, slider with spin box, range."""

from __future__ import annotations

from PySide6 import QtCore, QtWidgets
from PySide6.QtCore import Property, Signal

from .standin import plain, standin


class _Number(QtWidgets.QWidget):
    """A bounded number. CTK rounds the shown text only: the value keeps its digits, within the range."""

    valueChanged = Signal(float)

    def __init__(self, parent: QtWidgets.QWidget | None = None, maximum: float = 99.0) -> None:
        super().__init__(parent)
        self._minimum, self._maximum, self._value = 0.0, maximum, 0.0
        self._spin = QtWidgets.QDoubleSpinBox(self)
        self._spin.setRange(self._minimum, self._maximum)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._spin)
        self._spin.valueChanged.connect(self._typed)

    def _typed(self, value: float) -> None:
        self.setValue(value)

    def setValue(self, value: float) -> None:
        """Changes the value, kept within the range."""
        bounded = min(max(value, self._minimum), self._maximum)
        if bounded == self._value:
            return
        self._value = bounded
        self._show()
        self.valueChanged.emit(bounded)

    def _show(self) -> None:
        blocker = QtCore.QSignalBlocker(self._spin)
        self._spin.setValue(self._value)
        blocker.unblock()

    def setRange(self, minimum: float, maximum: float) -> None:
        """Changes both limits."""
        self._minimum, self._maximum = min(minimum, maximum), max(minimum, maximum)
        self._spin.setRange(self._minimum, self._maximum)
        self.setValue(self._value)
        self._show()

    def setMinimum(self, minimum: float) -> None:
        """Changes the lower limit."""
        self.setRange(minimum, max(minimum, self._maximum))

    def setMaximum(self, maximum: float) -> None:
        """Changes the upper limit."""
        self.setRange(min(self._minimum, maximum), maximum)

    value = Property(float, lambda self: self._value, setValue)
    minimum = Property(float, lambda self: self._minimum, setMinimum)
    maximum = Property(float, lambda self: self._maximum, setMaximum)
    singleStep = Property(float, lambda self: self._spin.singleStep, lambda self, step: self._spin.setSingleStep(step))


class _Labeled(_Number):
    """A number with decimals, prefix and suffix."""

    decimalsChanged = Signal(int)

    def setDecimals(self, decimals: int) -> None:
        """Changes how many digits are shown."""
        self._spin.setDecimals(decimals)
        self.decimalsChanged.emit(decimals)

    decimals = Property(int, lambda self: self._spin.decimals, setDecimals)
    prefix = Property(str, lambda self: self._spin.prefix, lambda self, text: self._spin.setPrefix(text))
    suffix = Property(str, lambda self: self._spin.suffix, lambda self, text: self._spin.setSuffix(text))


@standin
class ctkDoubleSpinBox(_Labeled):
    """A spin box for real numbers."""

    editingFinished = Signal()
    readOnly = Property(bool, lambda self: self._spin.readOnly, lambda self, value: self._spin.setReadOnly(value))

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent, 99.99)
        self._spin.editingFinished.connect(self.editingFinished.emit)

    def stepUp(self) -> None:
        """One step up."""
        self._spin.stepUp()

    def stepDown(self) -> None:
        """One step down."""
        self._spin.stepDown()


@standin
class ctkDoubleSlider(_Number):
    """A slider for real numbers."""

    orientation = plain("int", "orientation", 2)


@standin
class ctkSliderWidget(_Labeled):
    """A slider and a spin box that move together."""

    valueIsChanging = Signal(float)
    pageStep = plain("double", "pageStep", 10.0)
    tickInterval = plain("double", "tickInterval", 0.0)
    tracking = plain("bool", "tracking", True)
    spinBoxVisible = Property(
        bool, lambda self: not self._spin.isHidden(), lambda self, value: self._spin.setVisible(value)
    )

    _STEPS = 1000

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._slider = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal, self)
        self._slider.setRange(0, self._STEPS)
        self.layout().insertWidget(0, self._slider)
        self._slider.valueChanged.connect(self._slid)

    def _slid(self, position: int) -> None:
        self.setValue(self._minimum + (self._maximum - self._minimum) * position / self._STEPS)

    def _show(self) -> None:
        super()._show()
        span = self._maximum - self._minimum
        blocker = QtCore.QSignalBlocker(self._slider)
        self._slider.setValue(round(self._STEPS * (self._value - self._minimum) / span) if span else 0)
        blocker.unblock()


@standin
class ctkRangeWidget(QtWidgets.QWidget):
    """Two numbers, the lower never above the upper."""

    valuesChanged = Signal(float, float)
    minimumValueChanged = Signal(float)
    maximumValueChanged = Signal(float)
    rangeChanged = Signal(float, float)
    decimals = plain("int", "decimals", 2)
    singleStep = plain("double", "singleStep", 1.0)
    prefix = plain("QString", "prefix", "")
    suffix = plain("QString", "suffix", "")
    tracking = plain("bool", "tracking", True)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._limits, self._values = (0.0, 99.0), (0.0, 99.0)

    def setRange(self, minimum: float, maximum: float) -> None:
        """Changes the limits."""
        self._limits = (min(minimum, maximum), max(minimum, maximum))
        self.rangeChanged.emit(*self._limits)
        self.setValues(*self._values)

    def setValues(self, lower: float, upper: float) -> None:
        """Changes both values, kept within the limits."""
        low, high = self._limits
        values = (min(max(min(lower, upper), low), high), min(max(max(lower, upper), low), high))
        if values == self._values:
            return
        before, self._values = self._values, values
        if before[0] != values[0]:
            self.minimumValueChanged.emit(values[0])
        if before[1] != values[1]:
            self.maximumValueChanged.emit(values[1])
        self.valuesChanged.emit(*values)

    minimum = Property(
        float, lambda self: self._limits[0], lambda self, value: self.setRange(value, max(value, self._limits[1]))
    )
    maximum = Property(
        float, lambda self: self._limits[1], lambda self, value: self.setRange(min(self._limits[0], value), value)
    )
    minimumValue = Property(
        float, lambda self: self._values[0], lambda self, value: self.setValues(value, max(value, self._values[1]))
    )
    maximumValue = Property(
        float, lambda self: self._values[1], lambda self, value: self.setValues(min(value, self._values[0]), value)
    )
