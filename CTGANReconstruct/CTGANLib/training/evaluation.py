"""Scores as tables: rows a case, means with intervals a method."""

import math
from statistics import mean, stdev

# Two-sided 95 % quantiles of Student's t for 1 to 10 degrees of freedom, then near the normal distribution.
_T95 = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23)


def summarize(rows: list[dict], key: str = "method") -> list[dict]:
    """Mean and half width of the 95 % interval over cases of every number, for each value of ``key``.

    Args:
        rows: one a case, all with the same names.

    Returns:
        One row a value of ``key``, in order of appearance: ``n`` and, for each number, ``name`` and ``name_ci95``.
    """
    summary = []
    for group in dict.fromkeys(row[key] for row in rows):
        members = [row for row in rows if row[key] == group]
        result = {key: group, "n": len(members)}
        for name in (name for name, value in members[0].items() if isinstance(value, float)):
            values = [row[name] for row in members]
            result[name], result[f"{name}_ci95"] = mean(values), interval(values)
        summary.append(result)
    return summary


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
    cells = [names, *[[_cell(row, name) for name in names] for row in rows]]
    widths = [max(len(line[column]) for line in cells) for column in range(len(names))]
    lines = [f"| {' | '.join(map(str.ljust, line, widths))} |" for line in cells]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def _cell(row: dict, name: str) -> str:
    value = row.get(name, "")
    if not isinstance(value, float):
        return str(value)
    digits = 1 if abs(value) >= 100 else 2 if abs(value) >= 10 else 3
    spread = row.get(f"{name}_ci95")
    return f"{value:.{digits}f}" + (f" ± {spread:.{digits}f}" if spread is not None else "")
