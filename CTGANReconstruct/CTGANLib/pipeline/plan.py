"""What a pipeline is to do, and whether it can."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from ..errors import UserError
from ..models.names import check_name
from ..training.settings import TrainingSettings
from .gate import Condition
from .publication import check_web_hook
from .search import check_optuna


@dataclass(frozen=True)
class Plan:
    """What a pipeline is to do.

    Attributes:
        recipe: its name.
        data: the data set.
        folder: takes everything; a pipeline in it goes on.
        settings: of the training.
        ranges: of the settings that a search may vary.
        gate: what must hold.
        trials: of the search; 0 for none.
        name: of the model.
        publish: a folder that also takes the model and its report.
        web_hook: an address that is told of the model; empty for none.
        device: of torch, or ``auto``.
    """

    recipe: str
    data: Path
    folder: Path
    settings: TrainingSettings
    ranges: dict[str, tuple[float, float]]
    gate: tuple[Condition, ...]
    trials: int
    name: str
    publish: Path | None
    web_hook: str
    device: str


def check_plan(plan: Plan) -> None:
    """Find out before hours are spent what would fail after them.

    Raises:
        UserError: something is missing or wrong, or the folder holds something else.
    """
    check_name(plan.name)
    if importlib.util.find_spec("xhtml2pdf") is None:
        raise UserError("The report needs the Python package xhtml2pdf.", "Install it: pip install xhtml2pdf.")
    if plan.trials:
        check_optuna()
        if not plan.ranges:
            raise UserError("There is no setting left to search.", "Set fewer of them, or leave it out: --trials 0.")
    if plan.web_hook:
        check_web_hook(plan.web_hook)
    # A pipeline clears away what it made with other inputs; nothing of anybody else's may lie there.
    if plan.folder.is_dir() and any(plan.folder.iterdir()) and not (plan.folder / "steps" / "prepare.json").is_file():
        raise UserError(f"{plan.folder} holds something else.", "Choose an empty folder, or that of a pipeline.")
