"""The logic of CTGANReconstruct with a fake backend, for the tests of its scripting API."""

import pytest


@pytest.fixture
def backend(tmp_path):
    from fake_backend import FakeBackend

    return FakeBackend("good", tmp_path)


@pytest.fixture
def logic(scene, backend):
    import harness

    return harness.load_module("CTGANReconstruct/CTGANReconstruct.py", widget=False).python.CTGANReconstructLogic(
        backend
    )
