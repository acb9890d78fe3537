"""A backend of the modules for tests: a small program that speaks the events of the CTGANLib command line.

Its behavior is chosen by name; its results have a geometry that tests know.
"""

import json
import os
import subprocess
import sys
import time
from itertools import pairwise, takewhile
from pathlib import Path

import fake_rendering
import fake_tasks

SHAPE = (8, 12, 10)  # k, j, i
SPACING = (2.0, 3.0, 4.0)  # i, j, k, mm
ORIGIN_LPS = (10.0, 20.0, -30.0)
SEGMENTS = {"Body": "0.5 0.7 0.5", "Right lung": "0.8 0.6 0.5"}
# In the terms of CTGANLib's Acquisition.
ACQUISITION = {
    "view": "PA",
    "source_to_detector_distance": 1800.0,
    "source_to_isocenter_distance": 1600.0,
    "detector_shape": [16, 16],
    "pixel_spacing": [2.0, 3.0],
    "isocenter": [1.0, 2.0, 3.0],
    "detector_offset": [0.0, 0.0],
    "rotation": [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
}
AGREEMENT = {"pa": {"ncc": 0.98, "nrmse": 0.05}, "lateral": {"ncc": 0.75, "nrmse": 0.2}}


class FakeBackend:
    """Runs this file instead of CTGANLib.

    Attributes:
        behavior: ``good``, ``slow``, ``stubborn``, ``junk``, ``error``, ``crash``, ``silent``, ``partial``, and of
            trainings ``endless``, ``deaf`` and ``failing``.
        arguments: what the modules asked for last.
        missing: the packages that are said to be missing.
        installed: how often installation was asked for.
    """

    def __init__(self, behavior: str = "good", folder: Path | None = None) -> None:
        self.behavior, self.folder = behavior, folder
        self.arguments: list[str] = []
        self.missing: list[str] = []
        self.installed = 0

    def missingPackages(self) -> list[str]:
        return self.missing

    def installPackages(self) -> None:
        self.installed += 1
        self.missing = []

    def command(self, arguments: list[str]) -> list[str]:
        self.arguments = arguments
        return [sys.executable, __file__, self.behavior, *arguments]

    def environment(self) -> dict[str, str]:
        return {**os.environ, "FAKE_BACKEND_PIDS": str(self.folder / "pids.txt") if self.folder else ""}

    def value(self, option: str) -> str | None:
        """What the modules gave for an option, or None."""
        return self.arguments[self.arguments.index(option) + 1] if option in self.arguments else None


def _say(event: str, **values: object) -> None:
    print(json.dumps({"event": event, **values}), flush=True)


def _writeImage(path: str, array, **keys: str) -> None:
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(array)
    image.SetSpacing(SPACING)
    image.SetOrigin(ORIGIN_LPS)
    for key, value in keys.items():
        image.SetMetaData(key.replace("__", "."), value)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, path, useCompression=True)


def _writeCT(path: str) -> None:
    import numpy as np

    array = np.full(SHAPE, -1000, np.int16)
    array[2:6, 3:9, 2:8] = 40
    _writeImage(path, array)


def _writeUncertainty(path: str) -> None:
    import numpy as np

    _writeImage(path, np.full(SHAPE, 123.5, np.float32))


def _writeSegmentation(path: str) -> None:
    import numpy as np

    array = np.zeros(SHAPE, np.uint8)
    array[2:6, 3:9, 2:8] = 1
    array[3:5, 4:6, 3:5] = 2
    _writeImage(path, array, **_segmentKeys())


def _segmentKeys() -> dict[str, str]:
    keys = {"Segmentation_MasterRepresentation": "Binary labelmap"}
    for number, (name, color) in enumerate(SEGMENTS.items()):
        keys |= {
            f"Segment{number}_ID": name.replace(" ", ""),
            f"Segment{number}_Name": name,
            f"Segment{number}_Color": color,
            f"Segment{number}_LabelValue": str(number + 1),
            f"Segment{number}_Layer": "0",
            f"Segment{number}_Tags": "TerminologyEntry:Segmentation category and type - 3D Slicer General Anatomy list"
            "~SCT^123037004^Anatomical Structure~SCT^39607008^Lung~^^~Anatomic codes - DICOM master list~^^~^^|",
        }
    return keys


def _segment(ct: str, options: dict[str, str]) -> None:
    """Label what is above 0 HU, and above 100 HU, on the CT's own grid."""
    import numpy as np
    import SimpleITK as sitk

    image = sitk.ReadImage(ct)
    array = sitk.GetArrayFromImage(image)
    labels = (array > 0).astype(np.uint8) + (array > 100)
    result = sitk.GetImageFromArray(labels)
    result.CopyInformation(image)
    for key, value in _segmentKeys().items():
        result.SetMetaData(key, value)
    sitk.WriteImage(result, options["--out"])
    voxel = float(np.prod(image.GetSpacing())) / 1000
    segments = []
    for value, name in enumerate(SEGMENTS, start=1):
        inside = array[labels == value]
        measures = {"volume_ml": inside.size * voxel, "mean_hu": None, "surface_cm2": None}
        if inside.size:
            measures |= {"mean_hu": float(inside.mean()), "surface_cm2": 12.5 * value}
        segments.append({"name": name, "value": value, **measures})
    _say(
        "result",
        segmentation=options["--out"],
        model=options.get("--model", "ChestSegmentation"),
        segments=segments,
        seconds=42.4,
        peak_memory_mb=1900.0,
        warnings=[] if labels.any() else ["No organ was found in this CT."],
    )


