"""What input that is not ideal costs: radiographs simulated from CTs of test patients, spoiled in one way at a time.

Each row is a way of spoiling, scored against the true CT: ``psnr_true`` in dB; the same after the result was moved by
up to 20 mm to fit best, since where the place of the patient is not told it cannot be right; the same of the refined
result; the Dice overlap of the lungs after that move; and the NCC of re-projections and input. All but
``psnr_refined`` are of the result before refinement. In brackets: the mean change from the plain input with its 95 %
interval over the patients. ``checked`` are films without tags that went through ``biplanar.suitability``, which
``unchecked`` did not.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import environment

DATA = environment.REPOSITORY.parent / "shared" / "data" / "ct"
PLAIN = "plain"
REACH = 8  # voxels


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there")
    parser.add_argument("--data", type=Path, metavar="FOLDER", default=DATA, help="CTs; those of role test are used")
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="keep prepared CTs there")
    parser.add_argument("--model", metavar="NAME", help="a model of the store, or its folder; default: the first")
    arguments = parser.parse_args()
    if Path(sys.prefix) != environment.folder():
        given = {name: value for name, value in vars(arguments).items() if value}
        parts = [f"--{name}={value.resolve() if isinstance(value, Path) else value}" for name, value in given.items()]
        return environment.run([str(Path(__file__).resolve()), *parts])
    from CTGANLib.biplanar.reconstruct import Reconstructor
    from CTGANLib.datasets.preparation import prepare_data
    from CTGANLib.models.store import find_model, first_model

    model = find_model(arguments.model) if arguments.model else first_model("biplanar")
    reconstructors = [Reconstructor.from_model(model, refine=refine) for refine in (False, True)]
    with tempfile.TemporaryDirectory() as folder:
        prepared = prepare_data(arguments.data, arguments.cache or Path(folder), roles=("test",))
        rows = []
        for name, path in prepared.files("test").items():
            rows += score_patient(name, path, *reconstructors)
            print(f"scored {name}", file=sys.stderr, flush=True)
    show(rows)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))
    return 0


def score_patient(name: str, path: Path, direct, refining) -> list[dict]:
    """A row for each way of spoiling."""
    import numpy as np

    from CTGANLib.evaluation.metrics import psnr_true
    from CTGANLib.imaging.geometry import Grid
    from CTGANLib.imaging.standardize import FIELD_SIZE, STANDARD_SIZE, STANDARD_SPACING, standard_cube
    from CTGANLib.imaging.volumes import Volume
    from CTGANLib.segmentation.segment import segment

    field = Volume(np.load(path), Grid.centered((FIELD_SIZE,) * 3, STANDARD_SPACING))
    truth = Volume(standard_cube(field.array), Grid.centered((STANDARD_SIZE,) * 3, STANDARD_SPACING))
    labels = segment(truth)
    rows = []
    for condition, make in CONDITIONS.items():
        pair = make(field, direct.mean_hu)
        row = {"case": name, "condition": condition, **scores(direct(*pair), truth.array, labels)}
        refined = refining(*pair).volume.array
        row["psnr_refined"] = psnr_true(moved_to_fit(refined, truth.array), truth.array)
        rows.append(row)
    return rows


def scores(result, truth, labels) -> dict[str, float]:
    """Of a reconstruction against the true HU and their label map."""
    from CTGANLib.errors import UserError
    from CTGANLib.evaluation.metrics import dice, psnr_true
    from CTGANLib.imaging.volumes import Volume
    from CTGANLib.segmentation.labels import LEFT_LUNG, RIGHT_LUNG
    from CTGANLib.segmentation.segment import segment, structure

    moved = moved_to_fit(result.volume.array, truth)
    overlap = 0.0
    try:
        found = segment(Volume(moved, result.volume.grid))
        overlap = sum(dice(structure(found, lung), structure(labels, lung)) for lung in (RIGHT_LUNG, LEFT_LUNG)) / 2
    except UserError:  # no body in the result
        pass
    return {
        "psnr_true": psnr_true(result.volume.array, truth),
        "psnr_moved": psnr_true(moved, truth),
        "lung_dice": overlap,
        "ncc": sum(errors["ncc"] for errors in result.consistency) / 2,
    }


def moved_to_fit(hu, truth):
    """A volume moved by whole voxels to where it correlates best with another; its border goes on."""
    import numpy as np
    import torch

    whole, part = (torch.fft.rfftn(torch.from_numpy(one.astype(np.float32)) + 1024.0) for one in (truth, hu))
    product = torch.fft.irfftn(whole * part.conj(), truth.shape).numpy()
    near = np.arange(-REACH, REACH + 1)
    place = np.unravel_index(product[np.ix_(near, near, near)].argmax(), (len(near),) * 3)
    for axis, step in enumerate(near[list(place)]):
        hu = np.take(hu, (np.arange(hu.shape[axis]) - step).clip(0, hu.shape[axis] - 1), axis=axis)
    return hu


def taken(field, view="PA", angles=(0.0, 0.0), scale=1.0):
    """A radiograph of line integrals.

    Args:
        angles: by which the C-arm is turned and tilted from the view, degrees.
        scale: of the distance from source to detector.
    """
    from CTGANLib.imaging.geometry import Acquisition, View, c_arm_rotation
    from CTGANLib.imaging.projection import project

    distance = scale * Acquisition.source_to_detector_distance
    to_patient = distance - (Acquisition.source_to_detector_distance - Acquisition.source_to_isocenter_distance)
    return project(field, Acquisition(View(view), distance, to_patient, rotation=c_arm_rotation(*angles)))


def told(radiograph, view):
    """The same picture, believed to be taken as usual."""
    from CTGANLib.imaging.geometry import Acquisition, View

    return replace(radiograph, acquisition=Acquisition(View(view)))


def both(field, change=lambda radiograph, view: radiograph, **lateral):
    """The usual pair; ``lateral`` goes to the lateral's :func:`taken`, ``change`` is applied to it after."""
    return taken(field), change(taken(field, "LLAT", **lateral), "LLAT")


