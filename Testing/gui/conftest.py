"""The fake backend of the panels' tests."""

import pytest
from fake_tasks import writeModel

from fake_backend import FakeBackend


@pytest.fixture
def backend(tmp_path, monkeypatch):
    """A fake backend with one installed model; the logic of every module gets it."""
    writeModel(tmp_path / "models" / "ChestBiplanar", "Chest, two views")
    monkeypatch.setenv("CTGAN_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("CTGAN_RUNS", str(tmp_path / "runs ü"))
    monkeypatch.setattr("CTGANReconstructLib.models.sharedResource", lambda name: tmp_path / "shipped")
    fake = FakeBackend("good", tmp_path)
    monkeypatch.setattr("CTGANReconstructLib.backend.CTGANLibBackend", lambda: fake)
    return fake
