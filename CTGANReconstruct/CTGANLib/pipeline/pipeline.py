"""From a data set to a published model: prepare, train, evaluate, gate, search, report, publish.

Every step reads what the steps before it left in the pipeline's folder and nothing else, so that each may run in a
process, or on a machine, of its own. The command ``pipeline`` runs them one after the other; the Metaflow flow in
``Resources/Cluster`` is the same steps.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from ..device import choose_device
from ..errors import UserError
from ..evaluation.scores import finite, summarize
from ..events import Progress, part, silent
from ..files import staged
from ..training.kit import Kit
from ..training.runs import Run
from .data import fingerprint, load_prepared, save_prepared
from .gate import judge
from .model import METHOD, evaluate_run, train_run
from .plan import Plan, check_plan
from .publication import to_folder, to_store, to_web_hook
from .report import write_report
from .search import Task, search
from .steps import Steps

STEPS = (
    "prepare",
    "train",
    "evaluate",
    "gate",
    "search",
    "train_again",
    "evaluate_again",
    "gate_again",
    "report",
    "publish",
    "announce",
)
# Roughly what each takes of the whole.
_SHARES = dict(zip(STEPS, (0.05, 0.35, 0.04, 0, 0.25, 0.25, 0.04, 0, 0.01, 0.01, 0), strict=True))
_AGAIN = "_again"


class Pipeline:
    """The steps of a plan.

    Args:
        kit: of the recipe.
        plan: what to do.
        restarted: a supervisor has ended the process that was at work before.

    Raises:
        UserError: something that a later step needs is missing, or the folder holds something else.
    """

    def __init__(self, kit: Kit, plan: Plan, restarted: bool = False) -> None:
        self._kit, self._plan, self._restarted = kit, plan, restarted
        check_plan(plan)
        self._folder = plan.folder.resolve()
        self._steps = Steps(self._folder)
        self._works: dict[str, Callable[[Progress], dict]] = {
            "prepare": self._prepare,
            "search": self._search,
            "report": self._report,
            "publish": self._publish,
            "announce": self._announce,
        }
        for attempt in ("", _AGAIN):
            for work in (self._train, self._evaluate, self._gate):
                step = work.__name__.removeprefix("_") + attempt
                self._works[step] = lambda progress, work=work, attempt=attempt: work(attempt, progress)

    def run(self, progress: Progress = silent) -> dict:
        """Do all steps; see :meth:`step` and :meth:`result`."""
        choose_device(self._plan.device)  # before hours are spent; a single step may not need it
        done, before = [], 0.0
        for step in STEPS:
            done.append(self.step(step, part(progress, before, _SHARES[step])))
            before += _SHARES[step]
        return self.result(done)

    def step(self, name: str, progress: Progress = silent) -> dict:
        """Do one step, unless it has been done with the same inputs or is not needed.

        Returns:
            ``step``, ``state`` (``done``, ``skipped`` or ``not needed``) and ``seconds``.

        Raises:
            UserError: it cannot be done; ``publish`` where the gate has failed.
        """
        return self._works[name](progress)

    def result(self, done: list[dict]) -> dict:
        """What has come of it: the steps as given, scores, gate, model and reports."""
        published = _read(self._published)
        return {
            "steps": done,
            "name": published["name"],
            "model": published["path"],
            "published": published["folder"],
            "scores": finite(summarize(self._run(self._last).rows())),
            "gate": finite(self._judged()),
            "settings": self._settings(self._last),
            "search": _read(self._found) if self._steps.is_done("search") else None,
            "left_out": load_prepared(self._prepared, self._cache).left_out,
            "report": {path.suffix[1:]: str(path) for path in self._reports},
        }

    @property
    def _cache(self) -> Path:
        return self._folder / "prepared"

    @property
    def _prepared(self) -> Path:
        return self._folder / "prepared.json"

    @property
    def _found(self) -> Path:
        return self._folder / "search.json"

    @property
    def _published(self) -> Path:
        return self._folder / "published.json"

    @property
    def _reports(self) -> list[Path]:
        return [self._folder / "report.html", self._folder / "report.pdf"]

    @property
    def _last(self) -> str:
        """The attempt that counts: the second where there is one."""
        return _AGAIN if self._steps.is_done(f"gate{_AGAIN}") else ""

    def _run(self, attempt: str) -> Run:
        return Run(self._folder / f"train{attempt}")

    def _settings(self, attempt: str) -> dict:
        found = _read(self._found)["settings"] if attempt else {}
        return asdict(replace(self._plan.settings, **found))

    def _judged(self) -> list[dict]:
        return _read(self._folder / f"gate{self._last}.json")

    def _prepare(self, progress: Progress) -> dict:
        def work() -> list[Path]:
            data = self._kit.prepare(self._plan.settings, self._plan.data, self._cache, progress)
            for role in ("train", "test"):
                if not data.of(role):
                    reasons = " ".join(f"{name}: {reason}" for name, reason in data.left_out.items())
                    raise UserError(f"No CT has the role {role}. {reasons}".strip(), "Add CTs, or change their roles.")
            save_prepared(data, self._prepared)
            return [self._prepared, *data.prepared.values()]

        return self._steps.run("prepare", fingerprint(self._plan.data), work)

    def _train(self, attempt: str, progress: Progress) -> dict:
        step, run = f"train{attempt}", self._run(attempt)
        if attempt and not self._is_worth_another():
            return self._steps.forget(step)
        data, settings = load_prepared(self._prepared, self._cache), self._settings(attempt)
        inputs = [self._plan.recipe, settings, data.contents("train", "validation")]

        def work() -> list[Path]:
            run.begin(self._plan.recipe, self._plan.data, settings, self._restarted)
            device = choose_device(self._plan.device)
            return train_run(self._kit, data, run, self._kit.settings(**settings), device, progress)

        return self._steps.run(step, inputs, work, (run.folder,))

    def _is_worth_another(self) -> bool:
        """Whether the search has found other settings than those asked for."""
        return self._steps.is_done("search") and self._settings(_AGAIN) != self._settings("")

    def _evaluate(self, attempt: str, progress: Progress) -> dict:
        step, run = f"evaluate{attempt}", self._run(attempt)
        if not self._steps.is_done(f"train{attempt}"):
            return self._steps.forget(step)
        data, settings = load_prepared(self._prepared, self._cache), self._settings(attempt)
        sources = [(case.name, case.source) for case in data.cases]
        inputs = [self._steps.digest(f"train{attempt}"), data.contents("train", "validation", "test"), sources]

        def work() -> list[Path]:
            device = choose_device(self._plan.device)
            return evaluate_run(self._kit, data, run, self._kit.settings(**settings), device, progress)

        return self._steps.run(step, inputs, work)

    def _gate(self, attempt: str, _progress: Progress) -> dict:
        step, run = f"gate{attempt}", self._run(attempt)
        if not self._steps.is_done(f"evaluate{attempt}"):
            return self._steps.forget(step)

        def work() -> list[Path]:
            return [_write(self._folder / f"{step}.json", judge(self._plan.gate, run.rows(), METHOD))]

        inputs = [self._steps.digest(f"evaluate{attempt}"), [asdict(condition) for condition in self._plan.gate]]
        return self._steps.run(step, inputs, work)

    def _search(self, progress: Progress) -> dict:
        plan = self._plan
        if not plan.trials or all(outcome["passed"] for outcome in _read(self._folder / "gate.json")):
            return self._steps.forget("search")
        data = load_prepared(self._prepared, self._cache)
        inputs = [plan.recipe, asdict(plan.settings), plan.ranges, plan.trials, data.contents("train", "validation")]

        def work() -> list[Path]:
            device = choose_device(plan.device)
            kit, restarted = self._kit, self._restarted
            task = Task(kit, plan.recipe, data, plan.data, plan.settings, plan.ranges, device, restarted)
            return [_write(self._found, search(task, self._folder / "search", plan.trials, progress))]

        return self._steps.run("search", inputs, work)

    def _report(self, progress: Progress) -> dict:
        attempt, outcomes = self._last, self._judged()
        found = _read(self._found) if self._steps.is_done("search") else None
        data = load_prepared(self._prepared, self._cache)
        name, source = self._plan.name, self._plan.data.resolve().name
        inputs = [self._steps.digest(f"evaluate{attempt}"), outcomes, found, data.left_out, name, source]

        def work() -> list[Path]:
            progress(0, "Writing the report")
            write_report(self._reports, self._kit, name, source, data, self._run(attempt), outcomes, found)
            return self._reports

        return self._steps.run("report", inputs, work)

    def _publish(self, progress: Progress) -> dict:
        failed = [outcome["text"] for outcome in self._judged() if not outcome["passed"]]
        if failed:
            raise UserError(
                f"The gate has failed, and nothing is published: {'; '.join(failed)}.",
                f"The report says more: {self._reports[0]}. More CTs, steps or trials may help.",
            )
        plan, run = self._plan, self._run(self._last)

        def work() -> list[Path]:
            progress(0, "Publishing the model")
            earlier = _read(self._published)["path"] if self._published.exists() else ""
            model = to_store(run.model, plan.name, earlier)
            files = to_folder(plan.publish, model, self._reports) if plan.publish else []
            folder = str(plan.publish / model.name) if plan.publish else None
            _write(self._published, {"name": model.name, "path": str(model.folder), "folder": folder})
            run.say("done", model=model.name)
            return [self._published, *(path for path in model.folder.rglob("*") if path.is_file()), *files]

        # A folder also takes the report.
        target = [str(plan.publish.resolve()), self._steps.digest("report")] if plan.publish else []
        return self._steps.run("publish", [self._steps.digest(f"evaluate{self._last}"), plan.name, target], work)

    def _announce(self, progress: Progress) -> dict:
        plan = self._plan
        if not plan.web_hook:
            return self._steps.forget("announce")
        message = {
            "model": _read(self._published)["name"],
            "task": self._kit.task,
            "passed": True,
            "gate": finite(self._judged()),
            "scores": finite(summarize(self._run(self._last).rows())),
        }

        def work() -> list[Path]:
            progress(0, "Sending the message to the web hook")
            to_web_hook(plan.web_hook, message)
            return []

        return self._steps.run("announce", [plan.web_hook, message], work)


def _read(path: Path) -> list | dict:
    return json.loads(path.read_text(encoding="utf-8"))


def _write(path: Path, values: list | dict) -> Path:
    with staged(path) as temporary:
        temporary.write_text(json.dumps(values, indent=2), encoding="utf-8")
    return path