def far(field, scale):
    return tuple(told(taken(field, view, scale=scale), view) for view in ("PA", "LLAT"))


def breathed(field):
    """A lateral taken after the diaphragm sank by 15 mm, the chest above it stretching evenly."""
    import numpy as np

    from CTGANLib.imaging.standardize import STANDARD_SPACING
    from CTGANLib.imaging.volumes import Volume

    size = len(field.array)
    height = (np.arange(size) - size / 2) * STANDARD_SPACING
    # From 100 mm below the middle of the thorax, where the diaphragm is, to 100 mm above it.
    source = np.arange(size) + 15.0 / STANDARD_SPACING * ((100 - height) / 200).clip(0, 1)
    low = source.astype(int).clip(0, size - 2)
    share = (source - low).clip(0, 1)[:, None, None]
    array = field.array[low] * (1 - share) + field.array[low + 1] * share
    return taken(field), taken(Volume(array.astype(np.float32), field.grid), "LLAT")


def film_pair(field, spoil=lambda array: array):
    """The usual pair as 8 bit films without tags, after ``spoil``."""
    import numpy as np

    from CTGANLib.imaging.film import film
    from CTGANLib.imaging.geometry import Acquisition, View
    from CTGANLib.imaging.pictures import CHEST_DETECTOR
    from CTGANLib.imaging.radiographs import Radiograph

    pair = []
    for view in ("PA", "LLAT"):
        array = np.rint(spoil(film(taken(field, view).array)) * 255).astype(np.float32) / 255
        spacing = CHEST_DETECTOR / max(array.shape)  # what a reader takes it for
        acquisition = Acquisition(View(view), detector_shape=array.shape, pixel_spacing=(spacing, spacing))
        pair.append(Radiograph(array, acquisition, "film"))
    return tuple(pair)


def with_spacing(pair):
    """The same films with the spacing of their pixels told."""
    from CTGANLib.imaging.geometry import Acquisition

    spacing = Acquisition().pixel_spacing
    return tuple(
        replace(one, acquisition=replace(one.acquisition, pixel_spacing=spacing), spacing_is_certain=True)
        for one in pair
    )


def checked(pair, mean_hu):
    from CTGANLib.biplanar.suitability import make_suitable

    suitable = make_suitable(*pair, mean_hu)
    return suitable.pa, suitable.lateral


