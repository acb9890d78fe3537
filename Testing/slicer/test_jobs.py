"""The job runner: events, cancel, and children that misbehave."""

import json
import os
import shutil
import sys
import time

import pytest

pytest.importorskip("slicer")
pytest.importorskip("PySide6.QtWidgets")
import harness  # noqa: F401, puts PythonSlicer on the PATH
from CTGANReconstructLib.events import EventReader, Progress
from CTGANReconstructLib.jobs import Job, JobCancelled, JobError
from CTGANReconstructLib.processes import removeFolder
from fake_backend import FakeBackend


def startJob(behavior, folder, onProgress=None):
    backend = FakeBackend(behavior, folder)
    return Job(backend.command(["evaluate", "--data", "x"]), backend.environment(), folder, onProgress)


def isAlive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rsplit(")", 1)[1].split()[0] != "Z"


def pidsOf(folder):
    deadline = time.monotonic() + 10
    while not (folder / "pids.txt").exists() or not (folder / "pids.txt").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return [int(pid) for pid in (folder / "pids.txt").read_text().split()]


def test_events_in_pieces_of_any_size():
    seen = []
    reader = EventReader(seen.append)
    lines = json.dumps({"event": "progress", "fraction": 0.5, "message": "halb größer", "eta_s": 3}) + "\n"
    for byte in lines.encode():
        reader.feed(bytes([byte]))
    assert seen == [Progress(0.5, "halb größer", 3.0)]


@pytest.mark.parametrize("line", [b"", b"junk", b"[]", b"null", b'{"no": 1}', b"\xff\xfe", b'{"event": "result"'])
def test_lines_that_are_no_event_are_passed_over(line):
    reader = EventReader()
    reader.feed(line + b"\n")
    assert reader.result is None
    assert reader.error is None


def test_result_and_progress(tmp_path):
    seen = []
    job = startJob("good", tmp_path, seen.append)
    job.wait()
    assert job.result()["rows"][0]["psnr_true"] == 21.5
    assert [progress.fraction for progress in seen] == [0.25, 0.5, 0.75]
    assert seen[0].secondsLeft == 3.0


def test_junk_between_events(tmp_path):
    seen = []
    job = startJob("junk", tmp_path, seen.append)
    job.wait()
    assert job.result()["rows"]
    assert [progress.fraction for progress in seen] == [0.0, 1.0, 0.25, 0.5, 0.75]


def test_unicode_and_spaces_in_the_folder(tmp_path):
    folder = tmp_path / "mit Leerzeichen und Ünïcödé 肺"
    folder.mkdir()
    job = startJob("good", folder)
    job.wait()
    assert job.result()


def test_error_event(tmp_path):
    job = startJob("error", tmp_path)
    job.wait()
    with pytest.raises(JobError, match=r"x.png is a color photograph. Choose a radiograph.") as caught:
        job.result()
    assert caught.value.advice == "Choose a radiograph."


def test_crash_keeps_what_the_child_said(tmp_path):
    job = startJob("crash", tmp_path)
    job.wait()
    with pytest.raises(JobError, match="ended unexpectedly") as caught:
        job.result()
    assert "MemoryError" in caught.value.details
    assert "MemoryError" not in str(caught.value)


@pytest.mark.skipif(os.name == "nt", reason="has no such signal")
@pytest.mark.parametrize("python", [sys.executable, "PythonSlicer"])
def test_a_killed_child_may_have_lacked_memory(tmp_path, python):
    job = Job([python, "-c", "import os; os.kill(os.getpid(), 9)"], dict(os.environ), tmp_path)
    job.wait()
    with pytest.raises(JobError, match="out of memory"):
        job.result()


def test_end_without_result(tmp_path):
    job = startJob("silent", tmp_path)
    job.wait()
    with pytest.raises(JobError, match="without a result"):
        job.result()


def test_program_that_is_not_there(tmp_path):
    with pytest.raises(JobError, match="could not be started"):
        Job([str(tmp_path / "nothing")], dict(os.environ), tmp_path)


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="looks at processes through /proc")
@pytest.mark.parametrize("behavior", ["slow", "stubborn"])
def test_cancel_ends_children_and_grandchildren(tmp_path, behavior, monkeypatch):
    monkeypatch.setattr("CTGANReconstructLib.jobs._SECONDS_TO_END", 0.3)
    job = startJob(behavior, tmp_path)
    pids = pidsOf(tmp_path)
    assert not job.poll()
    job.stop()
    with pytest.raises(JobCancelled):
        job.result()
    deadline = time.monotonic() + 5
    while any(isAlive(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.skipif(os.name == "nt", reason="processes cannot be asked to end there")
@pytest.mark.parametrize("python", [sys.executable, "PythonSlicer"])
def test_a_cancelled_child_has_time_to_clean_up(tmp_path, python):
    started, cleaned = tmp_path / "started", tmp_path / "cleaned"
    code = f"""
import pathlib, signal, sys, time
def end(*_):
    time.sleep(0.5)
    pathlib.Path({str(cleaned)!r}).touch()
    sys.exit(130)
signal.signal(signal.SIGTERM, end)
pathlib.Path({str(started)!r}).touch()
time.sleep(60)
"""
    job = Job([python, "-c", code], dict(os.environ), tmp_path)
    while not started.exists():
        time.sleep(0.02)
    job.stop()
    assert cleaned.exists()
    with pytest.raises(JobCancelled):
        job.result()


def test_a_folder_goes_although_its_files_are_held_for_a_moment(tmp_path, monkeypatch):
    calls, remove = [], shutil.rmtree

    def rmtree(folder, ignore_errors):
        calls.append(folder)
        if len(calls) > 2:
            remove(folder)

    (tmp_path / "run").mkdir()
    monkeypatch.setattr(shutil, "rmtree", rmtree)
    removeFolder(tmp_path / "run")
    assert not (tmp_path / "run").exists() and len(calls) == 3


def test_interrupting_the_wait_ends_the_child(tmp_path):
    def interrupt(progress):
        raise KeyboardInterrupt

    job = startJob("slow", tmp_path, interrupt)
    with pytest.raises(KeyboardInterrupt):
        job.wait()
    assert job.poll()
