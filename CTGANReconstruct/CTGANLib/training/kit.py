"""What a room (biplanar, pyramid, ...) offers to training, evaluation, search and publication."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from torch.utils.data import Dataset

from ..datasets.cases import ROLES, TEST
from ..datasets.preparation import PreparedData, PreparedVolumes, prepare_data
from ..errors import UserError
from ..events import Progress, silent


def standardized(
    settings: object, data: Path, cache: Path, progress: Progress = silent, roles: tuple[str, ...] = ROLES
) -> PreparedData:
    """CTs on the standard field, whatever the settings."""
    return prepare_data(data, cache, progress, roles)


@dataclass(frozen=True)
class Kit:
    """One recipe with everything around it.

    Attributes:
        task: what its models are for, as the model store names it.
        settings: a frozen dataclass of plain values with defaults, among them ``steps``, ``batch_size`` and ``seed``.
        recipe: (settings, data, device) to a :class:`~CTGANLib.training.loop.Recipe`.
        load: (model, device) to a predictor, such as a ``Reconstructor``.
        wrap: (network, device) to a predictor.
        evaluate: (predictors by name, prepared files of the cases by name, prepared training files, progress, show)
            to a row for each case and method.
        publish: (folder, network, settings, training cases, rows, hours, device) to the bundle's ``Model``.
        score: the metric that runs are compared by; higher is better.
        baselines: the methods among the evaluation's rows that a model has to beat.
        search: ranges (low, high) of the settings that a search may vary, on a logarithmic scale.
        prepare: (settings, data, cache folder, progress, roles) to the prepared data set.
        volumes: prepared files to the data set that the recipe learns from.
        scored: the roles of the cases that its evaluation looks at; there has to be a case of the first.
        conditions: (predictors by name, prepared files of the cases by name, progress) to a row for each case, method
            and condition of input that is not ideal; None where there is no such evaluation.
    """

    task: str
    settings: type
    recipe: Callable[..., Any]
    load: Callable[..., Any]
    wrap: Callable[..., Any]
    evaluate: Callable[..., list[dict]]
    publish: Callable[..., Any]
    score: str
    search: dict[str, tuple[float, float]]
    prepare: Callable[..., PreparedData] = standardized
    volumes: Callable[..., Dataset] = PreparedVolumes
    scored: tuple[str, ...] = (TEST,)
    conditions: Callable[..., list[dict]] | None = None
    baselines: tuple[str, ...] = ()


def parse_settings(kit: Kit, given: dict[str, object], assignments: list[str] | tuple[str, ...] = ()):
    """The settings of a run.

    Args:
        kit: of the recipe.
        given: values by name; ``None`` stands for the default.
        assignments: further ones as text, ``NAME=VALUE``.

    Raises:
        UserError: there is no setting of that name, or the value is not of its type.
    """
    types = {field.name: type(field.default) for field in fields(kit.settings)}
    values = {name: value for name, value in given.items() if value is not None}
    for assignment in assignments:
        name, _, text = assignment.partition("=")
        if name not in types:
            raise UserError(f"There is no setting {name}.", f"Choose one of these: {', '.join(types)}.")
        try:
            values[name] = {"true": True, "false": False}[text] if types[name] is bool else types[name](text)
        except (ValueError, KeyError) as error:
            raise UserError(f"The setting {name} cannot be {text}.", f"Give a {types[name].__name__}.") from error
    return kit.settings(**values)
