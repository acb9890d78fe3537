"""Parts of a report that not all have: volumes of structures, patient specificity, nearest samples, conditions."""

from html import escape
from statistics import mean

from .matrix import matrix_chart
from .page import image, rows_table
from .scores import RESERVED, condition_table, interval
from .sheets import Sheets
from .specificity import correlation_matrices, specificity_table


def volumes_section(rows: list[dict]) -> str:
    """A table of the volumes of structures beside the true ones; nothing where rows have none."""
    lines = volume_table(rows)
    if not lines:
        return ""
    told = (
        "<p>Mean over the cases ± half the 95 % interval. error: signed, too large is positive; |error|: how far off "
        "whatever the sign; in ml, and in percent of the true volume. Both volumes are segmented alike.</p>"
    )
    return f'<div class="sheet"><h2>Volumes of structures</h2>{told}{rows_table(lines)}</div>'


def volume_table(rows: list[dict]) -> list[dict]:
    """A row for each structure and method, from the ``volumes`` of the rows; of two methods alike in the truth."""
    rows = [row for row in rows if "volumes" in row]
    lines = []
    for structure in dict.fromkeys(name for row in rows for name in row["volumes"]):
        for method in dict.fromkeys(row["method"] for row in rows):
            found = [row["volumes"][structure] for row in rows if row["method"] == method]
            line = {"structure": structure, "method": method, "n": len(found)}
            line["true ml"] = mean(one["true_ml"] for one in found)
            for name, unit in (("error_ml", "ml"), ("error_percent", "%")):
                errors = [one[name] for one in found if one[name] is not None]
                for title, values in ((f"error {unit}", errors), (f"|error| {unit}", [abs(e) for e in errors])):
                    line |= {title: mean(values) if values else None, f"{title}_ci95": interval(values)}
            lines.append(line)
    return lines


def specificity_section(rows: list[dict]) -> str:
    """Whether methods tell patients apart, with a matrix for each model; nothing where there are too few cases."""
    lines = specificity_table(rows)
    if not lines:
        return ""
    told = (
        "<p>Correlation of each prediction with each true CT, after the mean training volume was taken from both. A "
        "model that reads the radiographs has high values on the diagonal, and there only. own_truth: mean of the "
        "diagonal; other_truths: mean beside it; own_is_highest: share of cases whose own truth is the nearest.</p>"
    )
    parts = [f'<div class="sheet"><h2>Patient specificity</h2>{told}{rows_table(lines)}</div>']
    for method, matrix in correlation_matrices(rows).items():
        if method not in RESERVED:
            drawing, width = matrix_chart(matrix, f"prediction of {method}", "true CT")
            drawn = image(drawing.encode(), "svg+xml", width, f"correlations of the predictions of {method}")
            parts.append(f'<div class="together"><p><b>{escape(method)}</b></p>{drawn}</div>')
    return "".join(parts)


def conditions_section(rows: list[dict]) -> str:
    """What input that is not ideal costs, a table for each method; nothing where it was not scored."""
    if not rows:
        return ""
    told = (
        "<p>Radiographs simulated from the true CTs, each spoiled in one way. Mean over the cases; change: mean "
        f"difference from the {escape(rows[0]['condition'])} input of the same case ± half its 95 % interval. "
        "psnr_moved and lung_dice_moved: once the result was moved by up to 20 mm to where it fits best, since where "
        "the place of the patient is not told it cannot be right. warned: share of the results with a warning. Films "
        "are checked as before a run, unless they are called otherwise.</p>"
    )
    parts = [f'<div class="sheet"><h2>Input that is not ideal</h2>{told}']
    for method in dict.fromkeys(row["method"] for row in rows):
        own = [row for row in rows if row["method"] == method]
        parts.append(f"<p><b>{escape(method)}</b></p>{rows_table(condition_table(own))}")
    return "".join([*parts, "</div>"])


def pairs_section(sheets: Sheets) -> str:
    """Generated samples beside the training samples that they are nearest to; nothing where none were shown."""
    if not sheets.pairs:
        return ""
    told = (
        "<p>Each sample above the training sample that is nearest to it, with their root mean square difference: the "
        "three nearest of all, then those at a quarter, half and three quarters of the order. What was learned by "
        "heart is much nearer than real samples are that the model has not learned from.</p>"
    )
    parts = ['<div class="sheet"><h2>Nearest training samples</h2>', told]
    for title, drawn in sheets.pairs.items():
        width = min(160, 960 // max(len(drawn), 1))
        head = "".join(f'<th class="picture">{escape(name)}</th>' for name in drawn)
        lines = []
        for number, name in enumerate(("sample", "nearest training sample")):
            cells = [image(two[number], "jpeg", width, f"{name}, {said}") for said, two in drawn.items()]
            lines.append("<tr>" + "".join(f'<td class="picture">{cell}</td>' for cell in cells) + "</tr>")
        table = f"<table><tr>{head}</tr>{''.join(lines)}</table>"
        parts.append(f'<div class="together"><p><b>{escape(title)}</b></p>{table}</div>')
    return "".join([*parts, "</div>"])
