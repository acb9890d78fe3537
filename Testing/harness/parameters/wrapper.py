"""@parameterNodeWrapper: typed attributes on a parameter node, bound to widgets."""

from __future__ import annotations

import logging
import typing
from collections.abc import Callable
from typing import Any

import slicer
import vtk
from PySide6 import QtWidgets

from .annotations import Default, split
from .codecs import codec_for
from .connectors import Connector, connector_for

SlicerParameterNamePropertyName = "SlicerParameterName"
_MARK = "_is_parameter_node_wrapper"


def isParameterNodeWrapper(candidate: Any) -> bool:
    """Whether this is a class made by @parameterNodeWrapper, or an object of one."""
    return getattr(candidate, _MARK, False)


def findChildWidgetForParameter(widget: Any, parameter: str) -> Any:
    """The widget in a panel that shows a parameter, None when there is none."""
    children = widget.findChildren(QtWidgets.QWidget)
    return next((c for c in children if c.property(SlicerParameterNamePropertyName) == parameter), None)


def parameterNodeWrapper(cls: type | None = None) -> Any:
    """Class decorator: the annotated members become typed attributes that live in the parameter node."""
    return _make_wrapper(cls) if cls else _make_wrapper


def _make_wrapper(cls: type) -> type:
    cls.allParameters = {}
    for name, annotated in typing.get_type_hints(cls, include_extras=True).items():
        if name in vars(_Methods):
            raise ValueError(f"Cannot use reserved name '{name}' in a parameterNodeWrapper")
        codec, rest = codec_for(annotated)
        if hasattr(cls, name):
            default = Default(getattr(cls, name))
        else:
            default = next((item for item in rest if isinstance(item, Default)), Default(generator=codec.default))
        unused = [item for item in rest if not isinstance(item, Default)]
        if unused:
            logging.warning(f"Unused annotations: {unused}")
        cls.allParameters[name] = (codec, default, annotated)
        setattr(cls, name, _attribute(name))
    for name, function in vars(_Methods).items():
        if name == "__init__" or not name.startswith("__"):
            setattr(cls, name, function)
    setattr(cls, _MARK, True)
    return cls


def _attribute(name: str) -> property:
    return property(lambda self: self.getValue(name), lambda self, value: self.setValue(name, value))


class _Methods:
    """What every wrapper class gets."""

    def __init__(self, parameterNode: Any, prefix: str | None = None) -> None:
        self.parameterNode = parameterNode
        self._prefix = prefix or ""
        self._guis: dict[int, tuple[int, dict[str, Connector]]] = {}
        self._showing = False
        for name, (codec, default, _) in self.allParameters.items():
            if not codec.has(parameterNode, self._prefix + name):
                self.setValue(name, default.value)

    def getValue(self, name: str) -> Any:
        """The value of a parameter; ``pack.member`` reaches into packs."""
        head, _, tail = name.partition(".")
        codec, default, _ = self._parameter(head)
        if not codec.has(self.parameterNode, self._prefix + head):
            self.setValue(head, default.value)
        value = codec.read(self.parameterNode, self._prefix + head)
        return value.getValue(tail) if tail else value

    def setValue(self, name: str, value: Any) -> None:
        """Changes a parameter, if its type and its validators allow it."""
        head, _, tail = name.partition(".")
        codec = self._parameter(head)[0]
        if tail:
            self.getValue(head).setValue(tail, value)
            return
        codec.validate(value)
        with slicer.util.NodeModify(self.parameterNode):
            codec.write(self.parameterNode, self._prefix + head, value)

    def _parameter(self, name: str) -> tuple:
        if name not in self.allParameters:
            raise ValueError(f"Cannot find a parameter named '{name}', only {list(self.allParameters)}")
        return self.allParameters[name]

    def default(self, name: str) -> Default:
        """The default of a parameter."""
        return self._parameter(name)[1]

    def dataType(self, name: str) -> Any:
        """The annotated type of a parameter."""
        head, _, tail = name.partition(".")
        annotated = self._parameter(head)[2]
        return split(annotated)[0].dataType(tail) if tail else annotated

    def connectGui(self, gui: Any) -> int:
        """Binds every widget that names a parameter; takes a widget or the result of childWidgetVariables."""
        if isinstance(gui, QtWidgets.QWidget):
            widgets = gui.findChildren(QtWidgets.QWidget)
        else:
            widgets = list(vars(gui).values())
        named = {widget.property(SlicerParameterNamePropertyName): widget for widget in widgets}
        return self.connectParametersToGui({name: widget for name, widget in named.items() if name})

    def connectParametersToGui(self, mapping: dict[str, Any]) -> int:
        """Binds the given widgets; gives the number for disconnectGui."""
        connectors = {name: connector_for(widget, self.dataType(name)) for name, widget in mapping.items()}
        tag = max(self._guis, default=-1) + 1
        for name, connector in connectors.items():
            connector.write(self.getValue(name))
            connector.on_changed(self._from_gui(name, connector))
        observer = self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._to_gui())
        self._guis[tag] = (observer, connectors)
        return tag

    def disconnectGui(self, tag: int) -> None:
        """Ends a binding; an unknown number does nothing."""
        if tag in self._guis:
            observer, connectors = self._guis.pop(tag)
            self.RemoveObserver(observer)
            for connector in connectors.values():
                connector.on_changed(None)

    def _from_gui(self, name: str, connector: Connector) -> Callable[[], None]:
        def changed() -> None:
            if not self._showing:
                self.setValue(name, connector.read())

        return changed

    def _to_gui(self) -> None:
        if self._showing:
            return
        self._showing = True
        try:
            for _, connectors in self._guis.values():
                for name, connector in connectors.items():
                    connector.write(self.getValue(name))
        finally:
            self._showing = False

    def StartModify(self) -> int:
        """Holds the node's events back."""
        return self.parameterNode.StartModify()

    def EndModify(self, wasModifying: int) -> int:
        """Lets the node's events go."""
        return self.parameterNode.EndModify(wasModifying)

    def AddObserver(self, event: Any, callback: Callable, priority: float = 0.0) -> int:
        """Observes the node."""
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag: int) -> None:
        """Ends an observation."""
        self.parameterNode.RemoveObserver(tag)

    def Modified(self) -> None:
        """Tells the observers."""
        self.parameterNode.Modified()
