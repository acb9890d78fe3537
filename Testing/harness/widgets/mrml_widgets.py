"""Widgets of Slicer: the panel's top widget, the module's panel and the number widgets."""

from __future__ import annotations

from types import MappingProxyType

from PySide6 import QtWidgets
from PySide6.QtCore import Signal

from .ctk_numbers import ctkDoubleSpinBox, ctkRangeWidget, ctkSliderWidget
from .standin import standin


@standin
class qMRMLWidget(QtWidgets.QWidget):
    """A widget that knows the scene and tells the widgets in it."""

    CPP_SIGNAL_TYPES = MappingProxyType({"mrmlSceneChanged": "vtkMRMLScene*"})
    mrmlSceneChanged = Signal(object)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene = None

    def mrmlScene(self) -> object:
        """The scene, None before it was set."""
        return self._scene

    def setMRMLScene(self, scene: object) -> None:
        """Sets the scene and announces it, once."""
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)


class _MRMLNumber:
    """The number widgets of Slicer are those of CTK with a scene, from which they take units."""

    _scene = None

    def mrmlScene(self) -> object:
        """The scene, None before it was set."""
        return self._scene

    def setMRMLScene(self, scene: object) -> None:
        """Sets the scene."""
        self._scene = scene


@standin
class qMRMLSliderWidget(_MRMLNumber, ctkSliderWidget):
    """A ctkSliderWidget that knows the scene."""


@standin
class qMRMLSpinBox(_MRMLNumber, ctkDoubleSpinBox):
    """A ctkDoubleSpinBox that knows the scene."""


@standin
class qMRMLRangeWidget(_MRMLNumber, ctkRangeWidget):
    """A ctkRangeWidget that knows the scene."""


@standin
class qSlicerWidget(qMRMLWidget):
    """The base of Slicer's own widgets."""
