"""Fonts for pictures of panels: Qt's offscreen platform has none of its own."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path


def provide() -> None:
    """Points Qt to the DejaVu fonts that come inside matplotlib, which VTK requires. Before QApplication."""
    spec = importlib.util.find_spec("matplotlib")
    if spec and "QT_QPA_FONTDIR" not in os.environ:
        os.environ["QT_QPA_FONTDIR"] = str(Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf")
