"""The search for better settings: Optuna proposes, short trainings are scored on patients held out from training."""

import math
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ..datasets.preparation import PreparedData
from ..errors import UserError
from ..events import Progress, part, silent
from ..training.kit import Kit
from ..training.runs import Run
from ..training.session import hold_out, train_network
from ..training.settings import TrainingSettings
from .steps import digest_of

TRIAL_SHARE = 0.25
"""Steps of a trial, as a share of the full training's."""

# Optuna's default of 10 would leave nothing but chance to a search of a usual length.
_RANDOM_TRIALS = 4


@dataclass(frozen=True)
class Task:
    """What is searched.

    Attributes:
        kit: of the recipe.
        recipe: its name.
        data: prepared patients; those to test on are not looked at.
        source: the data set, as run folders note it.
        settings: that the search starts from.
        ranges: (low, high) of each setting that may vary, on a logarithmic scale.
        device: of torch.
        restarted: a supervisor has ended the process that was at work before.
    """

    kit: Kit
    recipe: str
    data: PreparedData
    source: Path
    settings: TrainingSettings
    ranges: dict[str, tuple[float, float]]
    device: str
    restarted: bool


def check_optuna() -> None:
    """Check that Optuna is installed.

    Raises:
        UserError: it is not.
    """
    try:
        import optuna  # noqa: F401
    except ImportError as error:
        raise UserError(
            "The search needs the Python package optuna.",
            "Install it: pip install optuna. Or leave the search out: --trials 0.",
        ) from error


