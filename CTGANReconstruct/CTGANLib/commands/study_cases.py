"""Where the cases of a reader study come from: synthetic ones, and real ones that are prepared as they are."""

import importlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..datasets.cases import DROP
from ..datasets.find import find_cases
from ..datasets.layouts import find_volumes
from ..errors import UserError
from ..evaluation.blinding import Blinder, upright
from ..evaluation.reader_study import SLICES, VOLUMES
from ..events import Progress, silent
from ..imaging import masks
from ..imaging.geometry import Grid
from ..imaging.resampling import grid_part, resample_parallel
from ..imaging.standardize import find_body, without_table
from ..imaging.volumes import Volume, check_hu, read_any_volume, read_volume

if TYPE_CHECKING:
    from ..models.bundle import Model

ANY_ROLE = "all"
_TOLD = 3  # reasons why real cases are missing
_TRIM = 0.1  # share of the lungs' height that slices leave out at each end


@dataclass(frozen=True)
class Origin:
    """Synthetic cases of one source.

    Attributes:
        cases: where each came from, and the case.
        prepare: makes of a CT what real cases beside these are taken from: a volume, or a stack of slices.
    """

    cases: Iterable[tuple[str, Volume]]
    prepare: Callable[[Volume], Volume]


def of_model(model: "Model", kind: str, count: int, seed: int, device: str, progress: Progress = silent) -> Origin:
    """Cases that a model of the store makes; real ones are prepared as those that it has learned from.

    Raises:
        UserError: the model is damaged, or makes none of that kind.
    """
    if model.task not in ("pyramid", "slices") or (model.task, kind) == ("slices", VOLUMES):
        raise UserError(f"The model {model.name} makes no {kind} of CTs from noise.", "Choose another one.")
    room = importlib.import_module(f"..{model.task}.synthesize", __package__)
    maker = room.Synthesizer.from_model(model, device)
    if getattr(maker, "kind", "ct") != "ct":
        raise UserError(f"The model {model.name} makes radiographs.", "A reader study shows CTs: choose another model.")
    volumes = maker.volumes(count, seed, progress=progress)
    if model.task == "slices":
        stack = next(iter(volumes))
        cases = ((f"{model.name}, seed {seed}, slice {k}", plane(stack, k)) for k in range(len(stack.array)))
        return Origin(cases, _like_slices(model))
    named = ((f"{model.name}, seed {seed + number}", volume) for number, volume in enumerate(volumes))
    if kind == VOLUMES:
        return Origin(named, partial(_on_field, maker))
    random = np.random.default_rng(seed)
    cases = ((f"{name}, {told}", case) for name, volume in named for told, case in picked(middle(volume), 1, random))
    return Origin(cases, lambda volume: middle(_on_field(maker, volume)))


def of_folder(folder: Path, kind: str, count: int, seed: int) -> Origin:
    """Cases from the files of a folder, such as ``synthesize`` writes: volumes, or stacks of slices.

    Slices are taken where the lungs are; those of real CTs too.

    Raises:
        UserError: there are too few.
    """
    files = [case.path for case in find_volumes(folder) if case.role != DROP] if folder.is_dir() else []
    random = np.random.default_rng(seed)
    if not files or (kind == VOLUMES and len(files) < count):
        raise UserError(f"{folder} holds {len(files)} volumes, not {count}.", "Choose another folder, or fewer cases.")
    chosen = [files[place] for place in random.permutation(len(files))[:count]]
    like = _read(chosen[0]).grid
    return Origin(_of_files(chosen, kind, count, random), partial(_like_grid, like, kind))


