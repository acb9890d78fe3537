"""The pyramid at the reference's size, 141 x 141 x 23 in five scales, in 3D and 2D, with each loss switched on in turn.

One thorax volume is learned from and remade: MSE, PSNR and SSIM of that reconstruction, HU [-1000, 1000] as [0, 1],
beside what the reference printed (its volume is another one) and beside the next coarser scale, enlarged, which knows
no network. Then samples: MS-SSIM of pairs (1: all alike), and the least and median RMS difference in HU of patches
to the nearest training patch, beside the same of the training patches among themselves; KID and 2.5D-FID to the volume
learned from by random features, and KID by what the project's segmenter sees. Below, the same of real other patients.
``CPU s`` is the training of the whole pyramid, summed over the cores. ``told apart``: the share of places that the
discriminator calls by their right name in the volume learned from and in samples, and the share that it calls real in
the other patients, whom it has not seen; of a critic ``W``, how much higher it rates the volume learned from than
samples, and than the other patients. ``--steps`` shortens it; ``--only 2D`` or ``--only 1 4`` takes some of the rows.
With ``--out`` finished rows and the runs are kept: started again, it goes on.
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
OTHERS = 7
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
# Weights by dimensions. In 2D the squared error that is left is so small that heavier other losses would outweigh it.
WEIGHTS = {
    3: {"adversarial": 0.5, "reconstruction": 100.0, "projection": 1.0, "segmentation": 1.0},
    2: {"adversarial": 0.0005, "reconstruction": 100.0, "projection": 0.1, "segmentation": 0.1},
}
COLUMNS = (
    ("", "dimensions", 4),
    ("adversary", "adversary", 10),
    ("losses beside it", "losses", 40),
    ("MSE", "mse", 10),
    ("PSNR", "psnr", 7),
    ("SSIM", "ssim", 7),
    ("reference", "reference", 22),
    ("steps", "steps", 7),
    ("CPU s", "seconds", 7),
    ("told apart", "judged", 16),
    ("MS-SSIM", "ms_ssim", 9),
    ("patch least/median", "patches", 20),
    ("own", "own_patches", 12),
    ("KID", "kid", 7),
    ("organ KID", "organ_kid", 9),
    ("2.5D-FID", "fid_planes", 8),
)
DIGITS = {"mse": 6, "psnr": 2, "ssim": 4, "ms_ssim": 3, "seconds": 0, "kid": 2, "organ_kid": 2, "fid_planes": 0}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there")
    parser.add_argument("--data", type=Path, metavar="FOLDER", default=DATA, help="default: ../shared/data/ct")
    parser.add_argument("--case", default=CASE, help=f"of that folder; default: {CASE}, or the first that trains")
    parser.add_argument("--steps", type=int, help="of each pyramid; default: as the recipe")
    parser.add_argument("--only", nargs="+", metavar="ROW", help="3D, 2D, or numbers of rows, counted from 1")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="keep runs and finished rows there")
    arguments = parser.parse_args()
    if not environment.entered():
        return environment.restart()
    wanted = {
        number: row
        for number, row in enumerate(ROWS, 1)
        if not arguments.only or {f"{row[0]}D", str(number)} & set(arguments.only)
    }
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.out or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        prepared, others = prepare(arguments.data, arguments.case, folder)
        print("  ".join(title.ljust(width) for title, _, width in COLUMNS), flush=True)
        rows = []
        for number, row in wanted.items():
            if "segmentation" in row[2] and not has_segmenter():
                print(f"{row[0]}D  {row[1]}, {' + '.join(row[2])}: there is no model {SEGMENTER} yet.")
                continue
            kept = folder / f"row{number}.json"
            if not kept.exists():
                measured = measure(chosen(*row[:3], arguments.steps), prepared, others, folder / f"run{number}")
                kept.write_text(json.dumps(measured | named(*row)))
            rows.append(json.loads(kept.read_text()))
            print(line(rows[-1]), flush=True)
        for enlarged in {row["dimensions"]: row["enlarged"] for row in rows}.items():
            print(line({"dimensions": enlarged[0], "losses": "next scale, enlarged", **enlarged[1]}))
        print(line(real_patients(prepared, others)))
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))
    return 0


def prepare(data: Path, name: str, folder: Path) -> tuple[Path, list[Path]]:
    """The prepared file of one case, and of others that train."""
    import numpy as np

    from CTGANLib.datasets.find import find_cases
    from CTGANLib.imaging.volumes import read_any_volume
    from CTGANLib.pyramid.preparation import body_box

    cases = [case for case in find_cases(data) if case.role == "train"]
    cases.sort(key=lambda case: case.name != name)
    print(f"Learned from {cases[0].name}.")
    files = [folder / f"{case.name}.npy" for case in cases[: 1 + OTHERS]]
    for case, file in zip(cases, files, strict=False):
        if not file.exists():
            np.save(file, body_box(read_any_volume(case.path, case.slices)))
    return files[0], files[1:]


def real_patients(prepared: Path, others: list[Path]) -> dict:
    """What is said of samples, of real volumes of others than the patient learned from."""
    from CTGANLib.pyramid.evaluate import novelty
    from CTGANLib.pyramid.patches import matches
    from CTGANLib.pyramid.preparation import PyramidVolumes
    from CTGANLib.pyramid.scales import HU_MAX, HU_MIN
    from CTGANLib.pyramid.settings import PyramidSettings

    volumes = on_one_field(prepared, others, PyramidSettings().shapes[-1])[:, 0].clip(HU_MIN, HU_MAX).numpy()
    learned, real = volumes[:1], volumes[1:]
    near, own = matches(real, learned, within=False), matches(learned, learned, within=True)
    side = PyramidVolumes([prepared]).field()[1] / real.shape[-1]
    return {"losses": f"{len(real)} real patients", **novelty(real, list(learned), (side, side), near, own)}


def on_one_field(prepared: Path, others: list[Path], shape: tuple[int, int, int]):
    """The volume learned from, then others on its field, HU [n, 1, k, j, i]."""
    from CTGANLib.pyramid.preparation import PyramidVolumes

    return PyramidVolumes([prepared, *others]).on_field(PyramidVolumes([prepared]).field(), shape)


def has_segmenter() -> bool:
    from CTGANLib.models.store import list_models

    return SEGMENTER in [model.name for model in list_models()]


def chosen(dimensions: int, adversary: str, losses: tuple[str, ...], steps: int | None):
    """The settings of a row."""
    from CTGANLib.pyramid.settings import PyramidSettings

    on = ("adversarial", *losses)
    weights = {f"{name}_weight": weight if name in on else 0.0 for name, weight in WEIGHTS[dimensions].items()}
    given = {"steps": steps} if steps else {}
    return PyramidSettings(dimensions=dimensions, adversary=adversary, segmenter=SEGMENTER, **weights, **given)


def measure(settings, prepared: Path, others: list[Path], folder: Path) -> dict:
    """Train a pyramid, or train on; its scores and the seconds that the processor worked."""
    from CTGANLib.pyramid.evaluate import ENLARGED, evaluate, samples_of
    from CTGANLib.pyramid.preparation import PyramidVolumes
    from CTGANLib.pyramid.recipe import PyramidRecipe
    from CTGANLib.pyramid.synthesize import Synthesizer
    from CTGANLib.training.loop import Training
    from CTGANLib.training.runs import Run

    data = PyramidVolumes([prepared])
    recipe = PyramidRecipe(settings, data, "cpu")
    seconds, _ = Training(recipe, data, [], Run(folder), settings, clock=time.process_time).run()
    rows = evaluate({"pyramid": Synthesizer(recipe.average)}, {"volume": prepared}, [prepared])
    by_method = {row["method"]: row for row in rows}
    return {
        **by_method["pyramid"],
        **by_method[samples_of("pyramid")],
        **judged(recipe, on_one_field(prepared, others, settings.shapes[-1])),
        "steps": settings.steps,
        "seconds": round(seconds, 1),
        "enlarged": {name: by_method[ENLARGED][name] for name in ("mse", "psnr", "ssim")},
    }


def judged(recipe, real) -> dict:
    """How well the discriminator tells samples, and other patients, from the volume learned from."""
    import torch

    from CTGANLib.pyramid.evaluate import SAMPLES
    from CTGANLib.pyramid.synthesize import Synthesizer

    made = [torch.from_numpy(volume.array)[None, None] for volume in Synthesizer(recipe.average).volumes(SAMPLES, 0)]
    found = recipe.told_apart(real[:1], torch.cat(made))
    of_others = recipe.told_apart(real[:1], real[1:])
    if "wasserstein" in found:
        return {**found, "wasserstein_others": of_others["wasserstein"]}
    return {**found, "others_called_real": 1 - of_others["accuracy_made"]}


def named(dimensions: int, adversary: str, losses: tuple[str, ...], reference: tuple | None) -> dict:
    return {
        "dimensions": f"{dimensions}D",
        "adversary": adversary,
        "losses": " + ".join(losses) or "none",
        "reference": " / ".join(map(str, reference)) if reference else "-",
    }


def line(row: dict) -> str:
    return "  ".join(cell(row, name).ljust(width) for _, name, width in COLUMNS)


def cell(row: dict, name: str) -> str:
    if name in ("patches", "own_patches"):
        before = name.removesuffix("es")
        least, median = row.get(f"{before}_least_hu"), row.get(f"{before}_hu")
        return "" if least is None else f"{least:.0f} / {median:.0f}"
    if name == "judged":
        if "wasserstein" in row:
            return f"W {row['wasserstein']:.2f} / {row['wasserstein_others']:.2f}"
        parts = ("accuracy_real", "accuracy_made", "others_called_real")
        return " / ".join(f"{row[part]:.2f}" for part in parts if part in row)
    value = row.get(name, "")
    return f"{value:.{DIGITS[name]}f}" if name in DIGITS and value != "" else str(value)


if __name__ == "__main__":
    sys.exit(main())
