"""Which cases of a data set may train: what was found in each, and in which others the same image or patient is."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..errors import UserError
from .cases import DROP, ROLES, TEST, TRAIN, VALIDATION, Case, with_roles
from .fingerprints import same_patients, similarity
from .inspection import Findings

_PRECEDENCE = (TEST, VALIDATION, TRAIN)


@dataclass(frozen=True)
class Choice:
    """What the user wants to be left out or kept.

    Attributes:
        drop: names of cases to leave out.
        keep: names of cases to keep whatever is doubtful in them.
        study_description: a regular expression that DICOM descriptions must hold; upper and lower case are alike.
        similar_to: the name of a case that the others must be similar to.
        similarity: how similar, from -1 to 1 (see ``fingerprints.similarity``).
    """

    drop: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    study_description: str = ""
    similar_to: str = ""
    similarity: float = 0.4


EVERYTHING = Choice()


@dataclass(frozen=True)
class Decision:
    """A case with its final role, patient and reason, and what is worth knowing about it."""

    case: Case
    found: Findings
    warnings: tuple[str, ...] = ()
    duplicate_of: str = ""


def decide(
    cases: Sequence[Case],
    findings: Sequence[Findings],
    choice: Choice = EVERYTHING,
    fixed_roles: bool = False,
    seed: int = 0,
) -> list[Decision]:
    """The role of each case, and the reason of each that is left out.

    Of the same image twice, the second is left out. The same patient twice has one patient key and one role; where
    the roles are fixed by a table and differ, only the cases of one role stay, test before train. Cases of other
    roles than train, validation and test stay as they are.

    Raises:
        UserError: the choice names no case of the data set, or its expression is not one.
    """
    _check_choice(choice, cases)
    decisions = {
        case.name: Decision(case, found, found.warnings) for case, found in zip(cases, findings, strict=True)
    }
    for name, reason in _reasons(decisions, choice).items():
        decisions[name] = _dropped(decisions[name], reason)
    for name in choice.keep:  # a case that a table leaves out
        if decisions[name].case.role == DROP and not decisions[name].case.reason:
            decisions[name] = replace(decisions[name], case=replace(decisions[name].case, role=TRAIN))
    ordered = _in_order(decisions, choice, fixed_roles)
    _drop_same_images(ordered, decisions, choice)
    ordered = [name for name in ordered if decisions[name].case.role != DROP]
    _join_patients(ordered, decisions)
    if fixed_roles:
        _one_role_each(ordered, decisions, choice)
    else:
        for case in with_roles([decisions[name].case for name in ordered], seed):
            decisions[case.name] = replace(decisions[case.name], case=case)
    return list(decisions.values())


def _check_choice(choice: Choice, cases: Sequence[Case]) -> None:
    named = {*choice.drop, *choice.keep, *([choice.similar_to] if choice.similar_to else [])}
    if unknown := sorted(named - {case.name for case in cases}):
        raise UserError(f"There is no case {', '.join(unknown)}.", "Check the name; the table lists all cases.")
    if both := sorted({*choice.drop} & {*choice.keep}):
        raise UserError(f"{', '.join(both)} cannot be both kept and dropped.", "Choose one.")
    try:
        re.compile(choice.study_description)
    except re.error as error:
        raise UserError(
            f"{choice.study_description} is not a regular expression: {error}.", "An example: chest|thorax"
        ) from error


def _reasons(decisions: dict[str, Decision], choice: Choice) -> dict[str, str]:
    """Why cases are left out, each looked at alone. What is kept gets an empty reason where it would have one."""
    model = decisions[choice.similar_to].found.fingerprint if choice.similar_to else b""
    if choice.similar_to and not model:
        raise UserError(f"{choice.similar_to} is no CT that others can be compared with.", "Choose another case.")
    reasons = {}
    for name, decision in decisions.items():
        case, found = decision.case, decision.found
        kept = name in choice.keep
        if found.fault:
            reasons[name] = found.fault
        elif name in choice.drop:
            reasons[name] = "Left out by choice."
        elif case.role == DROP:
            reasons[name] = "" if kept else case.reason or "The table leaves it out."
        elif case.role in ROLES and not kept and (reason := _doubt(case, found, choice, model)):
            reasons[name] = reason
    return reasons


def _doubt(case: Case, found: Findings, choice: Choice, model: bytes) -> str:
    if found.doubt:
        return found.doubt
    if choice.study_description and not re.search(choice.study_description, case.description, re.IGNORECASE):
        return f"Its study description is not like {choice.study_description}."
    if model and (alikeness := similarity(model, found.fingerprint)) < choice.similarity:
        return f"Its similarity to {choice.similar_to} is {alikeness:.2f}, less than {choice.similarity:g}."
    return ""


def _dropped(decision: Decision, reason: str, duplicate_of: str = "") -> Decision:
    return replace(decision, case=replace(decision.case, role=DROP, reason=reason), duplicate_of=duplicate_of)


def _in_order(decisions: dict[str, Decision], choice: Choice, fixed_roles: bool) -> list[str]:
    """The cases in use, those first that stay when they are there twice."""

    def place(name: str) -> tuple:
        role = _PRECEDENCE.index(decisions[name].case.role) if fixed_roles else 0
        return name not in choice.keep, role, name

    return sorted((name for name, decision in decisions.items() if decision.case.role in ROLES), key=place)


def _drop_same_images(ordered: Sequence[str], decisions: dict[str, Decision], choice: Choice) -> None:
    first: dict[str, str] = {}
    for name in ordered:
        original = first.setdefault(decisions[name].found.voxels, name)
        if original != name and name not in choice.keep:
            decisions[name] = _dropped(decisions[name], f"It is the same image as {original}.", original)


def _join_patients(ordered: Sequence[str], decisions: dict[str, Decision]) -> None:
    """Give cases that look like the same patient the key of the first of them."""
    keys = [decisions[name].case.patient for name in ordered]
    for first, second, found in same_patients([decisions[name].found.fingerprint for name in ordered], keys):
        one, two = (decisions[ordered[place]] for place in (first, second))
        for mine, other in ((one, two), (two, one)):
            warning = f"It seems to be the same patient as {other.case.name} (similarity {found:.2f})."
            decisions[mine.case.name] = replace(mine, warnings=(*mine.warnings, warning))
        for name in ordered:
            if decisions[name].case.patient == two.case.patient:
                case = replace(decisions[name].case, patient=one.case.patient)
                decisions[name] = replace(decisions[name], case=case)


def _one_role_each(ordered: Sequence[str], decisions: dict[str, Decision], choice: Choice) -> None:
    """Let each patient have the role of the first case; the others must have it too."""
    first: dict[str, Case] = {}
    for name in ordered:
        case = decisions[name].case
        original = first.setdefault(case.patient, case)
        if case.role == original.role:
            continue
        if name in choice.keep:
            decisions[name] = replace(decisions[name], case=replace(case, role=original.role))
        else:
            reason = f"It shows the same patient as {original.name}, whose role is {original.role}."
            decisions[name] = _dropped(decisions[name], reason, original.name)
