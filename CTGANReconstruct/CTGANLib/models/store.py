"""The models that are at hand: those that ship, and the user's own."""

import math
import os
import shutil
import uuid
from pathlib import Path

from ..errors import UserError
from ..files import staged
from .bundle import BUNDLE_FILES, METADATA, Model, open_bundle
from .names import check_name, usable_name


def user_folder() -> Path:
    """Where imported and trained models are kept: ``$CTGAN_MODELS``, or ``~/.ctgan/models``."""
    return Path(os.environ.get("CTGAN_MODELS") or Path.home() / ".ctgan" / "models")


def model_folders() -> list[Path]:
    """The user's models first, then those that ship: in ``Resources/Models`` of the sources or of the installation."""
    package = Path(__file__).resolve().parents[1]
    return [user_folder(), package.parents[1] / "Resources" / "Models", package.parent / "Resources" / "Models"]


def list_models() -> list[Model]:
    """All models that can be read, by name; a name is listed once, the user's own before a shipped one."""
    found: dict[str, Model] = {}
    for folder in _folders():
        try:
            found.setdefault(folder.name, open_bundle(folder))
        except UserError:
            continue
    return [found[name] for name in sorted(found)]


def find_model(name: str) -> Model:
    """The model of that name in the store, or in that folder.

    Raises:
        UserError: there is none, or it is damaged.
    """
    models = list_models()
    for model in models:
        if model.name == name:
            return model
    if damaged := [folder for folder in _folders() if folder.name == name]:
        return open_bundle(damaged[0])
    if Path(name).is_dir():
        return open_bundle(Path(name))
    known = ", ".join(model.name for model in models) or "none"
    raise UserError(f"There is no model {name}.", f"Choose one of these: {known}.")


def first_model(task: str) -> Model:
    """The first model of a task, by name; one that ships before the user's own, so that those change no default.

    Raises:
        UserError: there is none.
    """
    for model in sorted(list_models(), key=is_own):
        if model.task == task:
            return model
    raise UserError(f"There is no model for the task {task}.", "Import one, or install the extension again.")


def is_own(model: Model) -> bool:
    """Whether the model lies in the user's store."""
    return model.folder.parent == user_folder().resolve()


def describe(model: Model) -> dict:
    """What a catalogue shows of a model.

    Returns:
        ``name``, ``task``, ``title``, ``license``, ``data`` (``n`` cases and their ``sources``), ``scores`` (a row a
        method), ``size_mb`` (of all weights), ``texture`` (whether it has such weights), ``snapshots`` (how many),
        ``path`` and ``own``: whether it can be renamed and deleted.
    """
    ours = model.metadata["ctgan"]
    data = {"n": len(ours.get("trained_on", ())), "sources": model.metadata.get("data_source", "")}
    return {
        "name": model.name,
        "task": model.task,
        "title": model.metadata["name"],
        "license": ours["license"],
        "data": data,
        "scores": [_plain(row) for row in ours.get("scores", ())],
        "size_mb": round(sum((model.folder / f"models/{n}.pt").stat().st_size for n in model.hashes) / 1e6, 1),
        "texture": model.has_texture,
        "snapshots": len(model.snapshots),
        "path": str(model.folder),
        "own": is_own(model),
    }


def adopt(bundle: Path, name: str) -> Model:
    """Put a copy of a finished bundle into the user's store.

    Args:
        bundle: its folder.
        name: made plain where it is not a file name, and free with a number behind it where it is taken.

    Raises:
        UserError: it is not a bundle, is damaged, or the store cannot be written.
    """
    open_bundle(bundle).verify()
    target = user_folder() / usable_name(name, taken_names())
    with staged(target) as temporary:
        copy_bundle(bundle, temporary)
    return open_bundle(target)


def copy_bundle(source: Path, target: Path) -> None:
    """Copy the files that make up a bundle, and no others."""
    for file in BUNDLE_FILES:
        if (source / file).is_file():
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / file, target / file)


def rename_model(model: Model, name: str) -> Model:
    """Give a model of the user's store another name.

    Raises:
        UserError: the model ships with the program, the name is taken or not a file name.
    """
    _check_own(model)
    check_free(name, taken_names() - {model.name})
    target = model.folder.with_name(name)
    try:
        model.folder.rename(target)
    except OSError as error:
        raise UserError(f"The model {model.name} cannot be renamed.", "Close what uses it.") from error
    return open_bundle(target)


def delete_model(model: Model) -> None:
    """Delete a model of the user's store.

    Raises:
        UserError: the model ships with the program.
    """
    _check_own(model)
    # First out of the list, then piece by piece, so that no half model is ever seen.
    leaving = model.folder.with_name(f".{uuid.uuid4().hex}")
    try:
        model.folder.rename(leaving)
    except OSError as error:
        raise UserError(f"The model {model.name} cannot be deleted.", "Close what uses it.") from error
    shutil.rmtree(leaving, ignore_errors=True)


def taken_names() -> set[str]:
    """The names of all folders of the store, those of damaged models among them."""
    return {folder.name for root in model_folders() if root.is_dir() for folder in root.iterdir()}


def check_free(name: str, taken: set[str]) -> None:
    """Check that a model may be called so and none is; names that differ by case alone are the same.

    Raises:
        UserError: it is not a file name, or taken.
    """
    check_name(name)
    if name.casefold() in {other.casefold() for other in taken}:
        raise UserError(f"There is a model {name} already.", "Choose another name, or delete or rename that model.")


def _folders() -> list[Path]:
    """Folders that should be models; hidden ones are being written or deleted."""
    found = [path.parents[1] for root in model_folders() for path in sorted(root.glob(f"*/{METADATA}"))]
    return [folder for folder in found if not folder.name.startswith(".")]


def _check_own(model: Model) -> None:
    if not is_own(model):
        raise UserError(f"The model {model.name} ships with CTGAN and stays.", "Only your own models can be changed.")


def _plain(row: dict) -> dict:
    """The names and numbers of a row of scores; whatever else a bundle holds there is passed over."""
    return {
        name: value
        for name, value in row.items()
        if isinstance(value, (str, int)) or (isinstance(value, float) and math.isfinite(value))
    }
