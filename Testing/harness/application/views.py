"""The layout manager: real slice and layout logics, and a list of what was asked of views that nobody sees."""

from __future__ import annotations

from collections import namedtuple

import vtk

views: list[tuple] = []

SliceWidget = namedtuple("SliceWidget", "sliceLogic mrmlSliceNode sliceView sliceController")


class _Recorder:
    """Takes any call to a view that only changes what is seen, and writes it down."""

    _KNOWN = ("forceRender", "resetFocalPoint", "resetCamera", "rotateToViewAxis", "fitSliceToBackground", "setVisible")

    def __init__(self, name: str) -> None:
        self._view = name

    def __getattr__(self, name: str) -> object:
        if name not in self._KNOWN:
            raise AttributeError(f"the harness has no view method '{name}'")
        return lambda *arguments: views.append((self._view, name, *arguments))


class LayoutManager:
    """Stands in for qSlicerLayoutManager."""

    threeDViewCount = 1

    def __init__(self, slice_logics: dict[str, object], layout_logic: object) -> None:
        self._slice_logics, self._layout_logic = slice_logics, layout_logic

    @property
    def layout(self) -> int:
        """The number of the layout."""
        return self._layout_logic.GetLayoutNode().GetViewArrangement()

    @layout.setter
    def layout(self, layout: int) -> None:
        self.setLayout(layout)

    def setLayout(self, layout: int) -> None:
        """Changes the layout."""
        self._layout_logic.GetLayoutNode().SetViewArrangement(layout)
        views.append(("layout", "setLayout", layout))

    def _count(self, class_name: str) -> int:
        shown = self._layout_logic.GetViewNodes()
        return sum(shown.GetItemAsObject(index).IsA(class_name) for index in range(shown.GetNumberOfItems()))

    @property
    def tableViewCount(self) -> int:
        """How many tables the layout shows."""
        return self._count("vtkMRMLTableViewNode")

    @property
    def plotViewCount(self) -> int:
        """How many plots the layout shows."""
        return self._count("vtkMRMLPlotViewNode")

    def sliceViewNames(self) -> tuple[str, ...]:
        """The names of the slice views."""
        return tuple(self._slice_logics)

    def sliceWidget(self, name: str) -> SliceWidget | None:
        """One slice view."""
        logic = self._slice_logics.get(name)
        recorder = _Recorder(name)
        return logic and SliceWidget(lambda: logic, logic.GetSliceNode, lambda: recorder, lambda: recorder)

    def mrmlSliceLogics(self) -> vtk.vtkCollection:
        """The logics of all slice views."""
        collection = vtk.vtkCollection()
        for logic in self._slice_logics.values():
            collection.AddItem(logic)
        return collection

    def threeDWidget(self, index: int) -> object:
        """The 3D view."""
        recorder = _Recorder(f"3D{index}")
        return namedtuple("ThreeDWidget", "threeDView threeDController")(lambda: recorder, lambda: recorder)

    def resetSliceViews(self) -> None:
        """Fits the slices to their volumes."""
        views.append(("slices", "resetSliceViews"))

    def resetThreeDViews(self) -> None:
        """Centers the 3D views."""
        views.append(("3D", "resetThreeDViews"))
