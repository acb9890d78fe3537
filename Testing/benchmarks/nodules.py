"""Does a nodule detector see in made volumes what it sees in real ones?

A V-Net learns nodules from the LIDC patients of the data set that train: those with annotations of readers
(``<case>_nodules``), and those in whom the readers found none. They go through a list in the layout of LUNA16, as for
anyone who has one: ``dataset nodules``, then ``train --recipe segmentation --set task=nodule --set network=VNet``.
Then it looks into the lungs. First of the annotated CTs: the share of nodules that it touches, Dice, and candidates a
CT, beside the plainest detector, all that is denser than -400 HU inside the closed lungs. Then, in the voxels of a
pyramid (``--pyramid``), of patients of whom neither has learned, of those that the pyramid has learned from, and of its
samples: candidates a volume, their volume, diameter and HU, as ``detect`` counts them in any folders. With ``--out``
the run is kept: started again, it goes on.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from itertools import chain
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import environment

DATA = environment.REPOSITORY.parent / "shared" / "data" / "ct"
READ = "LIDC-IDRI"
"""What the patients are called whose CTs were read for nodules."""
DETECTOR = "LungNodules"
SETTINGS = ("task=nodule", "network=VNet", "patch=48", "batch_size=2", "learning_rate=0.004", "validation_share=0")
WIDTH = 20
COLUMNS = ("seen", "by", "volumes", "nodules", "touched", "dice", "candidates", "ml", "diameter_mm", "hu")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there")
    parser.add_argument("--data", type=Path, metavar="FOLDER", default=DATA, help="default: ../shared/data/ct")
    parser.add_argument("--steps", type=int, default=1200, help="of the detector")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="keep the run there")
    parser.add_argument("--pyramid", default="ChestPyramid", metavar="NAME", help="whose volumes are looked at")
    parser.add_argument("--count", type=int, default=4, help="of samples, and of held-out patients at most")
    arguments = parser.parse_args()
    if not environment.entered():
        return environment.restart()
    from CTGANLib.models.store import find_model
    from CTGANLib.segmentation.detection import nodule_detector

    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.out or Path(temporary)
        pyramid = find_model(arguments.pyramid)
        detector = nodule_detector(trained(arguments.data, folder, arguments.steps))
    detectors = {"V-Net": detector}
    rows = []
    print("  ".join(name.rjust(WIDTH) for name in COLUMNS))
    for row in chain(annotated(detectors, arguments.data), in_pyramid(detectors, pyramid, arguments)):
        rows.append(row)
        print("  ".join(told(row.get(name, "")).rjust(WIDTH) for name in COLUMNS), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))
    return 0


def trained(data: Path, folder: Path, steps: int):
    """The detector, learned in a folder, or as it lies there."""
    from CTGANLib.models.store import find_model

    store, learned, run = folder / "models", folder / "set", folder / "run"
    if not learned.exists():
        annotations, table = folder / "annotations.csv", folder / "cases.tsv"
        write_lists(data, annotations, table)
        command("dataset", "nodules", table, "--annotations", annotations, "--out", learned)
    settings = [word for setting in (*SETTINGS, f"steps={steps}") for word in ("--set", setting)]
    recipe = ("--recipe", "segmentation", "--data", learned, "--out", run, "--name", DETECTOR)
    command("train", *recipe, *settings, store=store)
    return find_model(str(store / DETECTOR))


def write_lists(data: Path, annotations: Path, table: Path) -> None:
    """The nodules of the patients who were read for them, in the layout of LUNA16, and these patients as a data set."""
    from CTGANLib.datasets.find import find_cases
    from CTGANLib.datasets.nodules import nodules_of, write_annotations
    from CTGANLib.datasets.tables import write_table
    from CTGANLib.imaging.volumes import read_any_volume

    cases = [case for case in find_cases(data) if case.patient.startswith(READ)]
    table.parent.mkdir(parents=True, exist_ok=True)
    write_table(table, cases, [{}] * len(cases))
    maps = {case.name: data / f"{case.name}_nodules.nii.gz" for case in cases}
    found = {name: nodules_of(read_any_volume(file)) for name, file in maps.items() if file.exists()}
    write_annotations(annotations, found)


def command(*arguments: object, store: Path | None = None) -> None:
    """Run one of the project's commands."""
    environs = os.environ | ({"CTGAN_MODELS": str(store)} if store else {})
    subprocess.run([sys.executable, "-m", "CTGANLib", *map(str, arguments)], env=environs, check=True)


