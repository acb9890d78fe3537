"""Children of the tests that import CTGANLib."""

import os
from pathlib import Path


def environment() -> dict[str, str]:
    """The environment variables for a Python that finds CTGANLib."""
    return {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2] / "CTGANReconstruct")}