def add_real(
    blinder: Blinder,
    data: Path,
    role: str,
    kind: str,
    count: int,
    seed: int,
    prepare: Callable[[Volume], Volume],
    progress: Progress = silent,
) -> dict[str, str]:
    """Add real cases of a data set to a study, of as many patients as there are.

    Returns:
        Names of cases that could not be used, and why.

    Raises:
        UserError: there are too few.
    """
    cases = [case for case in find_cases(data) if case.role != DROP and role in (case.role, ANY_ROLE)]
    random = np.random.default_rng(seed)
    cases = [cases[place] for place in random.permutation(len(cases))]
    each = -(-count // max(len(cases), 1)) if kind == SLICES else 1
    left_out: dict[str, str] = {}
    found: list[tuple[str, Volume]] = []
    for case in cases:
        if len(found) >= count:
            break
        progress(len(found) / count, f"Preparing {case.name}")
        try:
            volume = read_any_volume(case.path, case.slices)
            check_hu(volume.array, case.name)
            prepared = prepare(volume)
        except UserError as error:
            left_out[case.name] = error.message.replace(f"{case.path.parent}{os.sep}", "")
            continue
        some = picked(prepared, each, random) if kind == SLICES else [("volume", prepared)]
        found += [(f"{case.name}, {told}", one) for told, one in some]
    if len(found) < count:
        reasons = list(dict.fromkeys(left_out.values()))[:_TOLD]
        advice = [*reasons, "Choose another role or data set, or ask for fewer cases."]
        sentence = f"The data set has only {len(found)} real {kind} of the role {role}, not {count}."
        raise UserError(sentence, " ".join(advice))
    for source, volume in found[:count]:
        blinder.add(volume, source, synthetic=False)
    return left_out


def add_synthetic(blinder: Blinder, origins: list[Origin], count: int, progress: Progress = silent) -> None:
    """Add the synthetic cases of all sources to a study."""
    number = 0
    for origin in origins:
        for source, volume in origin.cases:
            blinder.add(volume, source, synthetic=True)
            number += 1
            progress(min(number / count, 1.0), f"Made synthetic case {number} of {count}")


def plane(volume: Volume, k: int) -> Volume:
    """One slice of an upright volume, as thick as its pixels are wide."""
    array, spacing = volume.array[k : k + 1], volume.grid.spacing
    return Volume(array, Grid.centered(array.shape, (spacing[0], spacing[1], spacing[0])))


def picked(stack: Volume, count: int, random: np.random.Generator) -> list[tuple[str, Volume]]:
    """Slices of a stack, one from each of as many parts, with what to call them."""
    parts = [some for some in np.array_split(np.arange(len(stack.array)), count) if len(some)]
    levels = [int(random.choice(some)) for some in parts]
    return [(f"slice {k}", plane(stack, k)) for k in levels]


def middle(volume: Volume) -> Volume:
    """The middle half of a volume's slices."""
    count = len(volume.array)
    box = (slice(count // 4, max(count - count // 4, count // 4 + 1)), slice(None), slice(None))
    return Volume(volume.array[box], grid_part(volume.grid, box))


def _like_slices(model: "Model") -> Callable[[Volume], Volume]:
    from ..slices.preparation import axial_slices
    from ..slices.settings import SlicesSettings

    known = {field.name for field in fields(SlicesSettings)}
    given = model.metadata["ctgan"].get("settings", {})
    settings = SlicesSettings(**{name: value for name, value in given.items() if name in known})
    return partial(axial_slices, settings=settings)


def _on_field(maker, volume: Volume) -> Volume:
    """A CT on the field of a pyramid, as far as it shows the body up and down."""
    from ..pyramid.preparation import body_box, on_field

    box = body_box(volume)  # of 1 mm
    spacing = maker.spacing
    field = tuple(round(n * s) for n, s in zip(maker.shape, spacing[::-1], strict=True))
    hu = on_field(box, field, maker.shape)[0, 0].round().short().numpy()
    shown = max(int(min(len(box) / spacing[2], len(hu))), 1)
    first = (len(hu) - shown) // 2
    array = hu[first : first + shown]
    return Volume(array, Grid.centered(array.shape, spacing))


def _like_grid(like: Grid, kind: str, volume: Volume) -> Volume:
    """A CT without table in the voxels of a grid and as wide, around its body; of slices only those of the lungs."""
    body, center = find_body(volume)
    height = float(like.spacing[2])
    if kind == SLICES:
        low, high = _lungs(volume, body)
        count = int((high - low) / height) + 1
    else:
        levels = masks.box(body.array)[0]
        low, high = (float(body.grid.to_ras([0, 0, k])[2]) for k in (levels.start, levels.stop - 1))
        count = min(max(int((high - low) / height), 1), like.shape[0])
    center = center[0], center[1], (low + high) / 2
    # A slice shows the mean of its thickness, which sampling in its middle alone would not.
    layers = max(round(height / min(like.spacing)), 1)
    thin = Grid.centered((count * layers, *like.shape[1:]), (*like.spacing[:2], height / layers), center)
    sampled = resample_parallel(without_table(volume, body), thin).array
    thick = sampled.reshape(count, layers, *like.shape[1:]).mean(axis=1)
    return Volume(np.rint(thick).astype(np.int16), Grid.centered(thick.shape, like.spacing, center))


def _lungs(volume: Volume, body: Volume) -> tuple[float, float]:
    """Lowest and highest S (mm) that slices are taken from."""
    from ..slices.preparation import lung_extent

    low, high = lung_extent(volume, body)
    return low + _TRIM * (high - low), high - _TRIM * (high - low)


def _of_files(
    files: list[Path], kind: str, count: int, random: np.random.Generator
) -> Iterator[tuple[str, Volume]]:
    """The volumes of files, or so many of their slices, as many of each."""
    left = count
    for number, file in enumerate(files):
        volume = _read(file)
        if kind == VOLUMES:
            yield file.name, volume
            continue
        wanted = -(-left // (len(files) - number))
        some = picked(_shown_lungs(volume), wanted, random)
        left -= len(some)
        yield from ((f"{file.name}, {told}", case) for told, case in some)
    if kind == SLICES and left > 0:
        raise UserError(f"These volumes have {count - left} slices, not {count}.", "Ask for fewer cases.")


def _shown_lungs(volume: Volume) -> Volume:
    """The slices of a volume that show the lungs; all where none does."""
    try:
        body, _ = find_body(volume)
    except UserError:
        return volume
    levels = volume.grid.to_ijk(np.array([[0, 0, height] for height in _lungs(volume, body)]))[:, 2]
    first, last = int(np.ceil(levels[0])), int(np.floor(levels[1]))
    if not 0 <= first < last < len(volume.array):
        return volume
    box = (slice(first, last + 1), slice(None), slice(None))
    return Volume(volume.array[box], grid_part(volume.grid, box))


def _read(file: Path) -> Volume:
    return upright(read_volume(file))
