"""Where torch computes, and what it takes."""

import sys

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
