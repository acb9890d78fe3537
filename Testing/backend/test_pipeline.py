"""The pipeline: from a data set through gate and search to a published model; skipped, resumed, refused."""

import io
import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from urllib.error import HTTPError

import pytest

import tiny_kit
from CTGANLib.__main__ import main
from CTGANLib.commands import recipes
from CTGANLib.commands.recipes import RECIPES, recipe_kit
from CTGANLib.errors import UserError
from CTGANLib.models.exchange import import_model
from CTGANLib.models.store import delete_model, find_model, list_models
from CTGANLib.pipeline import publication
from CTGANLib.pipeline.gate import Condition, default_gate, judge, read_gate
from CTGANLib.pipeline.search import Task, search
from CTGANLib.training.runs import Run
from processes import environment
from tiny_kit import TinySettings, data_set, make

BASELINES = tiny_kit.KIT.baselines

pytest.importorskip("optuna")
pytest.importorskip("xhtml2pdf")

HOOK = "https://hooks.example.org/secret"


@pytest.fixture(autouse=True)
def numbers(monkeypatch, tmp_path):
    """An empty model store."""
    monkeypatch.setenv("CTGAN_MODELS", str(tmp_path / "store"))


@pytest.fixture
def data(tmp_path):
    return data_set(tmp_path / "data")


@pytest.fixture
def posted(monkeypatch):
    """What web hooks receive."""
    requests = []

    def receive(request, timeout):
        requests.append((request, timeout))
        return io.BytesIO(b"ok")

    monkeypatch.setattr(publication, "_open", receive)
    return requests


def states(result: dict) -> dict[str, str]:
    return {step["step"]: step["state"] for step in result["steps"]}


def test_a_failing_gate_leads_through_the_search_to_a_model_that_passes(data, tmp_path, posted):
    fractions = []
    out = tmp_path / "out"
    plan = {"publish": tmp_path / "shelf", "web_hook": HOOK}
    result = make(data, out, **plan).run(lambda fraction, message: fractions.append(fraction))
    assert set(states(result).values()) == {"done"}
    assert fractions == sorted(fractions) and 0.9 < fractions[-1] <= 1

    first = json.loads((out / "gate.json").read_text())
    assert not first[0]["passed"] and first[0]["short_by"] > 50
    assert result["gate"][0]["passed"]
    found = result["search"]
    assert len(found["trials"]) == 5 and found["score"] > found["asked_score"]
    assert found["trials"][0]["settings"]["learning_rate"] == pytest.approx(0.01)  # what was asked for comes first
    assert result["settings"]["learning_rate"] == found["settings"]["learning_rate"]
    assert result["settings"]["steps"] == 16
    # Trials look at nobody of the test patients, are short, and leave no weights behind.
    trials = list((out / "search").glob("*/*/run.json"))
    assert {json.loads(path.read_text())["settings"]["steps"] for path in trials} == {4}
    assert not list((out / "search").rglob("*.pt"))

    model = find_model("Tiny")
    model.verify()
    assert result["model"] == str(model.folder)
    assert sorted(model.metadata["ctgan"]["trained_on"]) == ["a", "b", "c", "d"]
    html = Path(result["report"]["html"]).read_text(encoding="utf-8")
    assert "at least -10" in html and "5 short trainings" in html
    assert Path(result["report"]["pdf"]).read_bytes().startswith(b"%PDF")

    shelf = tmp_path / "shelf" / "Tiny"
    assert sorted(path.name for path in shelf.iterdir()) == ["README.md", "Tiny.zip", "report.html", "report.pdf"]
    assert [path.name for path in (tmp_path / "shelf").iterdir()] == ["Tiny"]
    delete_model(model)
    assert import_model(shelf / "Tiny.zip").metadata == model.metadata

    ((request, timeout),) = posted
    message = json.loads(request.data)
    assert request.get_method() == "POST" and request.full_url == HOOK and timeout < 60
    assert message["model"] == "Tiny" and message["passed"] and message["gate"][0]["metric"] == "closeness"
    assert message["scores"][0]["method"] == "ours"
    # Whoever finds the folder learns no address; whoever receives the message, no case.
    assert not [path for path in out.rglob("*.json") if "secret" in path.read_text()]
    assert not {"a", "b", "c", "d", "e", "f"} & set(json.dumps(message).replace('"', " ").split())


