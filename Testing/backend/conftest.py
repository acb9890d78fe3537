"""Real data for the tests of the backend; without it they are skipped."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


def _folder(name: str) -> Path:
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"needs the project's real data in {folder}")
    return folder


@pytest.fixture
def shared_ct() -> Path:
    """Folder of real CTs."""
    return _folder("ct")


@pytest.fixture
def shared_cxr() -> Path:
    """Folder of real pairs of radiographs."""
    return _folder("cxr")
