"""The list of installed models for a task, as a combo box."""

from collections.abc import Callable

import qt

from .models import ModelEntry, installedModels


class ModelChoice:
    """Offers the models of a task, or of several, those that ship first; the first one where the wanted one is not
    there."""

    def __init__(self, comboBox: qt.QComboBox, task: str | tuple[str, ...], onChosen: Callable[[str], None]) -> None:
        """Take over the widget; ``onChosen`` is called with the name of each chosen model, or with nothing."""
        self._comboBox, self._onChosen = comboBox, onChosen
        self._tasks = (task,) if isinstance(task, str) else task
        self._models: list[ModelEntry] = []
        comboBox.connect("currentIndexChanged(int)", lambda index: self._onChosen(self.name))

    @property
    def chosen(self) -> ModelEntry | None:
        """The chosen model."""
        index = self._comboBox.currentIndex
        return self._models[index] if 0 <= index < len(self._models) else None

    @property
    def name(self) -> str:
        """The name of the chosen model, or nothing."""
        return self.chosen.name if self.chosen else ""

    def list(self, wanted: str) -> None:
        """Look what is installed, and choose the wanted model."""
        self._models = installedModels(*self._tasks)
        wasBlocked = self._comboBox.blockSignals(True)
        self._comboBox.clear()
        for model in self._models:
            self._comboBox.addItem(model.title, model.name)
        self._comboBox.currentIndex = max(0, self._comboBox.findData(wanted))
        self._comboBox.blockSignals(wasBlocked)
        self._onChosen(self.name)
