"""What the CMakeLists.txt files ship, for the tests that look at it."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MODULES = ("CTGANReconstruct", "CTGANTrain")


def listedFiles(folder: str, *variables: str) -> list[str]:
    """The files in some of the lists of a folder's CMakeLists.txt, relative to the folder."""
    text = (ROOT / folder / "CMakeLists.txt").read_text(encoding="utf-8")
    names = []
    for variable in variables:
        (body,) = re.findall(rf"set\({variable}\n(.*?)\n\s*\)", text, re.DOTALL)
        names += body.replace("${MODULE_NAME}", folder).split()
    return names


def installedFiles() -> dict[str, Path]:
    """Where each shipped file lands in Slicer's qt-scripted-modules folder, and where it comes from."""
    files = {}
    for module in MODULES:
        for name in listedFiles(module, "MODULE_PYTHON_SCRIPTS", "MODULE_PYTHON_RESOURCES"):
            files[name] = ROOT / module / name
    for name in listedFiles("Resources", "CTGAN_RESOURCES"):
        files[f"Resources/{name}"] = ROOT / "Resources" / name
    return files
