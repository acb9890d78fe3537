"""How results enter the scene: into a chosen node or a new one, beside their input, ready to be looked at."""

import slicer

from .surfaces import showIn3D

_CT_WINDOW, _CT_LEVEL = 1500.0, -400.0  # HU: lungs and mediastinum at once
_BODY = "Body"
_ERROR_COLORS, _LARGEST_ERROR = "vtkMRMLColorTableNodeIron", 400.0  # HU


def addCT(
    loaded: slicer.vtkMRMLScalarVolumeNode, output: slicer.vtkMRMLScalarVolumeNode | None, name: str
) -> slicer.vtkMRMLScalarVolumeNode:
    """Put a CT in HU into the scene, shown with a chest window."""
    node = addVolume(loaded, output, name)
    display = node.GetDisplayNode()
    display.AutoWindowLevelOff()
    display.SetWindowLevel(_CT_WINDOW, _CT_LEVEL)
    return node


def addUncertainty(
    loaded: slicer.vtkMRMLScalarVolumeNode, output: slicer.vtkMRMLScalarVolumeNode | None, name: str
) -> slicer.vtkMRMLScalarVolumeNode:
    """Put a volume of expected errors in HU into the scene, shown from black (none) over red to white."""
    node = addVolume(loaded, output, name)
    display = node.GetDisplayNode()
    display.SetAndObserveColorNodeID(_ERROR_COLORS)
    display.AutoWindowLevelOff()
    display.SetWindowLevelMinMax(0.0, _LARGEST_ERROR)
    return node


def addVolume(
    loaded: slicer.vtkMRMLScalarVolumeNode, output: slicer.vtkMRMLScalarVolumeNode | None, name: str
) -> slicer.vtkMRMLScalarVolumeNode:
    """Put a volume that is outside the scene into ``output``, or into a new node called ``name``."""
    if output is None:
        loaded.SetName(slicer.mrmlScene.GenerateUniqueName(name))
        output = slicer.mrmlScene.AddNode(loaded)
    else:
        output.SetAndObserveImageData(loaded.GetImageData())
        output.CopyOrientation(loaded)
        output.SetAndObserveTransformNodeID(None)
        for attribute in loaded.GetAttributeNames():
            output.SetAttribute(attribute, loaded.GetAttribute(attribute))
    if output.GetDisplayNode() is None:
        output.CreateDefaultDisplayNodes()
    return output


def showRadiograph(radiograph: slicer.vtkMRMLScalarVolumeNode, viewName: str) -> None:
    """Show a radiograph in a slice view that is turned into its plane, and in 3D on its detector."""
    widget = slicer.app.layoutManager().sliceWidget(viewName)
    if widget is None:  # the user's layout has no such view
        return
    logic, sliceNode = widget.sliceLogic(), widget.mrmlSliceNode()
    logic.GetSliceCompositeNode().SetBackgroundVolumeID(radiograph.GetID())
    sliceNode.RotateToVolumePlane(radiograph)
    logic.FitSliceToAll()
    sliceNode.SetSliceVisible(True)


def addSegmentation(
    segmentation: slicer.vtkSegmentation,
    output: slicer.vtkMRMLSegmentationNode | None,
    name: str,
    referenceVolume: slicer.vtkMRMLScalarVolumeNode,
    show3D: bool = True,
) -> slicer.vtkMRMLSegmentationNode:
    """Put segments into ``output``, or into a new node called ``name``, with surfaces to see in 3D if wanted."""
    if output is None or output.GetScene() is None:
        uniqueName = slicer.mrmlScene.GenerateUniqueName(name)
        output = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", uniqueName)
    output.GetSegmentation().DeepCopy(segmentation)
    output.SetAndObserveTransformNodeID(None)
    if output.GetDisplayNode() is None:
        output.CreateDefaultDisplayNodes()
    output.SetReferenceImageGeometryParameterFromVolumeNode(referenceVolume)
    showIn3D(output, show3D)
    _makeTransparent(output, _BODY)
    return output


def showCT(ct: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Show a CT in the slice views; where one shows it already, all stay as they are."""
    composites = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    if ct.GetID() not in [node.GetBackgroundVolumeID() for node in composites]:
        slicer.util.setSliceViewerLayers(background=ct, fit=True)


def placeBeside(node: slicer.vtkMRMLNode, sibling: slicer.vtkMRMLNode | None) -> None:
    """Put a node into the subject-hierarchy folder, or study, of another one."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    siblingItem = hierarchy.GetItemByDataNode(sibling) if sibling else 0
    _place(node, hierarchy.GetItemParent(siblingItem) if siblingItem else hierarchy.GetSceneItemID())


def placeInFolder(node: slicer.vtkMRMLNode, name: str) -> None:
    """Put a node into the subject-hierarchy folder of this name, which is made where there is none."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    folder = hierarchy.GetItemChildWithName(hierarchy.GetSceneItemID(), name)
    level = slicer.vtkMRMLSubjectHierarchyConstants.GetSubjectHierarchyLevelFolder()
    if not folder or not hierarchy.IsItemLevel(folder, level):
        folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), name)
    _place(node, folder)


def removeShown(node: slicer.vtkMRMLDisplayableNode) -> None:
    """Remove a node together with its display nodes, which the scene would keep."""
    displays = [node.GetNthDisplayNode(number) for number in range(node.GetNumberOfDisplayNodes())]
    for each in [node, *filter(None, displays)]:
        slicer.mrmlScene.RemoveNode(each)


def _place(node: slicer.vtkMRMLNode, parentItem: int) -> None:
    """Put a node below an item of the subject hierarchy."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    item = hierarchy.GetItemByDataNode(node) or hierarchy.CreateItem(parentItem, node)
    hierarchy.SetItemParent(item, parentItem)


def _makeTransparent(segmentation: slicer.vtkMRMLSegmentationNode, segmentName: str) -> None:
    """Let what is inside a segment be seen, in 3D and in slices."""
    segment = segmentation.GetSegmentation().GetSegmentIdBySegmentName(segmentName)
    if segment:
        display = segmentation.GetDisplayNode()
        display.SetSegmentOpacity3D(segment, 0.15)
        display.SetSegmentOpacity2DFill(segment, 0.0)
