"""Which widget may show which type of parameter, and how the two follow each other."""

from __future__ import annotations

import enum
import pathlib
import typing
from collections.abc import Callable
from typing import Any

import slicer
from PySide6 import QtWidgets

from ..widgets import ctk_buttons, ctk_numbers, ctk_paths, mrml_widgets, node_combo_box
from .annotations import Choice, Decimals, Maximum, Minimum, SingleStep, WithinRange, first, split


class Connector:
    """One widget for one parameter, by a Qt property and the signal that tells its changes."""

    def __init__(self, widget: Any, attribute: str, signal: str, read: Callable = lambda value: value) -> None:
        self.widget, self._attribute, self._signal, self._read = widget, attribute, signal, read
        self._callback = None

    def read(self) -> Any:
        """The value that the widget shows."""
        return self._read(getattr(self.widget, self._attribute))

    def write(self, value: Any) -> None:
        """Shows a value."""
        if getattr(self.widget, self._attribute) != value:
            setattr(self.widget, self._attribute, value)

    def on_changed(self, callback: Callable | None) -> None:
        """Calls back when the user changes the widget; None ends it."""
        if self._signal and self._callback:
            getattr(self.widget, self._signal).disconnect(self._callback)
        # A function without parameters, so that no signal argument reaches the callback.
        self._callback = callback
        if self._signal and callback:
            getattr(self.widget, self._signal).connect(callback)


class ChoiceConnector(Connector):
    """A combo box, which is filled with the choices."""

    def __init__(self, widget: Any, choices: list, labels: list[str]) -> None:
        super().__init__(widget, "currentIndex", "currentIndexChanged", lambda index: choices[index])
        self._choices = choices
        widget.clear()
        widget.addItems(labels)

    def write(self, value: Any) -> None:
        """Selects a choice."""
        if value not in self._choices:
            raise ValueError(f"{value!r} is not one of {self._choices}")
        self.widget.currentIndex = self._choices.index(value)


class NodeConnector(Connector):
    """A node selector, which takes its node classes from the parameter's type."""

    def __init__(self, widget: Any, node_classes: list[type]) -> None:
        super().__init__(widget, "currentNode", "currentNodeChanged", lambda method: method())
        widget.nodeTypes = [node_class().GetClassName() for node_class in node_classes]

    def write(self, value: Any) -> None:
        """Selects a node."""
        self.widget.setCurrentNode(value)


class PlainTextConnector(Connector):
    """A text editor."""

    def __init__(self, widget: Any) -> None:
        super().__init__(widget, "plainText", "textChanged")


_WHOLE_NUMBERS = (QtWidgets.QSlider, QtWidgets.QSpinBox)
_SLIDERS = (QtWidgets.QSlider, ctk_numbers.ctkSliderWidget, mrml_widgets.qMRMLSliderWidget)
_REAL_NUMBERS = (
    QtWidgets.QDoubleSpinBox, ctk_numbers.ctkSliderWidget, ctk_numbers.ctkDoubleSlider, ctk_numbers.ctkDoubleSpinBox,
    mrml_widgets.qMRMLSliderWidget, mrml_widgets.qMRMLSpinBox,
)  # fmt: skip
_COMBOS = (QtWidgets.QComboBox, ctk_buttons.ctkComboBox)


def connector_for(widget: Any, annotated: Any) -> Connector:
    """The connector of a widget and a type. The widget's class must be the very class, as in Slicer."""
    plain, _ = split(annotated)
    kind = type(widget)
    if plain is bool and kind in (QtWidgets.QCheckBox, ctk_buttons.ctkCheckBox):
        return Connector(widget, "checked", "stateChanged")
    if plain is bool and kind in (QtWidgets.QPushButton, ctk_buttons.ctkCheckablePushButton):
        widget.checkable = True
        return Connector(widget, "checked", "toggled")
    if (plain is int and kind in _WHOLE_NUMBERS) or (plain in (int, float) and kind in _REAL_NUMBERS):
        return _number(widget, annotated)
    if kind in _COMBOS and plain in (int, float, str, bool):
        choice = first(annotated, Choice)
        if choice is None:
            raise RuntimeError("a combo box needs the Choice annotation")
        return ChoiceConnector(widget, choice.choices, [str(value) for value in choice.choices])
    if kind in _COMBOS and isinstance(plain, type) and issubclass(plain, enum.Enum):
        labels = [value.label() if hasattr(plain, "label") else value.name for value in plain]
        return ChoiceConnector(widget, list(plain), labels)
    if plain is str and kind is QtWidgets.QLineEdit:
        return Connector(widget, "text", "textChanged")
    if plain is str and kind is QtWidgets.QLabel:
        return Connector(widget, "text", "")
    if plain is str and kind is QtWidgets.QTextEdit:
        return PlainTextConnector(widget)
    if isinstance(plain, type) and issubclass(plain, pathlib.PurePath):
        if kind is ctk_paths.ctkPathLineEdit:
            return _path(widget, "currentPath", "currentPathChanged", plain)
        if kind is ctk_paths.ctkDirectoryButton:
            return _path(widget, "directory", "directoryChanged", plain)
    nodes = _node_classes(plain)
    if nodes and kind is node_combo_box.qMRMLNodeComboBox:
        return NodeConnector(widget, nodes)
    raise RuntimeError(f"no way to show the type {annotated} in a {kind.__name__}")


class _PathConnector(Connector):
    def write(self, value: Any) -> None:
        """Shows a path."""
        super().write(str(value))


def _path(widget: Any, attribute: str, signal: str, plain: type) -> Connector:
    return _PathConnector(widget, attribute, signal, plain)


def _number(widget: Any, annotated: Any) -> Connector:
    whole = split(annotated)[0] is int
    decimals, step = first(annotated, Decimals), first(annotated, SingleStep)
    within = first(annotated, WithinRange)
    low = within or first(annotated, Minimum)
    high = within or first(annotated, Maximum)
    if type(widget) in _SLIDERS and not (low and high):
        raise RuntimeError(f"a {type(widget).__name__} needs a parameter with both limits")
    if whole and type(widget) in _REAL_NUMBERS and hasattr(widget, "decimals"):
        widget.decimals = 0
    elif decimals:
        widget.decimals = decimals.value
    if step:
        widget.singleStep = step.value
    limit = 2**31 - 1 if type(widget) in _WHOLE_NUMBERS else float("inf")
    widget.minimum = low.minimum if low else -limit
    widget.maximum = high.maximum if high else limit
    return Connector(widget, "value", "valueChanged", int if whole else float)


def _node_classes(plain: Any) -> list[type]:
    options = typing.get_args(plain) if typing.get_origin(plain) is typing.Union else (plain,)
    classes = [split(option)[0] for option in options]
    nodes = [cls for cls in classes if isinstance(cls, type) and issubclass(cls, slicer.vtkMRMLNode)]
    return nodes if len(nodes) + classes.count(type(None)) == len(classes) else []
