"""Steps of a pipeline that are done once: a stamp says with which inputs, and what came of it."""

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ..files import staged
from ..models.bundle import sha256

DONE, SKIPPED, NOT_NEEDED = "done", "skipped", "not needed"


class Steps:
    """Keeps a stamp file for each step of a pipeline.

    A step whose stamp has the same inputs, and whose outputs are still there, is skipped. One that was begun with the
    same inputs but not finished goes on with what it left behind; one that was begun with others starts afresh.

    Args:
        folder: of the pipeline; stamps go to its folder ``steps``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def run(self, name: str, inputs: object, work: Callable[[], list[Path]], own: tuple[Path, ...] = ()) -> dict:
        """Do a step unless it is done.

        Args:
            name: of the step.
            inputs: all that its outcome depends on, as JSON values.
            work: does it and returns its output files.
            own: files and folders of this step alone, removed before it starts afresh.

        Returns:
            ``step``, ``state`` (``done`` or ``skipped``) and the ``seconds`` of the work, this time or then.
        """
        key, stamp = digest_of(inputs), self.stamp(name)
        if stamp.get("inputs") == key and self._intact(stamp):
            return {"step": name, "state": SKIPPED, "seconds": stamp["seconds"]}
        if stamp.get("inputs") != key:
            for path in own:
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        self._write(name, {"inputs": key})
        start = time.monotonic()
        outputs = work()
        seconds = round(time.monotonic() - start, 2)
        sizes = {self._relative(path): path.stat().st_size for path in outputs}
        self._write(name, {"inputs": key, "outputs": sizes, "seconds": seconds})
        return {"step": name, "state": DONE, "seconds": seconds}

    def forget(self, name: str) -> dict:
        """Note that a step is not needed; what it made stays where it is."""
        self._path(name).unlink(missing_ok=True)
        return {"step": name, "state": NOT_NEEDED, "seconds": 0.0}

    def is_done(self, name: str) -> bool:
        """Whether the step has been done, with whatever inputs."""
        return "outputs" in self.stamp(name)

    def digest(self, name: str) -> str:
        """A hash of what a step made."""
        return digest_of([sha256(self._folder / output) for output in self.stamp(name)["outputs"]])

    def stamp(self, name: str) -> dict:
        """The step's stamp; empty before its beginning."""
        with suppress(OSError, ValueError):
            stamp = json.loads(self._path(name).read_text(encoding="utf-8"))
            if isinstance(stamp, dict):
                return stamp
        return {}

    def _intact(self, stamp: dict) -> bool:
        """Whether a finished step's outputs are there as it left them."""
        if "outputs" not in stamp:
            return False
        # A path outside of the pipeline's folder is absolute and stays so.
        paths = {self._folder / name: size for name, size in stamp["outputs"].items()}
        return all(path.is_file() and path.stat().st_size == size for path, size in paths.items())

    def _write(self, name: str, stamp: dict) -> None:
        with staged(self._path(name)) as temporary:
            temporary.write_text(json.dumps(stamp, indent=2), encoding="utf-8")

    def _path(self, name: str) -> Path:
        return self._folder / "steps" / f"{name}.json"

    def _relative(self, path: Path) -> str:
        """Inside of the pipeline's folder relative to it, so that the folder can be moved."""
        return path.relative_to(self._folder).as_posix() if path.is_relative_to(self._folder) else str(path.resolve())


def digest_of(values: object) -> str:
    """A hash of JSON values."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()

