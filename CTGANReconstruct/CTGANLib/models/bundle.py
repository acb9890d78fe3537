"""A model as a MONAI-bundle folder: ``configs/metadata.json``, ``configs/inference.json``, ``models/model.pt``.

Beside the main weights a bundle may hold further ones of the same network: ``models/texture.pt``, which learned against
a discriminator, and ``models/snapshot_1.pt`` and so on, the members of an ensemble. Each file holds only what differs
from the main weights. ``ctgan.further`` in the metadata gives the SHA-256 of each by its name, as ``ctgan.sha256``
gives that of the main ones.

A bundle is data. Weights load with ``weights_only=True``; of ``inference.json`` only the plain numbers of
``network_def`` are read, for the network of the bundle's task; nothing in it is evaluated.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from ..errors import UserError
from ..files import staged

TASKS = ("biplanar", "segmentation", "slices", "pyramid", "rendering")
"""What models can be for: a room of the package each."""
FORMAT = 1
"""Of our entries in the metadata. It grows when older programs can no longer read them."""

WEIGHTS, METADATA, INFERENCE = "models/model.pt", "configs/metadata.json", "configs/inference.json"
CARD = "docs/README.md"
MAIN, TEXTURE, MOST_SNAPSHOTS = "model", "texture", 9
FURTHER = (TEXTURE, *(f"snapshot_{number}" for number in range(1, MOST_SNAPSHOTS + 1)))
"""Names of the weights that a bundle may hold beside ``model``."""
NEEDED_FILES = (METADATA, INFERENCE, WEIGHTS)
BUNDLE_FILES = (*NEEDED_FILES, CARD, "LICENSE", *(f"models/{name}.pt" for name in FURTHER))
LARGEST_WEIGHTS, LARGEST_TEXT = 2**31, 2**24
"""Bytes of the weights, and of any other file."""

_ADVICE = "A model is a folder or zip that this program exported."


@dataclass(frozen=True)
class Model:
    """One bundle.

    Attributes:
        folder: where it lies; its name is the model's name.
        metadata: the bundle's ``metadata.json``, its entries checked by :func:`open_bundle`.
    """

    folder: Path
    metadata: dict

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def task(self) -> str:
        return self.metadata["ctgan"]["task"]

    @property
    def hashes(self) -> dict[str, str]:
        """The SHA-256 of all weights by their name: ``model``, and those of ``FURTHER`` that there are."""
        ours = self.metadata["ctgan"]
        return {MAIN: ours["sha256"], **{name: ours["further"][name] for name in FURTHER if name in _further(ours)}}

    @property
    def has_texture(self) -> bool:
        return TEXTURE in self.hashes

    @property
    def snapshots(self) -> list[str]:
        """The names of the ensemble's members beside the main weights."""
        return [name for name in self.hashes if name not in (MAIN, TEXTURE)]

    def load(self, task: str, networks: dict, name: str = MAIN):
        """The network with its weights.

        Args:
            task: what the caller needs the model for.
            networks: the network class of each name that ``network_def`` may give.
            name: of the weights, one of ``hashes``.

        Raises:
            UserError: the model is for another task, foreign, or damaged.
        """
        if self.task != task:
            raise UserError(f"The model {self.name} is for {self.task}, not {task}.", "Choose another model.")
        state = self.weights(name)
        try:
            definition = json.loads((self.folder / INFERENCE).read_text(encoding="utf-8"))["network_def"]
            network = networks[definition["_target_"].rsplit(".", 1)[-1]](
                **{key: tuple(int(n) for n in value) for key, value in definition.items() if key != "_target_"}
            )
            network.load_state_dict({key: value.float() for key, value in state.items()})
        except Exception as error:
            raise UserError(f"The model {self.name} cannot be loaded.", "It is of another version.") from error
        return network.eval()

    def weights(self, name: str = MAIN) -> dict:
        """The tensors by name, as they are stored, once the hash is checked.

        Raises:
            UserError: the file is damaged, or holds anything but tensors, such as code, which is not run.
        """
        return self._read(MAIN) if name == MAIN else {**self._read(MAIN), **self._read(name)}

    def _read(self, name: str) -> dict:
        import torch

        self._verify(name)
        try:
            state = torch.load(self.folder / f"models/{name}.pt", weights_only=True, map_location="cpu")
        except Exception as error:  # torch raises whatever a strange file leads to
            raise UserError(f"The weights of {self.name} cannot be read as plain numbers.", _ADVICE) from error
        if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
            raise UserError(f"The weights of {self.name} are not those of a network.", _ADVICE)
        return state

    def verify(self) -> None:
        """Check all weights against their hashes in the metadata.

        Raises:
            UserError: they differ, or a file is missing.
        """
        for name in self.hashes:
            self._verify(name)

    def check(self) -> None:
        """Check that all weights are undamaged, can be read, and are of one network.

        Raises:
            UserError: they are not.
        """
        shapes = {name: shapes_of(self.weights(name)) for name in self.hashes}
        for name, found in shapes.items():
            if found != shapes[MAIN]:
                raise UserError(f"The model {self.name} holds {name} weights of another network.", _ADVICE)

    def _verify(self, name: str) -> None:
        weights = self.folder / f"models/{name}.pt"
        if not weights.is_file() or sha256(weights) != self.hashes[name]:
            which = "weights" if name == MAIN else f"{name} weights"
            raise UserError(f"The model {self.name} is damaged: its {which} have changed.", "Import it again.")


