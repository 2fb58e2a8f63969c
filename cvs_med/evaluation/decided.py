"""What the decisions of decisions.json did for the test cases, which had no say in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cvs_med.decisions import Decided, Decisions
from cvs_med.errors import RunError
from cvs_med.evaluation.files import read_json
from cvs_med.statistics import calibration
from cvs_med.statistics.metrics import Proportion, proportion
from cvs_med.types import Floats, Integers, Prediction

FILE = "decisions.json"

_LEAST = 1e-12
"""A probability of zero for what then happens would have an infinite loss."""


@dataclass(frozen=True, slots=True)
class Reliable:
    """How far probabilities are off; small is good.

    Attributes:
        log_loss: mean negative logarithm of the probability of the reference class.
        brier: squared error, summed over the classes, 0 to 2.
        calibration_error: expected calibration error over bins of equally many cases.
    """

    log_loss: float
    brier: float
    calibration_error: float


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What the temperatures did, which were fitted inside the training parts.

    Attributes:
        temperatures: of each fold; above 1 made it humbler.
        before: of the probabilities as the networks gave them.
        after: of those divided by the temperatures.
    """

    temperatures: tuple[float, ...]
    before: Reliable
    after: Reliable


@dataclass(frozen=True, slots=True)
class Abstained:
    """What the thresholds did, which were chosen inside the training parts.

    Attributes:
        risk: the share of wrong answers that was wanted at most.
        answered: cases that were answered, of all; the rest goes to a human.
        wrong: answers that are wrong, of those given.
        wrong_among_sent: cases sent to a human whose answer would have been wrong.
        folds_without: folds in which no threshold kept the risk, so that none is answered.
    """

    risk: float
    answered: Proportion
    wrong: Proportion
    wrong_among_sent: Proportion
    folds_without: int


@dataclass(frozen=True, slots=True)
class ClassCoverage:
    """Cases of one class whose set holds it."""

    name: str
    holds: Proportion


@dataclass(frozen=True, slots=True)
class Sets:
    """What the prediction sets hold, calibrated inside the training parts.

    Attributes:
        coverage: the promised share.
        holds: cases whose set holds the reference class.
        sizes: number of cases with a set of 0, 1, 2 ... classes.
        classes: the same by reference class, which is not promised.
    """

    coverage: float
    holds: Proportion
    sizes: tuple[int, ...]
    classes: tuple[ClassCoverage, ...]


@dataclass(frozen=True, slots=True)
class DecidedMetrics:
    """What was decided inside the training parts, held against the test cases; None is what was not asked for."""

    calibrated: Calibrated | None
    abstained: Abstained | None
    sets: Sets | None


def read(run: Path) -> Decisions | None:
    """Read decisions.json; None where nothing was decided.

    Raises:
        RunError: it is damaged.
    """
    return read_json(run / FILE, Decisions) if (run / FILE).exists() else None


def measure(decisions: Decisions, predictions: Sequence[Prediction], names: Sequence[str]) -> DecidedMetrics:
    """Hold the decisions against the reference classes.

    Raises:
        RunError: they are of other cases.
    """
    cases = {each.case_id: each for each in decisions.cases}
    if sorted(cases) != sorted(p.case_id for p in predictions) or len(cases) != len(decisions.cases):
        raise RunError(f"{FILE}: expected the cases of predictions.csv, found others. Run again in a new folder.")
    labels = np.array([p.label for p in predictions], dtype=np.int64)
    decided = [cases[p.case_id] for p in predictions]
    return DecidedMetrics(
        calibrated=_calibrated(decisions, predictions, decided, labels) if decisions.calibrated else None,
        abstained=_abstained(decisions, predictions, decided) if decisions.risk is not None else None,
        sets=_sets(decisions.coverage, decided, labels, names) if decisions.coverage is not None else None,
    )


def _calibrated(
    decisions: Decisions, predictions: Sequence[Prediction], decided: Sequence[Decided], labels: Integers
) -> Calibrated:
    before = np.array([p.probabilities for p in predictions], dtype=np.float64)
    after = np.array([each.probabilities for each in decided], dtype=np.float64)
    temperatures = tuple(fold.temperature for fold in decisions.folds if fold.temperature is not None)
    return Calibrated(temperatures, _reliable(labels, before), _reliable(labels, after))


def _reliable(labels: Integers, probabilities: Floats) -> Reliable:
    given = np.maximum(probabilities[np.arange(labels.size), labels], _LEAST)
    return Reliable(
        log_loss=float(-np.log(given).mean()),
        brier=calibration.brier(labels, probabilities),
        calibration_error=calibration.calibration_error(labels, probabilities),
    )


def _abstained(decisions: Decisions, predictions: Sequence[Prediction], decided: Sequence[Decided]) -> Abstained:
    answered = [bool(each.answered) for each in decided]
    wrong = [p.predicted != p.label for p in predictions]
    given = [is_wrong for is_wrong, is_answered in zip(wrong, answered, strict=True) if is_answered]
    sent = [is_wrong for is_wrong, is_answered in zip(wrong, answered, strict=True) if not is_answered]
    return Abstained(
        risk=decisions.risk or 0.0,
        answered=proportion(len(given), len(decided)),
        wrong=proportion(sum(given), len(given)),
        wrong_among_sent=proportion(sum(sent), len(sent)),
        folds_without=sum(fold.none_answered for fold in decisions.folds),
    )


def _sets(coverage: float, decided: Sequence[Decided], labels: Integers, names: Sequence[str]) -> Sets:
    sets = [each.classes or () for each in decided]
    holds = np.array([label in found for label, found in zip(labels, sets, strict=True)])
    sizes = np.bincount([len(found) for found in sets], minlength=len(names) + 1)
    by_class = (
        ClassCoverage(name, proportion(int(holds[labels == number].sum()), int((labels == number).sum())))
        for number, name in enumerate(names)
    )
    return Sets(coverage, proportion(int(holds.sum()), holds.size), tuple(sizes.tolist()), tuple(by_class))