def test_what_is_done_is_skipped_and_only_what_depends_on_a_change_is_redone(data, tmp_path, posted):
    gate = (Condition("closeness", True, -200.0),)
    plan = {"gate": gate, "web_hook": HOOK}

    def redone(**changes: object) -> set[str]:
        result = make(data, tmp_path / "out", **{**plan, **changes}).run()
        assert states(result)["search"] == states(result)["train_again"] == "not needed"
        return {step for step, state in states(result).items() if state == "done"}

    everything = {"prepare", "train", "evaluate", "gate", "report", "publish", "announce"}
    assert redone() == everything
    assert redone() == set()
    # The name of the model, or the gate: no training.
    assert redone(name="Other") == {"report", "publish", "announce"}
    plan["name"] = "Other"
    assert redone(gate=(Condition("closeness", True, -150.0),)) == {"gate", "report", "announce"}
    plan["gate"] = (Condition("closeness", True, -150.0),)
    # A test patient: no training either.
    (data / "e.nrrd").write_text("103.25")
    assert redone() == everything - {"train"}
    (data / "a.nrrd").write_text("101.5")
    assert redone() == everything
    assert redone(settings=TinySettings(steps=12)) == everything - {"prepare"}
    plan["settings"] = TinySettings(steps=12)
    # An output that is gone, and a model that is gone.
    (tmp_path / "out" / "report.pdf").unlink()
    assert redone() == {"report"}
    delete_model(find_model("Other"))
    assert redone() == {"publish"}
    # The pipeline replaces the model that it has published itself, and no other.
    assert [model.name for model in list_models() if model.folder.is_relative_to(tmp_path)] == ["Other"]


def test_without_success_nothing_is_published_and_the_report_says_why(data, tmp_path, posted, capsys, monkeypatch):
    monkeypatch.setattr(recipes, "recipe_kit", lambda recipe: tiny_kit.KIT)
    monkeypatch.setattr("CTGANLib.commands.pipeline.recipe_kit", lambda recipe: tiny_kit.KIT)
    gate = tmp_path / "gate.json"
    gate.write_text('{"error": {"at_most": 0.001}, "closeness": {"above": {"mean volume": -500}}}')
    out = tmp_path / "out"
    arguments = ["pipeline", "--data", data, "--out", out, "--gate", gate, "--trials", 3, "--device", "cpu"]
    arguments += ["--publish", tmp_path / "shelf", "--web-hook", HOOK, "--events"]
    assert main([str(argument) for argument in arguments]) == 1
    error = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert error["event"] == "error"
    assert "error is" in error["message"] and "at most 0.001" in error["message"] and "misses" in error["message"]
    assert "closeness" not in error["message"]  # that condition holds
    assert not (tmp_path / "shelf").exists() and not (tmp_path / "store").exists() and not posted
    assert "The gate has failed" in (out / "report.html").read_text(encoding="utf-8")

    gate.write_text('{"error": {"at_most": 1000}}')
    assert main([str(argument) for argument in arguments]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["event"] == "result" and result["name"] == "out"
    assert result["published"] == str(tmp_path / "shelf" / "out")
    assert states(result) | {"train": "", "prepare": "", "evaluate": ""} == {
        **dict.fromkeys(("train", "prepare", "evaluate"), ""),
        **dict.fromkeys(("search", "train_again", "evaluate_again", "gate_again"), "not needed"),
        **dict.fromkeys(("gate", "report", "publish", "announce"), "done"),
    }


def wait_for(condition, process) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.02)


def test_killed_in_the_middle_it_goes_on(data, tmp_path):
    slow = TinySettings(seconds=0.05)
    straight = make(data, tmp_path / "straight", settings=slow, name="Straight").run()

    out = tmp_path / "out"
    moments = (
        lambda: (out / "train" / "losses.jsonl").exists() and len((out / "train" / "losses.jsonl").read_text()) > 200,
        lambda: len(list((out / "search").glob("*/*/losses.jsonl"))) == 3,
    )
    for moment in moments:
        command = [sys.executable, Path(tiny_kit.__file__), data, out, "0.05"]
        process = subprocess.Popen([str(part) for part in command], env=environment(), stderr=subprocess.PIPE)
        wait_for(moment, process)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert not (out / "search.json").exists()
    resumed = make(data, out, settings=slow).run()
    assert states(resumed)["train"] == "skipped" and states(resumed)["search"] == "done"
    assert resumed["scores"] == straight["scores"]
    assert resumed["search"] == straight["search"]