def shapes_of(state: dict) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor by its name."""
    return {name: tuple(value.shape) for name, value in state.items()}


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def open_bundle(folder: Path) -> Model:
    """Read a bundle's metadata.

    Raises:
        UserError: the folder is not a bundle of this project, or of a newer version; the message says why.
    """
    missing = [file for file in NEEDED_FILES if not (folder / file).is_file()]
    if missing:
        raise UserError(f"{folder} is not a CTGAN model: it has no {missing[0]}.", _ADVICE)
    try:
        metadata = _json_object(folder / METADATA)
        reason = _fault(metadata) or ("" if _json_object(folder / INFERENCE) else f"its {INFERENCE} is empty")
    except (OSError, ValueError, RecursionError):  # not UTF-8, not JSON, or nested without end
        reason = "its metadata cannot be read"
    if reason:
        raise UserError(f"{folder} is not a CTGAN model: {reason}.", _ADVICE)
    if metadata["ctgan"].get("format", FORMAT) > FORMAT:
        raise UserError(f"{folder} was made by a newer version of CTGAN.", "Update the extension.")
    model = Model(folder.resolve(), metadata)
    for name in FURTHER:
        if (folder / f"models/{name}.pt").is_file() != (name in model.hashes):
            fault = "it has no" if name in model.hashes else "its metadata gives no SHA-256 of"
            raise UserError(f"{folder} is not a CTGAN model: {fault} models/{name}.pt.", _ADVICE)
    return model


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
        for file in BUNDLE_FILES:
            (temporary / file).parent.mkdir(parents=True, exist_ok=True)
        state = {name: value.detach().cpu().half() for name, value in network.state_dict().items()}
        torch.save(state, temporary / WEIGHTS)
        ours = {**metadata["ctgan"], "format": FORMAT, "sha256": sha256(temporary / WEIGHTS)}
        entries = {**metadata, "ctgan": ours}
        (temporary / METADATA).write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")
        (temporary / INFERENCE).write_text(json.dumps({"network_def": definition}, indent=2) + "\n", encoding="utf-8")
        (temporary / CARD).write_text(card, encoding="utf-8")
        (temporary / "LICENSE").write_text(license_text, encoding="utf-8")
    return open_bundle(folder)


def _json_object(path: Path) -> dict:
    if path.stat().st_size > LARGEST_TEXT:
        raise ValueError(f"{path.name} is too large.")
    value = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(value, dict):
        raise ValueError(f"{path.name} is not an object.")
    return value


def _fault(metadata: dict) -> str:
    """What is wrong with a bundle's metadata; empty if nothing is."""
    if "ctgan" not in metadata:
        return "it is a MONAI bundle of another program"
    ours = metadata["ctgan"]
    if not isinstance(ours, dict):
        return "its entry ctgan is not an object"
    for name, value in (("name", metadata.get("name")), *((name, ours.get(name)) for name in ("task", "license"))):
        if not isinstance(value, str) or not value.strip():
            return f"its metadata gives no {name}"
    if not _is_sha256(ours.get("sha256")):
        return "its metadata gives no SHA-256 of the weights"
    if not isinstance(_further(ours), dict) or not all(map(_is_sha256, _further(ours).values())):
        return "its metadata gives no SHA-256 of further weights"
    if unknown := [name for name in _further(ours) if name not in FURTHER]:
        return f"it holds unknown weights {unknown[0]!r}"
    kinds = {
        "format": isinstance(ours.get("format", FORMAT), int),
        "trained_on": _is_list_of(str, ours.get("trained_on", [])),
        "settings": isinstance(ours.get("settings", {}), dict),
        "scores": _is_list_of(dict, ours.get("scores", [])),
        "data_source": isinstance(metadata.get("data_source", ""), str),
    }
    wrong = [name for name, right in kinds.items() if not right]
    return f"its metadata's {wrong[0]} is of a wrong type" if wrong else ""


def _further(ours: dict):
    return ours.get("further", {})


def _is_sha256(value: object) -> bool:
    return isinstance(value, str) and bool(re.fullmatch("[0-9a-f]{64}", value))


def _is_list_of(kind: type, value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) for item in value)
