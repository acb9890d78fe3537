"""Observers of some nodes, which can be exchanged and removed all at once."""

from collections.abc import Callable

import slicer
from slicer.util import VTKObservationMixin


class SceneWatch(VTKObservationMixin):
    """Calls back when one of the watched nodes changes."""

    def __init__(self) -> None:
        VTKObservationMixin.__init__(self)
        self._watched: list[tuple[slicer.vtkMRMLNode, int, Callable]] = []

    def watch(self, wanted: list[tuple[slicer.vtkMRMLNode | None, int, Callable]]) -> None:
        """Observe these nodes' events with these callbacks (caller, event), and no others; None is passed over."""
        wanted = [each for each in wanted if each[0] is not None]
        if wanted != self._watched:
            self.stop()
            self._watched = wanted
            for node, event, callback in wanted:
                self.addObserver(node, event, callback)

    def stop(self) -> None:
        """Observe nothing any more."""
        self.removeObservers()
        self._watched = []
