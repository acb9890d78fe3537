"""Ending a training that an earlier session started. Process numbers are used again, so it is looked at first."""

import os
import signal
import subprocess
from contextlib import suppress
from itertools import pairwise
from pathlib import Path


def endTraining(pid: object, runFolder: Path, force: bool = False) -> bool:
    """End the process ``pid`` with its children if it is the training of that run folder; return whether it was.

    Args:
        pid: what the run's status says.
        runFolder: absolute.
        force: whether to end it without letting it clean up.
    """
    if not isinstance(pid, int) or pid <= 1 or not _isTraining(pid, runFolder):
        return False
    if os.name == "nt":
        _run(["taskkill", "/F", "/T", "/PID", str(pid)])
        return True
    with suppress(ProcessLookupError, PermissionError):
        number = signal.SIGKILL if force else signal.SIGTERM
        if os.getpgid(pid) == os.getsid(pid) != os.getsid(0):  # we start trainings as the head of a session
            os.killpg(os.getpgid(pid), number)
        else:
            os.kill(pid, number)
    return True


def _isTraining(pid: int, runFolder: Path) -> bool:
    """Whether a process was started with ``--out`` and that very folder."""
    with suppress(OSError):  # Linux
        words = os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes()).split("\0")
        return ("--out", str(runFolder)) in pairwise(words)
    if os.name == "nt":
        query = f'(Get-CimInstance Win32_Process -Filter "ProcessId={pid}").CommandLine'
        line = _run(["powershell", "-NoProfile", "-Command", query])
    else:
        line = _run(["ps", "-ww", "-o", "args=", "-p", str(pid)])
    # The next option closes the folder's name, which may hold spaces.
    return any(f"--out {name} --" in line for name in (runFolder, f'"{runFolder}"'))


def _run(command: list[str]) -> str:
    """What a command prints, nothing where it cannot be run."""
    flags = {"creationflags": subprocess.CREATE_NO_WINDOW} if os.name == "nt" else {}
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(command, capture_output=True, timeout=10, check=False, **flags)
        return done.stdout.decode(errors="replace")
    return ""
