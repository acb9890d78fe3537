"""Child processes that end together with their own children.

``PythonSlicer`` is a launcher that starts the real Python, which may start workers: ending only the process that we
started would leave the others computing.
"""

import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

_ATTEMPTS, _SECONDS_BETWEEN = 10, 0.05


def startTree(
    command: list[str], environment: dict[str, str], stdout: Path, stderr: Path, stdin: int = subprocess.DEVNULL
) -> subprocess.Popen:
    """Start a command without a console window, as the head of a new group, with its output going to two files.

    With ``subprocess.PIPE`` as ``stdin`` it can be written to.

    Raises:
        OSError: the program cannot be started.
    """
    if os.name == "nt":
        group = {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
    else:
        group = {"start_new_session": True}
    with open(stdout, "wb") as out, open(stderr, "wb") as err:
        return subprocess.Popen(command, env=environment, stdin=stdin, stdout=out, stderr=err, **group)


def isTreeAlive(process: subprocess.Popen) -> bool:
    """Whether a process or one of its children is still there; on Windows only the process itself can be seen."""
    if os.name == "nt":
        return process.poll() is None
    with suppress(ProcessLookupError, PermissionError):  # macOS says the latter of a group of zombies
        os.killpg(process.pid, 0)
        return True
    return False


def terminateTree(process: subprocess.Popen) -> None:
    """Ask a process and its children to end. On Windows, which has no such request, end them."""
    if os.name == "nt":
        killTree(process)
    else:
        _signalGroup(process, signal.SIGTERM)


def killTree(process: subprocess.Popen) -> None:
    """End a process and its children at once; those that are gone already do not matter."""
    if os.name == "nt":
        subprocess.run(
            ["taskkill", "/F", "/T", "/PID", str(process.pid)],
            capture_output=True,
            creationflags=subprocess.CREATE_NO_WINDOW,
            check=False,
        )
    else:
        _signalGroup(process, signal.SIGKILL)


def removeFolder(folder: Path) -> None:
    """Delete the folder of a process that has ended; Windows lets go of its files a moment later."""
    for _attempt in range(_ATTEMPTS):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(_SECONDS_BETWEEN)


def _signalGroup(process: subprocess.Popen, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):  # macOS says the latter of a group of zombies
        os.killpg(process.pid, number)
