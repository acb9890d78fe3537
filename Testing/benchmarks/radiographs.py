"""Real pairs of radiographs, of which no CT is known: what is found in them, and whether the CT explains them.

``plain`` takes the files as they are, ``suitable`` after the checks and corrections of ``biplanar.suitability``,
``refined`` also fits the CT to the radiographs. NCC and NRMSE compare the re-projection with the input of that run, of
both views. ``--sheet`` draws for each pair the corrected inputs, the re-projections, and the middle coronal and
sagittal slices. ``--confusion`` instead spoils each pair in known ways and counts what the check says to it.
"""

import argparse
import json
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import environment

DATA = environment.REPOSITORY.parent / "shared" / "data" / "cxr"
ENDINGS = ("_pa.png", "_lat.png")
TILE = 192


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there")
    parser.add_argument("--data", type=Path, metavar="FOLDER", default=DATA, help="pairs named X_pa.png and X_lat.png")
    parser.add_argument("--model", metavar="NAME", help="a model of the store, or its folder; default: the first")
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="draw all pairs there, PNG or JPEG")
    parser.add_argument("--confusion", action="store_true", help="count what the check says to spoiled pairs")
    arguments = parser.parse_args()
    if not environment.entered():
        return environment.restart()
    from CTGANLib.biplanar.reconstruct import Reconstructor
    from CTGANLib.models.store import find_model, first_model

    model = find_model(arguments.model) if arguments.model else first_model("biplanar")
    direct, refining = (Reconstructor.from_model(model, refine=refine) for refine in (False, True))
    if arguments.confusion:
        rows = confusion(arguments.data, direct.mean_hu)
    else:
        rows = reconstruct_all(arguments.data, direct, refining, arguments.sheet)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))
    return 0


def pairs(data: Path):
    """Name, frontal and lateral radiograph of each pair."""
    from CTGANLib.imaging.geometry import View
    from CTGANLib.imaging.radiographs import read_radiograph

    for path in sorted(data.glob(f"*{ENDINGS[0]}")):
        name = path.name[: -len(ENDINGS[0])]
        yield name, read_radiograph(path, View.PA), read_radiograph(data / f"{name}{ENDINGS[1]}", View.LLAT)


def reconstruct_all(data: Path, direct, refining, sheet: Path | None) -> list[dict]:
    """A row for each pair and run; prints them and their means."""
    from CTGANLib.biplanar.suitability import make_suitable

    head = f"{'pair':22}{'run':10}{'NCC pa':>8}{'lateral':>8}{'NRMSE pa':>10}{'lateral':>8}"
    print(f"{head}{'lungs':>9}{'body':>8}  found")
    rows, pictures = [], []
    for name, pa, lateral in pairs(data):
        suitable = make_suitable(pa, lateral, direct.mean_hu)
        right = suitable.pa, suitable.lateral
        runs = {"plain": (direct, (pa, lateral)), "suitable": (direct, right), "refined": (refining, right)}
        for run, (reconstructor, radiographs) in runs.items():
            result = reconstructor(*radiographs)
            found = [found_in(finding) for finding in suitable.findings] if run == "suitable" else []
            rows.append({"pair": name, "run": run, **scores(result, radiographs), "found": found})
            print(table_line(rows[-1]), flush=True)
        pictures.append((name, [*result.inputs, *result.reprojections], result.volume.array, rows[-1]))
    for run in dict.fromkeys(row["run"] for row in rows):
        of_run = [row for row in rows if row["run"] == run]
        numbers = [key for key, value in of_run[0].items() if isinstance(value, float)]
        mean = {key: sum(row[key] for row in of_run) / len(of_run) for key in numbers}
        print(table_line({"pair": "mean", "run": run, **mean, "found": []}))
    if sheet:
        draw(pictures, sheet)
    return rows


def scores(result, radiographs) -> dict[str, float]:
    """Consistency of both views, as far as the pictures reach, and volumes in ml."""
    from CTGANLib.biplanar.radiographs import reach
    from CTGANLib.errors import UserError
    from CTGANLib.evaluation.metrics import reprojection_error
    from CTGANLib.segmentation.segment import segment, volumes_ml

    consistency = {}
    for number, view in enumerate(("pa", "lateral")):
        seen = reach(radiographs[number]) & within(result.volume.grid, result.inputs[number].acquisition)
        errors = reprojection_error(result.reprojections[number].array, result.inputs[number].array, seen)
        consistency |= {f"{metric}_{view}": value for metric, value in errors.items()}
    try:
        volumes = volumes_ml(segment(result.volume))
    except UserError:  # no body at all
        volumes = {}
    lungs = sum(volumes.get(lung, 0.0) for lung in ("Right lung", "Left lung"))
    return consistency | {"lungs_ml": lungs, "body_ml": volumes.get("Body", 0.0)}


def within(grid, acquisition):
    """Pixels whose rays cross the middle of the reconstructed cube, 15 mm within its borders."""
    import numpy as np

    half = grid.spacing[0] * grid.shape[0] / 2 - 15
    magnification = acquisition.source_to_detector_distance / acquisition.source_to_isocenter_distance
    sides = zip(acquisition.detector_shape, acquisition.pixel_spacing, strict=True)
    near = [np.abs(np.arange(count) - (count - 1) / 2) * spacing / magnification < half for count, spacing in sides]
    return np.logical_and.outer(*near)


