"""Models as MONAI-bundle folders: ``configs/metadata.json``, ``configs/inference.json``, ``models/model.pt``.

A bundle is data. Weights load with ``weights_only=True``; of ``inference.json`` only the plain numbers of
``network_def`` are read, for the network of the bundle's task; nothing in it is evaluated.
"""

import hashlib
import json
import os
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..errors import UserError
from ..files import staged

_WEIGHTS, _METADATA, _INFERENCE = "models/model.pt", "configs/metadata.json", "configs/inference.json"
_BUNDLE_FILES = (_METADATA, _INFERENCE, _WEIGHTS, "docs/README.md", "LICENSE")
_LARGEST_BUNDLE = 2**31
_WHAT_A_MODEL_IS = "A model is a folder or zip that this program exported."


@dataclass(frozen=True)
class Model:
    """One bundle of the store.

    Attributes:
        folder: where it lies; its name is the model's name.
        metadata: the bundle's ``metadata.json``.
    """

    folder: Path
    metadata: dict

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def task(self) -> str:
        return self.metadata["ctgan"]["task"]

    def summary(self) -> dict:
        """What a list of models shows."""
        return {
            "name": self.name,
            "task": self.task,
            "title": self.metadata["name"],
            "license": self.metadata["ctgan"]["license"],
            "size_mb": round((self.folder / _WEIGHTS).stat().st_size / 1e6, 1),
            "path": str(self.folder),
        }

    def load(self, task: str, networks: dict) -> tuple:
        """The network with its weights.

        Args:
            task: what the caller needs the model for.
            networks: the network class of each name that ``network_def`` may give.

        Raises:
            UserError: the model is for another task, foreign, or damaged.
        """
        import torch

        if self.task != task:
            raise UserError(f"The model {self.name} is for {self.task}, not {task}.", "Choose another model.")
        self.verify()
        try:
            definition = json.loads((self.folder / _INFERENCE).read_text(encoding="utf-8"))["network_def"]
            network = networks[definition["_target_"].rsplit(".", 1)[-1]](
                **{name: tuple(int(n) for n in value) for name, value in definition.items() if name != "_target_"}
            )
            state = torch.load(self.folder / _WEIGHTS, weights_only=True, map_location="cpu")
            network.load_state_dict({name: value.float() for name, value in state.items()})
        except Exception as error:
            raise UserError(f"The model {self.name} cannot be loaded.", "It is of another version.") from error
        return network.eval()

    def verify(self) -> None:
        """Check the weights against the hash in the metadata.

        Raises:
            UserError: they differ, or the file is missing.
        """
        weights = self.folder / _WEIGHTS
        if not weights.is_file() or sha256(weights) != self.metadata["ctgan"]["sha256"]:
            raise UserError(f"The model {self.name} is damaged: its weights have changed.", "Import it again.")


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


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
    for root in model_folders():
        for metadata in sorted(root.glob(f"*/{_METADATA}")):
            try:
                model = open_bundle(metadata.parents[1])
            except UserError:
                continue
            found.setdefault(model.name, model)
    return [found[name] for name in sorted(found)]


def find_model(name: str) -> Model:
    """The model of that name in the store, or in that folder.

    Raises:
        UserError: there is none.
    """
    if Path(name).is_dir():
        return open_bundle(Path(name))
    models = list_models()
    for model in models:
        if model.name == name:
            return model
    known = ", ".join(model.name for model in models) or "none"
    raise UserError(f"There is no model {name}.", f"Choose one of these: {known}.")


def first_model(task: str) -> Model:
    """The first model of a task, by name.

    Raises:
        UserError: there is none.
    """
    for model in list_models():
        if model.task == task:
            return model
    raise UserError(f"There is no model for the task {task}.", "Import one, or install the extension again.")


def open_bundle(folder: Path) -> Model:
    """Read a bundle's metadata.

    Raises:
        UserError: the folder is not a bundle of this project.
    """
    try:
        metadata = json.loads((folder / _METADATA).read_text(encoding="utf-8"))
        entries = metadata["ctgan"]
        valid = all(isinstance(entries[key], str) for key in ("task", "license", "sha256")) and metadata["name"]
    except (OSError, ValueError, KeyError, TypeError):
        valid = False
    if not valid or not (folder / _WEIGHTS).is_file():
        raise UserError(f"{folder} is not a CTGAN model.", _WHAT_A_MODEL_IS)
    return Model(folder.resolve(), metadata)


