"""The fake backend of the panels' tests."""

import json

import pytest

from fake_backend import FakeBackend


@pytest.fixture
def backend(tmp_path, monkeypatch):
    """A fake backend with one installed model; the logic of every module gets it."""
    metadata = tmp_path / "models" / "ChestBiplanar" / "configs" / "metadata.json"
    metadata.parent.mkdir(parents=True)
    metadata.write_text(json.dumps({"name": "Chest, two views", "ctgan": {"task": "biplanar"}}))
    monkeypatch.setenv("CTGAN_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr("CTGANReconstructLib.models.sharedResource", lambda name: tmp_path / "shipped")
    fake = FakeBackend("good", tmp_path)
    monkeypatch.setattr("CTGANReconstructLib.backend.CTGANLibBackend", lambda: fake)
    return fake
