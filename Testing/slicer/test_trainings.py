"""Trainings outlive whoever started them, and are ended by nobody but their owner."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("slicer")
pytest.importorskip("PySide6.QtWidgets")
import harness  # noqa: F401  starts Slicer
from CTGANLib.training.runs import list_runs
from CTGANTrainLib.process_lookup import endTraining
from CTGANTrainLib.trainings import freeRunFolder

ROOT = Path(__file__).resolve().parents[2]
# A Slicer that starts a training from its panel, follows it a while, and is closed.
SESSION = """
import sys, harness
from fake_backend import FakeBackend
loaded = harness.load_module("CTGANTrain/CTGANTrain.py")
panel = loaded.widget.panels[1]
panel._backend = panel._trainings._backend = FakeBackend("endless")
loaded.widget.showPanel(panel)
panel.ui.trainDataEdit.currentPath = sys.argv[1]
panel.ui.startButton.click()
run, = panel.selected()
harness.run_events(until=lambda: run.status().get("step", 0) > 2)
harness.reset()
"""


def waitUntil(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_training_goes_on_when_slicer_is_closed(tmp_path, monkeypatch):
    for name in ("runs", "models"):
        monkeypatch.setenv(f"CTGAN_{name.upper()}", str(tmp_path / name))
    folders = [str(ROOT / name) for name in ("Testing", "CTGANReconstruct", "CTGANTrain")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(folders)}
    session = subprocess.run(
        [sys.executable, "-c", SESSION, str(tmp_path)], env=environment, capture_output=True, text=True, timeout=60
    )
    assert session.returncode == 0, session.stderr
    (run,) = list_runs()
    steps = len(run.losses())
    waitUntil(lambda: len(run.losses()) > steps + 5)
    assert run.status()["state"] == "training"
    run.request("stop")
    waitUntil(lambda: run.status()["state"] == "done")
    assert run.status()["model"] == run.name


@pytest.mark.parametrize("pid", [None, "1", 0, -1, 1, 2**22 + 1, os.getpid()])
def test_what_is_no_training_is_not_ended(pid, tmp_path):
    assert not endTraining(pid, tmp_path)


def test_a_run_of_a_similar_name_is_not_ended(tmp_path):
    command = [sys.executable, "-c", "import time; time.sleep(60)", "--out", str(tmp_path / "a 2"), "--steps", "1"]
    process = subprocess.Popen(command, start_new_session=True)
    try:
        time.sleep(0.2)
        assert not endTraining(process.pid, tmp_path / "a")
        assert endTraining(process.pid, tmp_path / "a 2")
        assert process.wait(timeout=10) != 0
    finally:
        process.kill()


def test_names_of_run_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("CTGAN_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("CTGAN_MODELS", str(tmp_path / "models"))
    assert freeRunFolder("../Thorax/ä: 1").parent == tmp_path / "runs"
    for taken in (tmp_path / "runs" / "mine", tmp_path / "models" / "mine 2"):
        taken.mkdir(parents=True)
    assert freeRunFolder("mine").name == "mine 3"
    assert freeRunFolder("con").name != "con"