def _writeRadiograph(path: str, acquisition: dict) -> None:
    import numpy as np

    _writeImage(path, np.ones((1, 16, 16), np.float32), CTGAN__Acquisition=json.dumps(acquisition))


def _values(arguments: list[str], option: str) -> list[str]:
    """All values of an option."""
    if option not in arguments:
        return []
    return list(takewhile(lambda text: not text.startswith("--"), arguments[arguments.index(option) + 1 :]))


def _preview(arguments: list[str]) -> None:
    """Answer each request with one gray pixel, and with an error where the detector is too near."""
    from PIL import Image

    for number, line in enumerate(sys.stdin):
        request = json.loads(line)
        if request.get("source_to_detector_distance", 1800) < 1000:
            _say("error", message="The detector is too near.", advice="")
            continue
        picture = str(Path(_values(arguments, "--out")[0]) / f"{number}.png")
        Image.new("L", (8, 8), 100).save(picture)
        isocenter = [*request.get("angles", []), 0.0, 0.0, 0.0][:3]  # so that a test sees which request this answers
        _say("result", picture=picture, acquisition={**ACQUISITION, "isocenter": isocenter})


def _perform(arguments: list[str]) -> None:
    options = {name: value for name, value in pairwise(arguments) if name.startswith("--")}
    task = arguments[0]
    for step in range(1, 4):
        _say("progress", fraction=step / 4, message=f"Step {step}, loss 0.{step}", eta_s=4.0 - step)
    if task == "reconstruct":
        _writeCT(options["--out"])
        if "--segmentation" in options:
            _writeSegmentation(options["--segmentation"])
        if "--uncertainty" in options:
            _writeUncertainty(options["--uncertainty"])
        views = [view for view in ("pa", "lateral") if f"--{view}" in options]
        paths = {view: str(Path(options.get("--reprojections", "")) / f"{view}.nrrd") for view in views}
        for path in paths.values() if "--reprojections" in options else ():
            _writeRadiograph(path, {"view": "PA"})
        _say(
            "result",
            volume=options["--out"],
            segmentation=options.get("--segmentation"),
            uncertainty=options.get("--uncertainty"),
            reprojections=paths if "--reprojections" in options else None,
            warnings=["The frontal radiograph was inverted."],
            consistency={view: AGREEMENT[view] for view in views},
            model_seconds=2.1,
            peak_memory_mb=900.0,
        )
    elif task == "project":
        paths = _values(arguments, "--out")
        for path, view in zip(paths, [*_values(arguments, "--view"), "PA"], strict=False):
            _writeRadiograph(path, {**ACQUISITION, "view": view})
        _say("result", radiographs=paths)
    elif task == "segment":
        _segment(arguments[1], options)
    elif task == "synthesize":
        fake_tasks.synthesize(options, arguments, _say)
    elif task == "render":
        fake_rendering.render(arguments, _say)
    elif task == "dataset":
        fake_tasks.check(options, arguments, _say)
    elif task == "evaluate":
        fake_tasks.evaluate(options, arguments, _say)
    elif task == "study":
        fake_tasks.study(options, _say)


def _main(behavior: str, arguments: list[str]) -> int:
    if behavior in ("slow", "stubborn"):
        if behavior == "stubborn":
            import signal

            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        Path(os.environ["FAKE_BACKEND_PIDS"]).write_text(f"{os.getpid()} {child.pid}")
        _say("progress", fraction=0.1, message="Going slowly", eta_s=59.0)
        time.sleep(60)
    elif behavior == "junk":
        sys.stdout.buffer.write(b'warning: \xff\xfe not UTF-8\n[1, 2]\n{"event": "progress", "fraction": NaN}\n\n')
        sys.stdout.buffer.write(b'{"event": "unknown"}\n{"event": "progress", "fraction": 7, "eta_s": null}\n"text"\n')
        sys.stdout.buffer.flush()
        _perform(arguments)
        print("half a line", end="", flush=True)
    elif behavior == "error":
        _say("error", message="x.png is a color photograph.", advice="Choose a radiograph.")
        return 1
    elif behavior == "crash":
        print("Traceback (most recent call last):\nMemoryError: nothing left", file=sys.stderr)
        return 9
    elif behavior == "partial":
        _say("result", volume="/nonexistent/ct.nrrd", segmentation=None, reprojections=None, consistency={})
    elif arguments[0] == "preview":
        _preview(arguments)
    elif behavior in ("good", "endless", "deaf", "failing") and arguments[0] == "train":
        options = {name: value for name, value in pairwise(arguments) if name.startswith("--")}
        return fake_tasks.train(behavior, options, _say)
    elif behavior == "good" and arguments[0] == "models":
        return fake_tasks.models(arguments, _say)
    elif behavior == "good":
        _perform(arguments)
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1], sys.argv[2:]))