def test_paused_it_goes_on(data, tmp_path):
    run, paused = Run(tmp_path / "out" / "train"), []

    def pause(fraction: float, message: str) -> None:
        if len(run.losses()) == 5 and not paused:
            paused.append(run.request("pause"))

    gate = (Condition("closeness", True, -200.0),)
    with pytest.raises(UserError, match="paused"):
        make(data, tmp_path / "out", gate=gate).run(pause)
    assert run.status()["state"] == "paused" and len(run.losses()) == 5
    assert states(make(data, tmp_path / "out", gate=gate).run())["train"] == "done"
    assert [row["step"] for row in run.losses()] == list(range(16)) and run.status()["model"] == "Tiny"


def test_a_search_ends_hopeless_trials_early_and_survives_broken_ones(data, tmp_path, monkeypatch):
    def fail_at_a_high_rate(settings, volumes, device):
        if settings.learning_rate > 0.4:
            raise UserError("The learning rate is too high.", "Lower it.")
        return tiny_kit.TinyRecipe(settings, volumes, device)

    prepared = tiny_kit.prepare_numbers(TinySettings(), data, tmp_path / "cache", lambda fraction, message: None)
    kit = replace(tiny_kit.KIT, recipe=fail_at_a_high_rate)
    task = Task(kit, "biplanar", prepared, data, TinySettings(), kit.search, "cpu", False)
    found = search(task, tmp_path / "search", 12)
    by_state = {trial["state"]: trial for trial in found["trials"]}
    assert len(found["trials"]) == 12 and set(by_state) == {"complete", "pruned", "fail"}
    assert by_state["fail"]["reason"] == "The learning rate is too high."
    assert 0.01 < found["settings"]["learning_rate"] <= 0.4
    assert search(task, tmp_path / "search", 12) == found  # nothing is tried twice

    alone = replace(prepared, cases=[case for case in prepared.cases if case.name in "aef"])
    with pytest.raises(UserError, match="two patients"):
        search(replace(task, data=alone), tmp_path / "search", 1)
    hopeless = replace(task, ranges={"learning_rate": (0.41, 0.5)})
    with pytest.raises(UserError, match="No trial of the search succeeded; the last: The learning rate is too high"):
        search(hopeless, tmp_path / "search", 2)


def test_a_deaf_web_hook_loses_nothing(data, tmp_path, posted, monkeypatch):
    plan = {"gate": (Condition("closeness", True, -200.0),), "web_hook": HOOK}
    receive = publication._open
    for fault, said in ((TimeoutError("timed out"), "timed out"), (HTTPError(HOOK, 403, "No", {}, None), "403")):

        def refuse(request, timeout, fault=fault):
            raise fault

        monkeypatch.setattr(publication, "_open", refuse)
        with pytest.raises(UserError, match=said) as told:
            make(data, tmp_path / "out", **plan).run()
        assert "secret" not in str(told.value) and "hooks.example.org" in str(told.value)
        assert find_model("Tiny").name == "Tiny"
    monkeypatch.setattr(publication, "_open", receive)
    result = make(data, tmp_path / "out", **plan).run()
    assert {step for step, state in states(result).items() if state == "done"} == {"announce"}
    assert len(posted) == 1


def test_what_cannot_work_is_said_before_the_work(data, tmp_path, monkeypatch):
    for url in ("file:///etc/passwd", "hooks.example.org", "https://", "http://[::1"):
        with pytest.raises(UserError, match="web hook"):
            make(data, tmp_path / "out", web_hook=url)
    with pytest.raises(UserError, match="called"):
        make(data, tmp_path / "out", name="../escape")
    with pytest.raises(UserError, match="no setting left"):
        make(data, tmp_path / "out", ranges={})
    with pytest.raises(UserError, match="holds something else"):
        make(data, data)
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UserError, match="pip install optuna"):
        make(data, tmp_path / "out")
    make(data, tmp_path / "out", trials=0)


