"""How good the segmentation of CTs is: one table over the test patients, by structure.

Mean and half the 95 % interval over patients, on voxels of the model's spacing: Dice, surface Dice (tolerance of one
voxel) and the 95th percentile of the distance of the surfaces. ``all background`` is what labels nothing. Seconds and
peak memory are those of the whole command ``segment`` on one CT, in a process of its own with two threads. ``--rival``
names a second model, such as the small CNN trained on the same data for the same time.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import environment

DATA = environment.REPOSITORY.parent / "shared" / "data" / "ct"
SAMPLE = environment.REPOSITORY / "Resources" / "SampleData" / "chest_ct.nrrd"
OURS, RIVAL = "ours", "rival"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there")
    parser.add_argument("--data", type=Path, metavar="FOLDER", default=DATA, help="CTs with labels, those of role test")
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="keep prepared CTs there")
    parser.add_argument("--model", default="ChestSegmentation", metavar="NAME", help="ours")
    parser.add_argument("--rival", metavar="NAME", help="another model of the same task")
    parser.add_argument("--ct", type=Path, default=SAMPLE, metavar="FILE", help="whose segmentation is timed")
    arguments = parser.parse_args()
    if not environment.entered():
        return environment.restart()
    models = {OURS: arguments.model} | ({RIVAL: arguments.rival} if arguments.rival else {})
    costs = {method: measured(model, arguments.ct) for method, model in models.items()}
    with tempfile.TemporaryDirectory() as folder:
        rows = evaluated(models, arguments.data, arguments.cache or Path(folder))
    show(rows, costs)
    if arguments.json:
        lines = [*rows, *({"method": method, **cost} for method, cost in costs.items())]
        arguments.json.write_text(json.dumps(lines, indent=1))
    return 0


def evaluated(models: dict[str, str], data: Path, cache: Path) -> list[dict]:
    """A row for each test patient and method."""
    from CTGANLib.events import Reporter, part
    from CTGANLib.models.store import find_model
    from CTGANLib.segmentation.evaluate import evaluate
    from CTGANLib.segmentation.preparation import prepare_pairs
    from CTGANLib.segmentation.segmenter import Segmenter

    progress = Reporter(json_lines=False).progress
    segmenters = {method: Segmenter.from_model(find_model(model)) for method, model in models.items()}
    prepared = prepare_pairs(segmenters[OURS].task, data, cache, part(progress, 0, 0.3), ("test",))
    return evaluate(segmenters, prepared.files("test"), [], part(progress, 0.3, 0.7))


def measured(model: str, ct: Path) -> dict[str, float]:
    """Seconds and peak memory of one segmentation, as the command tells them."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "CTGANLib", "segment", str(ct), "--out", f"{folder}/ct.seg.nrrd"]
        threads = {"OMP_NUM_THREADS": "2"}
        done = subprocess.run(
            [*command, "--model", model, "--device", "cpu", "--events"],
            env={**os.environ, **threads},
            check=True,
            capture_output=True,
            text=True,
        )
    result = json.loads(done.stdout.splitlines()[-1])
    return {"seconds of the command": result["seconds"], "peak_mb": result["peak_memory_mb"]}


def show(rows: list[dict], costs: dict[str, dict]) -> None:
    """Print the table, a column a method."""
    from CTGANLib.evaluation.scores import summarize, table, turned

    named = [{**row, **costs.get(row["method"], {})} for row in summarize(rows)]
    print("\r\033[K" + table(turned(named)))


if __name__ == "__main__":
    sys.exit(main())
