"""A report as PDF, through xhtml2pdf (Apache 2.0), an optional package."""

import logging
from pathlib import Path

from ..errors import UserError
from ..files import staged


def pdf_report(html: Path, pdf: Path) -> None:
    """Turn a report of ``report.html_report`` into a PDF. Nothing is fetched from anywhere.

    Raises:
        UserError: xhtml2pdf is not installed, or the place cannot be written.
    """
    try:
        from xhtml2pdf import pisa
    except ImportError as error:
        raise UserError(
            "PDF files need the Python package xhtml2pdf.", "Install it: pip install xhtml2pdf. Or use the HTML report."
        ) from error
    logging.getLogger("xhtml2pdf").setLevel(logging.ERROR)
    with staged(pdf) as temporary:
        with temporary.open("wb") as file:
            done = pisa.CreatePDF(html.read_text(encoding="utf-8"), dest=file, link_callback=_only_embedded)
        if done.err:
            raise UserError(f"{html} cannot be turned into a PDF.", "Use the HTML report.")


def _only_embedded(uri: str, _base: str) -> str:
    """The place of a picture; one that is not in the file itself is no picture of ours."""
    if not uri.startswith("data:"):
        raise ValueError(f"The report asks for {uri[:80]}.")
    return uri