def annotated(detectors: dict, data: Path):
    """Rows of the CTs with annotations, by role."""
    from CTGANLib.datasets.find import find_cases
    from CTGANLib.imaging.volumes import read_any_volume

    cases = [case for case in find_cases(data) if (data / f"{case.name}_nodules.nii.gz").exists()]
    for role in ("train", "test"):
        chosen = [case for case in cases if case.role == role]
        cts = [read_any_volume(case.path, case.slices) for case in chosen]
        truths = [read_any_volume(data / f"{case.name}_nodules.nii.gz") for case in chosen]
        yield from rows_of(f"real {role}", cts, detectors, truths)


def in_pyramid(detectors: dict, model, arguments):
    """Rows of real CTs in the voxels of a pyramid, and of its samples."""
    from CTGANLib.datasets.find import find_cases
    from CTGANLib.pyramid.synthesize import Synthesizer

    pyramid, known = Synthesizer.from_model(model), model.metadata["ctgan"]["trained_on"]
    cases = find_cases(arguments.data)
    held_out = [case for case in cases if case.role == "test"][: arguments.count]
    learned = [case for case in cases if case.name in known][: arguments.count]
    yield from rows_of("held out", [in_its_voxels(pyramid, case) for case in held_out], detectors)
    yield from rows_of("learned", [in_its_voxels(pyramid, case) for case in learned], detectors)
    yield from rows_of("made", list(pyramid.volumes(arguments.count, 0)), detectors)


def rows_of(kind: str, cts: list, detectors: dict, truths: list | None = None):
    """A row for each detector: means over the volumes, and how well it agrees with what is true, if that is known."""
    from CTGANLib.evaluation.scores import summarize
    from CTGANLib.segmentation.detection import candidates, seen_in_lungs

    found = [seen_in_lungs(ct, detectors) for ct in cts]
    for name in found[0]:
        masks = [seen[name] for seen in found]
        counted = [{"by": name, **candidates(mask, ct)} for mask, ct in zip(masks, cts, strict=True)]
        (means,) = summarize(counted, "by")
        yield {"seen": kind, "volumes": len(cts), **means, **(agreement(masks, truths) if truths else {})}


def in_its_voxels(pyramid, case):
    """A CT as the pyramid would have learned it."""
    from CTGANLib.imaging.geometry import Grid
    from CTGANLib.imaging.volumes import Volume, read_any_volume
    from CTGANLib.pyramid.evaluate import on_field_of
    from CTGANLib.pyramid.preparation import body_box

    hu = on_field_of(pyramid, body_box(read_any_volume(case.path, case.slices)))
    return Volume(hu, Grid.centered(hu.shape, pyramid.spacing))


def agreement(found: list, truths: list) -> dict:
    """How many nodules are touched, and the mean Dice."""
    import numpy as np

    from CTGANLib.datasets.nodules import nodules_of, spheres
    from CTGANLib.evaluation.metrics import dice

    touched = [
        bool((mask.array & (spheres(truth.grid, [nodule]).array > 0)).any())
        for mask, truth in zip(found, truths, strict=True)
        for nodule in nodules_of(truth)
    ]
    overlaps = [dice(mask.array, truth.array > 0) for mask, truth in zip(found, truths, strict=True)]
    return {"nodules": len(touched), "touched": float(np.mean(touched)), "dice": float(np.mean(overlaps))}


def told(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.exit(main())
