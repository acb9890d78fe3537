"""One bundle of several trainings of one network: further weights beside the main ones, with their provenance."""

import json
from pathlib import Path

import torch

from ..errors import UserError
from ..files import staged
from .bundle import CARD, FURTHER, INFERENCE, METADATA, TEXTURE, Model, open_bundle, sha256, shapes_of
from .names import check_name
from .store import copy_bundle

_ADVICE = "Combine models that were trained with the same generator."


def combine(model: Model, texture: Model | None, snapshots: list[Model], folder: Path) -> Model:
    """Write a bundle with the weights of a model and, beside them, the main weights of others.

    Args:
        model: gives main weights, scores and license, and whatever further weights it has already.
        texture: gives the texture weights.
        snapshots: give members of the ensemble, after those that the model has.
        folder: the new bundle's place; its name becomes the model's name.

    Raises:
        UserError: nothing is to be added, the models are damaged, of different tasks, networks or licenses, or the
            folder exists or cannot be written.
    """
    check_name(folder.name)
    if folder.exists():
        raise UserError(f"There is something at {folder} already.", "Choose a new folder.")
    added = _names(model, texture, snapshots)
    model.check()
    shapes, definition = shapes_of(model.weights()), (model.folder / INFERENCE).read_text(encoding="utf-8")
    for other in added.values():
        same = json.loads((other.folder / INFERENCE).read_text(encoding="utf-8")) == json.loads(definition)
        if other.task != model.task or not same or shapes_of(other.weights()) != shapes:
            raise UserError(f"{other.name} is of another network than {model.name}.", _ADVICE)
        if other.metadata["ctgan"]["license"] != model.metadata["ctgan"]["license"]:
            raise UserError(f"{other.name} has another license than {model.name}.", "Combine models of one license.")
    with staged(folder) as temporary:
        copy_bundle(model.folder, temporary)
        main = model.weights()
        for name, other in added.items():
            different = {key: value for key, value in other.weights().items() if not torch.equal(value, main[key])}
            torch.save(different, temporary / f"models/{name}.pt")
        hashes = {name: sha256(temporary / f"models/{name}.pt") for name in added}
        entries = json.dumps(_metadata(model, added, hashes), indent=2)
        (temporary / METADATA).write_text(entries + "\n", encoding="utf-8")
        card = temporary / CARD
        before = card.read_text(encoding="utf-8") if card.is_file() else f"# {model.metadata['name']}\n"
        card.write_text(before + _card(model, added), encoding="utf-8")
    return open_bundle(folder)


def _names(model: Model, texture: Model | None, snapshots: list[Model]) -> dict[str, Model]:
    """The models to add by the name of their weights."""
    free = [name for name in FURTHER if name != TEXTURE and name not in model.snapshots]
    if len(snapshots) > len(free):
        raise UserError(f"A model holds at most {len(FURTHER) - 1} snapshots.", "Give fewer.")
    added = dict(zip(free, snapshots, strict=False))
    if texture:
        added[TEXTURE] = texture
    if not added:
        raise UserError("There is nothing to combine.", "Give --texture or --snapshots.")
    return added


def _metadata(model: Model, added: dict[str, Model], hashes: dict[str, str]) -> dict:
    """The model's metadata, and of each part where it comes from; what any part has learned from counts for all."""
    ours = model.metadata["ctgan"]
    parts = {name: _provenance(other) for name, other in added.items()}
    learned = {case for part in (ours, *parts.values()) for case in part.get("trained_on", ())}
    sources = {
        source
        for part in (model, *added.values())
        for source in part.metadata.get("data_source", "").split("; ")
        if source
    }
    ours = {
        **ours,
        "trained_on": sorted(learned),
        "further": {**ours.get("further", {}), **hashes},
        "parts": {**ours.get("parts", {}), **parts},
    }
    return {**model.metadata, "data_source": "; ".join(sorted(sources)), "ctgan": ours}


def _provenance(model: Model) -> dict:
    ours = model.metadata["ctgan"]
    kept = ("trained_on", "hours", "device", "settings")
    return {"model": model.name, **{name: ours[name] for name in kept if name in ours}}


def _card(model: Model, added: dict[str, Model]) -> str:
    own = sorted(model.metadata["ctgan"].get("trained_on", ()))
    lines = []
    for name, other in added.items():
        ours = other.metadata["ctgan"]
        start = ours.get("settings", {}).get("start_from", "")
        learned = sorted(ours.get("trained_on", ()))
        patients = "the same patients" if learned == own else f"patients: {', '.join(learned) or 'not named'}"
        lines.append(
            f"- `models/{name}.pt`: the model {other.name}, {ours.get('settings', {}).get('steps', 'unknown')} steps, "
            f"{ours.get('hours', 'unknown')} hours on {ours.get('device', 'unknown')}"
            f"{f', begun from {Path(start).name}' if start else ''}, {patients}"
        )
    listed = "\n".join(lines)
    return f"""
## Further weights

Texture weights learned against a discriminator: what they add looks more real and is not more true. Snapshots are the
other members of the ensemble whose spread goes into the uncertainty.

{listed}
"""
