"""Where torch computes."""


def best_device() -> str:
    """``cuda``, ``mps`` or ``cpu``: the fastest that is there."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
