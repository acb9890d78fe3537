"""Reading and writing nodes: what slicer.util.loadVolume, saveNode, loadScene and their kin ask of the application."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import slicer
import vtk

Properties = dict[str, object]

_TYPES = {
    ".seg.nrrd": "SegmentationFile",
    ".seg.nhdr": "SegmentationFile",
    ".mrk.json": "MarkupsFile",
    ".fcsv": "MarkupsFile",
    ".nii.gz": "VolumeFile",
    ".ctbl": "ColorTableFile",
    ".mrml": "SceneFile",
    ".mrb": "SceneFile",
    ".h5": "TransformFile",
    ".tfm": "TransformFile",
    ".vtk": "ModelFile",
    ".vtp": "ModelFile",
    ".stl": "ModelFile",
    ".ply": "ModelFile",
    ".obj": "ModelFile",
    ".csv": "TableFile",
    ".tsv": "TableFile",
    ".txt": "TextFile",
    ".json": "TextFile",
    ".nrrd": "VolumeFile",
    ".nhdr": "VolumeFile",
    ".nii": "VolumeFile",
    ".mha": "VolumeFile",
    ".mhd": "VolumeFile",
    ".dcm": "VolumeFile",
}


class CoreIOManager:
    """Stands in for qSlicerCoreIOManager, on the real module logics and storage nodes."""

    def __init__(self, logics: dict[str, object]) -> None:
        self._logics = logics
        self._readers: dict[str, Callable[[str, Properties], object]] = {
            "VolumeFile": self._read_volume,
            "SegmentationFile": self._read_segmentation,
            "ModelFile": self._read_model,
            "TransformFile": lambda path, _: logics["transforms"].AddTransform(path, slicer.mrmlScene),
            "TableFile": lambda path, given: logics["tables"].AddTable(path, given.get("name") or Path(path).stem),
            "MarkupsFile": lambda path, _: slicer.mrmlScene.GetNodeByID(logics["markups"].LoadMarkups(path) or ""),
            "ColorTableFile": lambda path, _: logics["colors"].LoadColorFile(path),
            "TextFile": self._read_text,
        }

    def fileType(self, path: object) -> str:
        """The reader for a file, from the end of its name."""
        name = Path(path).name.lower()
        return next((kind for ending, kind in _TYPES.items() if name.endswith(ending)), "NoFile")

    def fileWriterFileType(self, node: object) -> str:
        """What kind of file a node is written to."""
        kinds = {
            "vtkMRMLVolumeNode": "VolumeFile",
            "vtkMRMLSegmentationNode": "SegmentationFile",
            "vtkMRMLModelNode": "ModelFile",
            "vtkMRMLTransformNode": "TransformFile",
            "vtkMRMLTableNode": "TableFile",
            "vtkMRMLMarkupsNode": "MarkupsFile",
            "vtkMRMLTextNode": "TextFile",
            "vtkMRMLColorNode": "ColorTableFile",
        }
        return next((kind for class_name, kind in kinds.items() if node.IsA(class_name)), "NoFile")

    def loadNodes(self, kind: str, properties: Properties, loaded: vtk.vtkCollection, messages: object) -> bool:
        """Loads a file into the scene."""
        path = str(properties["fileName"])
        if not Path(path).exists():
            messages.AddMessage(vtk.vtkCommand.ErrorEvent, f"File not found: {path}")
            return False
        if kind == "SceneFile":
            return self._read_scene(path, bool(properties.get("clear")))
        reader = self._readers.get(kind)
        node = reader(path, properties) if reader else None
        if node is None:
            messages.AddMessage(vtk.vtkCommand.ErrorEvent, f"{kind}: cannot read {path}")
            return False
        loaded.AddItem(node)
        return True

    def _read_volume(self, path: str, properties: Properties) -> object:
        flags = {"labelmap": 1, "center": 2, "singleFile": 4, "autoWindowLevel": 8, "discardOrientation": 16}
        # autoWindowLevel is on unless it is switched off, as in the application's reader.
        given = {"autoWindowLevel": True, **properties}
        options = sum(bit for name, bit in flags.items() if given.get(name))
        names = None
        if properties.get("fileNames"):
            names = vtk.vtkStringArray()
            for name in properties["fileNames"]:
                names.InsertNextValue(str(name))
        name = properties.get("name") or Path(path).name.split(".")[0]
        return self._logics["volumes"].AddArchetypeVolume(path, name, options, names)

    def _read_segmentation(self, path: str, properties: Properties) -> object:
        name = properties.get("name") or Path(path).name.split(".")[0]
        return self._logics["segmentations"].LoadSegmentationFromFile(path, True, name)

    def _read_model(self, path: str, properties: Properties) -> object:
        return self._logics["models"].AddModel(
            path, properties.get("coordinateSystem", slicer.vtkMRMLStorageNode.CoordinateSystemLPS)
        )

    def _read_text(self, path: str, properties: Properties) -> object:
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode", properties.get("name") or Path(path).stem)
        node.SetText(Path(path).read_text(encoding="utf-8"))
        return node

    def _read_scene(self, path: str, clear: bool) -> bool:
        scene = slicer.mrmlScene
        if path.lower().endswith(".mrb"):
            return bool(scene.ReadFromMRB(path, clear))
        scene.SetURL(path)
        return bool(scene.Connect() if clear else scene.Import())

    def saveNodes(self, kind: str, properties: Properties, messages: object) -> bool:
        """Saves a node, or the scene."""
        path = str(properties["fileName"])
        if kind == "SceneFile":
            return self._write_scene(path)
        node = slicer.mrmlScene.GetNodeByID(properties["nodeID"])
        node.AddDefaultStorageNode(path)
        storage = node.GetStorageNode()
        if storage is None:
            messages.AddMessage(vtk.vtkCommand.ErrorEvent, f"{node.GetClassName()} cannot be saved")
            return False
        storage.SetFileName(path)
        if "useCompression" in properties:
            storage.SetUseCompression(properties["useCompression"])
        return bool(storage.WriteData(node))

    def _write_scene(self, path: str) -> bool:
        scene = slicer.mrmlScene
        if path.lower().endswith(".mrb"):
            return bool(scene.WriteToMRB(path, None))
        if path.lower().endswith(".mrml"):
            scene.SetURL(path)
            return bool(scene.Commit())
        return bool(slicer.app.applicationLogic().SaveSceneToSlicerDataBundleDirectory(path, None))
