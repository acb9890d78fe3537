"""The virtual environments of tests, demo and benchmarks: made on first use, used again while the requirements stay.

Standard library only: this runs in whatever Python the user has.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

TESTING = Path(__file__).resolve().parent
REPOSITORY = TESTING.parent


def folder(part: str = "") -> Path:
    """Where the environment of a part of Testing is, such as ``benchmarks``, or the one of tests and demo."""
    return REPOSITORY / (f".venv-{part}" if part else ".venv")


def python(part: str = "") -> Path:
    """The environment's Python; the environment is made first where it is missing or of other requirements.

    Args:
        part: folder in Testing with the ``requirements.txt``; without it the one of tests and demo.

    Raises:
        SystemExit: the environment cannot be made; the message says why.
    """
    place, requirements = folder(part), TESTING / part / "requirements.txt"
    executable = place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp = place / "complete.txt"
    base = _base_python()
    # The requirements of a part take their versions from those of the tests.
    wanted = b"".join(file.read_bytes() for file in sorted({requirements, TESTING / "requirements.txt"}))
    fingerprint = hashlib.sha256(wanted + base.encode()).hexdigest()
    if executable.exists() and stamp.exists() and stamp.read_text() == fingerprint:
        return executable
    print(f"Making the environment in {place} (a few minutes, once) ...", flush=True)
    shutil.rmtree(place, ignore_errors=True)
    _run([base, "-m", "venv", str(place)], "Install Python's venv module (Debian: python3-venv).")
    install = [str(executable), "-m", "pip", "install", "--disable-pip-version-check", "--quiet", "-r"]
    _run([*install, str(requirements)], "Check the connection to the package index and the free disk space.")
    # Written last: an environment whose making was interrupted is made again.
    stamp.write_text(fingerprint)
    return executable


def _base_python() -> str:
    """This Python, or a better one on the path: the Slicer runtime exists for 3.11 to 3.13."""
    if (3, 11) <= sys.version_info[:2] <= (3, 13):
        return sys.executable
    others = [shutil.which(f"python3.{minor}") for minor in (12, 11, 13)]
    found = next((other for other in others if other and _works(other)), None)
    if found is None and sys.version_info < (3, 10):
        sys.exit(f"Python 3.10 or newer is needed; this is {sys.version.split()[0]}.")
    return found or sys.executable


def _works(executable: str) -> bool:
    """Whether it is a Python that can make environments, and not a launcher without a version behind it."""
    return subprocess.run([executable, "-c", "import venv, ensurepip"], capture_output=True).returncode == 0


def _run(command: list[str], advice: str) -> None:
    if subprocess.run(command).returncode != 0:
        sys.exit(f"The test environment could not be made: {' '.join(command)} failed. {advice}")


def entered(part: str = "") -> bool:
    """Whether this Python is that of an environment."""
    return Path(sys.prefix) == folder(part)


def restart(part: str = "") -> int:
    """Run this program again, with its arguments, in an environment; return its status."""
    return run([os.path.abspath(sys.argv[0]), *sys.argv[1:]], part, Path.cwd())


def run(arguments: list[str], part: str = "", directory: Path = REPOSITORY) -> int:
    """Run an environment's Python in a directory, with the project's packages on its path; return its status."""
    paths = [str(REPOSITORY / "CTGANReconstruct"), str(REPOSITORY / "CTGANTrain"), str(TESTING)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUTF8": "1"}
    return subprocess.run([str(python(part)), *arguments], cwd=directory, env=environment).returncode
