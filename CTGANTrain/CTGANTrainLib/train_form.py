"""The choices for a new training, and what the command line makes of them."""

from collections.abc import Callable

import qt
from slicer.i18n import tr as _

from .item_tables import setHeaders, setText
from .train_task import TrainTask
from .trainings import freeRunFolder


def settingHints() -> dict[str, str]:
    """What the recipe's settings are that have no field of their own; see CTGANLib/biplanar/recipe.py."""
    return {
        "generator": _("geometry-aware, which is told how the radiographs were taken, or dual-path, which is not"),
        "full_from": _("Share of the steps after which training goes on at full resolution"),
        "adversarial_from": _("Share of the steps after which the discriminator takes part"),
        "projection_weight": _("Of the loss that compares projections, beside the reconstruction loss"),
        "similarity_weight": _("Of the loss that compares structure (SSIM), beside the reconstruction loss"),
        "adversarial_weight": _("Of the loss that the discriminator gives, beside the reconstruction loss"),
        "vary_geometry": _("true or false: whether the distances of source and detector vary"),
        "start_from": _("Name of a model to go on from; empty to begin anew"),
        "validations": _("How often the held-out patients are scored"),
        "patience": _("Training ends early after so many scores without a better one"),
    }


def trainTask(parameters) -> TrainTask:
    """The training that a parameter node asks for, in a new run folder."""
    options = {
        "steps": parameters.steps or None,
        "batch": parameters.batch or None,
        "seed": parameters.trainSeed,
        "validationShare": parameters.validationShare,
        "device": parameters.device,
    }
    settings = {name: value for name, value in parameters.settings.items() if value}
    if parameters.learningRate:
        settings["learning_rate"] = parameters.learningRate
    folder = freeRunFolder(parameters.modelName.strip() or parameters.recipe)
    return TrainTask(parameters.trainData, folder, parameters.recipe, options, settings)


class SettingsTable:
    """The recipe's other settings: a name and a value a row; an empty value is the recipe's own."""

    def __init__(self, table: qt.QTableWidget, onChanged: Callable[[dict[str, str]], None]) -> None:
        """Take over the widget; ``onChanged`` is called with the values by name when the user changes one."""
        self._table, self._onChanged = table, onChanged
        hints = settingHints()
        self._names = list(hints)
        setHeaders(table, [_("Setting"), _("Value (empty: the recipe's own)")])
        table.setColumnWidth(0, 150)
        table.setRowCount(len(hints))
        for row, (name, hint) in enumerate(hints.items()):
            setText(table, row, 0, name).setToolTip(hint)
            value = qt.QTableWidgetItem("")
            value.setToolTip(hint)
            table.setItem(row, 1, value)
        table.connect("itemChanged(QTableWidgetItem*)", self._onItemChanged)

    def values(self) -> dict[str, str]:
        """The values that are not empty, by name."""
        texts = {name: self._table.item(row, 1).text().strip() for row, name in enumerate(self._names)}
        return {name: text for name, text in texts.items() if text}

    def show(self, values: dict[str, str]) -> None:
        """Show values by name."""
        wasBlocked = self._table.blockSignals(True)
        for row, name in enumerate(self._names):
            text = values.get(name) or ""
            if self._table.item(row, 1).text() != text:
                self._table.item(row, 1).setText(text)
        self._table.blockSignals(wasBlocked)

    def _onItemChanged(self, item: qt.QTableWidgetItem) -> None:
        self._onChanged(self.values())
