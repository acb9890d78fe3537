"""How good the reconstruction is, beside its rivals: one table over the test patients.

Mean and half the 95 % interval over patients; then parameters, GFLOP and seconds of the network (``forward_s``) and of
the whole reconstruction (``seconds``), and its peak memory, each in a process of its own with two threads. ``X2CT-GAN
size`` is the dual-path generator with as many channels as the published one (61.7 M parameters, 510 GFLOP), untrained,
for its costs. With a GAN and with an ensemble ours is scored where the model has such weights.
"""

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import environment

DATA = environment.REPOSITORY.parent / "shared" / "data" / "ct"
SCORES = ("psnr_x2ct", "psnr_true", "ssim_x2ct", "ssim", "mae_hu", "lung_dice", "bone_dice", "nrmse")
OF_UNCERTAINTY = ("uncertainty_rank", "coverage_1sd", "coverage_2sd")
RIVAL = "ChestDualPath"
OURS = "ours, refined"
"""As the program reconstructs by default."""
PUBLISHED = "X2CT-GAN size"
PUBLISHED_CHANNELS = (32, 64, 128, 256, 256, 128), (16, 44, 96, 192, 192, 128)


@dataclass(frozen=True)
class Method:
    """A model of the store and how it is used; with no name the adjoint."""

    model: str = ""
    refine: bool = False
    sharpness: float = 0.0
    uncertainty: bool = False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there")
    parser.add_argument("--data", type=Path, metavar="FOLDER", default=DATA, help="default: ../shared/data/ct")
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="keep prepared CTs there")
    parser.add_argument("--model", metavar="NAME", help="ours, a model of the store or its folder; default: the first")
    parser.add_argument("--rival", metavar="NAME", help=f"a dual-path model; default: {RIVAL}, if there is one")
    arguments = parser.parse_args()
    if not environment.entered():
        return environment.restart()
    methods = chosen(arguments.model, arguments.rival)
    # First, since a process inherits the peak memory of the one that starts it.
    costs = {name: measured(method) for name, method in {**methods, PUBLISHED: None}.items()}
    with tempfile.TemporaryDirectory() as folder:
        rows = evaluated(arguments.data, arguments.cache or Path(folder), methods)
    show(rows, costs)
    if arguments.json:
        lines = [*rows, *({"method": name, **cost} for name, cost in costs.items())]
        arguments.json.write_text(json.dumps(lines, indent=1))
    return 0


def chosen(ours: str | None, rival: str | None) -> dict[str, Method]:
    """What is compared, by the names of the table's columns."""
    from CTGANLib.models.store import find_model, first_model, list_models

    model = find_model(ours) if ours else first_model("biplanar")
    ours = str(model.folder)
    methods = {"adjoint": Method()}
    if rival or RIVAL in [model.name for model in list_models()]:
        methods["dual-path"] = Method(rival or RIVAL)
        methods["dual-path, refined as ours"] = Method(rival or RIVAL, refine=True)
    methods["ours"] = Method(ours)
    if model.has_texture:
        methods["ours, with GAN"] = Method(ours, sharpness=1.0)
    # Without an ensemble the uncertainty costs nothing.
    methods[OURS] = Method(ours, refine=True, uncertainty=not model.snapshots)
    if model.snapshots:
        methods["ours, ensemble, refined"] = Method(ours, refine=True, uncertainty=True)
    return methods


def evaluated(data: Path, cache: Path, methods: dict[str, Method]) -> list[dict]:
    """A row for each test patient and method, the baselines of ``evaluate`` among them."""
    from CTGANLib.biplanar.evaluate import evaluate
    from CTGANLib.datasets.preparation import prepare_data
    from CTGANLib.evaluation.scores import MEAN_VOLUME, NEAREST_VOLUME
    from CTGANLib.events import Reporter, part

    progress = Reporter(json_lines=False).progress
    prepared = prepare_data(data, cache, part(progress, 0, 0.2), ("train", "test"))
    training = list(prepared.files("train").values())
    # Ours first: the mean volume is that of its training.
    predictors = {name: predictor(method) for name, method in sorted(methods.items(), key=lambda item: item[0] != OURS)}
    rows = evaluate(predictors, prepared.files("test"), training, part(progress, 0.2, 0.8))
    order = [MEAN_VOLUME, NEAREST_VOLUME, *methods]
    return sorted(rows, key=lambda row: order.index(row["method"]))


