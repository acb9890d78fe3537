"""Ablations: what is varied, what is done again, and what the table says."""

import csv
import json
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import stdev
from types import SimpleNamespace
from unittest.mock import create_autospec

import pytest

from CTGANLib.__main__ import main
from CTGANLib.commands import ablate, recipes
from CTGANLib.datasets.cases import Case
from CTGANLib.datasets.preparation import PreparedData
from CTGANLib.errors import UserError
from CTGANLib.evaluation import ablation
from CTGANLib.evaluation.ablation import Ablation, Combination, ablation_table, combinations
from CTGANLib.evaluation.scores import interval
from CTGANLib.training.kit import Kit
from CTGANLib.training.session import Trained, train_network

SOURCE = Path("data")
CASES = {"a": 20.0, "b": 22.0, "c": 27.0}


@dataclass(frozen=True)
class Settings:
    steps: int = 10
    seed: int = 0
    weight: float = 0.5
    kind: str = "plain"


def evaluate(predictors, cases, training, progress, show) -> list[dict]:
    """Scores that tell the settings of the network that was trained."""
    ((name, settings),) = predictors.items()
    score = {case: CASES[case] + 10 * settings.weight + settings.seed for case in cases}
    return [
        {"case": case, "method": method, "psnr_true": value}
        for case in cases
        for method, value in ((name, score[case]), ("mean volume", 10.0))
    ]


KIT = Kit("toy", Settings, None, None, lambda network, device: network, evaluate, None, "psnr_true", {})


def data(role: str = "test") -> PreparedData:
    cases = [Case(name, SOURCE, name, role) for name in CASES] + [Case("t", SOURCE, "t", "train")]
    return PreparedData(cases, {}, {case.name: SOURCE / case.name for case in cases})


@pytest.fixture
def training(monkeypatch):
    """Stands for the training of a network, which is then its settings; notes each run."""

    def train(kit, data, run, settings, device, progress, world=None):
        return Trained(settings, [], 1.0, "done", [])

    fake = create_autospec(train_network, side_effect=train)
    monkeypatch.setattr(ablation, "train_network", fake)
    return fake


def ablate_in(folder, prepared=None, assignments=(), **fixed) -> Ablation:
    return Ablation(folder, prepared or data(), SOURCE, lambda name: KIT, fixed, "cpu", assignments)


def test_all_combinations_in_the_order_given():
    wanted = combinations(["x", "y"], ["weight=0,1.5", "kind=plain,fancy"])
    assert [combination.name for combination in wanted] == [
        f"{recipe} weight={weight} kind={kind}"
        for recipe in ("x", "y")
        for weight in ("0", "1.5")
        for kind in ("plain", "fancy")
    ]
    assert combinations(["x"], []) == [Combination("x", ())]


def test_one_at_a_time():
    wanted = combinations(["x"], ["weight=0,1,2", "kind=plain,fancy", "seed=3,4"], one_at_a_time=True)
    assert [tuple(value for _, value in combination.switches) for combination in wanted] == [
        ("0", "plain", "3"), ("0", "plain", "4"), ("0", "fancy", "3"), ("1", "plain", "3"), ("2", "plain", "3"),
    ]  # fmt: skip


@pytest.mark.parametrize("vary", [["weight"], ["=1,2"], ["weight="], ["weight=1,,2"], ["weight=1,1"], ["w=1", "w=2"]])
def test_what_is_no_variation_is_refused(vary):
    with pytest.raises(UserError):
        combinations(["x"], vary)


def test_settings_are_checked_before_anything_is_trained(tmp_path, training):
    for vary in ("wait=1,2", "weight=1,heavy"):
        with pytest.raises(UserError, match="setting"):
            ablate_in(tmp_path).run(combinations(["x"], [vary]), [0])
    assert not training.called and not list(tmp_path.iterdir())


def test_each_combination_is_trained_once_with_each_seed(tmp_path, training):
    wanted, heard = combinations(["x"], ["weight=0,1"]), []
    rows = ablate_in(tmp_path, steps=3).run(wanted, [0, 4], lambda fraction, message: heard.append((fraction, message)))
    settings = [call.args[3] for call in training.call_args_list]
    assert settings == [Settings(3, seed, weight) for weight in (0.0, 1.0) for seed in (0, 4)]
    assert len(rows) == 2 * 2 * len(CASES) * 2
    again = ablate_in(tmp_path, steps=3).run(wanted, [0, 4])
    assert again == rows and training.call_count == 4
    ablate_in(tmp_path, steps=3).run(combinations(["x"], ["weight=0,1,2"]), [0, 4])
    assert training.call_count == 6


def test_settings_of_all_runs(tmp_path, training):
    ablate_in(tmp_path, assignments=["kind=fancy", "weight=7"]).run(combinations(["x"], ["weight=0,1"]), [0])
    settings = [call.args[3] for call in training.call_args_list]
    assert settings == [Settings(weight=weight, kind="fancy") for weight in (0.0, 1.0)]  # what is varied counts


