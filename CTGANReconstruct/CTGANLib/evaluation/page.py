"""HTML for reports: one file that needs nothing from elsewhere, all text escaped."""

from base64 import b64encode
from html import escape
from pathlib import Path

from ..files import staged
from .scores import cell, columns

# Letters of the widest column that is not broken into lines.
_LONGEST = 48
# Plain enough for the makers of PDF files, which know little CSS.
_STYLE = """
@page { size: a4 landscape; margin: 1.2cm; }
body { font-family: Helvetica, Arial, sans-serif; font-size: 10pt; color: #222222; max-width: 1060px; margin: 0 auto; }
h1 { font-size: 18pt; margin-bottom: 4px; }
h2 { font-size: 13pt; margin-top: 18px; margin-bottom: 6px; }
p { margin: 4px 0px; }
.warning { background-color: #fdecea; border: 1px solid #c0392b; padding: 6px; color: #8e1b10; }
.note { color: #555555; font-size: 9pt; }
table { border-collapse: collapse; }
th { text-align: left; font-size: 7.5pt; padding: 3px; border-bottom: 1px solid #666666; }
td { font-size: 7.5pt; padding: 3px; border-bottom: 1px solid #dddddd; vertical-align: top; }
td.number, th.number { text-align: right; }
td.picture, th.picture { border: 0px; padding: 1px; text-align: center; vertical-align: middle; }
.together { page-break-inside: avoid; }
.sheet { page-break-before: always; }
"""


def write_page(path: Path, title: str, parts: list[str]) -> None:
    """Write a page that says first that nothing on it is for diagnosis.

    Args:
        path: of the file; it appears complete or not at all.
        title: text.
        parts: HTML.

    Raises:
        UserError: the place cannot be written.
    """
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    body = "\n".join([f"<h1>{escape(title)}</h1>", warning("", "Not for diagnosis."), *filter(None, parts)])
    with staged(path) as temporary:
        temporary.write_text(
            f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>\n', encoding="utf-8"
        )


def warning(text: str, title: str = "") -> str:
    """A sentence in a red box."""
    return f'<p class="warning"><b>{escape(title)}</b> {escape(text)}</p>'


def definitions(about: dict[str, str]) -> str:
    """Names and what is to be said of them."""
    lines = [
        f'<tr><td width="20%"><b>{escape(name)}</b></td><td width="80%">{escape(value)}</td></tr>'
        for name, value in about.items()
    ]
    return f'<table width="100%">{"".join(lines)}</table>'


def rows_table(rows: list[dict]) -> str:
    """Rows as a table (see ``scores.columns``); intervals (``_ci95``) stand behind their means."""
    names = columns(rows)
    numbers = {name for name in names if any(isinstance(row.get(name), (int, float)) for row in rows)}
    kind = {name: ' class="number"' if name in numbers else "" for name in names}
    width = _widths({name: [cell(row, name) for row in rows] for name in names})
    head = "".join(f'<th{kind[name]} width="{width[name]}%">{escape(name)}</th>' for name in names)
    lines = [
        "<tr>" + "".join(f"<td{kind[name]}>{escape(cell(row, name))}</td>" for name in names) + "</tr>" for row in rows
    ]
    return f'<table width="100%" repeat="1"><tr>{head}</tr>{"".join(lines)}</table>'


def _widths(cells: dict[str, list[str]]) -> dict[str, int]:
    """Of a table's columns, in percent, by what they hold. Makers of PDF files give all one width if not told."""
    letters = {
        name: 2 + min(max(*map(len, column), *map(len, name.split()), 3), _LONGEST) for name, column in cells.items()
    }
    return {name: round(100 * count / sum(letters.values())) for name, count in letters.items()}


def image(content: bytes, kind: str, width: int, text: str) -> str:
    """A picture within the page: its file, media type and width, and what it shows."""
    return f'<img src="data:image/{kind};base64,{b64encode(content).decode()}" width="{width}" alt="{escape(text)}">'
