"""How good the pictures of CTs by networks are, on patients and transfer functions they have not seen, and how fast.

The truth is VTK's ray-casting on the CPU with ten samples a voxel (Slicer's quality *Maximum*). The first table has the
mean and half the 95 % interval over pictures: RMSE and relative L2 on RGB within 0 and 1, SSIM of gray values, MS-SSIM,
PSNR, and the earth mover's distance between color histograms (8×12×12 bins of CIELAB). ``ray-caster alone`` is what the
network starts from. ``--opacity`` names a model that is given VTK's opacity and depth passes at half the size, much as
TFGAN's generator is given an opacity pass; beside it stands the true picture at that size, enlarged. The other model
sees the volume itself. The second table has the seconds of a frame (median over views, 2
threads, one run) of a CT brought to 512×512×133 voxels under three of Slicer's presets, beside VTK's with one, two
(Slicer's *Normal*) and ten samples a voxel. The third one is about fusion: of a CT that is blurred in its left half and
of the same blurred in its right half, how near the fused volume comes to the CT itself.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import environment

DATA = environment.REPOSITORY.parent / "shared" / "data" / "ct"
TIMED = "lidc_0001"
BIG = (133, 512, 512)
TIMED_PRESETS = ("CT-Bone", "CT-Lung", "CT-Fat")
OURS, GIVEN = "ours, sees the volume", "ours, given opacity and depth"
BLUR = 1.5  # voxels, standard deviation
VIEWS = [(85, 0, 0, 1.0), (70, 60, 5, 1.3), (110, 200, -5, 1.6), (85, 300, 0, 1.0), (50, 130, 0, 2.0)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there")
    parser.add_argument("--data", type=Path, metavar="FOLDER", default=DATA, help="CTs; those of role test score")
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="keep the rendered pictures there")
    parser.add_argument("--model", metavar="NAME", help="ours, a model of the store or its folder; default: the first")
    parser.add_argument("--opacity", metavar="NAME", help="a model that is given opacity and depth passes")
    parser.add_argument("--pictures", type=int, default=100, metavar="N", help="in all; default: 100")
    parser.add_argument("--size", type=int, default=256, help="pixels of a side; default: 256")
    parser.add_argument("--seed", type=int, default=1000, help="of views and functions; those of training have 0")
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="truth, prediction and difference: .png")
    arguments = parser.parse_args()
    if not environment.entered():
        return environment.restart()
    models = chosen(arguments.model, arguments.opacity)
    with tempfile.TemporaryDirectory() as folder:
        rows = scored(models, arguments, arguments.cache or Path(folder))
    times = timed(models, arguments.data, arguments.size)
    fusions = fused(arguments.data)
    show(rows, times, fusions)
    if arguments.json:
        arguments.json.write_text(json.dumps([*rows, *times, *fusions], indent=1))
    return 0


def chosen(ours: str | None, opacity: str | None) -> dict:
    """The renderers by the names of the table's columns."""
    from CTGANLib.models.store import find_model, first_model
    from CTGANLib.rendering.render import TASK, NeuralRenderer

    models = {OURS: find_model(ours) if ours else first_model(TASK)}
    models |= {GIVEN: find_model(opacity)} if opacity else {}
    return {name: NeuralRenderer.from_model(model) for name, model in models.items()}


def scored(models: dict, arguments: argparse.Namespace, cache: Path) -> list[dict]:
    """A row for each picture and method."""
    from CTGANLib.datasets.find import find_cases
    from CTGANLib.events import Reporter, part
    from CTGANLib.rendering.evaluate import evaluate
    from CTGANLib.rendering.preparation import render_cases, shots_of

    progress = Reporter(json_lines=False).progress
    cases = [case for case in find_cases(arguments.data) if case.role == "test"]
    shots = shots_of(cases, arguments.pictures, arguments.seed)
    files, _ = render_cases(cases, shots, cache, arguments.size, part(progress, 0, 0.5))
    rows = evaluate(models, files, [], part(progress, 0.5, 0.5))
    if arguments.sheet:
        draw(models, files, arguments.sheet)
    return rows


def draw(models: dict, files: dict[str, Path], path: Path) -> None:
    """A row for the first picture of each patient: the truth, then each method and its absolute difference, times 3."""
    import numpy as np

    from CTGANLib.imaging.montage import write_png
    from CTGANLib.rendering.colors import as_bytes, over
    from CTGANLib.rendering.evaluate import cast_alone, made
    from CTGANLib.rendering.pictures import Pictures, read_coarse

    lines = []
    for file in files.values():
        picture, coarse = Pictures([file])[0], read_coarse(file)
        background = picture.shot.background
        true = over(picture.rgba / 255, background)
        pictures = [cast_alone(picture), *[made(model, picture, coarse)[0] for model in models.values()]]
        shown = [over(rgba.astype(float), background) for rgba in pictures]
        lines.append(np.hstack([true, *[part for rgb in shown for part in (rgb, 3 * np.abs(rgb - true))]]))
    write_png(as_bytes(np.vstack(lines)), path)


