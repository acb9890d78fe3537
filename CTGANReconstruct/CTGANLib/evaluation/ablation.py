"""Ablations: every combination of recipes and settings, trained with several seeds, in one table."""

import itertools
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, stdev

from ..datasets.preparation import PreparedData
from ..errors import UserError
from ..events import Progress, part, silent
from ..training.kit import Kit, parse_settings
from ..training.runs import Run
from ..training.session import train_network
from .scores import RESERVED, changes, summarize, write_json


@dataclass(frozen=True)
class Combination:
    """One line of the table.

    Attributes:
        recipe: its name.
        switches: value, as text, of each setting that is varied.
    """

    recipe: str
    switches: tuple[tuple[str, str], ...]

    @property
    def name(self) -> str:
        return " ".join([self.recipe, *(f"{setting}={value}" for setting, value in self.switches)])


def combinations(recipes: list[str], vary: list[str], one_at_a_time: bool = False) -> list[Combination]:
    """Combinations of the recipes and the values of ``NAME=V1,V2``, in the order given.

    Args:
        recipes: their names.
        vary: the settings and their values.
        one_at_a_time: only those that differ from the first in one place: with n switches n + 1 instead of 2ⁿ.

    Raises:
        UserError: a text is not of that form, or says a thing twice.
    """
    axes = []
    for text in vary:
        name, _, values = text.partition("=")
        choices = values.split(",")
        if not name or not all(choices) or len(set(choices)) < len(choices):
            raise UserError(f"{text} does not say what to vary.", "Give a setting and its values: NAME=V1,V2.")
        axes.append([(name, value) for value in choices])
    names = [axis[0][0] for axis in axes]
    if len(set(names)) < len(names) or len(set(recipes)) < len(recipes):
        raise UserError("A setting or recipe is varied twice.", "Give all its values at once: NAME=V1,V2.")
    every = [Combination(recipe, switches) for recipe in recipes for switches in itertools.product(*axes)]
    return [one for one in every if _differences(one, every[0]) < 2] if one_at_a_time else every


def _differences(one: Combination, other: Combination) -> int:
    pairs = zip((one.recipe, *one.switches), (other.recipe, *other.switches), strict=True)
    return sum(first != second for first, second in pairs)


def scored_role(data: PreparedData) -> str:
    """The role of the cases that combinations are compared on: ``test``, or ``validation`` where nobody has it.

    Raises:
        UserError: there is neither.
    """
    for role in ("test", "validation"):
        if data.of(role):
            return role
    raise UserError("There is no case to score by.", "Give cases of the data set the role test.")


class Ablation:
    """Trains and scores combinations, each with each seed, in run folders of its own.

    Args:
        folder: takes the run folders. Runs that are finished are not done again.
        data: the prepared patients.
        source: the data set, as run folders note it.
        kits: (recipe's name) to its kit.
        fixed: settings of all runs by name; ``None`` stands for the recipe's own.
        device: of torch.
        assignments: further settings of all runs, ``NAME=VALUE``.
    """

    def __init__(
        self,
        folder: Path,
        data: PreparedData,
        source: Path,
        kits: Callable[[str], Kit],
        fixed: dict[str, object],
        device: str,
        assignments: list[str] | tuple[str, ...] = (),
    ) -> None:
        self._folder, self._data, self._source = folder, data, source
        self._kits, self._fixed, self._device, self._assignments = kits, fixed, device, assignments
        self.role = scored_role(data)

    def run(self, wanted: list[Combination], seeds: list[int], progress: Progress = silent) -> list[dict]:
        """Train and score all that is not done yet.

        Returns:
            A row for each combination, seed, case and method, baselines among them: ``combination``, ``seed`` and the
            entries of the recipe's evaluation.

        Raises:
            UserError: a setting does not exist, a run folder holds another run, or a training fails or is paused.
        """
        pairs = list(itertools.product(wanted, seeds))
        settings = {pair: self._settings(*pair) for pair in pairs}  # before hours are spent on the first
        rows = []
        for number, (combination, seed) in enumerate(pairs):
            of_run = part(progress, number / len(pairs), 1 / len(pairs), f"{combination.name}: ")
            scored = self._scored(combination, seed, settings[combination, seed], of_run)
            rows += [{"combination": combination.name, "seed": seed, **row} for row in scored]
        return rows

    def _settings(self, combination: Combination, seed: int):
        assignments = [*self._assignments, *(f"{name}={value}" for name, value in combination.switches)]
        return parse_settings(self._kits(combination.recipe), {**self._fixed, "seed": seed}, assignments)

    def _scored(self, combination: Combination, seed: int, settings, progress: Progress) -> list[dict]:
        """The rows of one run, from its folder where it is finished."""
        kit = self._kits(combination.recipe)
        run = Run(self._folder / re.sub(r"[^\w.=+-]+", "_", f"{combination.name} seed={seed}"))
        if run.info() and (run.info().get("settings"), run.info().get("data")) != (asdict(settings), str(self._source)):
            raise UserError(f"{run.folder} holds a run with other settings or data.", "Choose another folder.")
        if run.status().get("state") == "done":
            return run.rows()
        run.begin(combination.recipe, self._source, asdict(settings))
        try:
            return self._train(kit, run, combination.name, settings, progress)
        except UserError as error:
            run.fail(error)
            raise

    def _train(self, kit: Kit, run: Run, name: str, settings, progress: Progress) -> list[dict]:
        run.say("training", device=self._device)
        trained = train_network(kit, self._data, run, settings, self._device, part(progress, 0, 0.9))
        if trained.ending == "paused":
            run.say("paused")
            raise UserError(f"The run {run.name} was paused.", "Start the ablation again to go on.")
        run.say("evaluating")
        training = list(self._data.files("train").values())
        rows = kit.evaluate(
            {name: kit.wrap(trained.network, self._device)},
            self._data.files(self.role),
            training,
            part(progress, 0.9, 0.1),
            None,
        )
        write_json(run.evaluation, rows)
        run.say("done", fraction=1.0, message="Done")
        return rows


