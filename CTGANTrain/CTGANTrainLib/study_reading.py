"""The part of the study panel where a reader looks at the cases and answers."""

import time
from collections.abc import Callable

from slicer.i18n import tr as _

from CTGANLib.errors import UserError
from CTGANLib.evaluation.reader_answers import REAL, SYNTHETIC, Answer
from CTGANLib.evaluation.reader_study import Reading
from CTGANReconstructLib.job_control import showError

from .study_nodes import removeResults
from .study_view import CaseView


class ReadingPart:
    """Connects the widgets of the section *Read*, from the call to *Next*, with a reading.

    Attributes:
        reading: the one under way, or None.
    """

    def __init__(self, ui, onStateChanged: Callable[[], None]) -> None:
        """Take over the widgets; ``onStateChanged`` is called as a reading begins or ends."""
        self._ui, self._onStateChanged = ui, onStateChanged
        self.reading: Reading | None = None
        self._view = CaseView()
        self._place = 0
        self._since = 0.0
        for button in (ui.realButton, ui.syntheticButton):
            button.toggled.connect(self._showState)
        for slider in (ui.confidenceSlider, ui.realismSlider):
            slider.valueChanged.connect(self._showState)
        ui.rejectReasonEdit.textChanged.connect(self._showState)
        ui.nextButton.clicked.connect(self._onNext)
        ui.backButton.clicked.connect(self._onBack)
        self._showState()

    def start(self, reading: Reading) -> None:
        """Show the reader's first case without an answer; the last one where all have one.

        Raises:
            UserError: the reader has been shown the results.
            RuntimeError: the case cannot be read.
        """
        if reading.closed:
            text = _("{reader} has been shown the results.").format(reader=reading.reader)
            raise UserError(text, _("Read another study, or as another reader."))
        removeResults(reading.study.folder)
        self.reading = reading
        case = reading.next_case
        try:
            self._go(reading.cases.index(case) if case else len(reading.cases) - 1)
        except BaseException:
            self.stop("")
            raise
        self._onStateChanged()

    def stop(self, text: str | None = None) -> None:
        """Take the case off the scene. All answers are on disk already."""
        if self.reading is None:
            return
        done, count = len(self.reading.answers), len(self.reading.cases)
        told = _("{reader} has judged {done} of {count} cases.")
        told = told.format(reader=self.reading.reader, done=done, count=count)
        self.reading = None
        self._view.remove()
        self._prefill(None)
        self._ui.readingLabel.text = told if text is None else text
        self._onStateChanged()

    def _go(self, place: int) -> None:
        """Show the case at a place of the reader's order, with what was said of it."""
        reading, self._place = self.reading, place
        case = reading.cases[place]
        self._view.show(reading.study.case_file(case), _("Case {number}").format(number=place + 1), reading.study.kind)
        answers = reading.answers
        self._prefill(answers.get(case))
        text = _("Case {number} of {count}; {done} judged")
        self._ui.readingLabel.text = text.format(number=place + 1, count=len(reading.cases), done=len(answers))
        self._since = time.monotonic()

    def _prefill(self, answer: Answer | None) -> None:
        ui = self._ui
        for button, call in ((ui.realButton, REAL), (ui.syntheticButton, SYNTHETIC)):
            button.autoExclusive = False  # else one of them stays checked
            button.checked = answer is not None and answer.call == call
            button.autoExclusive = True
        ui.confidenceSlider.value = float(answer.confidence) if answer else 0.0
        ui.realismSlider.value = float(answer.realism) if answer else 0.0
        ui.rejectReasonEdit.text = answer.reject if answer else ""
        self._showState()

    def _problem(self) -> str:
        """What is missing, or nothing."""
        ui = self._ui
        if ui.rejectReasonEdit.text.strip():
            return ""
        if not ui.realButton.checked and not ui.syntheticButton.checked:
            return _("Say whether the case is real or synthetic")
        if ui.confidenceSlider.value < 1:
            return _("Say how sure you are, from 1 to 5")
        return _("Say how realistic it looks, from 1 to 10") if ui.realismSlider.value < 1 else ""

    def _showState(self, changed: object = None) -> None:
        ui, reads = self._ui, self.reading is not None
        inputs = (ui.realButton, ui.syntheticButton, ui.confidenceSlider, ui.realismSlider, ui.rejectReasonEdit)
        for widget in inputs:
            widget.enabled = reads
        problem = self._problem() if reads else _("Begin to read")
        ui.nextButton.enabled = not problem
        ui.nextButton.toolTip = problem or _("Keep the answer, and show the next case")
        ui.backButton.enabled = reads and self._place > 0

    def _keep(self) -> None:
        """Write the answer down, if it is another one than before."""
        ui, reading = self._ui, self.reading
        case, seconds = reading.cases[self._place], time.monotonic() - self._since
        before = reading.answers.get(case)
        if reason := ui.rejectReasonEdit.text.strip():
            if before is None or before.reject != reason:
                reading.reject(case, reason, seconds)
            return
        call = REAL if ui.realButton.checked else SYNTHETIC
        given = (call, round(ui.confidenceSlider.value), round(ui.realismSlider.value))
        if before is None or (before.call, before.confidence, before.realism) != given:
            reading.answer(case, *given, seconds)

    def _onNext(self, checked: bool = False) -> None:
        try:
            self._keep()
            following = self._place + 1
            left = self.reading.next_case
            if following < len(self.reading.cases):
                self._go(following)
            elif left is not None:
                self._go(self.reading.cases.index(left))
            else:
                self.stop()
        except (UserError, RuntimeError) as error:
            showError(error)

    def _onBack(self, checked: bool = False) -> None:
        try:
            self._go(self._place - 1)
        except RuntimeError as error:
            showError(error)
