"""Paths, the rings that need the headless Slicer, and the fixture that gives a test an empty scene."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

TESTING = Path(__file__).resolve().parent
for folder in (TESTING, TESTING.parent / "CTGANReconstruct", TESTING.parent / "CTGANTrain"):
    sys.path.insert(0, str(folder))

HEADLESS_RINGS = ("slicer", "gui")


@cache
def _why_not_headless() -> str:
    """Starts the headless Slicer; says what is missing if it cannot start."""
    try:
        import harness  # noqa: F401
    except ImportError as error:
        return f"needs slicer-core and PySide6-Essentials, see Testing/harness/README.md: {error}"
    return ""


class SkippedModule(pytest.Module):
    """A test file that is skipped as a whole, without being imported."""

    def collect(self) -> list:
        """Skips, with the reason."""
        pytest.skip(_why_not_headless(), allow_module_level=True)


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """Skips the rings that need Slicer and Qt where these are missing."""
    if module_path.parent.name in HEADLESS_RINGS and _why_not_headless():
        return SkippedModule.from_parent(parent, path=module_path)
    return None


@pytest.fixture
def scene() -> Iterator[object]:
    """slicer.mrmlScene, emptied. An exception in a slot that the test did not see fails it at the end."""
    import slicer

    import harness

    harness.reset()
    yield slicer.mrmlScene
    try:
        harness.run_events()
    finally:
        harness.reset()