def timed(models: dict, data: Path, size: int) -> list[dict]:
    """Seconds of a frame of each method."""
    from functools import partial

    import torch

    from CTGANLib.rendering.camera import View
    from CTGANLib.rendering.coarse import CoarseVolume
    from CTGANLib.rendering.presets import preset
    from CTGANLib.rendering.recipe import OPACITY
    from CTGANLib.rendering.vtk_renderer import VtkRenderer

    torch.set_num_threads(2)
    volume = big(data)
    start = time.perf_counter()
    coarse, step = CoarseVolume.of(volume), float(volume.grid.spacing.min())
    prepared = time.perf_counter() - start
    steps = {f"VTK, samples a voxel: {count}": step / count for count in (1, 2, 10)}
    by_vtk = {name: VtkRenderer(volume, length, 2) for name, length in steps.items()}
    rows = []
    cameras = [View(*view).camera(volume.grid) for view in VIEWS]
    for title in TIMED_PRESETS:
        functions = preset(title)
        ways = {name: partial(vtk.rgba, functions=functions, size=size) for name, vtk in by_vtk.items()}
        for name, model in models.items():
            given = next(iter(by_vtk.values())) if model.source == OPACITY else None
            ways[name] = partial(framed, model=model, volume=coarse, functions=functions, size=size, vtk=given)
        for name, way in ways.items():
            for camera in cameras:  # the first picture of new functions, or along another axis, prepares tables
                way(camera)
            seconds = []
            for camera in cameras:
                start = time.perf_counter()
                way(camera)
                seconds.append(time.perf_counter() - start)
            row = {"method": name, "functions": title, "frame_s": statistics.median(seconds)}
            rows.append({**row, "once_s": prepared if name in models else 0.0})
    return rows


def framed(camera, model, volume, functions, size: int, vtk) -> None:
    """One frame of a model; ``vtk`` gives the passes to one that needs them."""
    seen = vtk.surfaces(camera, functions, size // model.factor) if vtk else None
    model.render(volume, camera, functions, size, seen)


def big(data: Path):
    """A test CT on 512×512×133 voxels, int16."""
    import numpy as np

    from CTGANLib.datasets.find import find_cases
    from CTGANLib.imaging.geometry import Grid
    from CTGANLib.imaging.resampling import resample_parallel
    from CTGANLib.imaging.volumes import Volume, read_volume

    cases = [case for case in find_cases(data) if case.role == "test"]
    case = next((case for case in cases if case.name == TIMED), cases[0])
    volume = read_volume(case.path)
    matrix = volume.grid.ijk_to_ras.copy()
    scale = (np.array(volume.grid.shape[::-1]) - 1) / (np.array(BIG[::-1]) - 1)
    matrix[:3, :3] = matrix[:3, :3] * scale
    grid = Grid(BIG, matrix)
    return Volume(np.rint(resample_parallel(volume, grid).array).astype(np.int16), grid)


def fused(data: Path) -> list[dict]:
    """How near each way of fusion, and each of what is fused, comes to a CT of which one half each is blurred."""
    import numpy as np
    import SimpleITK as sitk

    from CTGANLib.datasets.find import find_cases
    from CTGANLib.imaging.volumes import Volume, read_volume
    from CTGANLib.rendering.fusion import METHODS, fuse

    cases = [case for case in find_cases(data) if case.role == "test"]
    truth = read_volume(next((case for case in cases if case.name == TIMED), cases[0]).path)
    hu = truth.array.astype(np.float32).clip(-1024, 1476)
    left = np.arange(hu.shape[2]) < hu.shape[2] // 2
    blurred = sitk.GetArrayFromImage(sitk.SmoothingRecursiveGaussian(sitk.GetImageFromArray(hu), BLUR))
    halves = [Volume(np.where(side, blurred, hu), truth.grid) for side in (left, ~left)]
    made = {"one of the two": halves[0], **{method: fuse(halves, method) for method in METHODS}}
    rows = []
    for name, volume in made.items():
        error = volume.array - hu
        steps = [sum(np.abs(np.diff(each, axis=n)).mean() for n in range(3)) for each in (volume.array, hu)]
        scores = {"mae_hu": np.abs(error).mean(), "psnr": 10 * np.log10(2500**2 / (error**2).mean())}
        scores["detail"] = steps[0] / steps[1]
        rows.append({"fusion": name, **{metric: float(value) for metric, value in scores.items()}})
    return rows


def show(rows: list[dict], times: list[dict], fusions: list[dict]) -> None:
    """Print the tables."""
    from CTGANLib.evaluation.scores import summarize, table, turned

    kept = [{name: value for name, value in row.items() if name != "seconds"} for row in rows]
    print("\r\033[K" + table(turned(summarize(kept))) + "\n")
    print(table(times) + "\n")
    print(table(fusions))


if __name__ == "__main__":
    sys.exit(main())
