"""The harness against what Slicer documents: scene, files, parameter nodes, modules."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import pytest
import slicer
from slicer.parameterNodeWrapper import Minimum, parameterNodeWrapper

import harness

SAMPLE = "Testing/harness/sample/HarnessSample.py"
CT = np.arange(60, dtype=np.int16).reshape(3, 4, 5)


@pytest.fixture
def volume(scene):
    """A small CT with spacing and a turned axis."""
    node = slicer.util.addVolumeFromArray(CT, name="ct")
    node.SetSpacing(1.5, 2.0, 3.0)
    node.SetIJKToRASDirections([[-1, 0, 0], [0, -1, 0], [0, 0, 1]])
    return node


def test_scene_starts_without_data(scene):
    assert scene is slicer.mrmlScene is slicer.app.mrmlScene()
    for name in ("vtkMRMLVolumeNode", "vtkMRMLSegmentationNode", "vtkMRMLTableNode", "vtkMRMLScriptedModuleNode"):
        assert scene.GetNumberOfNodesByClass(name) == 0
    assert scene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode") == 3


@pytest.mark.parametrize("file_name", ["ct.nrrd", "ct.nii.gz", "ct with space ä.nrrd"])
def test_volume_survives_a_file(volume, tmp_path, file_name):
    path = str(tmp_path / file_name)
    assert slicer.util.saveNode(volume, path)
    loaded = slicer.util.loadVolume(path, {"name": "again"})
    assert loaded.GetName() == "again"
    assert (slicer.util.arrayFromVolume(loaded) == CT).all()
    assert np.allclose(loaded.GetSpacing(), (1.5, 2.0, 3.0))


def test_loading_a_missing_file_raises(scene, tmp_path):
    with pytest.raises(RuntimeError, match="not found"):
        slicer.util.loadVolume(str(tmp_path / "none.nrrd"))


def test_segmentation_survives_a_file(volume, tmp_path):
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "labels")
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    segment = segmentation.GetSegmentation().AddEmptySegment("lung")
    slicer.util.updateSegmentBinaryLabelmapFromArray((CT > 30).astype(np.uint8), segmentation, segment, volume)
    path = str(tmp_path / "labels.seg.nrrd")
    assert slicer.util.saveNode(segmentation, path)
    loaded = slicer.util.loadSegmentation(path)
    again = slicer.util.arrayFromSegmentBinaryLabelmap(loaded, "lung", volume)
    assert (again == (CT > 30)).all()


@pytest.mark.parametrize("file_name", ["scene.mrb", "scene.mrml"])
def test_parameters_survive_a_scene_file(volume, tmp_path, file_name):
    logic = harness.load_module(SAMPLE, widget=False).python.HarnessSampleLogic()
    parameters = logic.getParameterNode()
    parameters.inputVolume, parameters.threshold, parameters.values = volume, 7.5, [1, 2]
    parameters.box.size, parameters.seed = 9, 42
    slicer.util.saveNode(volume, str(tmp_path / "ct.nrrd"))
    assert slicer.util.saveScene(str(tmp_path / file_name))
    slicer.mrmlScene.Clear(0)
    slicer.util.loadScene(str(tmp_path / file_name))
    loaded = logic.getParameterNode()
    assert loaded.inputVolume.GetName() == "ct"
    assert (loaded.threshold, list(loaded.values), loaded.box.size, loaded.seed) == (7.5, [1.0, 2.0], 9, 42)


def test_parameters_refuse_what_slicer_refuses(scene):
    parameters = harness.load_module(SAMPLE, widget=False).python.HarnessSampleLogic().getParameterNode()
    for name, value, error in [
        ("threshold", 5000, ValueError),
        ("threshold", None, ValueError),
        ("threshold", "1", TypeError),
        ("steps", 2.5, TypeError),
        ("invert", 1, TypeError),
        ("view", "oblique", ValueError),
        ("folder", "/tmp", TypeError),
        ("inputVolume", slicer.vtkMRMLModelNode(), TypeError),
        ("source", slicer.vtkMRMLModelNode(), TypeError),
        ("values", ["a"], TypeError),
    ]:
        with pytest.raises(error):
            setattr(parameters, name, value)
    with pytest.raises(ValueError, match="within"):
        parameters.box.size = 11
    assert parameters.box.size == 3


def test_a_default_must_be_valid(scene):
    @parameterNodeWrapper
    class Wrong:
        count: Annotated[int, Minimum(1)]

    with pytest.raises(ValueError, match="less than 1"):
        Wrong(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode"))


def test_parameter_containers_write_back(scene):
    node = harness.load_module(SAMPLE, widget=False).python.HarnessSampleLogic().getParameterNode()
    node.values.append(3)
    node.counts["a"] = 1
    assert (node.values, dict(node.counts)) == ([3.0], {"a": 1})
    assert node.parameterNode.GetParameter("values.len") == "1"


def test_one_change_is_one_event(scene):
    node = harness.load_module(SAMPLE, widget=False).python.HarnessSampleLogic().getParameterNode()
    events = []
    node.AddObserver("ModifiedEvent", lambda *_: events.append(1))
    node.values = [1, 2, 3]
    assert len(events) == 1


def test_module_class_describes_the_module(scene):
    loaded = harness.load_module(SAMPLE, widget=False)
    module = slicer.modules.harnesssample
    assert module is loaded.module is slicer.util.getModule("HarnessSample")
    assert (module.title, module.categories) == ("Harness sample", ["Testing"])
    assert Path(slicer.util.modulePath("HarnessSample")).name == "HarnessSample.py"
    with pytest.raises(AttributeError):
        module.titel = "typo"


def test_sample_data_is_registered_at_startup_only(scene):
    harness.load_module(SAMPLE, widget=False)
    assert harness.sample_data == []
    harness.complete_startup()
    assert [source.sampleName for source in harness.sample_data] == ["HarnessSample1"]


def test_module_runs_its_own_test(scene):
    harness.load_module(SAMPLE, widget=False)
    slicer.selfTests["HarnessSample"]()
    assert harness.dialogs == [harness.Dialog("delay", "Harness sample tested")]


def test_pip_ensure_asks_and_records(scene):
    harness.answers.extend([False, True])
    with pytest.raises(RuntimeError, match="declined"):
        slicer.packaging.pip_ensure("no-such-package>=1", requester="CTGAN")
    slicer.packaging.pip_ensure("no-such-package>=1 numpy", requester="CTGAN")
    assert [call["requirements"] for call in harness.pip_calls] == [["no-such-package>=1"]]
    assert harness.dialogs[0].detail == "- no-such-package>=1"


def test_slice_layers_are_real(volume):
    slicer.util.setSliceViewerLayers(background=volume, fit=True)
    composite = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSliceCompositeNode")
    assert composite.GetBackgroundVolumeID() == volume.GetID()


def test_console_process_reports_without_blocking(scene):
    lines, ends = [], []
    slicer.util.launchConsoleProcess(
        ["PythonSlicer", "-c", "print('hello')"],
        useStartupEnvironment=False,
        blocking=False,
        logCallback=lines.append,
        completedCallback=ends.append,
    )
    assert not ends
    harness.run_events(until=lambda: ends)
    assert (lines, ends) == (["hello"], [0])


def test_starts_next_to_torch():
    pytest.importorskip("torch")
    code = "import harness, torch, slicer; print(torch.ones(2).sum().item(), slicer.mrmlScene.GetNumberOfNodes() > 0)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["2.0", "True"]
