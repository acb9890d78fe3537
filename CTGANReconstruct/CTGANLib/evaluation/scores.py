"""Scores as tables: rows a case, means with intervals a method."""

import csv
import json
import math
from collections.abc import Callable
from pathlib import Path
from statistics import mean, stdev

import numpy as np

from ..files import staged

# What stands beside the models in rows and pictures; no model can be told from them under such a name.
TRUTH, MEAN_VOLUME, NEAREST_VOLUME = "truth", "mean volume", "nearest training volume"
ALL_BACKGROUND = "all background"
RESERVED = {TRUTH, MEAN_VOLUME, NEAREST_VOLUME, ALL_BACKGROUND}

Show = Callable[[str, dict[str, np.ndarray], list[dict]], None]
"""Called once a case with its name, the HU volumes [k, j, i] of ``TRUTH`` and of each method, and the case's rows."""

# Two-sided 95 % quantiles of Student's t for 1 to 10 degrees of freedom, then near the normal distribution.
_T95 = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23)


def summarize(rows: list[dict], key: str = "method") -> list[dict]:
    """Mean and half width of the 95 % interval over cases of every number, for each value of ``key``.

    Args:
        rows: one a case.

    Returns:
        One row a value of ``key``, in order of appearance: ``n`` and, for each number, ``name`` and ``name_ci95``.
        Numbers that are none, such as the PSNR of a perfect result, are passed over, and so are details (see
        :func:`columns`).
    """
    summary = []
    for group in dict.fromkeys(row[key] for row in rows):
        members = [row for row in rows if row[key] == group]
        result = {key: group, "n": len(members)}
        numbers = (name for row in members for name, value in row.items() if isinstance(value, float))
        for name in dict.fromkeys(numbers):
            values = [value for row in members if (value := row.get(name)) is not None and math.isfinite(value)]
            result[name] = mean(values) if values else math.nan
            if not name.endswith("_ci95"):  # a row may bring its own
                result[f"{name}_ci95"] = interval(values)
        summary.append(result)
    return summary


def changes(rows: list[dict], key: str, reference: str) -> list[dict]:
    """What another value of ``key`` changes for the same case and method.

    Args:
        rows: one a case, method and value of ``key``.
        key: such as ``condition``.
        reference: the value that all others are compared with.

    Returns:
        For each method and value, in order of appearance: ``n`` and, for each number, the mean ``name``, the mean
        ``name_change`` from the reference, and ``name_change_ci95``, half the width of its 95 % interval over cases.
    """
    compared = []
    for method in dict.fromkeys(row["method"] for row in rows):
        own = [row for row in rows if row["method"] == method]
        before = {row["case"]: row for row in own if row[key] == reference}
        for value in dict.fromkeys(row[key] for row in own):
            members = [row for row in own if row[key] == value and row["case"] in before]
            result = {"method": method, key: value, "n": len(members)}
            numbers = (name for row in members for name, number in row.items() if isinstance(number, float))
            for name in dict.fromkeys(numbers):
                pairs = [(row.get(name), before[row["case"]].get(name)) for row in members]
                known = [pair for pair in pairs if None not in pair and all(map(math.isfinite, pair))]
                change = [now - then for now, then in known]
                result[name] = mean(now for now, _ in known) if known else math.nan
                result[f"{name}_change"] = mean(change) if change else math.nan
                result[f"{name}_change_ci95"] = interval(change)
            compared.append(result)
    return compared


def condition_table(rows: list[dict]) -> list[dict]:
    """One method's rows under several conditions as a table: means, and changes from the first condition."""
    lines = []
    for compared in changes(rows, "condition", rows[0]["condition"]):
        line = {"input": compared["condition"], "n": compared["n"]}
        for name in [name for name in compared if f"{name}_change" in compared]:
            line |= {name: compared[name], f"{name} change": compared[f"{name}_change"]}
            line[f"{name} change_ci95"] = compared[f"{name}_change_ci95"]
        lines.append(line)
    return lines


def columns(rows: list[dict]) -> list[str]:
    """The names of a table's columns: those of all rows, but for intervals, which stand behind their means, and for
    details (values that are themselves dictionaries), which have tables of their own."""
    names = dict.fromkeys(name for row in rows for name, value in row.items() if not isinstance(value, dict))
    return [name for name in names if not name.endswith("_ci95")]


def finite(rows: list[dict]) -> list[dict]:
    """Rows for JSON files and forms that know no infinity: numbers that are none become ``None``."""
    return [{name: _finite(value) for name, value in row.items()} for row in rows]


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_json(path: Path, rows: list[dict]) -> None:
    """Write rows as a JSON list of objects.

    Raises:
        UserError: the place cannot be written.
    """
    with staged(path) as temporary:
        temporary.write_text(json.dumps(finite(rows), indent=2), encoding="utf-8")


def write_csv(path: Path, rows: list[dict]) -> None:
    """Write rows as a table for spreadsheets: commas between, a header with the names of all rows. Details have a
    column each, such as ``volumes Right lung ml``.

    Raises:
        UserError: the place cannot be written.
    """
    rows = [_flat(row) for row in rows]
    names = list(dict.fromkeys(name for row in rows for name in row))
    with staged(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(finite(rows))


def _flat(row: dict, before: str = "") -> dict:
    """A row without dictionaries in it: their names are joined by spaces."""
    flat = {}
    for name, value in row.items():
        flat |= _flat(value, f"{before}{name} ") if isinstance(value, dict) else {f"{before}{name}": value}
    return flat


def interval(values: list[float]) -> float:
    """Half width of the 95 % confidence interval of a mean (Student's t); not a number for fewer than two values."""
    if len(values) < 2:
        return math.nan
    freedom = len(values) - 1
    quantile = _T95[freedom - 1] if freedom <= len(_T95) else 1.96 + 2.4 / freedom
    return quantile * stdev(values) / math.sqrt(len(values))


def table(rows: list[dict]) -> str:
    """Rows as Markdown with aligned columns; intervals stand behind their means."""
    names = columns(rows)
    cells = [names, *[[cell(row, name) for name in names] for row in rows]]
    widths = [max(len(line[column]) for line in cells) for column in range(len(names))]
    lines = [f"| {' | '.join(map(str.ljust, line, widths))} |" for line in cells]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def turned(summary: list[dict]) -> list[dict]:
    """A summary with a row for each metric and a column for each method, which fits a terminal better."""
    names = [name for name in columns(summary) if name != "method"]
    return [{"": name, **{row["method"]: cell(row, name) for row in summary}} for name in names]


def cell(row: dict, name: str) -> str:
    """A value of a row for people, with its interval where there is one."""
    value = row.get(name, "")
    if not isinstance(value, float):
        return "" if value is None else str(value)
    digits = 1 if abs(value) >= 100 else 2 if abs(value) >= 10 else 3
    if 0 < abs(value) < 0.01:  # such as squared errors
        digits = min(2 - math.floor(math.log10(abs(value))), 9)
    spread = row.get(f"{name}_ci95")
    known = spread is not None and math.isfinite(spread)
    return f"{value:.{digits}f}" + (f" ± {spread:.{digits}f}" if known else "")
