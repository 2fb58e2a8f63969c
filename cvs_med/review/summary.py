"""How far readers agree with the model, with one another and with the reference; every case counts once a reader."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

import numpy as np

from cvs_med.review.records import MODEL, REFERENCE, VERDICTS, Answer, moment
from cvs_med.review.run import FinishedRun
from cvs_med.review.store import latest
from cvs_med.statistics.agreement import cohen_kappa
from cvs_med.statistics.intervals import Interval
from cvs_med.statistics.metrics import Proportion, proportion

LONGEST_SECONDS = 1800
"""A case that was on the screen for longer was left alone, and says nothing of how long a reader needs."""


@dataclass(frozen=True, slots=True)
class Reader:
    """What one reader did.

    Attributes:
        name: of the reader.
        answered: number of cases.
        agreed: with the model.
        other: gave another diagnosis.
        cannot_tell: gave none.
        seconds: median time a case; None if none was timed.
    """

    name: str
    answered: int
    agreed: int
    other: int
    cannot_tell: int
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two that named a class for the same cases.

    Attributes:
        first: who (rows of the matrix).
        second: who (columns).
        matrix: cases by class of the first and of the second.
        agreement: cases on which both name the same class.
        kappa: Cohen's kappa; None for fewer than two cases, or where both always name the same single class.
        interval: 95 % interval of kappa, None with it.
    """

    first: str
    second: str
    matrix: tuple[tuple[int, ...], ...]
    agreement: Proportion
    kappa: float | None
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class Summary:
    """All readers of a run, and all comparisons."""

    readers: tuple[Reader, ...]
    comparisons: tuple[Comparison, ...]


def summarise(run: FinishedRun, answers: Sequence[Answer], *, with_reference: bool = True) -> Summary:
    """Count the answers that stand, and compare them.

    Args:
        run: what was reviewed.
        answers: all answers on it.
        with_reference: also compare with the reference, which a reader who is not done should not see.
    """
    standing = [a for a in latest(answers).values() if a.case_id in run.predictions]
    names = sorted({answer.reader for answer in standing})
    own = {name: [answer for answer in standing if answer.reader == name] for name in names}
    given = {name: _diagnoses(own[name]) for name in names}
    fixed = {MODEL: {case_id: run.derived(case_id) for case_id in run.ids}}
    if with_reference:
        fixed[REFERENCE] = {case_id: run.reference(case_id) for case_id in run.ids}
    with_fixed = [((name, given[name]), other) for other in fixed.items() for name in names]
    pairs = [*with_fixed, *combinations(given.items(), 2)]
    compared = [_compare(first, second, run.class_names) for first, second in pairs]
    return Summary(
        tuple(_reader(name, own[name]) for name in names),
        tuple(comparison for comparison in compared if comparison.agreement.n),
    )


def _diagnoses(answers: Sequence[Answer]) -> dict[str, str]:
    return {answer.case_id: answer.diagnosis for answer in answers if answer.diagnosis is not None}


def _reader(name: str, answers: Sequence[Answer]) -> Reader:
    verdicts = [answer.verdict for answer in answers]
    seconds = [taken for taken in map(_seconds, answers) if taken is not None]
    agreed, other, cannot_tell = (verdicts.count(verdict) for verdict in VERDICTS)
    return Reader(name, len(answers), agreed, other, cannot_tell, median(seconds) if seconds else None)


def _seconds(answer: Answer) -> float | None:
    """Give how long a case was looked at, if the times make sense."""
    shown, answered = moment(answer.shown_at), moment(answer.answered_at)
    if shown is None or answered is None:
        return None
    taken = (answered - shown).total_seconds()
    return taken if 0 <= taken <= LONGEST_SECONDS else None


def _compare(
    first: tuple[str, Mapping[str, str]], second: tuple[str, Mapping[str, str]], names: Sequence[str]
) -> Comparison:
    """Compare two by name and by the class they gave each case."""
    (who, rows), (whom, columns) = first, second
    both = [(rows[case], columns[case]) for case in rows if case in columns]
    matrix = np.zeros((len(names), len(names)), dtype=np.int64)
    for row, column in both:
        matrix[names.index(row), names.index(column)] += 1
    kappa = cohen_kappa(matrix) if len(both) > 1 else None
    return Comparison(
        who,
        whom,
        tuple(tuple(map(int, row)) for row in matrix),
        proportion(int(np.trace(matrix)), len(both)),
        kappa.kappa if kappa else None,
        kappa.interval if kappa else None,
    )
