"""The real MRML scene with the real logics of Slicer's own modules."""

from __future__ import annotations

import colorsys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import slicer
import vtk

# Module name -> logic class. Terminologies and Segmentations come before what uses them.
_LOGICS = {
    "Terminologies": "vtkSlicerTerminologiesModuleLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Colors": "vtkSlicerColorLogic",
    "Units": "vtkSlicerUnitsLogic",
    "Cameras": "vtkSlicerCamerasModuleLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "Volumes": "vtkSlicerVolumesLogic",
    "VolumeRendering": "vtkSlicerVolumeRenderingLogic",
    "Models": "vtkSlicerModelsLogic",
    "Transforms": "vtkSlicerTransformLogic",
    "Markups": "vtkSlicerMarkupsLogic",
    "Tables": "vtkSlicerTablesLogic",
    "Texts": "vtkSlicerTextsLogic",
    "Plots": "vtkSlicerPlotsLogic",
    "Sequences": "vtkSlicerSequencesLogic",
    "CropVolume": "vtkSlicerCropVolumeLogic",
}
SLICE_VIEWS = {"Red": "Axial", "Yellow": "Sagittal", "Green": "Coronal"}


@contextmanager
def _vtk_silent() -> Iterator[None]:
    vtk.vtkObject.GlobalWarningDisplayOff()
    try:
        yield
    finally:
        vtk.vtkObject.GlobalWarningDisplayOn()


class Runtime:
    """Scene, application logic and module logics, made once in a process."""

    def __init__(self, folder: Path) -> None:
        self.scene = slicer.vtkMRMLScene()
        self.application_logic = slicer.vtkSlicerApplicationLogic()
        self.module_logics: dict[str, object] = {}
        self._folder = folder
        self._add_file_access()
        self.application_logic.SetTemporaryPath(str(folder))
        self.application_logic.SetMRMLScene(self.scene)
        # The package comes without Slicer's share folder, of which the logics would complain at length.
        with _vtk_silent():
            for name, class_name in _LOGICS.items():
                self._add_logic(name, getattr(slicer, class_name)())
            self.application_logic.SetColorLogic(self.module_logics["colors"])
            self.module_logics["colors"].AddDefaultColorNodes()
        self._add_label_colors()
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(self.scene)
        self.layout_logic = self._add_layouts()
        self._add_camera()
        self.slice_logics = {name: self._add_slice_view(name) for name in SLICE_VIEWS}

    def _add_logic(self, name: str, logic: object) -> None:
        logic.SetMRMLApplicationLogic(self.application_logic)
        logic.SetMRMLScene(self.scene)
        self.application_logic.SetModuleLogic(name, logic)
        self.module_logics[name.lower()] = logic

    def _add_label_colors(self) -> None:
        """The table that new label maps refer to; Slicer reads it from its share folder."""
        table = slicer.vtkMRMLColorTableNode()
        table.SetTypeToUser()
        table.SetName("GenericColors")
        table.SetSingletonTag("FileGenericColors.txt")
        table.SetNumberOfColors(256)
        for index in range(256):
            table.SetColor(index, f"label {index}", *colorsys.hsv_to_rgb(index * 0.618 % 1, 0.6, 0.9), float(index > 0))
        self.scene.AddNode(table)

    def _add_file_access(self) -> None:
        """Without remote IO logic and cache, reading or writing a scene bundle ends the process."""
        cache = self._folder / "cache"
        cache.mkdir()
        self._remote = slicer.vtkMRMLRemoteIOLogic()
        self._remote.SetMRMLScene(self.scene)
        self._remote.GetCacheManager().SetRemoteCacheDirectory(str(cache))
        self._remote.AddDataIOToScene()
        self._data_io = slicer.vtkDataIOManagerLogic()
        self._data_io.SetMRMLApplicationLogic(self.application_logic)
        self._data_io.SetAndObserveDataIOManager(self._remote.GetDataIOManager())

    def _add_layouts(self) -> object:
        """The real layouts: a layout that has a plot or a table makes the node of that view."""
        logic = slicer.vtkMRMLLayoutLogic()
        logic.SetMRMLApplicationLogic(self.application_logic)
        logic.SetMRMLScene(self.scene)
        logic.GetLayoutNode().SetViewArrangement(slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalView)
        return logic

    def _add_camera(self) -> None:
        """The camera of the 3D view, which the view itself makes in Slicer."""
        camera = self.scene.AddNewNodeByClass("vtkMRMLCameraNode", "Camera")
        camera.SetLayoutName(self.scene.GetFirstNodeByClass("vtkMRMLViewNode").GetLayoutName())

    def _add_slice_view(self, name: str) -> object:
        logic = slicer.vtkMRMLSliceLogic()
        logic.SetMRMLApplicationLogic(self.application_logic)
        logic.SetMRMLScene(self.scene)
        logic.AddSliceNode(name)
        logic.GetSliceNode().SetOrientation(SLICE_VIEWS[name])
        return logic

    def clear(self) -> None:
        """Closes the scene as File > Close scene does: views and other singletons stay."""
        self.scene.Clear(0)
        self.scene.SetURL("")
        self.layout_logic.GetLayoutNode().SetViewArrangement(slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalView)
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(self.scene)
        hierarchy.RemoveAllItems(True)
