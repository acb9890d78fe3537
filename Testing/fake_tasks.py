"""What the fake backend does for CTGANTrain (data sets, run folders, evaluations, the model store) and Synthesize."""

import hashlib
import json
import math
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "CTGANReconstruct"))

Say = Callable[..., None]
STEPS = 6
SYNTHETIC_SPACING = (2.0, 3.0, 5.0)  # along i, j, k, mm


def writeModel(
    folder: Path,
    title: str,
    task: str = "biplanar",
    network: dict[str, list[int]] | None = None,
    classes: tuple[str, ...] = (),
    **further: str,
) -> None:
    """Write a bundle that the store lists; ``network`` are the arguments of its network, ``further`` the hashes of
    weights beside the main ones."""
    weights = b"weights of " + title.encode()
    ours = {
        "task": task,
        "license": "CC-BY-4.0",
        "sha256": hashlib.sha256(weights).hexdigest(),
        "trained_on": ["a", "b"],
        "scores": [{"method": "CTGAN", "psnr_true": 21.5}],
        "further": further,
        "classes": classes,
    }
    files = {
        "configs/metadata.json": json.dumps({"name": title, "data_source": "LIDC-IDRI", "ctgan": ours}),
        "configs/inference.json": json.dumps({"network_def": {"_target_": "x", **(network or {})}}),
        "models/model.pt": weights,
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def check(options: dict[str, str], arguments: list[str], say: Say) -> None:
    """One case for each file of a folder: those with ``bad`` in their names are left out."""
    data = Path(arguments[2])
    files = sorted(path for path in data.iterdir() if path.suffix == ".nrrd")
    thumbnails = Path(options["--thumbnails"]) if "--thumbnails" in options else None
    cases = []
    for number, file in enumerate(files):
        bad = "bad" in file.stem
        cases.append(
            {
                "case": file.stem,
                "path": str(file),
                "patient": file.stem.partition("_")[0],
                "role": "drop" if bad else "test" if number == 0 else "train",
                "reason": "The file is damaged." if bad else "",
                "warnings": ["Slices are missing."] if number == 1 else [],
                "modality": "" if bad else "CT",
                "shape": [] if bad else [160, 150, 140],
                "spacing": [] if bad else [2.0, 2.0, 2.5],
                "extent": [] if bad else [320.0, 300.0, 350.0],
                "coverage": "" if bad else "thorax",
                "orientation": "" if bad else "RAS",
                "hu_range": [] if bad else [-1000.0, 812.4],
                "study_description": "" if bad else "Chest CT",
                "duplicate_of": "",
                "thumbnail": "" if bad or not thumbnails else str(_thumbnail(thumbnails / f"{file.stem}.png", number)),
            }
        )
    if "--out" in options:
        lines = ["id\trole\tpath\tpatient_key\treason"]
        lines += ["\t".join((c["case"], c["role"], c["path"], c["patient"], c["reason"])) for c in cases]
        Path(options["--out"]).write_text("\n".join(lines) + "\n", encoding="utf-8")
    say("result", cases=cases, table=options.get("--out"))


def _thumbnail(path: Path, number: int) -> Path:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.radial_gradient("L").resize((64, 64)).point(lambda value: 255 - value + 5 * number).save(path)
    return path


def train(behavior: str, options: dict[str, str], say: Say) -> int:
    """Write a run folder: ``good`` and ``failing`` end by themselves, ``endless`` when asked to, ``deaf`` never."""
    from CTGANLib.training.runs import Run

    run = Run(options["--out"])
    steps = int(options.get("--steps", STEPS)) if behavior in ("good", "failing") else 100_000
    run.begin(options["--recipe"], Path(options["--data"]), {"steps": steps, "learning_rate": 0.0006})
    run.say("preparing", fraction=0.0, message="Preparing a", steps=steps)
    first = len(run.losses()) + 1

    def scores(step: int) -> dict[str, float]:
        if options["--recipe"] == "segmentation":
            return {"dice": 0.5, "dice Kidney": 0.4}
        return {"psnr_true": 20 + math.log(step), "ssim": 0.5}

    for step in range(first, steps + 1):
        run.add_losses(step, {"total": 1 / step + 0.01, "projection": 0.5 / step})
        if step % 3 == 0:
            run.add_scores(step, scores(step))
            _example(run, step)
        best = dict(list(scores(step).items())[:1])
        pace = {"samples_per_s": 1.75, "memory_mb": 2300.4, "device": "cpu"}
        say("progress", fraction=step / steps, message=f"Step {step} of {steps}", eta_s=12.0)
        run.say("training", fraction=step / steps, message="Learning", eta_s=12.0, step=step, best=best, **pace)
        if behavior == "failing":
            error = {"message": "The losses are not numbers any more.", "advice": "Lower the learning rate."}
            run.say("failed", error=error)
            say("error", **error)
            return 1
        if behavior in ("endless", "deaf"):
            time.sleep(0.02)
        if behavior != "deaf" and (asked := run.take_request()):
            if asked == "pause":
                run.say("paused", message="Paused")
                say("result", model=None, name=None, metrics=[], left_out={})
                return 0
            break
    run.say("evaluating", fraction=0.5, message="Scoring")
    store = Path(os.environ["CTGAN_MODELS"])
    name = options.get("--name", run.name)
    writeModel(run.model, name)
    shutil.copytree(run.model, store / name, dirs_exist_ok=True)
    run.say("done", fraction=1.0, message="Done", model=name, notices=[])
    rows = [{"method": "CTGAN", "psnr_true": 21.5}, {"method": "mean volume", "psnr_true": 15.0}]
    say("result", model=str(run.model), name=name, metrics=rows, left_out={"d": "It is damaged."})
    return 0


def _example(run, step: int) -> None:
    import numpy as np
    import SimpleITK as sitk

    run.truth.parent.mkdir(parents=True, exist_ok=True)
    for path, value in ((run.truth, 40), (run.example(step), step)):
        image = sitk.GetImageFromArray(np.full((4, 5, 6), value, np.int16))
        sitk.WriteImage(image, str(path))


def evaluate(options: dict[str, str], arguments: list[str], say: Say) -> None:
    """Two cases and two methods, with the files that are asked for."""
    rows = [
        {
            "case": case, "method": method, "psnr_true": value, "ssim": None if method == "mean volume" else 0.8,
            "volumes": {"Right lung": {"ml": 2000.0, "true_ml": 1900.0, "error_ml": 100.0, "error_percent": 5.26}},
        }
        for case, value in (("a", 21.5), ("b", 20.5))
        for method in (options.get("--model", "CTGAN"), "mean volume")
    ]  # fmt: skip
    conditions = [
        {"case": case, "method": options.get("--model", "CTGAN"), "condition": condition, "psnr_true": 20.0}
        for case in "ab"
        for condition in ("ideal", "inverted film")
    ]
    for option in ("--out", "--csv", "--html"):
        if option in options:
            Path(options[option]).parent.mkdir(parents=True, exist_ok=True)
            Path(options[option]).write_text("case,method,psnr_true\na,CTGAN,21.5\n", encoding="utf-8")
    summary = [{"method": "CTGAN", "psnr_true": 21.0, "psnr_true_95": [20.1, 21.9]}]
    say(
        "result", rows=rows, summary=summary, conditions=conditions if "--conditions" in arguments else [],
        left_out={"c": "It is damaged."}, warnings=["a was trained on."], report=options.get("--html"),
    )  # fmt: skip


def synthesize(options: dict[str, str], arguments: list[str], say: Say) -> None:
    """Volumes of -1000 HU with one voxel that tells the seed, to the front, left and above; of a model called Slices
    one stack, and of one called Films one of radiographs."""
    import numpy as np
    import SimpleITK as sitk

    model, count, seed = options.get("--model", "ChestPyramid"), int(options["--count"]), int(options["--seed"])
    at = arguments.index("--size") + 1 if "--size" in options else 0
    i, j, k = map(int, arguments[at : at + 3]) if at else (10, 12, 8)
    isStack = "Slices" in model or "Films" in model
    paths = []
    for number in range(1 if isStack else count):
        array = np.full((count, j, i) if isStack else (k, j, i), -1000, np.int16)
        array[-1, -2, 1] = (seed + number) % 1000
        image = sitk.GetImageFromArray(array)
        image.SetSpacing(SYNTHETIC_SPACING)
        image.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))  # along R, A, S
        x, y, z = (step * (size - 1) / 2 for step, size in zip(SYNTHETIC_SPACING, image.GetSize(), strict=True))
        image.SetOrigin((x, y, -z))
        paths.append(str(Path(options["--out"]) / f"{number}.nrrd"))
        Path(paths[-1]).parent.mkdir(exist_ok=True)
        sitk.WriteImage(image, paths[-1])
    say(
        "result", volumes=paths, model=model, kind="radiographs" if "Films" in model else "ct", seed=seed, seconds=3.2,
        peak_memory_mb=600.0, warnings=["They do not belong together."] if isStack else [],
    )  # fmt: skip


