"""Stands in for slicer.i18n, with no translation installed."""


def translate(context: str, text: str) -> str:
    """The text itself."""
    return text


def tr(text: str) -> str:
    """The text itself. Only plain text can be translated, so anything else is refused."""
    if not isinstance(text, str):
        raise TypeError(f"only text can be translated, not {text!r}")
    return text
