"""What came out of a reader study: figures of readers and days, agreement, realism, and answers beside the truth."""

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median

import numpy as np

from .reader_answers import MOST_REALISTIC, REAL, SYNTHETIC, Answer
from .reader_figures import Figure, auc, cohen_kappa, fleiss_kappa, guessing, over_readers, share
from .reader_study import Reading, Study, Truth
from .scores import cell, interval, write_csv

ALL = "all"
"""What rows call the readers together, and all days."""


@dataclass(frozen=True)
class Results:
    """What came out of a study.

    Attributes:
        figures: a row for each reader; for all, if there are several; and for each reader and day, if there are
            several days. ``reader``, ``date`` (``all``, or ISO 8601), ``n`` (judged cases), and with ``_low`` and
            ``_high``, their 95 % interval: ``auc`` of the call with its confidence, synthetic against real (0.5: told
            apart as by guessing); ``accuracy`` (0.5 likewise, where there are as many of both); ``sensitivity``, share
            of the synthetic that was called so; ``specificity``, share of the real that was called so. ``p_guessing``:
            probability of such an accuracy by guessing. ``realism_real``, ``realism_synthetic``: means, with
            ``_ci95``, half their 95 % interval. ``rejected_real``, ``rejected_synthetic``: shares. ``seconds``: median
            of a case.
        agreement: a row for each two readers (Cohen's kappa) and for all, if more than two (Fleiss' kappa):
            ``readers``, ``n`` (cases that all of them judged), ``agreed`` (share), ``kappa``.
        histogram: a row for each realism from 1 to 10: how often it was given to ``real`` and ``synthetic`` cases.
        answers: a row an answer: ``reader``, ``case``, ``truth``, ``source``, and what the reader said.
        warnings: what to know when reading these, a sentence each.
    """

    figures: list[dict]
    agreement: list[dict]
    histogram: list[dict]
    answers: list[dict]
    warnings: list[str]

    def summary(self) -> list[dict]:
        """The figures for people: values with their intervals as text."""
        return [
            {name: _text(row, name) for name in row if not name.endswith(("_low", "_high", "_ci95"))}
            for row in self.figures
        ]


def written(found: Results, figures: Path | None, answers: Path | None) -> None:
    """Write the figures, the answers beside the truth, or both as tables for spreadsheets.

    Raises:
        UserError: a place cannot be written.
    """
    for path, rows in ((figures, found.figures), (answers, found.answers)):
        if path:
            write_csv(path, rows)


def _text(row: dict, name: str) -> object:
    """A value with the ends of its interval, or as ``scores.cell`` writes it."""
    if f"{name}_low" not in row or math.isnan(row[name]):
        return cell(row, name)
    return f"{row[name]:.3f} ({row[f'{name}_low']:.3f}–{row[f'{name}_high']:.3f})"


def results(study: Study, key: str | Path | None = None) -> Results:
    """The results of a study, of all that has been answered so far.

    Args:
        study: the study.
        key: its key, where it does not lie beside the folder.

    Raises:
        UserError: the key is missing, or another study's.
    """
    truths = study.truths(key)
    readings = [reading for reading in study.readings() if reading.answers]
    given = {reading.reader: reading.answers for reading in readings}
    figures = [{"reader": name, "date": ALL, **_figures(answers, truths)} for name, answers in given.items()]
    if len(given) > 1:
        figures.append({"reader": ALL, "date": ALL, **_of_all(given, truths)})
    figures += _by_date(given, truths)
    answers = [
        {"reader": name, "case": case, "truth": _name(truths[case]), "source": truths[case].source, **_told(answer)}
        for name, of_reader in given.items()
        for case, answer in of_reader.items()
    ]
    return Results(figures, _agreement(given), _histogram(given, truths), answers, _warnings(readings, truths))


def signed(answer: Answer) -> float:
    """How sure a reader is that a case is synthetic: the confidence, negative where it was called real."""
    return float(answer.confidence if answer.call == SYNTHETIC else -answer.confidence)


def _name(truth: Truth) -> str:
    return SYNTHETIC if truth.synthetic else REAL


def _told(answer: Answer) -> dict:
    judged = not answer.reject
    return {
        "call": answer.call,
        "confidence": answer.confidence if judged else None,
        "realism": answer.realism if judged else None,
        "reject": answer.reject,
        "seconds": answer.seconds,
        "time": answer.time,
    }


def _with_interval(name: str, figure: Figure) -> dict:
    return {name: figure.value, f"{name}_low": figure.low, f"{name}_high": figure.high}