def without(field, mean_hu, view):
    """One view only: the other one is that of the mean patient."""
    from CTGANLib.imaging.geometry import Grid
    from CTGANLib.imaging.standardize import STANDARD_SIZE, STANDARD_SPACING
    from CTGANLib.imaging.volumes import Volume

    mean = Volume(mean_hu, Grid.centered((STANDARD_SIZE,) * 3, STANDARD_SPACING))
    return tuple(taken(mean if view == one else field, one) for one in ("PA", "LLAT"))


def inverted(array):
    return 1 - array


def cropped(array):
    rows, columns = (round(0.1 * size) for size in array.shape)
    return array[rows // 2 : -rows, columns : -columns // 2]


def labeled(array):
    """Letters, and blades that are closed over the upper and left border."""
    from CTGANLib.imaging.geometry import Acquisition
    from CTGANLib.imaging.orientation import with_markers

    array = array.copy()
    rows, columns = (round(0.08 * size) for size in array.shape)
    array[:rows], array[:, :columns] = 0, 0
    array[rows : rows + 80] = with_markers(array[rows : rows + 80], Acquisition())
    return array


CONDITIONS = {
    PLAIN: lambda field, mean: both(field),
    "views 80 degrees apart, told": lambda field, mean: both(field, angles=(-10.0, 0.0)),
    "views 80 degrees apart": lambda field, mean: both(field, told, angles=(-10.0, 0.0)),
    "views 100 degrees apart": lambda field, mean: both(field, told, angles=(10.0, 0.0)),
    "lateral tilted by 7 degrees, told": lambda field, mean: both(field, angles=(0.0, 7.0)),
    "lateral tilted by 7 degrees": lambda field, mean: both(field, told, angles=(0.0, 7.0)),
    "distances 20 % shorter": lambda field, mean: far(field, 0.8),
    "distances 20 % longer": lambda field, mean: far(field, 1.2),
    "a breath of 15 mm": lambda field, mean: breathed(field),
    "AP, told": lambda field, mean: (taken(field, "AP"), taken(field, "LLAT")),
    "AP, told as PA": lambda field, mean: (told(taken(field, "AP"), "PA"), taken(field, "LLAT")),
    "frontal only": lambda field, mean: without(field, mean, "LLAT"),
    "lateral only": lambda field, mean: without(field, mean, "PA"),
    "film 8 bit, unchecked": lambda field, mean: film_pair(field),
    "film 8 bit, checked": lambda field, mean: checked(film_pair(field), mean),
    "film 8 bit, spacing told, checked": lambda field, mean: checked(with_spacing(film_pair(field)), mean),
    "inverted, unchecked": lambda field, mean: film_pair(field, inverted),
    "inverted, checked": lambda field, mean: checked(film_pair(field, inverted), mean),
    "cropped, unchecked": lambda field, mean: film_pair(field, cropped),
    "cropped, checked": lambda field, mean: checked(film_pair(field, cropped), mean),
    "cropped, spacing told, checked": lambda field, mean: checked(with_spacing(film_pair(field, cropped)), mean),
    "labels and blades, unchecked": lambda field, mean: film_pair(field, labeled),
    "labels and blades, checked": lambda field, mean: checked(film_pair(field, labeled), mean),
}


def show(rows: list[dict]) -> None:
    """Print the mean of each way of spoiling, and its change from the plain input, which is added to the rows."""
    from CTGANLib.evaluation.scores import summarize

    names = ("psnr_true", "psnr_moved", "psnr_refined", "lung_dice", "ncc")
    plain = {row["case"]: row for row in rows if row["condition"] == PLAIN}
    for row in rows:
        row |= {f"{name}_change": row[name] - plain[row["case"]][name] for name in names}
    print(f"\n{len(plain)} patients\n{'input':36}" + "".join(f"{name:>24}" for name in names))
    for row in summarize(rows, "condition"):
        cells = [f"{row[n]:.2f} ({row[f'{n}_change']:+.2f} ± {row[f'{n}_change_ci95']:.2f})" for n in names]
        print(f"{row['condition']:36}" + "".join(f"{cell:>24}" for cell in cells))


if __name__ == "__main__":
    sys.exit(main())
