"""``python -m demo FOLDER``: reconstruct the sample patient in the headless Slicer and write what a user would keep."""

import sys
import time
from pathlib import Path

from demo.report import write_report

SAMPLE = Path(__file__).resolve().parents[2] / "Resources" / "SampleData"


def main(folder: Path) -> None:
    start = time.perf_counter()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        result = _reconstruct_in_slicer(folder)
    except ImportError as error:
        print(f"Without the Slicer runtime ({error}) there is no scene.mrb; Python 3.11 to 3.13 on Linux has it.")
        result = _reconstruct_on_command_line(folder)
    scores = write_report(folder / "report.png", folder / "reconstruction.nrrd", SAMPLE)
    print("\n" + scores)
    print(f"\nModel: {result[0]:.1f} s, peak memory {result[1]:.0f} MB. All: {time.perf_counter() - start:.0f} s.")
    print("Written (not for diagnosis):")
    for name in ("reconstruction.nrrd", "segmentation.seg.nrrd", "scene.mrb", "report.png"):
        if (folder / name).exists():
            print(f"  {folder / name}")


def _reconstruct_in_slicer(folder: Path) -> tuple[float, float]:
    """As a script in Slicer would; returns the model's seconds and its peak memory in MB."""
    import slicer

    import harness

    logic = harness.load_module("CTGANReconstruct/CTGANReconstruct.py", widget=False).python.CTGANReconstructLogic()
    pa, lateral = _load("chest_pa.dcm", "Chest PA"), _load("chest_lateral.dcm", "Chest lateral")
    result = logic.reconstruct(pa, lateral, onProgress=lambda progress: _show(progress.fraction, progress.message))
    print()
    saved = [
        slicer.util.saveNode(result.volume, str(folder / "reconstruction.nrrd")),
        slicer.util.saveNode(result.segmentation, str(folder / "segmentation.seg.nrrd")),
        slicer.util.saveScene(str(folder / "scene.mrb")),
    ]
    if not all(saved):
        raise SystemExit(f"The results could not be written to {folder}.")
    return result.modelSeconds, result.peakMemoryMb


def _load(name: str, title: str):
    import slicer

    return slicer.util.loadVolume(str(SAMPLE / name), {"singleFile": True, "name": title})


def _reconstruct_on_command_line(folder: Path) -> tuple[float, float]:
    import argparse

    from CTGANLib.commands import reconstruct

    parser = argparse.ArgumentParser()
    reconstruct.add_arguments(parser)
    files = ["--pa", SAMPLE / "chest_pa.dcm", "--lateral", SAMPLE / "chest_lateral.dcm"]
    outputs = ["--out", folder / "reconstruction.nrrd", "--segmentation", folder / "segmentation.seg.nrrd"]
    result = reconstruct.run(parser.parse_args([str(part) for part in files + outputs]), _show)
    return result["model_seconds"], result["peak_memory_mb"] or 0.0


def _show(fraction: float, message: str) -> None:
    print(f"\r\033[K{fraction:4.0%} {message}", end="", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
