"""How good the reconstruction is, beside its rivals: one table over the test patients.

Mean and half the 95 % interval over patients; parameters, GFLOP, seconds and peak memory of one reconstruction, each in
a process of its own with two threads. ``--rival`` and ``--texture`` name further models, by default none:
a dual-path generator trained on the same data for the same time, and a checkpoint trained with the discriminator.
"""

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import environment

DATA = environment.REPOSITORY.parent / "shared" / "data" / "ct"
SCORES = ("psnr_x2ct", "psnr_true", "ssim_x2ct", "ssim", "mae_hu", "lung_dice", "bone_dice", "nrmse")
COSTS = ("parameters", "gflop", "seconds", "peak_mb")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="default: ../shared/data/ct")
    parser.add_argument("--model", default="ChestBiplanar", metavar="NAME", help="ours")
    parser.add_argument("--rival", metavar="NAME", help="a dual-path model")
    parser.add_argument("--texture", metavar="NAME", help="ours, trained with the discriminator")
    arguments = parser.parse_args()
    if Path(sys.prefix) != environment.folder():
        given = [f"--{name}={value}" for name, value in vars(arguments).items() if value is not None]
        return environment.run([str(Path(__file__).resolve()), *given])
    methods = {"ours": (arguments.model, False), "ours, refined": (arguments.model, True), "adjoint": ("", False)}
    methods |= {"dual-path": (arguments.rival, False)} if arguments.rival else {}
    methods |= {"ours, with GAN": (arguments.texture, False)} if arguments.texture else {}
    # First, since a process inherits the peak memory of the one that starts it.
    costs = {method: measured(*how) for method, how in methods.items()}
    with tempfile.TemporaryDirectory() as cache:
        rows = evaluated(arguments.data or DATA, Path(cache), methods)
    rows = [{**row, **costs.get(row["method"], {})} for row in rows]
    show(rows)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))
    return 0


def evaluated(data: Path, cache: Path, methods: dict[str, tuple[str, bool]]) -> list[dict]:
    """A row for each method, the baselines of ``evaluate`` among them: means and intervals over test patients."""
    from CTGANLib.biplanar.evaluate import evaluate
    from CTGANLib.datasets.preparation import prepare_data
    from CTGANLib.evaluation.scores import summarize

    def tell(fraction: float, message: str) -> None:
        print(f"\r\033[K{fraction:4.0%} {message}", end="", file=sys.stderr, flush=True)

    prepared = prepare_data(data, cache, tell, ("train", "test"))
    training = list(prepared.files("train").values())
    predictors = {method: predictor(*how) for method, how in methods.items()}
    return summarize(evaluate(predictors, prepared.files("test"), training, tell))


def predictor(model: str, refine: bool):
    """A model of the store, or with no name the unfiltered backprojection."""
    from CTGANLib.biplanar.reconstruct import Reconstructor
    from CTGANLib.models.store import find_model

    return Reconstructor.from_model(find_model(model), refine=refine) if model else backprojected


def backprojected(pa, lateral) -> SimpleNamespace:
    """The mean attenuation along the rays through each voxel, averaged over both views, as HU: what the radiographs
    say without any knowledge of patients."""
    import torch

    from CTGANLib.imaging.attenuation import HU_MAX, HU_MIN, attenuation_to_hu
    from CTGANLib.imaging.geometry import Grid
    from CTGANLib.imaging.projection import ConeBeamProjector
    from CTGANLib.imaging.standardize import STANDARD_SIZE, STANDARD_SPACING
    from CTGANLib.imaging.volumes import Volume

    start = time.perf_counter()
    grid = Grid.centered((STANDARD_SIZE,) * 3, STANDARD_SPACING, pa.acquisition.isocenter)
    mean = torch.zeros(grid.shape)
    for radiograph in (pa, lateral):
        projector = ConeBeamProjector(grid, [radiograph.acquisition])
        chords = projector(torch.ones(1, 1, *grid.shape))
        along = torch.from_numpy(radiograph.array)[None, None] / chords.clip(1.0) * (chords > 1.0)
        weight = projector.adjoint((chords > 1.0).float())
        mean += (projector.adjoint(along) / weight.clip(1e-6))[0, 0] / 2
    hu = attenuation_to_hu(mean).clip(HU_MIN, HU_MAX).round().short().numpy()
    seconds = time.perf_counter() - start
    return SimpleNamespace(volume=Volume(hu, grid), model_seconds=seconds, refine_seconds=0.0)


def measured(model: str, refine: bool) -> dict:
    """The costs of one reconstruction of the sample patient, in a fresh process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measure, (model, refine))


def _measure(model: str, refine: bool) -> dict:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from CTGANLib.device import peak_memory_mb
    from CTGANLib.imaging.geometry import View
    from CTGANLib.imaging.radiographs import read_radiograph
    from CTGANLib.models.store import find_model

    torch.set_num_threads(2)
    folder = environment.REPOSITORY / "Resources" / "SampleData"
    views = {"pa": View.PA, "lateral": View.LLAT}
    pair = [read_radiograph(folder / f"chest_{name}.dcm", view) for name, view in views.items()]
    method, times = predictor(model, refine), []
    for _ in range(3):
        start = time.perf_counter()
        method(*pair)
        times.append(time.perf_counter() - start)
    peak = peak_memory_mb()
    with FlopCounterMode(display=False) as flop:
        method(*pair)
    weights = find_model(model).weights() if model else {}
    return {
        "parameters": sum(value.numel() for name, value in weights.items() if name != "mean_volume"),
        "gflop": flop.get_total_flops() / 1e9,
        "seconds": min(times),
        "peak_mb": peak,
    }


def show(rows: list[dict]) -> None:
    """Print the rows, a column a method."""
    from CTGANLib.evaluation.scores import table, turned

    named = [{"method": row["method"], "n": row["n"]} for row in rows]
    for row, short in zip(rows, named, strict=True):
        for name in SCORES:
            short |= {name: row[name], f"{name}_ci95": row[f"{name}_ci95"]}
        short |= {name: row.get(name, "") for name in COSTS}
    print("\r\033[K" + table(turned(named)))


if __name__ == "__main__":
    sys.exit(main())
