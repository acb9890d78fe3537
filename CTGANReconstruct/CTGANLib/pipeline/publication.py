"""Where a model goes that has passed its gate: the model store, a folder, a web hook."""

import json
import shutil
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from .. import __version__
from ..errors import UserError
from ..files import staged
from ..models.bundle import Model, open_bundle
from ..models.exchange import export_model
from ..models.store import adopt, delete_model, is_own, list_models

_TIMEOUT_S = 15.0


def to_store(bundle: Path, name: str, earlier: str) -> Model:
    """Put a finished bundle into the user's model store.

    Args:
        bundle: its folder.
        name: of the model; a number is put behind it where another model has it.
        earlier: where the same pipeline has put a model before, which is replaced; empty if it has not.

    Raises:
        UserError: it is no bundle, or the store cannot be written.
    """
    metadata = open_bundle(bundle).metadata
    for model in list_models():
        if is_own(model) and str(model.folder) == earlier:
            delete_model(model)
        elif is_own(model) and model.metadata == metadata:  # by a process that was killed then, or renamed since
            return model
    return adopt(bundle, name)


def to_folder(folder: Path, model: Model, reports: list[Path]) -> list[Path]:
    """Write a model as ``FOLDER/NAME``: a zip that other stores import, its card, and reports. It appears complete or
    not at all.

    Returns:
        The files.

    Raises:
        UserError: the place cannot be written, or holds something else.
    """
    target = folder / model.name
    archive = f"{model.name}.zip"
    if target.exists() and not (target / archive).is_file():
        raise UserError(f"There is something at {target} already.", "Choose another folder to publish to.")
    with staged(target) as temporary:
        temporary.mkdir()
        export_model(model, temporary / archive)
        shutil.copyfile(model.folder / "docs" / "README.md", temporary / "README.md")
        for report in reports:
            shutil.copyfile(report, temporary / report.name)
    return sorted(target.iterdir())


def check_web_hook(url: str) -> None:
    """Check that an address can be a web hook's.

    Raises:
        UserError: it cannot.
    """
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        valid = False
    if not valid:
        raise UserError("The web hook is not a web address.", "Give one that begins with https://.")


def to_web_hook(url: str, message: dict) -> None:
    """Send a message, as JSON in one POST.

    The address is told to nobody, since whoever knows it can send to it.

    Raises:
        UserError: it was not accepted.
    """
    body = json.dumps(message, allow_nan=False).encode()
    headers = {"Content-Type": "application/json", "User-Agent": f"CTGAN/{__version__}"}
    try:
        with _open(Request(url, body, headers, method="POST"), timeout=_TIMEOUT_S):
            return
    except HTTPError as error:
        reason = f"answered {error.code}"
    except (OSError, HTTPException, ValueError) as error:
        reason = f"could not be reached: {getattr(error, 'reason', None) or error or type(error).__name__}"
    raise UserError(
        f"The web hook at {urlsplit(url).hostname} {reason}.",
        "The model is published. Run the same command again to send the message once more, and nothing else.",
    )


class _NoRedirect(HTTPRedirectHandler):
    """A redirected POST would become a GET, and a success that nobody has read."""

    def redirect_request(self, *_args: object) -> None:
        return None


_open = build_opener(_NoRedirect).open
