"""Nodes to files and back. Files are read into nodes outside the scene, which enter it when all is there."""

import shutil
from pathlib import Path

import slicer
import vtk
from slicer.i18n import tr as _

# How a radiograph was taken (CTGAN.Acquisition) and what its values are (CTGAN.Kind), as NRRD keys and attributes.
_OUR_ATTRIBUTES = "CTGAN."


def writeVolume(node: slicer.vtkMRMLScalarVolumeNode, path: Path) -> None:
    """Write a CT where it is in the world (RAS, mm), as NRRD with the node's attributes as keys.

    Raises:
        ValueError: the node is not a 3D volume, has a nonlinear transform, or cannot be written.
    """
    if problem := ctProblem(node):
        raise ValueError(problem)
    _store(_inWorld(node), path)


def writeCoarseVolume(node: slicer.vtkMRMLScalarVolumeNode, path: Path, size: int) -> None:
    """Write every n-th voxel of a volume, so that no axis has many more than ``size``; else as :func:`writeVolume`."""
    if problem := ctProblem(node):
        raise ValueError(problem)
    world = _inWorld(node)
    steps = [max(1, -(-count // size)) for count in world.GetImageData().GetDimensions()]
    toRAS = vtk.vtkMatrix4x4()
    world.GetIJKToRASMatrix(toRAS)
    for column, step in enumerate(steps):
        for row in range(3):
            toRAS.SetElement(row, column, toRAS.GetElement(row, column) * step)
    coarse = slicer.vtkMRMLScalarVolumeNode()
    i, j, k = steps
    slicer.util.updateVolumeFromArray(coarse, slicer.util.arrayFromVolume(world)[::k, ::j, ::i].copy())
    coarse.SetIJKToRASMatrix(toRAS)
    _store(coarse, path)


def ctProblem(node: slicer.vtkMRMLScalarVolumeNode) -> str:
    """A sentence that says why a node cannot be a CT, or nothing."""
    image = node.GetImageData()
    if image is None or 0 in image.GetDimensions():
        return _("{name} is empty.").format(name=node.GetName())
    if image.GetNumberOfScalarComponents() > 1:
        return _("{name} holds several values a voxel, in time or color, not one CT.").format(name=node.GetName())
    if min(image.GetDimensions()) < 2:
        return _("{name} is one picture, not a 3D CT.").format(name=node.GetName())
    return ""


def firstCT() -> slicer.vtkMRMLScalarVolumeNode | None:
    """The first volume of the scene that can be a CT."""
    kind = "vtkMRMLScalarVolumeNode"  # and not label maps, which are a subclass
    volumes = [node for node in slicer.util.getNodesByClass(kind) if node.GetClassName() == kind]
    return next((node for node in volumes if not ctProblem(node)), None)


def writeRadiograph(node: slicer.vtkMRMLScalarVolumeNode, folder: Path, name: str) -> Path:
    """Write a radiograph into a folder: a copy of the DICOM file it came from, with all tags, or else NRRD.

    Raises:
        ValueError: the node is not a radiograph, or cannot be written.
    """
    if problem := radiographProblem(node):
        raise ValueError(problem)
    if original := _dicomFile(node):
        return Path(shutil.copyfile(original, folder / f"{name}.dcm"))
    path = folder / f"{name}.nrrd"
    _store(node, path)
    return path


def radiographProblem(node: slicer.vtkMRMLScalarVolumeNode) -> str:
    """A sentence that says why a node cannot be a radiograph, or nothing."""
    image = node.GetImageData()
    if image is None or 0 in image.GetDimensions():
        return _("{name} is empty.").format(name=node.GetName())
    if image.GetDimensions()[2] > 1:
        return _("{name} is a 3D volume, not a radiograph.").format(name=node.GetName())
    if image.GetNumberOfScalarComponents() > 1:
        return _("{name} is a color picture, not a radiograph.").format(name=node.GetName())
    return ""


def readVolume(path: str | Path) -> slicer.vtkMRMLScalarVolumeNode:
    """Read NRRD into a volume node outside the scene.

    Raises:
        RuntimeError: the file cannot be read.
    """
    node = slicer.vtkMRMLScalarVolumeNode()
    _load(slicer.vtkMRMLNRRDStorageNode(), node, path)
    for name in node.GetAttributeNames():  # what the reader takes over from the header
        if not name.startswith(_OUR_ATTRIBUTES):
            node.RemoveAttribute(name)
    return node


def readSegmentation(path: str | Path) -> slicer.vtkSegmentation:
    """Read the segments of ``.seg.nrrd``.

    Raises:
        RuntimeError: the file cannot be read.
    """
    scene = slicer.vtkMRMLScene()  # the reader makes a display node, and needs a scene to put it
    node = scene.AddNode(slicer.vtkMRMLSegmentationNode())
    _load(slicer.vtkMRMLSegmentationStorageNode(), node, path)
    segmentation = slicer.vtkSegmentation()
    segmentation.DeepCopy(node.GetSegmentation())
    return segmentation


def _dicomFile(node: slicer.vtkMRMLScalarVolumeNode) -> Path | None:
    """The DICOM file that a node was loaded from, if its pixels are still those of the file."""
    storage = node.GetStorageNode()
    if storage and node.GetImageData().GetMTime() > storage.GetStoredTime().GetMTime():
        return None
    uid = (node.GetAttribute("DICOM.instanceUIDs") or "").split(" ")[0]
    database = getattr(slicer, "dicomDatabase", None)
    names = [database.fileForInstance(uid) if database and uid else None, storage.GetFileName() if storage else None]
    return next((Path(name) for name in names if name and _isDicom(name)), None)


def _inWorld(node: slicer.vtkMRMLScalarVolumeNode) -> slicer.vtkMRMLScalarVolumeNode:
    transform = node.GetParentTransformNode()
    if transform is None:
        return node
    toWorld, matrix = vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
    if not transform.GetMatrixTransformToWorld(toWorld):
        raise ValueError(_("{name} has a nonlinear transform. Harden it first.").format(name=node.GetName()))
    node.GetIJKToRASMatrix(matrix)
    vtk.vtkMatrix4x4.Multiply4x4(toWorld, matrix, matrix)
    moved = slicer.vtkMRMLScalarVolumeNode()
    moved.SetAndObserveImageData(node.GetImageData())
    moved.SetIJKToRASMatrix(matrix)
    return moved


def _store(node: slicer.vtkMRMLScalarVolumeNode, path: Path) -> None:
    storage = slicer.vtkMRMLNRRDStorageNode()
    storage.SetFileName(str(path))
    storage.SetUseCompression(False)  # the file is read at once and thrown away, and the user waits
    if not storage.WriteData(node):
        raise ValueError(
            _("{name} cannot be written to {path}. Is the disk full?").format(name=node.GetName(), path=path)
        )


def _load(storage: slicer.vtkMRMLStorageNode, node: slicer.vtkMRMLStorableNode, path: str | Path) -> None:
    storage.SetFileName(str(path))
    if not Path(path).is_file() or not storage.ReadData(node):
        raise RuntimeError(_("The result {path} cannot be read.").format(path=path))


def _isDicom(name: str) -> bool:
    try:
        with open(name, "rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False
