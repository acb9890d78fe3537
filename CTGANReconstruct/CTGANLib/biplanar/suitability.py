"""Before a run: are these a frontal and a lateral radiograph of a chest, held the right way, and what can be put right.

What the files say is believed. What they leave open is read off the pictures, beside the radiographs of the model's
mean volume (see ``mean_patient``). A picture that is inverted, or a lateral that faces right, is put right; one that is
turned, or of another view, is refused; where a healthy patient could look like that, there is only a warning.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from ..errors import UserError
from ..imaging.collimation import exposed, filled, without_labels
from ..imaging.geometry import View
from ..imaging.pairs import EXCHANGED, check_pair
from ..imaging.pictures import CHEST_DETECTOR, FILM
from ..imaging.radiographs import Radiograph
from .mean_patient import TURNS, MeanPatient, Turn

ERROR, WARNING, NOTE = "error", "warning", "note"

# By how much better another way of holding a picture, or another view, must fit. Of 18 real pairs and the films of 16
# training patients, no picture held rightly fits better upside down or on its side by more than 0.01, but for a lateral
# with arms before the chest (0.06); mirrored (frontal) by more than 0.00; or as the other view by more than 0.05. See
# Testing/benchmarks/radiographs.py.
_SURELY_TURNED, _PERHAPS_TURNED = 0.1, 0.05
_MIRRORED, _OTHER_VIEW = 0.015, 0.12
# Real laterals that face left and right differ by 0.06 and more, projected ones down to 0.01.
_FACES = 0.03
# Real and projected chests fit with 0.55 and more.
_NO_CHEST = 0.4
_UPRIGHT, _MIRROR = Turn(), Turn(0, True)


@dataclass(frozen=True)
class Finding:
    """What was found in a pair of radiographs.

    Attributes:
        severity: ``"error"``: a run would be in vain. ``"warning"``: the user should look. ``"note"``: was put right,
            or taken for granted.
        message: one sentence.
        advice: one sentence.
    """

    severity: str
    message: str
    advice: str


@dataclass(frozen=True)
class SuitablePair:
    """One or two radiographs as the generator needs them.

    Attributes:
        pa: frontal, bone white, head up, labels and collimation filled in; None where there is none.
        lateral: as ``pa``; the front is on the left.
        findings: what was found and put right.
    """

    pa: Radiograph | None
    lateral: Radiograph | None
    findings: list[Finding] = field(default_factory=list)

    @property
    def warnings(self) -> list[str]:
        """Findings as sentences for the user."""
        return [f"{finding.message} {finding.advice}" for finding in self.findings]

    def refuse(self) -> None:
        """End a run that would be in vain.

        Raises:
            UserError: there is an error among the findings.
        """
        for finding in self.findings:
            if finding.severity == ERROR:
                raise UserError(finding.message, finding.advice)


def suitability(pa: Radiograph | None, lateral: Radiograph | None, mean_hu: np.ndarray) -> list[Finding]:
    """What speaks against a reconstruction from radiographs; see :func:`make_suitable`."""
    return make_suitable(pa, lateral, mean_hu).findings


def make_suitable(pa: Radiograph | None, lateral: Radiograph | None, mean_hu: np.ndarray) -> SuitablePair:
    """Check two radiographs, or one of both, and put right what can be.

    Radiographs whose files say everything, as those of this program do, are passed on as they are. AP and PA cannot be
    told apart by this: the heart of an AP picture is larger by less than hearts differ.

    Args:
        pa: frontal radiograph, or None.
        lateral: lateral radiograph, or None.
        mean_hu: the model's mean volume, HU [128, 128, 128].
    """
    of_pair = [radiograph and _Check(radiograph) for radiograph in (pa, lateral)]
    checks = [check for check in of_pair if check]
    if any(check.is_open for check in checks):
        mean = MeanPatient(mean_hu)
        for check in checks:
            if check.is_open:
                check.run(mean)
    findings = [finding for check in checks for finding in check.findings]
    right = tuple(check and check.radiograph for check in of_pair)
    if any(check.is_open and not check.radiograph.spacing_is_certain for check in checks):
        message = f"The files do not tell the pixel spacing; the pictures are taken to be {CHEST_DETECTOR:.0f} mm wide."
        findings.append(Finding(NOTE, message, "Give the spacing if you know it; all lengths depend on it."))
    if len(checks) == 2 and all(check.is_other_view for check in checks):
        findings = [Finding(ERROR, *EXCHANGED)]
    elif len(checks) == 2 and not any(finding.severity == ERROR for finding in findings):
        try:
            check_pair(*right)
        except UserError as error:
            findings.insert(0, Finding(ERROR, error.message, error.advice))
    return SuitablePair(*right, findings)


class _Check:
    """One radiograph on its way to being suitable."""

    def __init__(self, radiograph: Radiograph) -> None:
        self.radiograph = radiograph
        self.findings: list[Finding] = []
        self.is_other_view = False
        self._name = "frontal" if radiograph.acquisition.view.is_frontal else "lateral"
        self._view, self._other = (View.PA, View.LLAT) if self._name == "frontal" else (View.LLAT, View.PA)

    @property
    def is_open(self) -> bool:
        """Whether the file left anything open that is checked here."""
        taken = self.radiograph
        return taken.kind == FILM and not (taken.is_posed and taken.polarity_is_certain and taken.view_is_certain)

    def run(self, mean: MeanPatient) -> None:
        """Find all there is to find, and put right what can be."""
        seen = exposed(self.radiograph.array)
        spacing = self.radiograph.acquisition.pixel_spacing[0] if self.radiograph.spacing_is_certain else None
        fits = mean.fits(self.radiograph.array, seen, self._view, spacing)
        if self._is_other_view(mean, seen, spacing, fits):
            return
        self._turn_positive(fits)
        self._check_turn(fits)
        if not any(finding.severity == ERROR for finding in self.findings) and self._face_left(fits[0]):
            seen = seen[:, ::-1]
        self._clean(seen)

    def _say(self, severity: str, message: str, advice: str) -> None:
        self.findings.append(Finding(severity, f"The {self._name} radiograph {message}", advice))

    def _turn_positive(self, fits: tuple[dict[Turn, float], dict[Turn, float]]) -> None:
        """Make bone bright; ``fits`` is changed with it."""
        positive, negative = (max(one.values()) for one in fits)
        if negative <= positive:
            return
        if self.radiograph.polarity_is_certain:
            if negative > positive + _SURELY_TURNED:
                self._say(WARNING, "seems to be inverted, though its tags say otherwise.", "Check that bone is bright.")
            return
        array = self.radiograph.array
        self.radiograph = replace(self.radiograph, array=array.max() + array.min() - array)
        fits[0].update(fits[1])
        self._say(NOTE, "shows bone dark; it was inverted.", "Look at the re-projection beside it.")

    def _check_turn(self, fits: tuple[dict[Turn, float], dict[Turn, float]]) -> None:
        """Mention that the picture is no chest, upside down, on its side or mirrored."""
        ways = fits[0]
        best = max(ways.values())
        upright = max(ways[_UPRIGHT], ways[_MIRROR])
        if best < _NO_CHEST:
            self._say(WARNING, "does not look like one of a chest.", "Check that it is the right file.")
            return
        if self.radiograph.directions_are_certain:
            return
        how = {1: "lie on its side", 2: "be upside down", 3: "lie on its side"}
        turn = max((turn for turn in TURNS if turn.quarters), key=lambda turn: ways[turn])
        better = ways[turn] - upright
        if better > _PERHAPS_TURNED:
            advice = "Turn it so that the head is up, and save it again."
            self._say(ERROR if better > _SURELY_TURNED else WARNING, f"seems to {how[turn.quarters]}.", advice)
        elif self._name == "frontal" and ways[_MIRROR] - ways[_UPRIGHT] > _MIRRORED:
            self._say(
                WARNING,
                "seems to be mirrored: heart and aorta stand on the patient's right.",
                "Mirror it, unless the patient's organs are so (situs inversus).",
            )

    def _is_other_view(self, mean: MeanPatient, seen: np.ndarray, spacing: float | None, fits: tuple) -> bool:
        """Mention that the picture looks like the other view, whatever its polarity."""
        if self.radiograph.view_is_certain:
            return False
        others = mean.fits(self.radiograph.array, seen, self._other, spacing, (_UPRIGHT, _MIRROR))
        own, other = (max(one[turn] for one in two for turn in (_UPRIGHT, _MIRROR)) for two in (fits, others))
        if other - own < _OTHER_VIEW:
            return False
        name = "lateral" if self._name == "frontal" else "frontal"
        self._say(ERROR, f"looks like a {name} one.", f"Choose a {self._name} radiograph.")
        self.is_other_view = True
        return True

    def _face_left(self, ways: dict[Turn, float]) -> bool:
        """Mirror a lateral that faces right, unless its file tells the directions; ``ways`` is changed with it."""
        if self._name == "frontal" or self.radiograph.directions_are_certain:
            return False
        better = ways[_MIRROR] - ways[_UPRIGHT]
        if abs(better) < _FACES:
            side = "right" if better > 0 else "left"
            message = f"hardly shows which way it faces; {side} was taken."
            self._say(WARNING, message, "Look at the re-projection beside it.")
        if better <= 0:
            return False
        self.radiograph = replace(self.radiograph, array=np.ascontiguousarray(self.radiograph.array[:, ::-1]))
        ways[_UPRIGHT] = ways[_MIRROR]
        self._say(NOTE, "faces right; it was mirrored to face left.", "Look at the re-projection beside it.")
        return True

    def _clean(self, seen: np.ndarray) -> None:
        """Fill in labels and what collimator or frame cover."""
        self.radiograph = replace(self.radiograph, array=filled(without_labels(self.radiograph.array), seen))
        if hidden := 1 - seen.mean():
            message = f"ends at a collimator or frame that covers {hidden:.0%}; its border was continued there."
            self._say(NOTE, message, "Trust the CT less there.")