def test_a_failed_or_paused_run_is_gone_on_with(tmp_path, training):
    wanted, plain = combinations(["x"], ["weight=0,1"]), training.side_effect
    outcomes = iter([None, "paused", None, UserError("Diverged.", "")])

    def train(kit, data, run, settings, *rest):
        outcome = next(outcomes, None)
        if isinstance(outcome, UserError):
            raise outcome
        return Trained(settings, [], 1.0, outcome, []) if outcome else plain(kit, data, run, settings, *rest)

    training.side_effect = train
    with pytest.raises(UserError, match="paused"):
        ablate_in(tmp_path).run(wanted, [0])
    with pytest.raises(UserError, match="Diverged"):
        ablate_in(tmp_path).run(wanted, [0, 1])
    states = {path.parent.name: json.loads(path.read_text())["state"] for path in tmp_path.glob("*/status.json")}
    assert states == {"x_weight=0_seed=0": "done", "x_weight=0_seed=1": "done", "x_weight=1_seed=0": "failed"}
    assert len(ablate_in(tmp_path).run(wanted, [0, 1])) == 4 * len(CASES) * 2
    # Done: 0/0, 0/1 (once each), 1/0 (paused, failed, done), 1/1.
    assert training.call_count == 6


def test_runs_with_other_settings_or_data_are_not_mixed(tmp_path, training):
    wanted = combinations(["x"], ["weight=0,1"])
    ablate_in(tmp_path).run(wanted, [0])
    with pytest.raises(UserError, match="other settings"):
        ablate_in(tmp_path, steps=99).run(wanted, [0])
    with pytest.raises(UserError, match="other settings or data"):
        Ablation(tmp_path, data(), Path("other"), lambda name: KIT, {}, "cpu").run(wanted, [0])


def test_the_role_that_is_scored(tmp_path):
    assert ablate_in(tmp_path).role == "test"
    assert ablate_in(tmp_path, data("validation")).role == "validation"
    with pytest.raises(UserError, match="no case to score"):
        ablate_in(tmp_path, data("other"))


def test_the_table_has_intervals_over_cases_and_the_spread_over_seeds(tmp_path, training):
    wanted = combinations(["x"], ["weight=0,1"])
    rows = ablate_in(tmp_path).run(wanted, [0, 3])
    low, high, mean = ablation_table(rows, wanted, "psnr_true")
    assert [line["recipe"] for line in (low, high, mean)] == ["x", "x", "mean volume"]
    assert [line["weight"] for line in (low, high, mean)] == ["0", "1", ""]
    assert [(line["seeds"], line["cases"]) for line in (low, high, mean)] == [(2, 3)] * 3
    # Seeds 0 and 3 give scores 0 and 3 higher.
    assert [line["psnr_true"] for line in (low, high, mean)] == pytest.approx([23 + 1.5, 33 + 1.5, 10])
    assert low["psnr_true_ci95"] == pytest.approx(interval([value + 1.5 for value in CASES.values()]))
    # All cases change alike, so the change is certain where the score itself is not.
    assert [line["psnr_true_change"] for line in (low, high, mean)] == pytest.approx([0, 10, 10 - 24.5])
    assert high["psnr_true_change_ci95"] == pytest.approx(0) and high["psnr_true_ci95"] > 5
    assert low["psnr_true_seed_sd"] == pytest.approx(stdev([0, 3])) and mean["psnr_true_seed_sd"] == 0
    assert "psnr_true_seed_sd" not in ablation_table([row for row in rows if row["seed"] == 0], wanted, "psnr_true")[0]


def test_the_command_writes_its_tables(tmp_path, training, monkeypatch, capsys):
    kit = replace(KIT, prepare=lambda settings, source, cache, progress: data())
    monkeypatch.setattr(recipes, "recipe_kit", lambda name: kit)
    parsed = SimpleNamespace(
        data=tmp_path / "ct", out=tmp_path, recipe=["biplanar"], vary=["weight=0,1"], seeds=[0, 1, 1], steps=5
    )
    parsed.device, parsed.set, parsed.one_at_a_time = "cpu", ["kind=fancy"], True
    result = ablate.run(parsed, lambda fraction, message: None)
    assert [line["weight"] for line in result["table"]] == ["0", "1", ""] and result["table"][0]["seeds"] == 2
    assert json.loads((tmp_path / "ablation.json").read_text()) == result["table"]
    with (tmp_path / "ablation.csv").open(newline="") as file:
        assert [row["weight"] for row in csv.DictReader(file)] == ["0", "1", ""]
    assert "3 cases of the role test" in (tmp_path / "ablation.html").read_text(encoding="utf-8")
    assert "| biplanar    | 0      | 2     | 3     | 23.50 ± 8.95 | 0.000 ± 0.000    |" in result["text"]


def test_wrong_use(tmp_path):
    with pytest.raises(SystemExit) as ended:
        main(["ablate", "--data", str(tmp_path), "--out", str(tmp_path), "--recipe", "alchemy"])
    assert ended.value.code == 2
