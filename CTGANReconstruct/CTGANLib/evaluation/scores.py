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
RESERVED = {TRUTH, MEAN_VOLUME, NEAREST_VOLUME}

Show = Callable[[str, dict[str, np.ndarray], list[dict]], None]
"""Called once a case with its name, the HU volumes [k, j, i] of ``TRUTH`` and of each method, and the case's rows."""

# Two-sided 95 % quantiles of Student's t for 1 to 10 degrees of freedom, then near the normal distribution.
_T95 = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23)


def summarize(rows: list[dict], key: str = "method") -> list[dict]:
    """Mean and half width of the 95 % interval over cases of every number, for each value of ``key``.

    Args:
        rows: one a case, all with the same names.

    Returns:
        One row a value of ``key``, in order of appearance: ``n`` and, for each number, ``name`` and ``name_ci95``.
        Numbers that are none, such as the PSNR of a perfect result, are passed over.
    """
    summary = []
    for group in dict.fromkeys(row[key] for row in rows):
        members = [row for row in rows if row[key] == group]
        result = {key: group, "n": len(members)}
        numbers = (name for row in members for name, value in row.items() if isinstance(value, float))
        for name in dict.fromkeys(numbers):
            values = [value for row in members if (value := row[name]) is not None and math.isfinite(value)]
            result[name] = mean(values) if values else math.nan
            result[f"{name}_ci95"] = interval(values)
        summary.append(result)
    return summary


def finite(rows: list[dict]) -> list[dict]:
    """Rows for JSON files and forms that know no infinity: numbers that are none become ``None``."""
    return [
        {name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in row.items()}
        for row in rows
    ]


def write_json(path: Path, rows: list[dict]) -> None:
    """Write rows as a JSON list of objects.

    Raises:
        UserError: the place cannot be written.
    """
    with staged(path) as temporary:
        temporary.write_text(json.dumps(finite(rows), indent=2), encoding="utf-8")


def write_csv(path: Path, rows: list[dict]) -> None:
    """Write rows as a table for spreadsheets: commas between, a header with the names of all rows.

    Raises:
        UserError: the place cannot be written.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    with staged(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(finite(rows))


def interval(values: list[float]) -> float:
    """Half width of the 95 % confidence interval of a mean (Student's t); not a number for fewer than two values."""
    if len(values) < 2:
        return math.nan
    freedom = len(values) - 1
    quantile = _T95[freedom - 1] if freedom <= len(_T95) else 1.96 + 2.4 / freedom
    return quantile * stdev(values) / math.sqrt(len(values))


def table(rows: list[dict]) -> str:
    """Rows as Markdown with aligned columns; intervals stand behind their means."""
    names = [name for name in rows[0] if not name.endswith("_ci95")]
    cells = [names, *[[cell(row, name) for name in names] for row in rows]]
    widths = [max(len(line[column]) for line in cells) for column in range(len(names))]
    lines = [f"| {' | '.join(map(str.ljust, line, widths))} |" for line in cells]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def turned(summary: list[dict]) -> list[dict]:
    """A summary with a row for each metric and a column for each method, which fits a terminal better."""
    names = [name for name in summary[0] if name != "method" and not name.endswith("_ci95")]
    return [{"": name, **{row["method"]: cell(row, name) for row in summary}} for name in names]


def cell(row: dict, name: str) -> str:
    """A value of a row for people, with its interval where there is one."""
    value = row.get(name, "")
    if not isinstance(value, float):
        return "" if value is None else str(value)
    digits = 1 if abs(value) >= 100 else 2 if abs(value) >= 10 else 3
    spread = row.get(f"{name}_ci95")
    known = spread is not None and math.isfinite(spread)
    return f"{value:.{digits}f}" + (f" ± {spread:.{digits}f}" if known else "")
