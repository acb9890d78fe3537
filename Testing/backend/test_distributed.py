"""Training in several processes, started by torchrun as on a cluster."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

import small_recipe
from CTGANLib.errors import UserError
from CTGANLib.training.distributed import World
from CTGANLib.training.loop import Training
from CTGANLib.training.runs import Run
from processes import environment

# Without it restarted workers may read the addresses of those before them (pytorch issue 135712).
RESTARTABLE = {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1", "OMP_NUM_THREADS": "1"}
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--max-restarts=2"]


def start(run: Run, steps: int, seconds: float = 0.0) -> subprocess.Popen:
    command = [*TORCHRUN, small_recipe.__file__, str(run.folder), str(steps), str(seconds)]
    return subprocess.Popen(command, env={**environment(), **RESTARTABLE}, stderr=subprocess.PIPE, text=True)


def alone(run: Run, steps: int) -> list[dict]:
    settings = replace(small_recipe.SETTINGS, steps=steps, validations=0)
    Training(small_recipe.Line(), small_recipe.Points(), [], run, settings).run()
    return run.losses()


def assert_same(curve: list[dict], expected: list[dict]) -> None:
    assert len(curve) == len(expected)
    for row, other in zip(curve, expected, strict=True):
        assert row == pytest.approx(other, rel=1e-4, abs=1e-5)


def test_two_processes_give_the_result_of_one_and_survive_a_kill(tmp_path):
    run = Run(tmp_path / "two")
    child = start(run, 120, 0.02)
    while len(run.losses()) < 20:
        assert child.poll() is None, child.stderr.read()
        time.sleep(0.05)
    os.kill(run.status()["pid"], signal.SIGKILL)  # one worker; torchrun starts both again
    assert child.wait(timeout=120) == 0, child.stderr.read()
    assert_same(run.losses(), alone(Run(tmp_path / "one"), 120))


def test_a_batch_that_cannot_be_shared_is_refused(tmp_path):
    settings = replace(small_recipe.SETTINGS, batch_size=3)
    with pytest.raises(UserError, match="2 processes cannot share a batch of 3"):
        Training(small_recipe.Line(), small_recipe.Points(), [], Run(tmp_path), settings, World(0, 2))