def test_a_data_set_without_test_patients_is_refused_at_once(data, tmp_path):
    table = data / "MANIFEST.tsv"
    table.write_text(table.read_text().replace("\ttest\t", "\tother\t"))
    with pytest.raises(UserError, match="No CT has the role test"):
        make(data, tmp_path / "out").run()


def test_somebody_elses_folder_is_not_published_over(data, tmp_path):
    (tmp_path / "shelf" / "Tiny").mkdir(parents=True)
    (tmp_path / "shelf" / "Tiny" / "thesis.txt").touch()
    gate = (Condition("closeness", True, -200.0),)
    with pytest.raises(UserError, match="something at"):
        make(data, tmp_path / "out", gate=gate, publish=tmp_path / "shelf").run()
    assert (tmp_path / "shelf" / "Tiny" / "thesis.txt").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("psnr > 20", "cannot be read as JSON"),
        ("[" * 100_000, "cannot be read as JSON"),
        ("{}", "names no metric"),
        ("[1]", "names no metric"),
        ('{"psnr_true": 20}', "what must hold of psnr_true"),
        ('{"psnr_true": {"minimum": 20}}', "unknown rule minimum"),
        ('{"psnr_true": {"at_least": "20"}}', "no number for psnr_true: at_least"),
        ('{"psnr_true": {"at_least": true}}', "no number"),
        ('{"psnr_true": {"at_least": NaN}}', "no number"),
        ('{"psnr_true": {"above": 2}}', "names no baseline"),
        ('{"psnr_true": {"above": {"__import__": 2}}}', "names no baseline"),
        ('{"psnr_true": {"above": {"mean volume": null}}}', "no number"),
    ],
)
def test_a_malformed_gate_is_refused_with_one_sentence(tmp_path, text, said):
    path = tmp_path / "gate.json"
    path.write_text(text)
    with pytest.raises(UserError, match=said):
        read_gate(path, BASELINES)


def test_gates_judge_bounds_and_margins(tmp_path):
    path = tmp_path / "gate.json"
    rules = {"at_least": 20, "above": {"mean volume": 2}}
    path.write_text(json.dumps({"psnr": rules, "mae": {"at_most": 5, "below": {"nearest training volume": 1}}}))
    scores = {"mean volume": (18.0, 8.0), "ours": (20.5, 5.0), "nearest training volume": (19.0, 5.5)}
    rows = [{"case": "x", "method": m, "psnr": psnr, "mae": mae} for m, (psnr, mae) in scores.items()]
    outcomes = judge(read_gate(path, BASELINES), rows, "ours")
    assert [outcome["passed"] for outcome in outcomes] == [True, True, True, False]
    assert [outcome["short_by"] for outcome in outcomes] == pytest.approx([0, 0, 0, 0.5])
    text = "mae is 5; it must be at most 4.5 (nearest training volume − 1) and misses that by 0.5"
    assert outcomes[3]["text"] == text
    with pytest.raises(UserError, match="which is not scored") as told:
        judge((Condition("ssim", True, 0.5),), rows, "ours")
    assert told.value.advice == "Choose one of these: psnr, mae."
    unknown = [{"case": "x", "method": "ours", "psnr": float("nan")}]
    assert not judge((Condition("psnr", True, 0.0),), unknown, "ours")[0]["passed"]
    with pytest.raises(UserError, match="mse of the mean volume, which is not scored"):
        judge((Condition("mse", False, 0.0, "mean volume"),), [{**rows[1], "mse": 1.0}, rows[0]], "ours")


def test_without_a_gate_every_recipe_has_to_beat_its_own_baselines():
    for name in RECIPES:
        kit = recipe_kit(name)
        conditions = default_gate(kit.score, kit.baselines)
        assert [(c.metric, c.baseline) for c in conditions] == [(kit.score, baseline) for baseline in kit.baselines]
        methods = ["ours", *kit.baselines]
        rows = [{"case": "x", "method": method, kit.score: float(n)} for n, method in enumerate(methods)]
        outcomes = judge(conditions, rows, "ours")
        assert [outcome["passed"] for outcome in outcomes] == [False] * len(kit.baselines)
        assert outcomes or name == "slices"  # real slices are no baseline
    assert recipe_kit("segmentation").baselines == ("all background",)
