"""Output files appear complete or not at all: they are written beside their place and renamed at the end."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from .errors import UserError


def _suffixes(path: Path) -> str:
    """All endings that a writer chooses its format by, such as ``.nii.gz`` and ``.seg.nrrd``."""
    return "".join(path.suffixes[-2:]) if path.suffix in (".gz", ".nrrd") else path.suffix


@contextmanager
def staged(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path in the folder of ``path``; rename it to ``path`` on success, delete it otherwise.

    The temporary name keeps the ending, since writers choose the format by it. ``path`` may become a file or a
    folder; an existing one is replaced.

    Raises:
        UserError: the folder cannot be made or written, or the disk is full.
    """
    path = Path(path)
    temporary = path.with_name(f".{uuid.uuid4().hex}{_suffixes(path)}")
    try:
        check_writable(path)
        yield temporary
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        os.replace(temporary, path)
    except OSError as error:
        raise UserError(
            f"Cannot write {path}: {error.strerror or error}.",
            "Choose a folder that exists, is writable and has free disk space.",
        ) from error
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            with suppress(OSError):  # such as a folder that is no folder; what went wrong was said above
                temporary.unlink()


@contextmanager
def staged_all(*paths: str | os.PathLike | None) -> Iterator[list[Path | None]]:
    """:func:`staged` for several outputs of one task: none appears before all are written. ``None`` stays ``None``."""
    with ExitStack() as stack:
        yield [stack.enter_context(staged(path)) if path is not None else None for path in paths]


def check_writable(path: str | os.PathLike) -> None:
    """Make the folder of ``path`` and check that a file can be made in it, before long work is begun.

    Raises:
        OSError: the folder cannot be made or written.
    """
    folder = Path(path).resolve().parent
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / f".{uuid.uuid4().hex}"
    probe.touch()
    probe.unlink()