def found_in(finding) -> str:
    """A finding in few words."""
    return finding.message.removeprefix("The ").replace(" radiograph", "").split(";")[0].strip(" .")


def table_line(row: dict) -> str:
    numbers = f"{row['ncc_pa']:>8.3f}{row['ncc_lateral']:>8.3f}{row['nrmse_pa']:>10.3f}{row['nrmse_lateral']:>8.3f}"
    volumes = f"{row['lungs_ml']:>6.0f} ml{row['body_ml'] / 1000:>6.1f} l"
    return f"{row['pair']:22}{row['run']:10}{numbers}{volumes}  {', '.join(row['found'])}"


def draw(pictures: list[tuple], sheet: Path) -> None:
    """Two pairs a line: inputs, re-projections, coronal and sagittal slice."""
    import numpy as np
    from PIL import Image, ImageDraw

    def tile(array: np.ndarray, low: float, high: float) -> Image.Image:
        gray = ((array - low) / max(high - low, 1e-6)).clip(0, 1) * 255
        return Image.fromarray(gray.astype(np.uint8)).resize((TILE, TILE))

    head, across = 14, 2
    size = (across * 6 * TILE, -(-len(pictures) // across) * (TILE + head))
    canvas = Image.new("L", size)
    for number, (name, radiographs, hu, row) in enumerate(pictures):
        left, top = number % across * 6 * TILE, number // across * (TILE + head)
        text = f"{name}  {row['run']}: NCC {row['ncc_pa']:.3f} {row['ncc_lateral']:.3f}, lungs {row['lungs_ml']:.0f} ml"
        ImageDraw.Draw(canvas).text((left + 2, top + 1), text, fill=255)
        tiles = [tile(r.array, *np.percentile(r.array, [1, 99])) for r in radiographs]
        # As a reader sees them: head up, the patient's left on the right, the front on the left.
        slices = hu[::-1, 64, ::-1], hu[::-1, ::-1, 64]
        for column, picture in enumerate([*tiles, *(tile(one, -1000, 400) for one in slices)]):
            canvas.paste(picture, (left + column * TILE, top + head))
    canvas.save(sheet)


def confusion(data: Path, mean_hu) -> list[dict]:
    """For each way of spoiling a pair, how often the check said what."""
    from CTGANLib.biplanar.suitability import make_suitable

    counts, number = {name: Counter() for name in SPOILED}, 0
    for _, pa, lateral in pairs(data):
        number += 1
        for name, spoil in SPOILED.items():
            findings = make_suitable(*spoil(pa, lateral), mean_hu).findings
            findings = [found for found in findings if not ("spacing" in found.message or "covers" in found.message)]
            told = [f"{finding.severity}: {found_in(finding)}" for finding in findings]
            counts[name].update(told or ["nothing"])
    for name, counter in counts.items():
        print(f"{name} ({number})")
        print("\n".join(f"    {count:3} {told}" for told, count in counter.most_common()))
    return [{"spoiled": name, "pairs": number, "told": dict(counter)} for name, counter in counts.items()]


def changed(radiograph, change):
    """A radiograph with other pixels, on a detector of their shape, of which nothing is told."""
    import numpy as np

    array = np.ascontiguousarray(change(radiograph.array))
    return replace(radiograph, array=array, acquisition=replace(radiograph.acquisition, detector_shape=array.shape))


def as_view(radiograph, like):
    """A radiograph given as the view of another."""
    return replace(radiograph, acquisition=replace(radiograph.acquisition, view=like.acquisition.view))


def inverted(array):
    return array.max() - array


def turned(array):
    return array[::-1, ::-1]


def on_its_side(array):
    return array.T[::-1]


SPOILED = {
    "as it is": lambda pa, lateral: (pa, lateral),
    "both inverted": lambda pa, lateral: (changed(pa, inverted), changed(lateral, inverted)),
    "frontal mirrored": lambda pa, lateral: (changed(pa, lambda a: a[:, ::-1]), lateral),
    "lateral mirrored": lambda pa, lateral: (pa, changed(lateral, lambda a: a[:, ::-1])),
    "frontal upside down": lambda pa, lateral: (changed(pa, turned), lateral),
    "lateral upside down": lambda pa, lateral: (pa, changed(lateral, turned)),
    "frontal by 90 degrees": lambda pa, lateral: (changed(pa, on_its_side), lateral),
    "lateral by 90 degrees": lambda pa, lateral: (pa, changed(lateral, on_its_side)),
    "exchanged": lambda pa, lateral: (as_view(lateral, pa), as_view(pa, lateral)),
    "two frontal": lambda pa, lateral: (pa, as_view(changed(pa, lambda a: a * 0.9), lateral)),
    "two lateral": lambda pa, lateral: (as_view(changed(lateral, lambda a: a * 0.9), pa), lateral),
}


if __name__ == "__main__":
    sys.exit(main())
