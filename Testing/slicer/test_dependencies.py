"""Installation of packages on demand, the list of models, and the sample patient's registration."""

import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("slicer")
pytest.importorskip("PySide6.QtWidgets")
import slicer

import harness
from CTGANReconstructLib import dependencies
from CTGANReconstructLib.models import ModelEntry, installedModels
from CTGANReconstructLib.nodes import writeRadiograph
from CTGANReconstructLib.sample_data import SAMPLE_NAME, sampleFiles


@pytest.fixture
def installed(monkeypatch):
    """Versions by package; what is not in it is not installed."""
    versions = {"torch": "2.6.0+cu124", "numpy": "2.4.0", "monai": "1.5.0", "nibabel": "5.3.0", "pydicom": "3.0.1"}

    def version(name):
        if name not in versions:
            raise importlib.metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr("importlib.metadata.version", version)
    return versions


@pytest.fixture
def pip(installed, monkeypatch):
    """Calls of slicer.packaging.pip_ensure, which succeeds."""
    calls = []

    def pipEnsure(requirements, constraints, requester):
        with open(constraints, encoding="utf-8") as file:
            calls.append((requirements, file.read(), requester))
        installed.update({name.split(">=")[0]: "99" for name in requirements})

    monkeypatch.setattr("slicer.packaging.pip_ensure", pipEnsure)
    return calls


@pytest.fixture
def pyTorchUtils(installed, monkeypatch):
    """The PyTorch extension; it installs what it is asked for, unless ``declines`` is set."""
    extension = SimpleNamespace(calls=[], declines=False)

    class PyTorchUtilsLogic:
        def installTorch(self, **arguments):
            extension.calls.append(arguments)
            if extension.declines:
                return None
            installed["torch"] = "2.8.0"
            return object()

    monkeypatch.setitem(sys.modules, "PyTorchUtils", SimpleNamespace(PyTorchUtilsLogic=PyTorchUtilsLogic))
    return extension


def test_nothing_is_missing(scene, installed, pip, pyTorchUtils):
    assert dependencies.missingPackages() == []
    dependencies.installPackages()
    assert (pip, pyTorchUtils.calls) == ([], [])


def test_old_and_missing_packages_are_installed_and_slicers_own_held(scene, installed, pip):
    installed["monai"] = "1.2.0"
    del installed["nibabel"]
    dependencies.installPackages()
    ((requirements, constraints, requester),) = pip
    assert [line.split(">=")[0] for line in requirements] == ["monai", "nibabel"]
    assert constraints.split() == ["numpy==2.4.0", "torch==2.6.0+cu124"]
    assert requester == "CTGAN"


def test_torch_comes_through_its_extension(scene, installed, pip, pyTorchUtils):
    del installed["torch"]
    dependencies.installPackages()
    assert pyTorchUtils.calls == [{"askConfirmation": True, "torchVersionRequirement": ">=2.4"}]
    assert pip == []


def test_declined_torch(scene, installed, pyTorchUtils):
    del installed["torch"]
    pyTorchUtils.declines = True
    with pytest.raises(RuntimeError, match="declined"):
        dependencies.installPackages()


def test_without_the_pytorch_extension(scene, installed, monkeypatch):
    del installed["torch"]
    monkeypatch.setitem(sys.modules, "PyTorchUtils", None)
    with pytest.raises(RuntimeError, match="PyTorch extension"):
        dependencies.installPackages()


@pytest.mark.parametrize("agrees", [True, False])
def test_slicer_5_10_asks_itself(scene, installed, monkeypatch, agrees):
    del installed["monai"]
    monkeypatch.setitem(sys.modules, "slicer.packaging", None)
    calls = []

    def pipInstall(requirements):
        calls.append(requirements)
        installed["monai"] = "1.5.0"

    monkeypatch.setattr("slicer.util.pip_install", pipInstall)
    harness.answers.append(agrees)
    if agrees:
        dependencies.installPackages()
        assert calls[0][0].startswith("monai")
        assert calls[0][1] == "-c"
    else:
        with pytest.raises(RuntimeError):
            dependencies.installPackages()
        assert calls == []


