"""The model store: what goes in comes out, and nothing else does."""

import json
import zipfile

import pytest
import torch

from CTGANLib.biplanar.network import BiplanarGenerator
from CTGANLib.biplanar.publish import publish
from CTGANLib.biplanar.recipe import BiplanarSettings
from CTGANLib.biplanar.reconstruct import NETWORKS
from CTGANLib.errors import UserError
from CTGANLib.models import store


@pytest.fixture(autouse=True)
def user_store(tmp_path, monkeypatch):
    monkeypatch.setenv("CTGAN_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture
def bundle(tmp_path):
    torch.manual_seed(0)
    network = BiplanarGenerator(channels_2d=(8, 8, 8, 8), channels_3d=(8, 8, 8, 8))
    return publish(tmp_path / "Small", network, BiplanarSettings(), [], [], 0.1, "cpu"), network


def test_a_saved_model_loads_with_its_architecture_and_weights(bundle):
    model, network = bundle
    loaded = model.load("biplanar", NETWORKS)
    assert loaded.channels_3d == (8, 8, 8, 8)
    for name, value in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value.half().float()), name


@pytest.mark.parametrize("ending", ["", ".zip"])
def test_export_import_delete(bundle, tmp_path, user_store, ending):
    target = tmp_path / f"Exported{ending}"
    store.export_model(bundle[0], target)
    imported = store.import_model(target)
    assert imported.name == "Exported"
    imported.verify()
    assert "Exported" in [model.name for model in store.list_models()]
    with pytest.raises(UserError, match="already"):
        store.import_model(target)
    store.delete_model(imported)
    assert list(user_store.iterdir()) == []


def test_shipped_models_cannot_be_deleted(bundle):
    with pytest.raises(UserError, match="ships"):
        store.delete_model(bundle[0])


def test_changed_weights_are_noticed(bundle):
    weights = bundle[0].folder / "models" / "model.pt"
    weights.write_bytes(weights.read_bytes()[:-100] + bytes(100))
    with pytest.raises(UserError, match="damaged"):
        bundle[0].load("biplanar", NETWORKS)
    with pytest.raises(UserError, match="damaged"):
        store.import_model(bundle[0].folder)


def test_weights_that_carry_code_are_not_run(bundle, tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "owned"), "w"))

    model = bundle[0]
    torch.save({"x": Evil()}, model.folder / "models" / "model.pt")
    entries = json.loads((model.folder / "configs" / "metadata.json").read_text())
    entries["ctgan"]["sha256"] = store.sha256(model.folder / "models" / "model.pt")
    (model.folder / "configs" / "metadata.json").write_text(json.dumps(entries))
    with pytest.raises(UserError):
        store.open_bundle(model.folder).load("biplanar", NETWORKS)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    "definition",
    [
        {"_target_": "os.system", "command": "touch owned"},
        {"_target_": "BiplanarGenerator", "channels_2d": "$__import__('os').system('touch owned')"},
        {"_target_": "BiplanarGenerator", "channels_2d": [8, 8], "channels_3d": [8, 8]},
    ],
)
def test_definitions_are_data(bundle, definition, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (bundle[0].folder / "configs" / "inference.json").write_text(json.dumps({"network_def": definition}))
    with pytest.raises(UserError, match="cannot be loaded"):
        bundle[0].load("biplanar", NETWORKS)
    assert not (tmp_path / "owned").exists()


def test_a_model_of_another_task_is_refused(bundle):
    with pytest.raises(UserError, match="is for biplanar"):
        bundle[0].load("segmentation", NETWORKS)


def test_a_zip_cannot_write_outside_its_folder(bundle, tmp_path, user_store):
    target = tmp_path / "Evil.zip"
    store.export_model(bundle[0], target)
    with zipfile.ZipFile(target, "a") as archive:
        archive.writestr("../escaped.txt", "out")
    with pytest.raises(UserError, match="outside"):
        store.import_model(target)
    assert not (tmp_path / "escaped.txt").exists()
    assert not user_store.exists() or list(user_store.iterdir()) == []


def test_foreign_files_are_refused(tmp_path, user_store):
    (tmp_path / "text.zip").write_text("not a zip")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("readme.txt", "hello")
    (tmp_path / "folder").mkdir()
    for name in ("text.zip", "other.zip", "folder", "absent.zip"):
        with pytest.raises(UserError):
            store.import_model(tmp_path / name)
    assert not user_store.exists() or list(user_store.iterdir()) == []


def test_unknown_names_list_the_known(bundle, tmp_path):
    store.import_model(bundle[0].folder)
    with pytest.raises(UserError, match="Small"):
        store.find_model("Unknown")
