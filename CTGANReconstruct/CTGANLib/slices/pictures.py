"""Radiographs of a folder as pictures that networks learn from."""

import hashlib
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from ..datasets.cases import DROP, TEST, Case, check_patients, with_roles
from ..datasets.find import table_of
from ..datasets.layouts import walk
from ..datasets.preparation import PreparedData
from ..datasets.tables import read_table
from ..errors import UserError
from ..events import Progress
from ..files import staged
from ..imaging.radiographs import read_radiograph
from .settings import SlicesSettings

_ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".dcm", "")
_VERSION = "1"


def prepare_pictures(
    settings: SlicesSettings, data: str | Path, cache: Path, progress: Progress, roles: tuple[str, ...]
) -> PreparedData:
    """Bring all radiographs of a folder, or of a table with the column ``path``, to squares of one size.

    Without a table each picture counts as a patient of its own, and a fifth of them becomes ``test``; where a patient
    has several, write a table with ``patient_key``. One test picture alone is left out, as nothing is scored by it.

    Raises:
        UserError: there is no radiograph, one patient has two roles, or the cache cannot be written.
    """
    cases = _find(Path(data))
    check_patients(cases)
    wanted = [case for case in cases if case.role in roles]
    left_out = {case.name: case.reason or "The table leaves it out." for case in cases if case.role == DROP}
    prepared = {}
    for number, case in enumerate(wanted, 1):
        folder = case.path.parent.name
        if settings.class_names and folder not in settings.class_names:
            left_out[case.name] = f"Its folder {folder} is none of the classes."
            continue
        try:
            prepared[case.name] = _prepare(case, settings, cache)
        except UserError as error:
            left_out[case.name] = error.message.replace(str(case.path), "It")
        progress(number / len(wanted), f"Read {case.name}")
    tested = [case.name for case in wanted if case.role == TEST and case.name in prepared]
    if len(tested) == 1:
        left_out[tested[0]] = "It is the only test picture, and scores take two or more."
        del prepared[tested[0]]
    if not prepared:
        reasons = " ".join(dict.fromkeys(left_out.values()))
        raise UserError(f"{data} holds no radiograph. {reasons}".strip(), "Put PNG, JPEG or DICOM files into it.")
    return PreparedData([case for case in wanted if case.name in prepared], left_out, prepared)


def square(picture: np.ndarray, size: int) -> np.ndarray:
    """A picture [rows, columns] as one of ``size`` by ``size`` within 0 and 1, float16, in true proportions.

    What was missing to a square is black; the darkest and brightest 0.1 % of the pixels are clipped.
    """
    low, high = np.percentile(picture, [0.1, 99.9])
    unit = torch.from_numpy(((picture - low) / max(high - low, 1e-6)).clip(0, 1).astype(np.float32))
    rows, columns = unit.shape
    side = max(rows, columns)
    top, left = (side - rows) // 2, (side - columns) // 2
    unit = F.pad(unit, (left, side - columns - left, top, side - rows - top))
    return F.interpolate(unit[None, None], (size, size), mode="bilinear", antialias=True)[0, 0].half().numpy()


def records(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Pictures [n, size, size] and numbers of classes [n] as one array of records."""
    array = np.empty(len(values), [("values", values.dtype, values.shape[1:]), ("label", np.int16)])
    array["values"], array["label"] = values, labels
    return array


def _find(data: Path) -> list[Case]:
    if not data.exists():
        raise UserError(f"There is no folder {data}.", "Choose the folder that holds the radiographs.")
    if table := table_of(data):
        return [case for case in read_table(table) if case.path.suffix.lower() in _ENDINGS]
    paths = [path for path in walk(data) if path.suffix.lower() in _ENDINGS]
    named = [(path.relative_to(data).as_posix(), path) for path in paths]
    return with_roles([Case(name, path, name, "train") for name, path in named], seed=0)


def _prepare(case: Case, settings: SlicesSettings, folder: Path) -> Path:
    label = settings.class_names.index(case.path.parent.name) if settings.class_names else 0
    try:
        content = case.path.read_bytes()
    except OSError as error:
        raise UserError(f"{case.path} cannot be read.", "Check the file.") from error
    key = hashlib.sha256(f"{_VERSION} {settings.size} {label} ".encode() + content).hexdigest()[:32]
    target = folder / f"{key}.npy"
    if not target.exists():
        picture = square(read_radiograph(case.path, None).array, settings.size)
        with staged(target) as temporary:
            np.save(temporary, records(picture[None], np.array([label])))
    return target
