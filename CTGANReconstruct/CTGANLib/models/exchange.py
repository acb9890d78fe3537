"""Models as folders and zips on their way in and out. Nothing of what comes in is trusted."""

import os
import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from ..errors import UserError
from ..files import staged
from .bundle import BUNDLE_FILES, LARGEST_TEXT, LARGEST_WEIGHTS, METADATA, TASKS, Model, open_bundle
from .store import check_free, copy_bundle, taken_names, user_folder

_DISTRUST = "Do not trust this file."


def export_model(model: Model, target: Path) -> None:
    """Copy a model to a zip file (by its ending) or to a folder.

    Raises:
        UserError: the model is damaged, or the place cannot be written or holds something else.
    """
    model.verify()
    if target.suffix.lower() != ".zip" and target.exists():
        raise UserError(f"There is something at {target} already.", "Choose a new folder, or a name ending in .zip.")
    with staged(target) as temporary:
        if target.suffix.lower() == ".zip":
            with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
                for file in BUNDLE_FILES:
                    if (model.folder / file).is_file():
                        archive.write(model.folder / file, f"{model.name}/{file}")
        else:
            copy_bundle(model.folder, temporary)


def import_model(source: Path) -> Model:
    """Bring a bundle, as a folder or zip, into the user's store; the file or folder gives its name.

    Raises:
        UserError: it is not a bundle, is damaged, for an unknown task, of a newer version, would write outside its
            folder, holds links or more than weights, or its name is taken or not a file name.
    """
    path = Path(os.path.abspath(source))
    name = path.stem if path.suffix.lower() == ".zip" else path.name
    if not path.exists():
        raise UserError(f"There is no file or folder {source}.", "Check the name.")
    check_free(name, taken_names())
    target = user_folder() / name
    with staged(target) as temporary:
        if path.is_dir():
            open_bundle(path)
            _check_folder(path)
            copy_bundle(path, temporary)
        else:
            _unpack(path, temporary)
        _check(temporary, source)
    return open_bundle(target)


def _check(folder: Path, source: Path) -> None:
    """Check what was brought in, naming the place that the user knows."""
    try:
        model = open_bundle(folder)
        if model.task not in TASKS:
            raise UserError(
                f"{folder} is a model for {model.task!r}, which this version cannot do.", "Update the extension."
            )
        model.check()
    except UserError as error:
        message = error.message.replace(str(folder), str(source)).replace(folder.name, source.name)
        raise UserError(message, error.advice) from error


def _check_folder(folder: Path) -> None:
    """Check that a bundle's files are files of the folder itself, of a size that models have."""
    for file in BUNDLE_FILES:
        steps = [folder.joinpath(*PurePosixPath(file).parts[: n + 1]) for n in range(len(PurePosixPath(file).parts))]
        if any(step.is_symlink() for step in steps):
            raise UserError(f"{folder} holds a link in place of {file}.", "Import the folder that holds the files.")
        if steps[-1].is_file() and steps[-1].stat().st_size > _largest(steps[-1]):
            raise UserError(f"{steps[-1]} is larger than any model's.", _DISTRUST)


def _unpack(source: Path, target: Path) -> None:
    """Write the bundle's own files of a zip, wherever its folder stands in it; other files are not read."""
    try:
        with _opened(source) as archive:
            entries = _entries(archive, source)
            roots = [name.removesuffix(METADATA) for name in entries if f"/{name}".endswith(f"/{METADATA}")]
            if len(roots) != 1:
                raise UserError(
                    f"{source} is not a CTGAN model: it holds {len(roots)} files {METADATA}.",
                    "A model is a folder or zip that this program exported.",
                )
            for file in BUNDLE_FILES:
                if roots[0] + file in entries:
                    _extract(archive, entries[roots[0] + file], target / file, source)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        # An encrypted zip is a RuntimeError, an unknown compression a NotImplementedError.
        raise UserError(f"{source} cannot be read as a zip file.", "It is damaged; download it again.") from error


def _opened(source: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(source)
    except OSError as error:
        raise zipfile.BadZipFile from error


def _entries(archive: zipfile.ZipFile, source: Path) -> dict[str, zipfile.ZipInfo]:
    """The files of a zip by name, once no name can be taken for another or leads out of the folder."""
    entries, seen = {}, set()
    for info in archive.infolist():
        name = info.orig_filename
        parts = PurePosixPath(name).parts
        if name.startswith("/") or "\\" in name or ":" in name or "\0" in name or ".." in parts:
            raise UserError(f"{source} would write outside its folder.", _DISTRUST)
        if stat.S_ISLNK(info.external_attr >> 16):
            raise UserError(f"{source} holds a link.", _DISTRUST)
        plain = str(PurePosixPath(name)).casefold()
        if plain in seen:
            raise UserError(f"{source} holds two files of one name.", _DISTRUST)
        seen.add(plain)
        if not info.is_dir():
            entries[name] = info
    return entries


def _extract(archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, source: Path) -> None:
    if info.file_size > _largest(target):  # zipfile unpacks no more than this says
        raise UserError(f"{source} unpacks to more than any model.", _DISTRUST)
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(info) as packed, target.open("wb") as file:
        shutil.copyfileobj(packed, file, 2**20)


def _largest(file: Path) -> int:
    return LARGEST_WEIGHTS if file.match("models/*.pt") else LARGEST_TEXT
