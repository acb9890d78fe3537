"""The seeds that users give."""

from .errors import UserError

_LARGEST = 2**31 - 1


def check_seed(seed: int, count: int = 1) -> None:
    """Check that a seed, and as many as follow it, are ones.

    Raises:
        UserError: they are not.
    """
    most = _LARGEST - (count - 1)
    if not 0 <= seed <= most:
        raise UserError(f"The seed cannot be {seed}.", f"Choose a whole number from 0 to {most}.")
