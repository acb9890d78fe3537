"""The program that does the computing: CTGANLib in a Python process of its own."""

import os
import shutil
import sys
from typing import Protocol

from .dependencies import installPackages, missingPackages
from .resources import codeFolder


class Backend(Protocol):
    """How the modules reach the computing program; tests put another one in its place."""

    def missingPackages(self) -> list[str]:
        """Names of Python packages that the program needs and does not have."""

    def installPackages(self) -> None:
        """Install them with the user's consent; raise RuntimeError when that is declined or fails."""

    def command(self, arguments: list[str]) -> list[str]:
        """The command line that runs one task."""

    def environment(self) -> dict[str, str]:
        """The environment variables for it."""


class CTGANLibBackend:
    """CTGANLib, run by Slicer's Python, or without Slicer by the running Python."""

    def missingPackages(self) -> list[str]:
        return missingPackages()

    def installPackages(self) -> None:
        installPackages()

    def command(self, arguments: list[str]) -> list[str]:
        python = shutil.which("PythonSlicer") or sys.executable
        return [python, "-m", "CTGANLib", *arguments, "--events"]

    def environment(self) -> dict[str, str]:
        paths = [str(codeFolder()), os.environ.get("PYTHONPATH", "")]
        return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "PYTHONUTF8": "1"}