def save_bundle(folder: Path, network, definition: dict, metadata: dict, card: str, license_text: str) -> Model:
    """Write a bundle; it appears complete or not at all.

    Args:
        folder: the bundle's place; its name becomes the model's name.
        network: its weights are stored in half precision.
        definition: ``network_def``: ``_target_`` and the arguments of the network.
        metadata: of MONAI's bundle format, with our entries under ``ctgan``; the hash is added here.
        card: the model card, Markdown.
        license_text: the license of the weights.
    """
    import torch

    with staged(folder) as temporary:
        for file in _BUNDLE_FILES:
            (temporary / file).parent.mkdir(parents=True, exist_ok=True)
        state = {name: value.detach().cpu().half() for name, value in network.state_dict().items()}
        torch.save(state, temporary / _WEIGHTS)
        metadata = {**metadata, "ctgan": {**metadata["ctgan"], "sha256": sha256(temporary / _WEIGHTS)}}
        (temporary / _METADATA).write_text(json.dumps(metadata, indent=2) + "\n", encoding="utf-8")
        (temporary / _INFERENCE).write_text(json.dumps({"network_def": definition}, indent=2) + "\n", encoding="utf-8")
        (temporary / "docs/README.md").write_text(card, encoding="utf-8")
        (temporary / "LICENSE").write_text(license_text, encoding="utf-8")
    return open_bundle(folder)


def export_model(model: Model, target: Path) -> None:
    """Copy a model to a zip file (by its ending) or to a folder."""
    with staged(target) as temporary:
        if target.suffix == ".zip":
            with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
                for file in _BUNDLE_FILES:
                    archive.write(model.folder / file, f"{model.name}/{file}")
        else:
            shutil.copytree(model.folder, temporary)


def import_model(source: Path) -> Model:
    """Bring a bundle, as a folder or zip, into the user's store.

    Raises:
        UserError: it is not a bundle, is damaged, would write outside its folder, or the name is taken.
    """
    name = source.stem if source.suffix == ".zip" else source.name
    target = user_folder() / name
    if target.exists():
        raise UserError(f"There is a model {name} already.", "Delete or rename it first.")
    if not source.exists():
        raise UserError(f"There is no file or folder {source}.", "Check the name.")
    with staged(target) as temporary:
        if source.is_dir():
            open_bundle(source)
            contents = {file: (source / file).read_bytes() for file in _BUNDLE_FILES if (source / file).is_file()}
        else:
            contents = _zip_contents(source)
        for file, content in contents.items():
            (temporary / file).parent.mkdir(parents=True, exist_ok=True)
            (temporary / file).write_bytes(content)
        open_bundle(temporary).verify()
    return open_bundle(target)


def _zip_contents(source: Path) -> dict[str, bytes]:
    """The bundle's own files of a zip, wherever its folder stands in it; other files are not read."""
    try:
        with zipfile.ZipFile(source) as archive:
            names = [PurePosixPath(name) for name in archive.namelist()]
            if any(name.is_absolute() or ".." in name.parts for name in names):
                raise UserError(f"{source} would write outside its folder.", "Do not trust this file.")
            if sum(info.file_size for info in archive.infolist()) > _LARGEST_BUNDLE:
                raise UserError(f"{source} unpacks to more than 2 GB.", "Do not trust this file.")
            root = next((name.parents[1] for name in names if name.match(_METADATA)), None)
            if root is None:
                raise UserError(f"{source} is not a CTGAN model.", _WHAT_A_MODEL_IS)
            return {file: archive.read(str(root / file)) for file in _BUNDLE_FILES if root / file in names}
    except (zipfile.BadZipFile, OSError) as error:
        raise UserError(f"{source} cannot be read as a zip file.", "It is damaged; download it again.") from error


def delete_model(model: Model) -> None:
    """Delete a model of the user's store.

    Raises:
        UserError: the model ships with the program.
    """
    if model.folder.parent != user_folder().resolve():
        raise UserError(f"The model {model.name} ships with CTGAN and stays.", "Only your own models can go.")
    shutil.rmtree(model.folder)
