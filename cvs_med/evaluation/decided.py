"""What the decisions of decisions.json did for the test cases, which had no say in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isclose
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cvs_med.decisions import Decided, Decisions
from cvs_med.errors import RunError
from cvs_med.evaluation.files import read_json
from cvs_med.statistics import calibration
from cvs_med.statistics.clusters import wilson_by_group
from cvs_med.statistics.intervals import Interval
from cvs_med.statistics.metrics import Proportion, proportion
from cvs_med.types import Floats, Integers, Prediction

Flags = npt.NDArray[np.bool_]

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
        at_limit: folds in which the end of the range does as well as the temperature, which says nothing of new cases.
        before: of the probabilities as the networks gave them.
        after: of those divided by the temperatures.
    """

    temperatures: tuple[float, ...]
    at_limit: int
    before: Reliable
    after: Reliable


@dataclass(frozen=True, slots=True)
class ClassAnswered:
    """Cases of one class that are answered, and answers that are wrong."""

    name: str
    answered: Proportion
    wrong: Proportion


@dataclass(frozen=True, slots=True)
class Abstained:
    """What the thresholds did, which were chosen inside the training parts.

    Attributes:
        risk: the share of wrong answers that was wanted at most.
        answered: cases that were answered, of all; the rest goes to a human.
        wrong: answers that are wrong, of those given.
        wrong_by_group: 95 % interval of that share that counts groups; None where none are known or left.
        wrong_among_sent: cases sent to a human whose answer would have been wrong.
        folds_without: folds in which no threshold kept the risk, so that none is answered.
        classes: the same by reference class, which no threshold looked at.
    """

    risk: float
    answered: Proportion
    wrong: Proportion
    wrong_by_group: Interval | None
    wrong_among_sent: Proportion
    folds_without: int
    classes: tuple[ClassAnswered, ...]


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
        holds_by_group: 95 % interval of that share that counts groups; None where none are known.
        sizes: number of cases with a set of 0, 1, 2 ... classes.
        classes: the same by reference class, which is not promised.
    """

    coverage: float
    holds: Proportion
    holds_by_group: Interval | None
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
        RunError: it is damaged, or from before the folds had a common rule.
    """
    if not (run / FILE).exists():
        return None
    found = read_json(run / FILE, Decisions)
    if found.risk is not None and found.together is None:
        raise RunError(
            f"{run / FILE}: expected a threshold for all folds together, found a file from before there was one. "
            "Start the same command on this folder again, which writes it anew and trains nothing."
        )
    return found


def measure(decisions: Decisions, predictions: Sequence[Prediction], names: Sequence[str]) -> DecidedMetrics:
    """Hold the decisions against the reference classes.

    Raises:
        RunError: they are of other cases.
    """
    cases = {each.case_id: each for each in decisions.cases}
    if sorted(cases) != sorted(p.case_id for p in predictions) or len(cases) != len(decisions.cases):
        raise RunError(f"{FILE}: expected the cases of predictions.csv, found others. Run again in a new folder.")
    decided = [cases[p.case_id] for p in predictions]
    for prediction, each in zip(predictions, decided, strict=True):
        _require_fitting(decisions, prediction, each)
    labels = np.array([p.label for p in predictions], dtype=np.int64)
    return DecidedMetrics(
        calibrated=_calibrated(decisions, predictions, decided, labels) if decisions.calibrated else None,
        abstained=_abstained(decisions, predictions, decided, names) if decisions.risk is not None else None,
        sets=_sets(decisions.coverage, predictions, decided, names) if decisions.coverage is not None else None,
    )


def _require_fitting(decisions: Decisions, prediction: Prediction, decided: Decided) -> None:
    """See that what was decided of a case fits what was asked for, and left its class alone.

    Raises:
        RunError: it does not.
    """
    shares, classes = decided.probabilities, len(prediction.probabilities)
    whole = len(shares) == classes and min(shares) >= 0 and isclose(sum(shares), 1, abs_tol=1e-6)
    same = whole and shares[prediction.predicted] >= max(shares) - 1e-12
    inside = all(0 <= number < classes for number in decided.classes or ())
    asked = (decided.answered is None, decided.classes is None) == (decisions.risk is None, decisions.coverage is None)
    if not (same and inside and asked):
        raise RunError(
            f"{FILE}: expected of {decided.case_id} probabilities of its derived class and what was asked for, found "
            "something else. Restore the file, or run again in a new folder."
        )


def _calibrated(
    decisions: Decisions, predictions: Sequence[Prediction], decided: Sequence[Decided], labels: Integers
) -> Calibrated:
    before = np.array([p.probabilities for p in predictions], dtype=np.float64)
    after = np.array([each.probabilities for each in decided], dtype=np.float64)
    temperatures = tuple(fold.temperature for fold in decisions.folds if fold.temperature is not None)
    at_limit = sum(fold.at_limit for fold in decisions.folds)
    return Calibrated(temperatures, at_limit, _reliable(labels, before), _reliable(labels, after))


def _reliable(labels: Integers, probabilities: Floats) -> Reliable:
    given = np.maximum(probabilities[np.arange(labels.size), labels], _LEAST)
    return Reliable(
        log_loss=float(-np.log(given).mean()),
        brier=calibration.brier(labels, probabilities),
        calibration_error=calibration.calibration_error(labels, probabilities),
    )


def _abstained(
    decisions: Decisions, predictions: Sequence[Prediction], decided: Sequence[Decided], names: Sequence[str]
) -> Abstained:
    answered = np.array([bool(each.answered) for each in decided])
    wrong = np.array([p.predicted != p.label for p in predictions])
    labels = np.array([p.label for p in predictions])
    return Abstained(
        risk=decisions.risk or 0.0,
        answered=_count(answered),
        wrong=_count(wrong[answered]),
        wrong_by_group=_by_group(wrong, answered, predictions),
        wrong_among_sent=_count(wrong[~answered]),
        folds_without=sum(fold.none_answered for fold in decisions.folds),
        classes=tuple(
            ClassAnswered(name, _count(answered[labels == number]), _count(wrong[answered & (labels == number)]))
            for number, name in enumerate(names)
        ),
    )


def _sets(
    coverage: float, predictions: Sequence[Prediction], decided: Sequence[Decided], names: Sequence[str]
) -> Sets:
    sets = [each.classes or () for each in decided]
    labels = np.array([p.label for p in predictions])
    holds = np.array([label in found for label, found in zip(labels, sets, strict=True)])
    sizes = np.bincount([len(found) for found in sets], minlength=len(names) + 1)
    return Sets(
        coverage=coverage,
        holds=_count(holds),
        holds_by_group=_by_group(holds, np.ones(holds.size, dtype=np.bool_), predictions),
        sizes=tuple(sizes.tolist()),
        classes=tuple(ClassCoverage(name, _count(holds[labels == number])) for number, name in enumerate(names)),
    )


def _count(flags: Flags) -> Proportion:
    return proportion(int(flags.sum()), flags.size)


def _by_group(flags: Flags, among: Flags, predictions: Sequence[Prediction]) -> Interval | None:
    """Give the interval that knows of groups; None where none is known, or fewer than two are among these cases."""
    groups = np.array([p.unit for p in predictions])[among]
    if not any(p.group for p in predictions) or np.unique(groups).size < 2:
        return None
    return wilson_by_group(flags[among], groups)