@pytest.mark.parametrize("missing", ["torch", "monai"])
def test_pip_fails(scene, installed, pyTorchUtils, monkeypatch, missing):
    def fail(*_, **__):
        raise subprocess.CalledProcessError(1, "pip install")

    del installed[missing]
    monkeypatch.setattr(sys.modules["PyTorchUtils"].PyTorchUtilsLogic, "installTorch", fail)
    monkeypatch.setattr("slicer.packaging.pip_ensure", fail)
    with pytest.raises(RuntimeError, match="Python console says why"):
        dependencies.installPackages()


@pytest.mark.parametrize("name", ["CTGANReconstruct", "CTGANTrain"])
def test_the_modules_own_tests_pass_over_what_lacks_packages(scene, installed, name):
    del installed["monai"]
    harness.load_module(f"{name}/{name}.py", widget=False)
    slicer.selfTests[name]()
    assert [(dialog.kind, dialog.text) for dialog in harness.dialogs] == [
        ("delay", "The Python packages are not installed.")
    ]


def test_installation_that_did_not_help(scene, installed, monkeypatch):
    del installed["monai"]
    monkeypatch.setattr("slicer.packaging.pip_ensure", lambda *_, **__: None)
    with pytest.raises(RuntimeError, match="could not be installed: monai"):
        dependencies.installPackages()


def addModel(folder, name, metadata):
    path = folder / name / "configs" / "metadata.json"
    path.parent.mkdir(parents=True)
    path.write_text(metadata if isinstance(metadata, str) else json.dumps(metadata))


def test_models_of_a_task(tmp_path, monkeypatch):
    shipped, user = tmp_path / "Models", tmp_path / "user"
    monkeypatch.setenv("CTGAN_MODELS", str(user))
    monkeypatch.setattr("CTGANReconstructLib.models.sharedResource", lambda name: tmp_path / name)
    assert installedModels("biplanar") == []
    for folder, title in ((shipped, "shipped"), (user, "mine")):
        addModel(folder, "Chest", {"name": title, "ctgan": {"task": "biplanar"}})
    addModel(shipped, "Hip", {"name": "Hip", "ctgan": {"task": "biplanar"}})
    addModel(shipped, "Lungs", {"name": "Lungs", "ctgan": {"task": "segmentation"}})
    addModel(shipped, "Damaged", "{")
    addModel(shipped, "Foreign", {"name": "Foreign"})
    addModel(shipped, "List", [1])
    chest = ModelEntry("Chest", "mine", "biplanar", user / "Chest")
    hip, lungs = (
        ModelEntry(name, name, task, shipped / name) for name, task in (("Hip", "biplanar"), ("Lungs", "segmentation"))
    )
    assert installedModels("biplanar") == [chest, hip]
    assert installedModels("segmentation", "biplanar") == [chest, hip, lungs]


@pytest.mark.skipif(not all(file.is_file() for file in sampleFiles()), reason="the sample patient is not there")
def test_sample_data_is_registered_at_startup(scene, tmp_path):
    harness.load_module("CTGANReconstruct/CTGANReconstruct.py", widget=False)
    assert harness.sample_data == []
    harness.complete_startup()
    (source,) = harness.sample_data
    assert source.sampleName == SAMPLE_NAME
    assert source.nodeNames == ["Chest PA", "Chest lateral", "Chest CT"]
    assert all(uri.startswith("file:///") for uri in source.uris)
    assert all(checksum.startswith("SHA256:") for checksum in source.checksums)
    pa = harness.click_sample(SAMPLE_NAME)[0]
    assert pa.GetName() == "Chest PA"
    assert Path(writeRadiograph(pa, tmp_path, "pa")).suffix == ".dcm"  # with the tags that say how it was taken
