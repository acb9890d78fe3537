"""Builds the module ``qt``: the Qt classes of PySide6, flat as in Slicer, with PythonQt's behavior."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from PySide6 import QtCore, QtGui, QtNetwork, QtWidgets

from .attributes import adapt, adapt_root


def build() -> ModuleType:
    """The module ``qt``; changes the classes of PySide6 in place, once in a process."""
    module = ModuleType("qt", "Qt as PythonQt shows it")
    for source in (QtCore, QtGui, QtNetwork, QtWidgets):
        for name in dir(source):  # not vars(): PySide6 makes a class when it is first asked for
            if name.startswith("Q") and isinstance(value := getattr(source, name), type):
                setattr(module, name, value)
    module.Qt = QtCore.Qt
    qobjects = {cls for cls in vars(module).values() if isinstance(cls, type) and issubclass(cls, QtCore.QObject)}
    # Base classes last: a property's getter is looked up before the base class hides it behind the same name.
    for cls in sorted(qobjects, key=lambda cls: -len(cls.__mro__)):
        adapt(cls)
    adapt_root()
    # PySide's own static method would connect through the replaced QObject.connect.
    QtCore.QTimer.__dict__["singleShot"].replace_on_class(_single_shot)
    return module


def _single_shot(milliseconds: int, target: Callable) -> None:
    if not callable(target):
        raise ValueError(f"QTimer.singleShot needs a callable, not {target!r}")
    timer = QtCore.QTimer(QtCore.QCoreApplication.instance())
    timer.setSingleShot(True)
    timer.timeout.connect(target)
    timer.timeout.connect(timer.deleteLater)
    timer.start(milliseconds)
