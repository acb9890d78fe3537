"""Whether the uncertainty of a model's reconstructions is honest: its parts beside the error that there was.

Of the patients of role ``train-partial``, whom no model has learned, and of deformed ``train`` patients. Each row is a
way to tell the error: the error that is usual where a CT looks so, the ensemble's spread, and both. Their weights are
the most likely ones for normally distributed errors; those of each patient come from the others. ``rank`` is
Spearman's correlation with the absolute error over the voxels of the body, ``below 1`` and ``below 2`` the share of
them whose error is below one and two standard deviations (68 % and 95 % of normally distributed errors). ``shipped``
has the weights of ``biplanar/uncertainty.py``; below the table stand those that fit this model. ``--test`` only scores
``shipped``, on the test patients.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import environment

DATA = environment.REPOSITORY.parent / "shared" / "data" / "ct"
VOXELS = 50_000  # a patient
SHIPPED = "shipped"
WAYS = {"usual error": (1, 0), "spread": (0, 1), "both": (1, 1)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there")
    parser.add_argument("--data", type=Path, metavar="FOLDER", default=DATA, help="CTs with a table of their roles")
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="keep prepared CTs there")
    parser.add_argument("--model", metavar="NAME", help="a model of the store, or its folder; default: the first")
    parser.add_argument("--test", action="store_true", help="score the test patients instead, with nothing fitted")
    arguments = parser.parse_args()
    if not environment.entered():
        return environment.restart()
    from CTGANLib.datasets.preparation import prepare_data
    from CTGANLib.models.store import find_model, first_model

    model = find_model(arguments.model) if arguments.model else first_model("biplanar")
    roles = ("test",) if arguments.test else ("train-partial", "train")
    with tempfile.TemporaryDirectory() as folder:
        prepared = prepare_data(arguments.data, arguments.cache or Path(folder), roles=roles)
        patients = {}
        for role in roles:
            for name, path in prepared.files(role).items():
                patients[name] = voxels(model, path, deformed=role == "train")
                print(f"reconstructed {name}", file=sys.stderr, flush=True)
    rows = score(patients, fitted=not arguments.test)
    show(rows)
    if not arguments.test:
        for way, (usual, spread) in fits(list(patients.values())).items():
            print(f"{way}: {usual:.2f} × usual error, {spread:.2f} × spread")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))
    return 0


def voxels(model, path: Path, deformed: bool) -> dict:
    """Of some voxels of a patient's body: the error that there was, its parts, and what is told of it as shipped."""
    import numpy as np
    import torch

    from CTGANLib.biplanar.radiographs import VIEWS, reach
    from CTGANLib.biplanar.reconstruct import NETWORKS, Reconstructor
    from CTGANLib.biplanar.refine import refine
    from CTGANLib.biplanar.uncertainty import expected_error, parts
    from CTGANLib.imaging.attenuation import HU_MIN
    from CTGANLib.imaging.geometry import Acquisition, Grid
    from CTGANLib.imaging.projection import project
    from CTGANLib.imaging.standardize import FIELD_SIZE, STANDARD_SPACING, standard_cube
    from CTGANLib.imaging.volumes import Volume
    from CTGANLib.training.augmentation import deform

    field = torch.from_numpy(np.load(path).astype(np.float32))[None, None]
    if deformed:
        torch.manual_seed(len(path.name))
        field = deform(field, STANDARD_SPACING)
    field = Volume(field[0, 0].numpy(), Grid.centered((FIELD_SIZE,) * 3, STANDARD_SPACING))
    truth = standard_cube(field.array)
    pair = [project(field, Acquisition(view)) for view in VIEWS]
    results = [
        Reconstructor(model.load("biplanar", NETWORKS, name), refine=False)(*pair)
        for name in ("model", *model.snapshots)
    ]
    members = np.stack([result.volume.array for result in results]).astype(np.float32)
    mean = Volume(members.mean(axis=0).round().astype(np.int16), results[0].volume.grid)
    volume, _ = refine(mean, results[0].inputs, tuple(reach(radiograph) for radiograph in pair))
    variance = members.var(axis=0, ddof=1) if len(members) > 1 else None
    usual, spread = parts(volume.array, variance)
    body = np.random.default_rng(0).permutation(np.flatnonzero(truth > HU_MIN))[:VOXELS]
    measured = {
        "error": np.abs(volume.array - truth),
        "usual": usual,
        "spread": np.zeros_like(usual) if spread is None else spread,
        SHIPPED: expected_error(volume, variance).array,
    }
    return {name: values.ravel()[body] for name, values in measured.items()}


def fits(patients: list[dict]) -> dict[str, tuple[float, float]]:
    """The most likely weights of usual error and spread for each way."""
    import numpy as np

    error, usual, spread = (np.concatenate([one[name] for one in patients]) for name in ("error", "usual", "spread"))
    found = {}
    for way, (first, second) in WAYS.items():
        if second and not spread.any():
            continue
        best = np.inf
        for ratio in np.geomspace(0.1, 30, 40) if first and second else [second]:
            shape = np.sqrt((first * usual) ** 2 + (ratio * spread) ** 2).clip(min=1.0)
            scale = float(np.sqrt(np.mean((error / shape) ** 2)))
            surprise = float(np.mean(np.log(scale * shape)))
            if surprise < best:
                best, found[way] = surprise, (scale * first, scale * float(ratio))
    return found


def score(patients: dict[str, dict], fitted: bool) -> list[dict]:
    """A row for each patient and way."""
    import numpy as np

    rows = []
    for name, one in patients.items():
        told = {SHIPPED: one[SHIPPED]}
        others = [other for each, other in patients.items() if each != name]
        for way, (usual, spread) in (fits(others) if fitted and others else {}).items():
            told[way] = np.hypot(usual * one["usual"], spread * one["spread"]).clip(min=1.0)
        for way, deviation in told.items():
            ranks = [np.argsort(np.argsort(values)) for values in (deviation, one["error"])]
            row = {"case": name, "way": way, "rank": float(np.corrcoef(*ranks)[0, 1])}
            row |= {f"below {n}": float(np.mean(one["error"] < n * deviation)) for n in (1, 2)}
            row["surprise"] = float(np.mean(np.log(deviation) + (one["error"] / deviation) ** 2 / 2))
            rows.append(row)
    return rows


def show(rows: list[dict]) -> None:
    from CTGANLib.evaluation.scores import summarize, table

    print(table(summarize(rows, "way")))


if __name__ == "__main__":
    sys.exit(main())