def study(options: dict[str, str], say: Say) -> None:
    """A blinded study of as many real and synthetic cases as are asked for: squares in the middle, or to a side."""
    import tempfile

    import numpy as np

    from CTGANLib.evaluation.blinding import Blinder
    from CTGANLib.imaging.geometry import Grid
    from CTGANLib.imaging.volumes import Volume

    count, slices = int(options["--count"]), options["--kind"] == "slices"
    with tempfile.TemporaryDirectory() as temporary:
        blinder = Blinder(Path(temporary))
        for number in range(2 * count):
            hu = np.full((1 if slices else 6, 24, 20), -1000, np.int16)
            hu[:, 8:16, 6 : 12 + number % 2] = 40
            blinder.add(Volume(hu, Grid.centered(hu.shape, 2.0)), f"source {number}", bool(number % 2))
        made = blinder.write(Path(options["--out"]), options["--kind"])
    say("result", study=options["--out"], **made, left_out={"d": "It is damaged."})


def models(arguments: list[str], say: Say) -> int:
    """The model store, without a look at the weights."""
    from CTGANLib.models import store

    action, values = arguments[1], arguments[2:]
    if action == "import":
        source = Path(values[0])
        if not (source / "configs").is_dir():
            say("error", message=f"{source.name} is not a CTGAN model.", advice="Choose another file.")
            return 1
        shutil.copytree(source, store.user_folder() / source.name)
        say("result", model={"name": source.name})
        return 0
    model = store.find_model(values[0])
    name = model.name
    if action == "export":
        Path(values[1]).write_bytes(b"zip")
    elif action == "rename":
        name = values[1]
        model.folder.rename(model.folder.with_name(name))
    elif action == "delete":
        shutil.rmtree(model.folder)
    say("result", model=name)
    return 0
