"""The gate of a pipeline: what the scores of a model must be before it is published.

A gate is plain data, a JSON object with an object for each metric of the evaluation:

    {
      "psnr_true": {"at_least": 20.0, "above": {"mean volume": 2.0, "nearest training volume": 2.0}},
      "mae_hu":    {"at_most": 200.0, "below": {"mean volume": 50.0}}
    }

``at_least`` and ``at_most`` bound the model's mean over the test cases; ``above`` and ``below`` say by how much it must
lie above or below the mean of a baseline of the recipe (``Kit.baselines``) on the same cases.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path

from ..errors import UserError
from ..evaluation.scores import summarize

_BOUNDS = {"at_least": True, "at_most": False}
_MARGINS = {"above": True, "below": False}


@dataclass(frozen=True)
class Condition:
    """One thing that must hold.

    Attributes:
        metric: as the rows of the evaluation name it.
        higher: whether the score must be at least so high, or at most.
        limit: the bound, or the margin where there is a baseline.
        baseline: the method that the margin counts from; empty for a plain bound.
    """

    metric: str
    higher: bool
    limit: float
    baseline: str = ""

    def judge(self, means: dict[str, dict]) -> dict:
        """Whether it holds.

        Args:
            means: rows of ``evaluation.summarize`` by method, the model's first.

        Returns:
            ``metric``, ``value``, ``bound``, ``short_by`` (0 where it holds), ``passed`` and ``text``.

        Raises:
            UserError: the evaluation has no such metric or baseline.
        """
        own = next(iter(means.values()))
        if self.metric not in own:
            known = ", ".join(name for name in own if f"{name}_ci95" in own)
            raise UserError(f"The gate asks for {self.metric}, which is not scored.", f"Choose one of these: {known}.")
        if self.baseline and self.metric not in means.get(self.baseline, {}):
            asked = f"{self.metric} of the {self.baseline}"
            raise UserError(f"The gate asks for {asked}, which is not scored.", "Leave it out of the gate.")
        value, bound = own[self.metric], self.limit
        if self.baseline:
            bound = means[self.baseline][self.metric] + (self.limit if self.higher else -self.limit)
        short = (bound - value) if self.higher else (value - bound)
        passed = short <= 0  # never true of a number that is none
        return {
            "metric": self.metric,
            "value": value,
            "bound": bound,
            "short_by": max(short, 0.0) if math.isfinite(short) else None,
            "passed": passed,
            "text": self._text(value, bound, short, passed),
        }

    def _text(self, value: float, bound: float, short: float, passed: bool) -> str:
        side = "at least" if self.higher else "at most"
        origin = f" ({self.baseline} {'+' if self.higher else '−'} {self.limit:g})" if self.baseline else ""
        asked = f"{self.metric} is {value:.4g}; it must be {side} {bound:.4g}{origin}"
        return asked if passed else f"{asked} and misses that by {short:.3g}"


def default_gate(score: str, baselines: tuple[str, ...]) -> tuple[Condition, ...]:
    """What must hold where no gate is given: a better score than every baseline; nothing where there is none."""
    return tuple(Condition(score, True, 0.0, baseline) for baseline in baselines)


def read_gate(path: Path, baselines: tuple[str, ...]) -> tuple[Condition, ...]:
    """The conditions of a gate file.

    Args:
        path: of the file.
        baselines: of the recipe.

    Raises:
        UserError: the file cannot be read or is not of the form that this module describes.
    """
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"The gate {path} cannot be read as JSON.", _EXAMPLE) from error
    if not isinstance(entries, dict) or not entries:
        raise UserError(f"The gate {path} names no metric.", _EXAMPLE)
    return tuple(c for metric, rules in entries.items() for c in _conditions(path, metric, rules, baselines))


_EXAMPLE = 'A gate looks like this: {"psnr_true": {"at_least": 20, "above": {"mean volume": 2}}}.'


def _conditions(path: Path, metric: str, rules: object, baselines: tuple[str, ...]) -> list[Condition]:
    if not isinstance(rules, dict) or not rules:
        raise UserError(f"The gate {path} does not say what must hold of {metric}.", _EXAMPLE)
    conditions = []
    for rule, value in rules.items():
        if rule in _BOUNDS:
            conditions.append(Condition(metric, _BOUNDS[rule], _number(path, f"{metric}: {rule}", value)))
        elif rule in _MARGINS and isinstance(value, dict) and value.keys() <= set(baselines):
            conditions += [
                Condition(metric, _MARGINS[rule], _number(path, f"{metric}: {rule} {baseline}", margin), baseline)
                for baseline, margin in value.items()
            ]
        elif rule in _MARGINS:
            advice = f"Use {_list(baselines)}." if baselines else "This recipe has none: use at_least or at_most."
            raise UserError(f"The gate {path} names no baseline for {metric}: {rule}.", advice)
        else:
            raise UserError(f"The gate {path} has an unknown rule {rule}.", f"Use {_list((*_BOUNDS, *_MARGINS))}.")
    return conditions


def _number(path: Path, what: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise UserError(f"The gate {path} gives no number for {what}.", _EXAMPLE)
    return float(value)


def _list(names: tuple[str, ...]) -> str:
    return " or ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def judge(conditions: tuple[Condition, ...], rows: list[dict], method: str) -> list[dict]:
    """The outcome of every condition; see :meth:`Condition.judge`.

    Args:
        conditions: of the gate.
        rows: of the evaluation, one a case and method.
        method: the model's.
    """
    means = {row["method"]: row for row in summarize(rows)}
    means = {method: means.pop(method), **means}
    return [condition.judge(means) for condition in conditions]
