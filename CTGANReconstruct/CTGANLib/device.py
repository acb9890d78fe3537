"""Where torch computes, and what it takes."""

import ctypes
import sys
from pathlib import Path

from .errors import UserError


def choose_device(name: str) -> str:
    """The device of that name; for ``auto`` the fastest of ``cuda``, ``mps`` and ``cpu`` that is there.

    Raises:
        UserError: it is not there.
    """
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return next(device for device, available in there.items() if available)
    if not there[name]:
        raise UserError(f"This machine has no {name} device that torch can use.", "Choose auto or cpu.")
    return name


def peak_memory_mb() -> float | None:
    """Largest resident memory of this process so far, in MB; ``None`` on systems that do not tell."""
    try:
        import resource
    except ImportError:
        return None
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, 1)


def free_memory_mb() -> float | None:
    """Memory that can still be taken without swapping, in MB; ``None`` on systems that do not tell, such as macOS.

    On Linux what a control group (container, batch job) leaves counts too.
    """
    if sys.platform == "win32":
        return _free_on_windows()
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(float(line.split()[1]) / 1e3 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError, IndexError):
        return None
    try:
        most, taken = (int(Path(f"/sys/fs/cgroup/memory.{name}").read_text()) for name in ("max", "current"))
    except (OSError, ValueError):  # no control group, or one without a limit
        return free
    return min(free, max(most - taken, 0) / 1e6)


def _free_on_windows() -> float | None:
    """What ``GlobalMemoryStatusEx`` tells."""
    values = (ctypes.c_ulonglong * 8)(64)  # length and load (32 bits each), then sizes; the second is free memory
    if not ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(values)):
        return None
    return values[2] / 1e6
