"""The part of the study panel that shows what came out. Who looks knows the truth and reads no more."""

from collections.abc import Callable
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from CTGANLib.errors import UserError
from CTGANLib.evaluation.reader_results import ALL, Results, results, written
from CTGANLib.evaluation.reader_study import Reading, Study
from CTGANReconstructLib.job_control import showError
from CTGANReconstructLib.node_tables import showTable

from .study_nodes import AGREEMENT, ANSWERS, FIGURES, HISTOGRAM, addHistogram, addResults


class ResultsPart:
    """Connects the widgets of the section *Results*.

    Attributes:
        results: what is shown, or None.
        tables: its table nodes by their part.
    """

    def __init__(self, ui, stopReading: Callable[[], None]) -> None:
        """Take over the widgets; ``stopReading`` is called before anything is shown."""
        self._ui, self._stopReading = ui, stopReading
        self.results: Results | None = None
        self.tables: dict[str, slicer.vtkMRMLTableNode] = {}
        self._folder: Path | None = None
        for button, part in (
            (ui.studyFiguresButton, FIGURES),
            (ui.studyAgreementButton, AGREEMENT),
            (ui.studyAnswersButton, ANSWERS),
        ):
            button.clicked.connect(lambda checked=False, part=part: self._showTable(part))
        ui.studyHistogramButton.clicked.connect(self._onHistogram)
        ui.saveStudyButton.clicked.connect(self._onSave)
        self.clear()

    def clear(self) -> None:
        """Show nothing any more."""
        self.results, self.tables = None, {}
        self._showState()

    def show(self, study: Study, reader: str) -> None:
        """Show the results of a study, once readers who have not finished have been given up.

        Args:
            study: the study.
            reader: who looks; empty for somebody who does not read it.

        Raises:
            UserError: the key is missing, or that of another study.
        """
        key = self._key(study)
        if key is None:
            return
        found = results(study, key)
        looking = study.reading(reader) if reader.strip() else None
        if not _confirmed([each for each in study.readings() if not each.closed and each.next_case], looking):
            return
        self._stopReading()
        if looking and looking.answers:
            looking.close()
        self.results, self._folder = found, study.folder
        self.tables = addResults(found, study.folder)
        self._showState()
        self._showTable(FIGURES)

    def _key(self, study: Study) -> Path | None:
        """The key, which the user is asked for where it does not lie beside the folder; None without an answer."""
        if study.key_file.is_file():
            return study.key_file
        title = _("Key of the study")
        path = qt.QFileDialog.getOpenFileName(self._ui.showResultsButton, title, "", _("Keys (*.key.json)"))
        return Path(path) if path else None

    def _showState(self) -> None:
        ui = self._ui
        for button in (
            ui.studyFiguresButton, ui.studyAgreementButton, ui.studyAnswersButton, ui.studyHistogramButton,
            ui.saveStudyButton,
        ):  # fmt: skip
            button.enabled = self.results is not None
        ui.studyResultLabel.text = resultsText(self.results) if self.results else ""
        ui.studyResultLabel.visible = self.results is not None

    def _table(self, part: str) -> slicer.vtkMRMLTableNode:
        if self.tables[part].GetScene() is None:  # the user has deleted it
            self.tables = addResults(self.results, self._folder)
        return self.tables[part]

    def _showTable(self, part: str) -> None:
        showTable(self._table(part))

    def _onHistogram(self, checked: bool = False) -> None:
        slicer.modules.plots.logic().ShowChartInLayout(addHistogram(self._table(HISTOGRAM), self._folder))

    def _onSave(self, checked: bool = False) -> None:
        suggested = f"{self._folder.name}.csv"
        title = _("Figures of the study")
        path = qt.QFileDialog.getSaveFileName(self._ui.saveStudyButton, title, suggested, _("Tables (*.csv)"))
        if not path:
            return
        file = Path(path if path.endswith(".csv") else f"{path}.csv")
        try:
            written(self.results, file, file.with_name(f"{file.stem} answers.csv"))
        except UserError as error:
            showError(error)


def resultsText(found: Results) -> str:
    """What came out, in a line for each reader."""
    lines = []
    for row in found.summary():
        if row["date"] == ALL:
            reader = _("All readers") if row["reader"] == ALL else row["reader"]
            text = _("{reader}: AUC {auc}, accuracy {accuracy}, {count} cases")
            lines.append(text.format(reader=reader, auc=row["auc"], accuracy=row["accuracy"], count=row["n"]))
    return "\n".join(lines + found.warnings)


def _confirmed(unfinished: list[Reading], looking: Reading | None) -> bool:
    """Whether the truth may be shown although not all have finished; True where all have."""
    if not unfinished:
        return True
    names = [f"{each.reader} ({len(each.answers)}/{len(each.cases)})" for each in unfinished]
    text = _("These readers have not finished: {names}.\n\nThe results tell what each case is.").format(
        names=", ".join(names)
    )
    if looking is not None and any(each.file == looking.file for each in unfinished):
        text += " " + _("{reader} cannot go on reading afterwards.").format(reader=looking.reader)
    return slicer.util.confirmOkCancelDisplay(text + "\n\n" + _("Unblind the study?"))
