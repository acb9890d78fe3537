"""A data set of nodules from CTs and a list of annotations: label maps beside the CTs, or patches around nodules."""

import os
from dataclasses import replace
from pathlib import Path

from ..errors import UserError
from ..events import Progress, silent
from ..files import staged
from ..imaging.images import read_tags
from ..imaging.volumes import Volume, check_hu, read_any_volume, write_volume
from .cases import ROLES, Case
from .find import find_cases
from .layouts import stem
from .nodules import Nodule, inside, patches, read_annotations, spheres
from .tables import write_table

ENDING = "_nodules.nii.gz"
"""Of the label maps' names, after that of the CT."""


def make_nodule_set(
    data: Path, annotations: Path, out: Path, as_patches: bool = False, progress: Progress = silent
) -> dict[str, int]:
    """Write CTs with their nodules as label maps into a folder that is a data set of its own.

    A CT is named in the list by its file name without ending, or by its SeriesInstanceUID. Those that it does not name
    have no nodules, as in LUNA16: they get an empty label map, and no patches. Roles and patients are kept.

    Args:
        data: a folder of CTs or a table.
        annotations: a list of nodules (see ``nodules``).
        out: a new or empty folder.
        as_patches: write patches of 16×96×96 mm around the nodules instead of whole CTs.
        progress: is told of each CT.

    Returns:
        The number of nodules inside each case.

    Raises:
        UserError: the list or the data set cannot be used, no CT is named in the list, no nodule lies inside its CT,
            or the folder is not empty.
    """
    nodules = read_annotations(annotations)
    cases = [case for case in find_cases(data) if case.role in ROLES]
    found = {case.name: _of(case, nodules) for case in cases}
    if not any(found.values()):
        raise UserError(
            f"{annotations} names no CT of this data set.",
            "Its seriesuid is the name of a CT's file without ending, or the SeriesInstanceUID.",
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"There is something at {out} already.", "Choose a new folder.")
    written, counts = [], {}
    with staged(out) as temporary:
        temporary.mkdir()
        for number, case in enumerate(cases, 1):
            ct = read_any_volume(case.path, case.slices)
            check_hu(ct.array, case.name)
            counts[case.name] = len(inside(ct.grid, found[case.name]))
            if as_patches:
                written += _write_patches(case, ct, found[case.name], temporary)
            else:
                written.append(_write_whole(case, ct, found[case.name], temporary))
            progress(number / len(cases), f"Wrote {case.name}")
        if not any(counts.values()):
            raise UserError(f"No nodule of {annotations} lies inside its CT.", "Its coordinates are mm in LPS.")
        write_table(temporary / "MANIFEST.tsv", written, [{}] * len(written))
    return counts


def _of(case: Case, nodules: dict[str, list[Nodule]]) -> list[Nodule]:
    names = [case.name, stem(case.path)]
    if case.slices:
        names.append(str(read_tags(case.path / case.slices[0]).get("SeriesInstanceUID", "")))
    return next((nodules[name] for name in names if name in nodules), [])


def _write_whole(case: Case, ct: Volume, nodules: list[Nodule], folder: Path) -> Case:
    path = folder / f"{case.name}.nii.gz"
    if case.path.is_file() and case.path.name == path.name:
        _link(case.path, path)
    else:
        write_volume(ct, path)
    write_volume(spheres(ct.grid, nodules), folder / f"{case.name}{ENDING}")
    return replace(case, path=path, series="", slices=())


def _write_patches(case: Case, ct: Volume, nodules: list[Nodule], folder: Path) -> list[Case]:
    written = []
    for number, (hu, mask) in enumerate(patches(ct, nodules), 1):
        name = f"{case.name}_nodule{number}"
        write_volume(hu, folder / f"{name}.nii.gz")
        write_volume(mask, folder / f"{name}{ENDING}")
        written.append(replace(case, name=name, path=folder / f"{name}.nii.gz", series="", slices=()))
    return written


def _link(source: Path, target: Path) -> None:
    """A second name for a file where the disk can, else a copy."""
    try:
        os.link(source, target)
    except OSError:
        target.write_bytes(source.read_bytes())