def predictor(method: Method | None):
    """What reconstructs; ``None`` stands for the generator of the published size, untrained."""
    from CTGANLib.biplanar.dual_path import DualPathGenerator
    from CTGANLib.biplanar.reconstruct import Reconstructor
    from CTGANLib.models.store import find_model

    if method is None:
        return Reconstructor(DualPathGenerator(*PUBLISHED_CHANNELS), refine=False)
    how = {name: value for name, value in asdict(method).items() if name != "model"}
    return Reconstructor.from_model(find_model(method.model), **how) if method.model else backprojected


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
    return SimpleNamespace(volume=Volume(hu, grid), uncertainty=None, model_seconds=seconds, refine_seconds=0.0)


def measured(method: Method | None) -> dict:
    """The costs of one reconstruction of the sample patient, in a fresh process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measure, (method,))


def _measure(method: Method | None) -> dict:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from CTGANLib.biplanar.dual_path import DualPathGenerator
    from CTGANLib.device import peak_memory_mb
    from CTGANLib.imaging.geometry import View
    from CTGANLib.imaging.radiographs import read_radiograph
    from CTGANLib.models.store import find_model

    torch.set_num_threads(2)
    folder = environment.REPOSITORY / "Resources" / "SampleData"
    views = {"pa": View.PA, "lateral": View.LLAT}
    pair = [read_radiograph(folder / f"chest_{name}.dcm", view) for name, view in views.items()]
    run, seconds, forward = predictor(method), [], []
    for _ in range(3):
        start = time.perf_counter()
        forward.append(run(*pair).model_seconds)
        seconds.append(time.perf_counter() - start)
    peak = peak_memory_mb()
    with FlopCounterMode(display=False) as flop:
        run(*pair)
    if method is None:
        weights = DualPathGenerator(*PUBLISHED_CHANNELS).state_dict()
    else:
        weights = find_model(method.model).weights() if method.model else {}
    return {
        "parameters": sum(value.numel() for name, value in weights.items() if name != "mean_volume"),
        "gflop": flop.get_total_flops() / 1e9,
        "forward_s": min(forward),
        "seconds": min(seconds),
        "peak_mb": peak,
    }


def show(rows: list[dict], costs: dict[str, dict]) -> None:
    """Print the table, a column a method, then by how much ours is better, patient by patient."""
    from CTGANLib.evaluation.scores import changes, summarize, table, turned

    named = []
    for row in summarize(rows):
        short = {"method": row["method"], "n": row["n"]}
        for name in (*SCORES, *(name for name in OF_UNCERTAINTY if name in row)):
            short |= {name: row[name], f"{name}_ci95": row[f"{name}_ci95"]}
        named.append(short | costs.get(row["method"], {}))
    named.append({"method": PUBLISHED, **costs[PUBLISHED]})
    print("\r\033[K" + table(turned(named)))
    names = ("psnr_true", "ssim_x2ct", "ssim", "mae_hu", "lung_dice")
    compared = [
        {"method": "", "against": row["method"], **{name: row[name] for name in ("case", *names)}} for row in rows
    ]
    lines = []
    for change in changes(compared, "against", OURS):
        line = {f"{OURS}, less": change["against"]}
        for name in names:
            line |= {name: 0.0 - change[f"{name}_change"], f"{name}_ci95": change[f"{name}_change_ci95"]}
        lines.append(line)
    print("\n" + table([line for line in lines if line[f"{OURS}, less"] != OURS]))
    ours, published = costs["ours"], costs[PUBLISHED]
    print(
        f"\nForward pass, ours: {ours['forward_s'] / published['forward_s']:.2f} of the time and "
        f"{ours['gflop'] / published['gflop']:.2f} of the operations of the published size."
    )


if __name__ == "__main__":
    sys.exit(main())
