"""The choices for a new training, and what the command line makes of them."""

from collections.abc import Callable
from pathlib import Path

import qt
from slicer.i18n import tr as _

from CTGANReconstructLib.item_tables import setHeaders, setText

from .recipe_hints import SEGMENTATION, settingHints
from .train_task import TrainTask
from .trainings import freeRunFolder


def isKiTS(data: str) -> bool:
    """Whether a data set is a folder in the layout of KiTS19, of kidneys and their tumors."""
    return Path(data).is_dir() and any(Path(data).glob("case_*/segmentation.nii*"))


def trainTask(parameters) -> TrainTask:
    """The training that a parameter node asks for, in a new run folder."""
    options = {
        "steps": parameters.steps or None,
        "batch": parameters.batch or None,
        "seed": parameters.trainSeed,
        "validationShare": parameters.validationShare,
        "device": parameters.device,
    }
    names = settingHints(parameters.recipe)  # others may have been chosen for another recipe
    settings = {name: value for name, value in parameters.settings.items() if value and name in names}
    if parameters.recipe == SEGMENTATION:
        settings["task"] = parameters.structures
    if parameters.learningRate:
        settings["learning_rate"] = parameters.learningRate
    folder = freeRunFolder(parameters.modelName.strip() or parameters.recipe)
    return TrainTask(parameters.trainData, folder, parameters.recipe, options, settings)


class SettingsTable:
    """The other settings of a recipe: a name and a value a row; an empty value is the recipe's own."""

    def __init__(self, table: qt.QTableWidget, onChanged: Callable[[dict[str, str]], None]) -> None:
        """Take over the widget; ``onChanged`` is called with the values by name when the user changes one."""
        self._table, self._onChanged = table, onChanged
        self._recipe = ""
        self._names: list[str] = []
        self._values: dict[str, str] = {}
        setHeaders(table, [_("Setting"), _("Value (empty: the recipe's own)")])
        table.setColumnWidth(0, 150)
        table.connect("itemChanged(QTableWidgetItem*)", self._onItemChanged)

    def show(self, recipe: str, values: dict[str, str]) -> None:
        """Show the settings of a recipe, of values by name; those of other recipes are kept."""
        self._values = dict(values)
        wasBlocked = self._table.blockSignals(True)
        if recipe != self._recipe:
            self._recipe = recipe
            self._makeRows(settingHints(recipe))
        for row, name in enumerate(self._names):
            text = values.get(name) or ""
            if self._table.item(row, 1).text() != text:
                self._table.item(row, 1).setText(text)
        self._table.blockSignals(wasBlocked)

    def _makeRows(self, hints: dict[str, str]) -> None:
        self._names = list(hints)
        self._table.setRowCount(len(hints))
        for row, (name, hint) in enumerate(hints.items()):
            setText(self._table, row, 0, name).setToolTip(hint)
            value = qt.QTableWidgetItem("")
            value.setToolTip(hint)
            self._table.setItem(row, 1, value)

    def _onItemChanged(self, item: qt.QTableWidgetItem) -> None:
        texts = {name: self._table.item(row, 1).text().strip() for row, name in enumerate(self._names)}
        values = {**self._values, **texts}
        self._onChanged({name: text for name, text in values.items() if text})
