"""Where the files are that ship with the extension and belong to no one module."""

from pathlib import Path

_CODE_FOLDER = Path(__file__).resolve().parents[1]


def codeFolder() -> Path:
    """The folder that holds the CTGANLib package."""
    return _CODE_FOLDER


def sharedResource(name: str) -> Path:
    """A file or folder of the repository's ``Resources``.

    Modules are installed flat into one folder, ``Resources`` beside them; in the source tree it is one level higher.
    """
    installed = _CODE_FOLDER / "Resources" / name
    return installed if installed.exists() else _CODE_FOLDER.parent / "Resources" / name
