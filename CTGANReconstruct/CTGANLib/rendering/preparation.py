"""From volumes, or from pictures that are rendered already, to what a picture generator learns from."""

import re
from pathlib import Path

from ..datasets.cases import DROP, ROLES, TRAIN, Case
from ..datasets.find import find_cases, table_of
from ..datasets.preparation import PreparedData
from ..errors import UserError
from ..events import Progress, part, silent
from .pictures import picture_cases, point_to, render_case
from .recipe import RenderingSettings
from .shots import Shot, random_shots, read_shots


def prepare_pictures(
    settings: RenderingSettings,
    data: str | Path,
    cache: str | Path,
    progress: Progress = silent,
    roles: tuple[str, ...] = ROLES,
) -> PreparedData:
    """The pictures of a data set: those of a folder that ``dataset render`` has made, or, of CTs, new ones in a cache.

    It goes on where it was stopped.

    Raises:
        UserError: there is neither a picture nor a CT, or the cache cannot be written.
    """
    found = list(picture_cases(Path(data))) if Path(data).is_dir() else []
    if not found:
        cases = [case for case in find_cases(data) if case.role in roles]
        shots = {case.name: random_shots(settings.pictures, settings.seed, case.name) for case in cases}
        files, left_out = render_cases(cases, shots, Path(cache), settings.size, progress)
        kept = [case for case in cases if case.name in files]
    else:
        files, left_out = {case.name: path for case, path in found}, {}
        kept = [case for case, _ in found if case.role in roles]
    return PreparedData(kept, left_out, {case.name: point_to(files[case.name], Path(cache)) for case in kept})


def volume_cases(paths: list[Path]) -> list[Case]:
    """The volumes of some files, DICOM folders and data sets; the roles of a data set's table hold, others train.

    Raises:
        UserError: there are none, or two have one name.
    """
    cases: list[Case] = []
    for path in paths:
        if table_of(path) is not None:
            cases += [case for case in find_cases(path) if case.role != DROP]
        else:
            name = re.sub(r"(\.nii|\.seg)?\.[A-Za-z]+(\.gz)?$", "", path.name)
            cases.append(Case(name, path, name, TRAIN))
    names = [case.name for case in cases]
    if len(set(names)) < len(names):
        raise UserError("Two of the volumes have the same name.", "Rename one of them.")
    return cases


def shots_of(cases: list[Case], count: int, seed: int, like: Path | None = None) -> dict[str, list[Shot]]:
    """So many pictures in all, spread evenly over volumes, by their names.

    Args:
        cases: the volumes.
        count: of pictures.
        seed: of what they show.
        like: a folder whose shots are taken, in turn, instead of random ones; see ``read_shots``.

    Raises:
        UserError: there are fewer pictures than volumes, or the folder holds fewer shots.
    """
    if count < len(cases):
        raise UserError(f"{count} pictures are too few for {len(cases)} volumes.", "Ask for one of each at least.")
    shares = [count // len(cases) + (n < count % len(cases)) for n in range(len(cases))]
    if like is None:
        pairs = zip(cases, shares, strict=True)
        return {case.name: random_shots(share, seed, case.name) for case, share in pairs}
    given = read_shots(like)
    if len(given) < count:
        raise UserError(f"{like} holds {len(given)} shots, fewer than {count}.", "Ask for fewer pictures.")
    return {case.name: given[n : count : len(cases)] for n, case in enumerate(cases)}


def render_cases(
    cases: list[Case], shots: dict[str, list[Shot]], folder: Path, size: int, progress: Progress = silent
) -> tuple[dict[str, Path], dict[str, str]]:
    """Render pictures of several volumes.

    Args:
        cases: the volumes.
        shots: of each by its name.
        folder: takes a folder for each.
        size: pixels of a side.
        progress: is told of each volume.

    Returns:
        Each volume's ``pictures.json`` by its name, and why the others were left out.
    """
    files, left_out = {}, {}
    for number, case in enumerate(cases):
        within = part(progress, number / len(cases), 1 / len(cases))
        within(0.0, case.name)
        place = folder / re.sub(r"[^\w.-]", "_", case.name)
        if not case.path.exists():
            raise UserError(f"There is no file or folder {case.path}.", "Check the name.")
        try:
            files[case.name] = render_case(case, shots[case.name], place, size, within)
        except UserError as error:
            if len(cases) == 1:
                raise
            left_out[case.name] = error.message
    if not files:
        raise UserError("No volume could be rendered.", " ".join(left_out.values()) or "Choose CTs.")
    return files, left_out
