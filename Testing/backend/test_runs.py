"""The run folder, as those who follow a training see it."""

import json
import os
import subprocess
import sys
import time

import pytest

from CTGANLib.errors import UserError
from CTGANLib.training.runs import Run, list_runs


@pytest.fixture
def run(tmp_path) -> Run:
    run = Run(tmp_path / "Lauf ü")
    run.begin("biplanar", tmp_path, {"steps": 5})
    return run


def test_a_run_tells_what_it_was_asked_and_how_far_it_is(run):
    run.say("training", step=3, message="loss 1")
    run.say("training", step=4)
    info, status = run.info(), Run(run.folder).status()
    assert (info["name"], info["recipe"], info["settings"]) == ("Lauf ü", "biplanar", {"steps": 5})
    assert (status["state"], status["step"], status["message"], status["pid"]) == ("training", 4, "loss 1", os.getpid())


def test_a_run_whose_process_is_gone_is_interrupted(run):
    child = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    run.say("training")
    status = json.loads((run.folder / "status.json").read_text())
    for changed, state in (
        ({"pid": int(child.stdout)}, "interrupted"),
        ({"host": "another machine"}, "training"),
        ({"host": "another machine", "updated": time.time() - 1000}, "interrupted"),
    ):
        (run.folder / "status.json").write_text(json.dumps({**status, **changed}))
        assert run.status()["state"] == state
    run.say("done")
    assert run.status()["state"] == "done"


def test_a_run_at_work_elsewhere_is_not_begun_again(run, tmp_path):
    run.say("training")
    status = json.loads((run.folder / "status.json").read_text())
    (run.folder / "status.json").write_text(json.dumps({**status, "pid": os.getppid()}))
    with pytest.raises(UserError, match="at work already"):
        run.begin("biplanar", tmp_path, {})
    assert run.begin("biplanar", tmp_path, {"steps": 9}, restarted=True) == {"steps": 5}  # those it was begun with
    run.say("paused")
    with pytest.raises(UserError, match="begun with the recipe biplanar"):
        run.begin("slices", tmp_path, {})


def test_requests_are_taken_once_and_an_old_one_does_not_stop_a_new_start(run, tmp_path):
    run.request("pause")
    assert (run.take_request(), run.take_request()) == ("pause", "")
    with pytest.raises(ValueError, match="explode"):
        run.request("explode")
    run.request("stop")
    run.begin("biplanar", tmp_path, {})
    assert run.take_request() == ""


def test_curves_survive_half_written_lines_and_go_back(run):
    for step in range(4):
        run.add_losses(step, {"fit": 1 / (step + 1)})
        run.add_scores(step, {"psnr_true": float(step)})
    with (run.folder / "losses.jsonl").open("a") as file:
        file.write('{"step": 4, "fi')
    assert [row["step"] for row in run.losses(since_step=2)] == [2, 3]
    run.curves_before(2)
    assert [row["step"] for row in run.losses()] == [0, 1] == [row["step"] for row in run.scores()]
    run.add_losses(2, {"fit": 0.3})
    assert run.losses()[-1] == {"step": 2, "fit": 0.3}


def test_the_list_of_runs_passes_over_other_folders(run, tmp_path):
    (tmp_path / "no run").mkdir()
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "run.json").write_text("[")
    assert [other.name for other in list_runs(tmp_path)] == ["Lauf ü", "damaged"]
    assert list_runs(tmp_path)[1].info() == {} == list_runs(tmp_path)[1].status()
    assert list_runs(tmp_path / "nowhere") == []
