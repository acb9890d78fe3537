"""Synthesis by script: nodes and geometry in the scene, with a fake backend, and with the real one."""

import json

import numpy as np
import pytest

pytest.importorskip("slicer")
pytest.importorskip("PySide6.QtWidgets")
import slicer
import vtk
from fake_tasks import SYNTHETIC_SPACING

import harness
from CTGANReconstructLib.dependencies import missingPackages
from CTGANReconstructLib.models import installedModels
from CTGANReconstructLib.synthesis_models import abilitiesOf
from CTGANReconstructLib.synthesize_task import SynthesizeTask

MODULE = "CTGANReconstruct/CTGANReconstruct.py"


def toRAS(volume):
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def hierarchyPath(node):
    """The names of the items above a node."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    item, names = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)), []
    while item != hierarchy.GetSceneItemID():
        names.append((item, hierarchy.GetItemName(item)))
        item = hierarchy.GetItemParent(item)
    return names


def volumes():
    return slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")


def test_volumes_come_into_the_scene(logic, backend):
    seen = []
    result = logic.synthesize("Thorax ü", count=2, seed=3, onProgress=seen.append)
    assert [volume.GetName() for volume in result.volumes] == ["Thorax ü, seed 3", "Thorax ü, seed 4"]
    assert volumes() == result.volumes
    ((folder, name),) = hierarchyPath(result.volumes[0])
    assert name == "Synthetic" and hierarchyPath(result.volumes[1]) == [(folder, name)]
    for number, volume in enumerate(result.volumes):
        display = volume.GetDisplayNode()
        assert (display.GetWindow(), display.GetLevel(), display.GetAutoWindowLevel()) == (1500, -400, 0)
        assert json.loads(volume.GetAttribute("CTGAN.Synthetic")) == {"model": "Thorax ü", "seed": 3 + number}
    assert (result.model, result.seconds, result.peakMemoryMb, result.warnings) == ("Thorax ü", 3.2, 600, [])
    assert [progress.fraction for progress in seen] == [0.25, 0.5, 0.75]
    again = logic.synthesize()
    assert hierarchyPath(again.volumes[0]) == [(folder, name)] and again.volumes[0].GetName() == "ChestPyramid, seed 0"
    assert backend.value("--model") is None and backend.value("--device") == "auto"


def test_voxels_lie_where_they_are_in_the_patient(logic):
    (volume,) = logic.synthesize(seed=9, size=(20, 14, 6)).volumes
    array, matrix = slicer.util.arrayFromVolume(volume), toRAS(volume)
    assert volume.GetSpacing() == pytest.approx(SYNTHETIC_SPACING) and array.shape == (6, 14, 20)
    np.testing.assert_allclose(matrix[:3, :3], np.diag(SYNTHETIC_SPACING), atol=1e-9)
    (place,) = np.argwhere(array == 9)[:, ::-1]
    # The second voxel from the left, second from the front, and the uppermost of a volume around the origin.
    np.testing.assert_allclose(matrix[:3, :3] @ place + matrix[:3, 3], (-8.5 * 2, 5.5 * 3, 2.5 * 5), atol=1e-6)


def test_a_stack_of_slices_is_one_volume(logic):
    result = logic.synthesize("NoduleSlices", count=5, seed=2, className="with nodules")
    (volume,) = result.volumes
    assert volume.GetName() == "NoduleSlices, with nodules, seed 2" and volume.GetImageData().GetDimensions()[2] == 5
    assert result.warnings == ["They do not belong together."]
    origin = json.loads(volume.GetAttribute("CTGAN.Synthetic"))
    assert origin == {"model": "NoduleSlices", "seed": 2, "className": "with nodules"}


def test_radiographs_have_no_hu_window(logic):
    (volume,) = logic.synthesize("Films", count=2).volumes
    assert volume.GetDisplayNode().GetAutoWindowLevel() == 1


def test_options_reach_the_backend(logic, backend):
    logic.synthesize("Mine", 2, 7, (30, 20, 10), 0, "with nodules", "cpu")
    options = ("--model", "--count", "--seed", "--start-scale", "--class", "--device")
    assert [backend.value(option) for option in options] == ["Mine", "2", "7", "0", "with nodules", "cpu"]
    at = backend.arguments.index("--size")
    assert backend.arguments[at + 1 : at + 4] == ["30", "20", "10"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": 1.5}, "The seed has to be a whole number, not 1.5."),
        ({"count": "many"}, "The count has to be a whole number, not many."),
        ({"startScale": 0.5}, "The start scale has to be a whole number"),
        ({"size": (64, 64)}, "The size has to be three whole numbers"),
        ({"size": (64, 64, 2.5)}, "The size has to be a whole number, not 2.5."),
    ],
)
def test_what_is_no_number_is_refused_before_the_backend_starts(logic, backend, options, message):
    with pytest.raises(ValueError, match=message):
        logic.synthesize(**options)
    assert backend.arguments == []


@pytest.mark.parametrize(
    ("behavior", "message"),
    [("error", "color photograph"), ("crash", "unexpectedly"), ("silent", "without a result")],
)
def test_failure_leaves_the_scene_untouched(logic, backend, behavior, message):
    backend.behavior = behavior
    before = slicer.mrmlScene.GetNumberOfNodes()
    with pytest.raises(RuntimeError, match=message):
        logic.synthesize(count=2)
    assert slicer.mrmlScene.GetNumberOfNodes() == before


def test_a_volume_that_cannot_be_read_leaves_no_other(logic, backend, tmp_path):
    logic.synthesize()
    good = tmp_path / "good.nrrd"
    storage = slicer.vtkMRMLNRRDStorageNode()
    storage.SetFileName(str(good))
    assert storage.WriteData(volumes()[0])
    before = slicer.mrmlScene.GetNumberOfNodes()
    with pytest.raises(RuntimeError, match="cannot be read"):
        SynthesizeTask(2).finish({"model": "x", "volumes": [str(good), str(tmp_path / "missing.nrrd")]})
    assert slicer.mrmlScene.GetNumberOfNodes() == before


def test_an_interrupted_script_leaves_nothing(logic, backend, tmp_path):
    def interrupt(progress):
        raise KeyboardInterrupt

    before = slicer.mrmlScene.GetNumberOfNodes()
    with pytest.raises(KeyboardInterrupt):
        logic.synthesize(count=3, onProgress=interrupt)
    assert slicer.mrmlScene.GetNumberOfNodes() == before


needsBackend = pytest.mark.skipif(
    bool(missingPackages()) or not installedModels("pyramid"), reason="packages or the model are missing"
)


@pytest.fixture
def realLogic(scene):
    return harness.load_module(MODULE, widget=False).python.CTGANReconstructLogic()


def shippedPyramid():
    return next(model for model in installedModels("pyramid") if model.name == "ChestPyramid")


@needsBackend
def test_the_shipped_pyramid_makes_the_same_volume_of_the_same_seed(realLogic):
    seen = []
    result = realLogic.synthesize("ChestPyramid", count=2, seed=3, device="cpu", onProgress=seen.append)
    again = realLogic.synthesize("ChestPyramid", seed=4, device="cpu")
    first, second, third = map(slicer.util.arrayFromVolume, [*result.volumes, *again.volumes])
    assert np.array_equal(second, third)
    assert np.abs(first.astype(float) - second).mean() > 5  # HU
    assert [volume.GetName() for volume in [*result.volumes, *again.volumes]] == [
        *(f"ChestPyramid, seed {seed}" for seed in (3, 4)),
        "ChestPyramid, seed 4_1",
    ]

    model = shippedPyramid()
    assert first.shape[::-1] == abilitiesOf(model).sizes[-1]
    network = json.loads((model.folder / "configs" / "inference.json").read_text())["network_def"]
    matrix = toRAS(result.volumes[0])
    np.testing.assert_allclose(matrix[:3, :3], np.diag(network["spacing"]) / 1000, atol=1e-6)  # mm along R, A, S
    middle = (np.array(first.shape[::-1]) - 1) / 2
    np.testing.assert_allclose(matrix[:3, :3] @ middle + matrix[:3, 3], 0, atol=1e-3)
    # A thorax in HU, whose heart lies on the left.
    assert first.min() == -1000 and -100 < np.median(first[first > -300]) < 150
    slices, rows = (slice(size // 3, 2 * size // 3) for size in first.shape[:2])
    half = first.shape[2] // 2
    left, right = first[slices, rows, :half], first[slices, rows, -half:]
    assert left.mean() > right.mean() + 20
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions) and len(set(fractions)) > 5 and fractions[-1] > 0.9


@needsBackend
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"startScale": 99}, "There is no scale 99. Choose one from 0 to {lastScale}."),
        ({"model": "ChestBiplanar"}, "The model ChestBiplanar is for biplanar, not pyramid or slices."),
    ],
)
def test_bad_wishes_are_told_in_a_sentence(realLogic, options, message):
    """Two of those of backend/test_pyramid_commands.py, all the way to the script."""
    before = slicer.mrmlScene.GetNumberOfNodes()
    with pytest.raises(RuntimeError) as caught:
        realLogic.synthesize(**{"model": "ChestPyramid", "device": "cpu", **options})
    message = message.format(lastScale=len(abilitiesOf(shippedPyramid()).sizes) - 1)
    assert str(caught.value).startswith(message) and "Traceback" not in str(caught.value)
    assert slicer.mrmlScene.GetNumberOfNodes() == before
