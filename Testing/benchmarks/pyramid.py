"""The pyramid at the reference's size, 141 x 141 x 23 in five scales, in 3D and 2D, with each loss switched on in turn.

One thorax volume is learned from and remade: MSE, PSNR and SSIM of that reconstruction, HU [-1000, 1000] as [0, 1],
beside what the reference printed (its volume is another one) and beside the next coarser scale, enlarged, which knows
no network. Then samples: MS-SSIM of pairs (1: all alike), and the least and median RMS difference in HU of patches
to the nearest training patch, beside the same of the training patches among themselves. ``seconds`` is the training of
the whole pyramid. ``--steps`` or ``--minutes`` (a pyramid) shorten it; ``--only 3D`` or ``--only 2D`` takes a half.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import environment

DATA = environment.REPOSITORY.parent / "shared" / "data" / "ct"
CASE = "lidc_0002"
SEGMENTER = "ChestSegmentation"
# Dimensions, adversary, losses beside it, and what the reference printed for these: MSE, PSNR, SSIM.
ROWS = (
    (3, "lsgan", (), (0.0054, 22.64, 0.751)),
    (3, "lsgan", ("reconstruction",), (0.0025, 25.99, 0.836)),
    (3, "lsgan", ("reconstruction", "projection"), (0.0024, 26.07, 0.843)),
    (3, "lsgan", ("reconstruction", "projection", "segmentation"), (0.0017, 27.93, 0.877)),
    (3, "wgan-gp", ("reconstruction", "projection"), None),
    (3, "zero-gp", ("reconstruction", "projection"), None),
    (2, "lsgan", ("reconstruction",), (0.00011, 39.49, 0.988)),
    (2, "lsgan", ("reconstruction", "projection"), (0.00049, 33.09, 0.955)),
    (2, "lsgan", ("reconstruction", "projection", "segmentation"), (0.00032, 34.93, 0.967)),
    (2, "lsgan", ("reconstruction", "segmentation"), (0.00006, 41.97, 0.996)),
)
WEIGHTS = {"reconstruction": 100.0, "projection": 1.0, "segmentation": 10.0}
COLUMNS = (
    ("", "dimensions", 4),
    ("adversary", "adversary", 10),
    ("losses beside it", "losses", 40),
    ("MSE", "mse", 10),
    ("PSNR", "psnr", 7),
    ("SSIM", "ssim", 7),
    ("reference", "reference", 22),
    ("s", "seconds", 7),
    ("MS-SSIM", "ms_ssim", 9),
    ("patch least/median", "patches", 20),
    ("own", "own_patches", 12),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there")
    parser.add_argument("--data", type=Path, metavar="FOLDER", default=DATA, help="default: ../shared/data/ct")
    parser.add_argument("--case", default=CASE, help=f"of that folder; default: {CASE}, or the first that trains")
    parser.add_argument("--steps", type=int, help="of each pyramid; default: as the recipe")
    parser.add_argument("--minutes", type=float, help="for each pyramid, instead of steps")
    parser.add_argument("--only", choices=["3D", "2D"], help="one half of the table")
    arguments = parser.parse_args()
    if Path(sys.prefix) != environment.folder():
        given = {name: value for name, value in vars(arguments).items() if value}
        parts = [f"--{name}={value.resolve() if isinstance(value, Path) else value}" for name, value in given.items()]
        return environment.run([str(Path(__file__).resolve()), *parts])
    wanted = [row for row in ROWS if not arguments.only or arguments.only == f"{row[0]}D"]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        prepared = prepare(arguments.data, arguments.case, Path(folder))
        print("  ".join(title.ljust(width) for title, _, width in COLUMNS), flush=True)
        for number, (dimensions, adversary, losses, reference) in enumerate(wanted):
            if "segmentation" in losses and not has_segmenter():
                print(f"{dimensions}D  {adversary}, {' + '.join(losses)}: there is no model {SEGMENTER} yet.")
                continue
            settings = chosen(dimensions, adversary, losses, arguments.steps)
            if arguments.minutes:
                settings = within(settings, prepared, 60 * arguments.minutes)
            row = measure(settings, prepared, Path(folder) / f"run{number}")
            row |= {"dimensions": f"{dimensions}D", "adversary": adversary, "losses": " + ".join(losses) or "none"}
            row["reference"] = " / ".join(map(str, reference)) if reference else "-"
            rows.append(row)
            print("  ".join(cell(row, name).ljust(width) for _, name, width in COLUMNS), flush=True)
            if number == len(wanted) - 1 or wanted[number + 1][0] != dimensions:
                enlarged = {"dimensions": f"{dimensions}D", "losses": "next scale, enlarged", **row["enlarged"]}
                print("  ".join(cell(enlarged, name).ljust(width) for _, name, width in COLUMNS), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))
    return 0


def prepare(data: Path, name: str, folder: Path) -> Path:
    """The prepared file of one case."""
    import numpy as np

    from CTGANLib.datasets.find import find_cases
    from CTGANLib.imaging.volumes import read_any_volume
    from CTGANLib.pyramid.preparation import body_box

    cases = [case for case in find_cases(data) if case.role == "train"]
    case = next((case for case in cases if case.name == name), cases[0])
    print(f"Learned from {case.name}.")
    np.save(folder / "prepared.npy", body_box(read_any_volume(case.path, case.slices)))
    return folder / "prepared.npy"


def has_segmenter() -> bool:
    from CTGANLib.models.store import list_models

    return SEGMENTER in [model.name for model in list_models()]


def chosen(dimensions: int, adversary: str, losses: tuple[str, ...], steps: int | None):
    """The settings of a row."""
    from CTGANLib.pyramid.settings import PyramidSettings

    weights = {f"{name}_weight": weight if name in losses else 0.0 for name, weight in WEIGHTS.items()}
    given = {"steps": steps} if steps else {}
    return PyramidSettings(dimensions=dimensions, adversary=adversary, segmenter=SEGMENTER, **weights, **given)


def within(settings, prepared: Path, seconds: float):
    """The settings with as many steps as the time allows, from two steps at each scale."""
    from dataclasses import replace

    from CTGANLib.pyramid.preparation import PyramidVolumes
    from CTGANLib.pyramid.recipe import PyramidRecipe
    from CTGANLib.training.distributed import World
    from CTGANLib.training.players import Table

    scales, total = len(settings.shapes), 0.0
    table = Table(PyramidRecipe(replace(settings, steps=2 * scales), PyramidVolumes([prepared]), "cpu"), World(), 1)
    import torch

    for number in range(2 * scales):
        began = time.monotonic()
        table.step(number, torch.tensor([0]), [number], number, 1.0)
        total += (time.monotonic() - began) * (number % 2)  # the first step of a scale does more
    return replace(settings, steps=max(1, int(seconds / total)) * scales)


def measure(settings, prepared: Path, folder: Path) -> dict:
    """Train a pyramid; its scores and its seconds."""
    from CTGANLib.pyramid.evaluate import ENLARGED, evaluate
    from CTGANLib.pyramid.preparation import PyramidVolumes
    from CTGANLib.pyramid.recipe import PyramidRecipe
    from CTGANLib.pyramid.synthesize import Synthesizer
    from CTGANLib.training.loop import Training
    from CTGANLib.training.runs import Run

    data = PyramidVolumes([prepared])
    recipe = PyramidRecipe(settings, data, "cpu")
    seconds, _ = Training(recipe, data, [], Run(folder), settings).run()
    rows = evaluate({"pyramid": Synthesizer(recipe.average)}, {"volume": prepared}, [prepared])
    by_method = {row["method"]: row for row in rows}
    return {
        **by_method["pyramid"],
        "steps": settings.steps,
        "seconds": round(seconds, 1),
        "enlarged": {name: by_method[ENLARGED][name] for name in ("mse", "psnr", "ssim")},
    }


def cell(row: dict, name: str) -> str:
    if name in ("patches", "own_patches"):
        before = name.removesuffix("es")
        least, median = row.get(f"{before}_least_hu"), row.get(f"{before}_hu")
        return "" if least is None else f"{least:.0f} / {median:.0f}"
    value = row.get(name, "")
    digits = {"mse": 6, "psnr": 2, "ssim": 4, "ms_ssim": 3, "seconds": 0}.get(name)
    return str(value) if digits is None or value == "" else f"{value:.{digits}f}"


if __name__ == "__main__":
    sys.exit(main())