def search(task: Task, folder: Path, trials: int, progress: Progress = silent) -> dict:
    """Try settings until ``trials`` of them have been tried, the ones asked for first.

    Each trial trains for a quarter of the steps, on the training patients less those held out, and counts by its best
    score on these. Trials that fall behind the median of the others are ended early. The study lies in ``folder`` and
    is resumed; so is the training of a trial that was killed.

    Args:
        task: what to search.
        folder: takes the study and the run folders of the trials.
        trials: in all, those of earlier calls counted.
        progress: is told of each step.

    Returns:
        ``settings`` (the best values by name), ``score``, ``asked_score`` (None where that trial did not end) and
        ``trials``, a list of ``settings``, ``score``, ``state`` and ``reason``.

    Raises:
        UserError: there are too few patients, no trial succeeds, or one is paused.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    task = replace(task, data=_without_test(task.data), settings=_trial_settings(task))
    folder = folder / _identity(task)
    folder.mkdir(parents=True, exist_ok=True)
    log = str(folder / "study.log")
    # Optuna's other lock is a symbolic link, which Windows does not let everybody make.
    lock = optuna.storages.journal.JournalFileOpenLock(log)
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(log, lock))
    study = optuna.create_study(
        study_name=folder.name,
        storage=storage,
        load_if_exists=True,
        direction="maximize",
        pruner=optuna.pruners.MedianPruner(n_startup_trials=_RANDOM_TRIALS),
    )
    _take_up(study, task)
    while (done := len(_finished(study))) < trials:
        of_trial = part(progress, done / trials, 1 / trials, f"Trial {done + 1} of {trials}: ")
        # Seeded by its number, so that a search that was interrupted proposes what one without a break would.
        study.sampler = optuna.samplers.TPESampler(n_startup_trials=_RANDOM_TRIALS, seed=task.settings.seed + done)
        _try(study, task, folder, of_trial)
    return _found(study, task)


def _without_test(data: PreparedData) -> PreparedData:
    return replace(data, cases=[case for case in data.cases if case.role != "test"])


def _trial_settings(task: Task) -> TrainingSettings:
    """The settings of all trials: short, with somebody held out."""
    patients = len({case.patient for case in task.data.of("train")})
    share = max(task.settings.validation_share, 1 / max(patients, 1))
    steps, validations = math.ceil(TRIAL_SHARE * task.settings.steps), max(1, task.settings.validations)
    short = replace(task.settings, steps=steps, validations=validations, validation_share=share)
    learned_from, held_out = hold_out(task.data, short.validation_share, short.seed)
    if not learned_from or not held_out:
        raise UserError("The search needs two patients at least to train on.", "Add CTs, or leave it out: --trials 0.")
    return short


def _identity(task: Task) -> str:
    """A name for the study that differs where trials of one would mislead the other."""
    cases = [(case.name, case.patient, case.role, task.data.prepared[case.name].name) for case in task.data.cases]
    return digest_of([task.recipe, asdict(task.settings), task.ranges, cases])[:12]


def _take_up(study, task: Task) -> None:
    """Propose again what a killed process was trying; to a new study, the settings asked for."""
    from optuna.trial import TrialState

    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        study.enqueue_trial(trial.params)
    asked = {name: getattr(task.settings, name) for name in task.ranges}
    if not study.trials and all(low <= asked[name] <= high for name, (low, high) in task.ranges.items()):
        study.enqueue_trial(asked)


def _finished(study) -> list:
    """Trials that came to an end of their own."""
    from optuna.trial import TrialState

    ended = study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL))
    return [trial for trial in ended if trial.state != TrialState.FAIL or "reason" in trial.user_attrs]


def _try(study, task: Task, folder: Path, progress: Progress) -> None:
    """One trial, in a run folder named by its settings, so that it resumes if it is proposed again."""
    import optuna

    trial = study.ask()
    values = {name: trial.suggest_float(name, low, high, log=True) for name, (low, high) in task.ranges.items()}
    run = Run(folder / digest_of(values)[:12])
    try:
        score = _score(task, run, values, _Judge(trial, run, task.kit.score, progress))
        study.tell(trial, score)
    except optuna.TrialPruned:
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    except UserError as error:
        if run.status().get("state") == "paused":
            raise
        trial.set_user_attr("reason", error.message)
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
    run.say("done", message="A trial of a search")
    for weights in (run.checkpoint, run.best):  # nobody needs them again; the curves stay
        weights.unlink(missing_ok=True)


def _score(task: Task, run: Run, values: dict[str, float], progress: Progress) -> float:
    """The best score of one training on the patients held out."""
    settings = replace(task.settings, **values)
    run.begin(task.recipe, task.source, asdict(settings), task.restarted)
    run.say("training", device=task.device)
    trained = train_network(task.kit, task.data, run, settings, task.device, progress)
    if trained.ending == "paused":
        run.say("paused")
        raise UserError("A trial of the search was paused.", "Start the pipeline again to go on.")
    score = max(row[task.kit.score] for row in run.scores())
    if math.isnan(score):
        raise UserError("Its score is no number.")
    return score


class _Judge:
    """Passes progress on, tells Optuna of each new score, and ends a trial that Optuna gives up."""

    def __init__(self, trial, run: Run, score: str, progress: Progress) -> None:
        self._trial, self._run, self._score, self._progress = trial, run, score, progress
        self._told = 0

    def __call__(self, fraction: float, message: str) -> None:
        import optuna

        self._progress(fraction, message)
        new = self._run.scores()[self._told :]
        for row in new:
            self._trial.report(row[self._score], row["step"])
        self._told += len(new)
        if new and self._trial.should_prune():
            raise optuna.TrialPruned


def _found(study, task: Task) -> dict:
    trials = _finished(study)
    rows = [
        {
            "settings": trial.params,
            "score": trial.value,
            "state": trial.state.name.lower(),
            "reason": trial.user_attrs.get("reason", ""),
        }
        for trial in trials
    ]
    with suppress(ValueError):  # of a study without a complete trial
        asked = {name: getattr(task.settings, name) for name in task.ranges}
        asked_score = next((row["score"] for row in rows if row["settings"] == asked), None)
        best = study.best_trial
        return {"settings": best.params, "score": best.value, "asked_score": asked_score, "trials": rows}
    raise UserError(
        f"No trial of the search succeeded; the last: {rows[-1]['reason']}",
        "Give other settings, or leave the search out: --trials 0.",
    )
