"""Where the time of a training step goes: reading, augmentation and projection on the fly, and the network.

Each part is timed on its own, the fastest of some rounds, with the device waited for. ``--device cuda`` on a machine
that has one; ``--data FOLDER`` takes the patients from there, otherwise the sample patient stands for all of them.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import environment

ROUNDS = 5
SAMPLE = environment.REPOSITORY / "Resources" / "SampleData" / "chest_ct.nrrd"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="patients to train on")
    parser.add_argument("--batch", type=int, default=2, help="patients a step")
    parser.add_argument("--device", default="auto", help="where torch computes")
    arguments = parser.parse_args()
    if not environment.entered():
        return environment.restart()
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(arguments.data, Path(folder), arguments.batch, arguments.device)
    print(f"\n{'generator':16}{'size':>6}{'read':>10}{'augment and project':>22}{'learn':>10}{'share of learning':>20}")
    for row in rows:
        times = f"{row['read_ms']:>7.0f} ms{row['examples_ms']:>19.0f} ms{row['learn_ms']:>7.0f} ms"
        print(f"{row['generator']:16}{row['size']:>6}{times}{row['share']:>20.1%}")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))
    return 0


def measure(data: Path | None, folder: Path, batch: int, device: str) -> list[dict]:
    """A row for each generator and resolution."""
    import torch

    from CTGANLib.biplanar.recipe import GENERATORS, BiplanarRecipe, BiplanarSettings
    from CTGANLib.device import choose_device
    from CTGANLib.training.distributed import World
    from CTGANLib.training.players import Table

    device, patients = choose_device(device), prepared(data, folder)
    wait = torch.cuda.synchronize if device == "cuda" else (lambda: None)
    rows = []
    for generator in GENERATORS:
        settings = BiplanarSettings(steps=100, batch_size=batch, generator=generator)
        recipe = BiplanarRecipe(settings, patients, device)
        table = Table(recipe, World(), batch)
        seeds = list(range(batch))

        def read(patients=patients) -> torch.Tensor:
            return torch.stack([patients[number % len(patients)] for number in range(batch)])

        items = read().to(device)
        examples = fastest(lambda recipe=recipe, items=items, seeds=seeds: recipe.examples(items, seeds), wait)
        # The first step is at half resolution, the last one at full resolution against the discriminator.
        for size, number in ((64, 0), (128, settings.steps - 1)):

            def step(table=table, number=number, items=items, seeds=seeds) -> None:
                table.step(number, items, seeds, 0, 1.0)

            learn = fastest(step, wait) - examples
            row = {"generator": generator, "size": size, "batch": batch, "device": device}
            row |= {"read_ms": 1e3 * fastest(read, wait), "examples_ms": 1e3 * examples, "learn_ms": 1e3 * learn}
            rows.append(row | {"share": row["learn_ms"] / (row["read_ms"] + row["examples_ms"] + row["learn_ms"])})
    return rows


def prepared(data: Path | None, folder: Path):
    """Prepared patients: those of a folder, or the sample patient."""
    from CTGANLib.datasets.preparation import PreparedVolumes, prepare_data

    if data is None:
        data = folder / "data"
        data.mkdir()
        (data / SAMPLE.name).symlink_to(SAMPLE)
    return PreparedVolumes(list(prepare_data(data, folder / "cache").files("train").values()))


def fastest(task: Callable[[], object], wait: Callable[[], None]) -> float:
    """Seconds of the fastest round, after one to warm up."""
    times = []
    for _ in range(ROUNDS + 1):
        wait()
        start = time.perf_counter()
        task()
        wait()
        times.append(time.perf_counter() - start)
    return min(times[1:])


if __name__ == "__main__":
    sys.exit(main())
