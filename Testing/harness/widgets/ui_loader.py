"""QUiLoader for Slicer's .ui files: unmodified, with stand-ins, and loud about what it does not know."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import reduce
from operator import or_
from xml.etree import ElementTree

from PySide6 import QtCore, QtUiTools, QtWidgets

from ..pythonqt.attributes import naming_children
from .standin import registry


class UnknownInUi(RuntimeError):
    """The .ui file names a widget class, property, signal or slot that the harness does not have."""


class QUiLoader(QtUiTools.QUiLoader):
    """Loads a .ui file; custom widgets come from the stand-ins."""

    def createWidget(self, class_name: str, parent: QtWidgets.QWidget | None = None, name: str = "") -> object:
        """Called by Qt for each widget of the file."""
        if class_name in registry:
            widget = registry[class_name](parent)
            widget.setObjectName(name)
            return widget
        return super().createWidget(class_name, parent, name)

    def load(self, device: QtCore.QIODevice, parent: QtWidgets.QWidget | None = None) -> QtWidgets.QWidget:
        """Loads the file and makes its connections."""
        root = ElementTree.fromstring(bytes(device.readAll().data()))
        for element in root.iter("widget"):
            self._check_class(element)
        flags = [flag for element in root.iter("widget") for flag in _take_flags(element)]
        connections = root.find("connections")
        wanted = [] if connections is None else list(connections)
        if connections is not None:
            root.remove(connections)
        buffer = QtCore.QBuffer()
        buffer.setData(ElementTree.tostring(root))
        buffer.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
        with _not_naming_children():
            widget = super().load(buffer, parent)
        if widget is None:
            raise UnknownInUi(self.errorString())
        for name, attribute, value in flags:
            setattr(_named(widget, name), attribute, value)
        for connection in wanted:
            _connect(widget, connection)
        return widget

    def _check_class(self, element: ElementTree.Element) -> None:
        name = element.get("class")
        if name in registry:
            for item in element.findall("property"):
                if item.get("stdset") != "0" and item.get("name") not in registry[name].CPP_PROPERTIES:
                    raise UnknownInUi(f"{name} '{element.get('name')}' has no property '{item.get('name')}'")
        elif name not in self.availableWidgets() and name not in ("Line", "QWidget"):
            raise UnknownInUi(f"no widget class '{name}' (used for '{element.get('name')}')")


@contextmanager
def _not_naming_children() -> Iterator[None]:
    naming_children.append(None)
    try:
        yield
    finally:
        naming_children.pop()


def _take_flags(element: ElementTree.Element) -> list[tuple[str, str, object]]:
    """Enum values of stand-ins, which Qt cannot look up, are taken out of the XML to be set afterwards."""
    taken = []
    cls = registry.get(element.get("class"))
    for item in element.findall("property") if cls else []:
        value = next((child for child in item if child.tag in ("set", "enum")), None)
        names = value.text.split("|") if value is not None and value.text else []
        if names and all(name.rpartition("::")[0].split("::")[0] in registry for name in names):
            element.remove(item)
            numbers = [getattr(cls, name.rpartition("::")[2]) for name in names]
            taken.append((element.get("name"), item.get("name"), reduce(or_, numbers)))
    return taken


def _named(root: QtWidgets.QWidget, name: str) -> QtCore.QObject:
    found = root if root.objectName == name else root.findChild(QtCore.QObject, name)
    if found is None:
        raise UnknownInUi(f"connection names '{name}', which is not in the file")
    return found


def _connect(root: QtWidgets.QWidget, connection: ElementTree.Element) -> None:
    """Qt only warns about a connection that cannot be made; here it is an error."""
    sender, signal, receiver, slot = (connection.findtext(tag) for tag in ("sender", "signal", "receiver", "slot"))
    target = _named(root, receiver)
    if not hasattr(target, slot.partition("(")[0]):
        raise UnknownInUi(f"'{receiver}' has no slot {slot}")
    _named(root, sender).connect(signal, target, slot)
