"""Running Qt's events, and pictures of widgets."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6 import QtCore, QtWidgets

from .pythonqt.errors import raise_slot_errors


def run_events(until: Callable[[], bool] | None = None, timeout: float = 60.0) -> None:
    """Runs events until something is true, or once; an exception in a slot comes out here."""
    deadline = time.monotonic() + timeout
    while True:
        QtWidgets.QApplication.processEvents(QtCore.QEventLoop.ProcessEventsFlag.AllEvents, 50)
        QtCore.QCoreApplication.sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete)
        raise_slot_errors()
        if until is None or until():
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"not so after {timeout:g} s")
        time.sleep(0.005)


def wait_for(job: Any, timeout: float = 60.0) -> None:
    """Runs events until a job, which is anything with ``running``, has ended."""
    run_events(until=lambda: not job.running, timeout=timeout)


def click_and_wait(button: Any, job: Any, timeout: float = 60.0) -> None:
    """Clicks the button that starts a job, and runs events until it has ended."""
    button.click()
    wait_for(job, timeout)


def grab(widget: QtWidgets.QWidget, path: Any, width: int = 480) -> Path:
    """Saves a picture of a widget, as wide as Slicer's module panel and as high as it wants to be."""
    widget.resize(width, max(widget.sizeHint.height(), widget.minimumSizeHint.height()))
    widget.show()
    run_events()
    widget.resize(width, max(widget.sizeHint.height(), widget.minimumSizeHint.height()))
    run_events()
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    if not widget.grab().save(str(target)):
        raise OSError(f"cannot write {target}")
    return target
