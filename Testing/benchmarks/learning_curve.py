"""What more patients would bring: the recipe, trained briefly at 64³ on 2, 4, 8 and 13 of the training patients.

Three further training patients are held out to score by (at 128³, to which the result is enlarged upon the mean
volume); test patients are not looked at. Each training takes the same number of steps, and the smaller groups are parts
of the larger ones. Means over the patients held out ± half the 95 % interval, without refinement; ``change`` is that
from the smallest group, patient by patient. Beside them stand the mean volume and the nearest volume of the same
training patients. Trainings that are interrupted go on where they stopped if ``--out`` is given.
"""

import argparse
import json
import math
import random
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import environment

DATA = environment.REPOSITORY.parent / "shared" / "data" / "ct"
HELD_OUT = 3
METRICS = ("psnr_true", "ssim_x2ct")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there")
    parser.add_argument("--data", type=Path, metavar="FOLDER", default=DATA, help="CTs; those of role train are used")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="keeps the trainings; default: a temporary folder")
    parser.add_argument("--patients", type=int, nargs="+", default=[2, 4, 8, 13], metavar="N", help="of each training")
    parser.add_argument("--steps", type=int, default=300, help="of each training")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of patients and of the training")
    parser.add_argument("--device", default="cpu", help="auto, cpu, cuda or mps")
    arguments = parser.parse_args()
    if not environment.entered():
        return environment.restart()
    from CTGANLib.datasets.preparation import prepare_data
    from CTGANLib.device import choose_device
    from CTGANLib.events import Reporter, part

    progress, device = Reporter(json_lines=False).progress, choose_device(arguments.device)
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.out or Path(temporary)
        data = prepare_data(arguments.data, folder / "prepared", part(progress, 0, 0.05), ("train",))
        counts, rows = sorted(set(arguments.patients)), []
        for number, count in enumerate(counts):
            of_run = part(progress, 0.05 + 0.95 * number / len(counts), 0.95 / len(counts), f"{count} patients: ")
            rows += scored(folder, arguments, data, count, device, of_run)
    show(rows)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))
    return 0


def scored(folder: Path, arguments: argparse.Namespace, data, count: int, device: str, progress) -> list[dict]:
    """A row for each patient held out and method, of a training on so many patients."""
    from CTGANLib.biplanar.kit import KIT
    from CTGANLib.biplanar.reconstruct import Reconstructor
    from CTGANLib.evaluation.ablation import Ablation, Combination

    kit = replace(KIT, wrap=lambda network, device: Reconstructor(network, device, refine=False))
    settings = {
        "steps": arguments.steps,
        "batch_size": 1,
        "full_from": 1.0,
        "adversarial_weight": 0.0,
        "validation_share": 0.0,
        "validations": 0,
    }
    runs = Ablation(
        folder / f"{count} patients",
        chosen(data, count, arguments.seed),
        arguments.data,
        lambda name: kit,
        settings,
        device,
    )
    rows = runs.run([Combination(KIT.task, ())], [arguments.seed], progress)
    return [{"patients": count, **row} for row in rows]


def chosen(data, count: int, seed: int):
    """The training patients in random order: the first are held out, and ``count`` of the others train.

    Raises:
        SystemExit: there are not so many.
    """
    from CTGANLib.datasets.cases import TEST, TRAIN

    cases = data.of(TRAIN)
    if not 1 <= count <= len(cases) - HELD_OUT:
        sys.exit(f"Of {len(cases)} training patients, {HELD_OUT} held out, {count} cannot train.")
    random.Random(seed).shuffle(cases)
    held_out, training = cases[:HELD_OUT], cases[HELD_OUT : HELD_OUT + count]
    return replace(data, cases=[replace(case, role=TEST) for case in held_out] + training)


def show(rows: list[dict]) -> None:
    """Print a line for each number of patients, and what doubling it brings."""
    from CTGANLib.evaluation.scores import RESERVED, changes, summarize, table

    own = [{**row, "method": ""} for row in rows if row["method"] not in RESERVED]
    least = own[0]["patients"]
    change = {line["patients"]: line for line in changes(own, "patients", least)}
    lines = []
    for count in dict.fromkeys(row["patients"] for row in rows):
        summary = summarize([row for row in rows if row["patients"] == count])
        ours, *baselines = summary
        line = {"patients": count, "held out": ours["n"]}
        for metric in METRICS:
            line |= {metric: ours[metric], f"{metric}_ci95": ours[f"{metric}_ci95"]}
            name = f"{metric} change"
            line |= {name: change[count][f"{metric}_change"], f"{name}_ci95": change[count][f"{metric}_change_ci95"]}
        lines.append(line | {f"psnr_true of the {baseline['method']}": baseline["psnr_true"] for baseline in baselines})
    print("\r\033[K" + table(lines))
    if len(lines) > 1:
        doublings = [math.log2(line["patients"]) for line in lines]
        scores = [line["psnr_true"] for line in lines]
        middle, mean = sum(doublings) / len(lines), sum(scores) / len(lines)
        slope = sum((d - middle) * (s - mean) for d, s in zip(doublings, scores, strict=True))
        slope /= sum((d - middle) ** 2 for d in doublings)
        print(
            f"\nFrom {lines[0]['patients']} to {lines[-1]['patients']} patients, each doubling brought {slope:+.2f} dB."
        )


if __name__ == "__main__":
    sys.exit(main())