def ablation_table(rows: list[dict], wanted: list[Combination], score: str) -> list[dict]:
    """One row a combination, then the baselines.

    Each number is the mean over seeds and cases; its interval is that over cases of the means over seeds, and says
    what other patients would change. ``<score>_change`` is the mean difference from the first combination, patient by
    patient, with its own interval; it tells small effects that differ less between patients than the scores do.
    ``<score>_seed_sd`` says what other seeds would change: the standard deviation between seeds of the mean over cases.

    Args:
        rows: of :meth:`Ablation.run`.
        wanted: the combinations that stand in the table.
        score: the metric of the first columns.
    """
    means = seed_means(rows)
    summary = {row["method"]: row for row in summarize(means)}
    compared = [{"case": row["case"], "method": "", "of": row["method"], score: row.get(score)} for row in means]
    change = {line["of"]: line for line in changes(compared, "of", wanted[0].name)}
    empty = dict.fromkeys((name for name, _ in wanted[0].switches), "")
    told = {combination.name: {"recipe": combination.recipe, **dict(combination.switches)} for combination in wanted}
    told |= {method: {"recipe": method, **empty} for method in summary if method in RESERVED}
    lines = []
    for method, head in told.items():
        own = [row for row in rows if row["method"] == method]
        seeds = dict.fromkeys(row["seed"] for row in own)
        scores = [_mean([row for row in own if row["seed"] == seed])[score] for seed in seeds]
        numbers = {name: value for name, value in summary[method].items() if name not in ("method", "n")}
        first = {name: numbers.pop(name) for name in (score, f"{score}_ci95")}
        first |= {name: change[method][name] for name in (f"{score}_change", f"{score}_change_ci95")}
        spread = {f"{score}_seed_sd": stdev(scores)} if len(scores) > 1 else {}
        lines.append({**head, "seeds": len(seeds), "cases": summary[method]["n"], **first, **spread, **numbers})
    return lines


def seed_means(rows: list[dict]) -> list[dict]:
    """A row for each case and method: the means over seeds and, for the baselines, combinations."""
    groups: dict[tuple[str, str], list[dict]] = {}
    for row in rows:
        groups.setdefault((row["case"], row["method"]), []).append(row)
    return [{"case": case, "method": method, **_mean(members)} for (case, method), members in groups.items()]


def _mean(rows: list[dict]) -> dict[str, float]:
    """The mean of every number of some rows; files of rows hold nothing where a number was none."""
    names = dict.fromkeys(name for row in rows for name, value in row.items() if isinstance(value, float))
    return {name: mean(row[name] for row in rows if isinstance(row.get(name), float)) for name in names}