def _figures(answers: dict[str, Answer], truths: dict[str, Truth]) -> dict:
    """The figures of one reader."""
    judged = {case: answer for case, answer in answers.items() if not answer.reject}
    of_kind = {
        kind: [answer for case, answer in judged.items() if _name(truths[case]) == kind] for kind in (SYNTHETIC, REAL)
    }
    hits = {kind: sum(answer.call == kind for answer in some) for kind, some in of_kind.items()}
    right = sum(hits.values())
    area = auc([signed(a) for a in of_kind[SYNTHETIC]], [signed(a) for a in of_kind[REAL]])
    row = {"n": len(judged), **_with_interval("auc", area), **_with_interval("accuracy", share(right, len(judged)))}
    row["p_guessing"] = guessing(right, len(judged)) if judged else math.nan
    for name, kind in (("sensitivity", SYNTHETIC), ("specificity", REAL)):
        row |= _with_interval(name, share(hits[kind], len(of_kind[kind])))
    for kind in (REAL, SYNTHETIC):
        row |= _realism(kind, [float(answer.realism) for answer in of_kind[kind]])
    return {**row, **_rejected([answers], truths), "seconds": median(answer.seconds for answer in answers.values())}


def _realism(kind: str, values: list[float]) -> dict:
    return {f"realism_{kind}": mean(values) if values else math.nan, f"realism_{kind}_ci95": interval(values)}


def _rejected(given: list[dict[str, Answer]], truths: dict[str, Truth]) -> dict:
    """The shares of the cases of each kind that were rejected."""
    rates = {}
    for kind in (REAL, SYNTHETIC):
        some = [bool(a.reject) for answers in given for case, a in answers.items() if _name(truths[case]) == kind]
        rates[f"rejected_{kind}"] = mean(map(float, some)) if some else math.nan
    return rates


def _of_all(given: dict[str, dict[str, Answer]], truths: dict[str, Truth]) -> dict:
    """The figures of all readers: means over them."""
    scores = []
    for wanted in (True, False):
        cases = [case for case, truth in truths.items() if truth.synthetic == wanted]
        scores.append(np.array([[_score(answers.get(case)) for case in cases] for answers in given.values()]))
    row: dict = {"n": sum(int((~np.isnan(some)).sum()) for some in scores)}
    for name, figure in over_readers(*scores).items():
        row |= _with_interval(name, figure)
    for kind in (REAL, SYNTHETIC):
        row |= _realism(kind, [value for answers in given.values() if (value := _mean_realism(answers, truths, kind))])
    seconds = median(answer.seconds for answers in given.values() for answer in answers.values())
    return {**row, **_rejected(list(given.values()), truths), "seconds": seconds}


def _mean_realism(answers: dict[str, Answer], truths: dict[str, Truth], kind: str) -> float | None:
    values = [float(a.realism) for case, a in answers.items() if not a.reject and _name(truths[case]) == kind]
    return mean(values) if values else None


def _score(answer: Answer | None) -> float:
    return math.nan if answer is None or answer.reject else signed(answer)


def _by_date(given: dict[str, dict[str, Answer]], truths: dict[str, Truth]) -> list[dict]:
    """A row for each reader and day, where there are several days."""
    dates = sorted({answer.date for answers in given.values() for answer in answers.values()})
    rows = []
    for date in dates if len(dates) > 1 else []:
        for name, answers in given.items():
            if some := {case: answer for case, answer in answers.items() if answer.date == date}:
                rows.append({"reader": name, "date": date, **_figures(some, truths)})
    return rows


def _agreement(given: dict[str, dict[str, Answer]]) -> list[dict]:
    calls = {name: {c: a.call for c, a in answers.items() if not a.reject} for name, answers in given.items()}
    names, rows = list(calls), []
    for number, first in enumerate(names):
        for second in names[number + 1 :]:
            shared = sorted(calls[first].keys() & calls[second].keys())
            one, two = ([calls[name][case] for case in shared] for name in (first, second))
            agreed = share(sum(a == b for a, b in zip(one, two, strict=True)), len(shared)).value
            row = {"readers": f"{first}, {second}", "n": len(shared), "agreed": agreed}
            rows.append({**row, "kappa": cohen_kappa(one, two), "measure": "Cohen's kappa"})
    if len(names) > 2:
        shared = sorted(set.intersection(*(set(of) for of in calls.values())))
        counts = np.array([[sum(of[c] == kind for of in calls.values()) for kind in (REAL, SYNTHETIC)] for c in shared])
        agreed = share(sum(len(names) in row for row in counts.tolist()), len(shared)).value
        row = {"readers": ALL, "n": len(shared), "agreed": agreed}
        rows.append({**row, "kappa": fleiss_kappa(counts), "measure": "Fleiss' kappa"})
    return rows


def _histogram(given: dict[str, dict[str, Answer]], truths: dict[str, Truth]) -> list[dict]:
    counts = Counter(
        (_name(truths[case]), answer.realism)
        for answers in given.values()
        for case, answer in answers.items()
        if not answer.reject
    )
    return [
        {"realism": value, REAL: counts[REAL, value], SYNTHETIC: counts[SYNTHETIC, value]}
        for value in range(1, MOST_REALISTIC + 1)
    ]


def _warnings(readings: list[Reading], truths: dict[str, Truth]) -> list[str]:
    sentences = [] if readings else ["Nobody has read this study yet."]
    for reading in readings:
        done, count = len(reading.answers), len(truths)
        if done < count:
            sentences.append(f"{reading.reader} has judged {done} of {count} cases.")
        if reading.damaged:
            sentences.append(f"{reading.damaged} damaged lines of {reading.reader}'s answers were passed over.")
    return sentences
