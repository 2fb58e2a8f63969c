"""What is decided inside a training part for the cases that are then tested: temperature, threshold, prediction sets.

All three read the inner out-of-fold answers of the training part (`inner.inner_answers`) and nothing of the test part.
No class changes by them: a temperature makes probabilities bolder or humbler, a threshold says which answers go to a
human, a set says which classes may be right. The inner networks learnt from fewer cases than the one that is tested;
what that costs is seen in the test part.
"""

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from cvs_med.protocol_sections import Inner
from cvs_med.statistics import calibration, conformal, selective
from cvs_med.types import Floats, Integers, Prediction

_LEAST = 1e-12
"""Logarithms of probabilities stand in for logits; that of zero would be infinite."""

_NO_FOLD = -1


class Decision(BaseModel):
    """What one training part decided.

    Attributes:
        fold: number of the fold, from zero.
        cases: inner answers that it rests on.
        temperature: what divides the logits; None where it was not asked for.
        at_limit: whether the end of its range does as well as the temperature that was found: the cold one where every
            inner answer is right, the hot one where its probability tells nothing; it then says nothing of new cases.
        above: confidence above which a case is answered; None where it was not asked for, or `none_answered`.
        none_answered: whether no threshold kept the risk among the inner answers, so that every case goes to a human.
        inner_answered: inner answers above the threshold.
        inner_wrong: how many of these were wrong; at most the wanted share.
        least: probability from which a class is in the prediction set; None where it was not asked for.
    """

    model_config = ConfigDict(frozen=True)

    fold: int
    cases: int
    temperature: float | None = None
    at_limit: bool = False
    above: float | None = None
    none_answered: bool = False
    inner_answered: int | None = None
    inner_wrong: int | None = None
    least: float | None = None


class Decided(BaseModel):
    """What the decisions say of one tested case.

    Attributes:
        case_id: its name.
        probabilities: of each class, after the temperature where there is one.
        answered: whether it is answered, not sent to a human; None where that was not asked for.
        classes: numbers of the classes in its prediction set; None where that was not asked for.
    """

    model_config = ConfigDict(frozen=True)

    case_id: str
    probabilities: tuple[float, ...]
    answered: bool | None = None
    classes: tuple[int, ...] | None = None


class Abstention(BaseModel):
    """One rule for the networks of all folds together.

    Attributes:
        temperature: what divides the logits; 1 where none was asked for.
        above: confidence above which a case is answered; 1, which no confidence is above, where none kept the risk.
    """

    model_config = ConfigDict(frozen=True)

    temperature: float
    above: float

    def reasons(self, probabilities: Floats) -> list[str]:
        """Say why an answer of probabilities (P,) is not to be given; an empty list if it may be."""
        confidence = float(_confidences(_tempered(probabilities[None], self.temperature))[0])
        if confidence > self.above:
            return []
        return [f"too unsure to be answered (confidence {confidence:.3f}, threshold {self.above:.3f})"]


class Decisions(BaseModel):
    """decisions.json: what was asked for, what each fold decided, and what that says of each case.

    Attributes:
        calibrated: whether temperatures were asked for.
        risk: the wanted share of wrong answers; None where no thresholds were asked for.
        coverage: of the prediction sets; None where none were asked for.
        folds: what each decided.
        together: the rule for the networks of all these folds together; None where no thresholds were asked for.
        cases: what that says of the tested cases.
    """

    model_config = ConfigDict(frozen=True)

    calibrated: bool
    risk: float | None
    coverage: float | None
    folds: list[Decision]
    together: Abstention | None = None
    cases: list[Decided]

    def rule_alone(self) -> "Decisions":
        """Leave the tested cases out: what a model that leaves its run takes along."""
        return self.model_copy(update={"cases": []})

    def of(self, fold: int) -> "Decisions":
        """Keep what one fold decided, and no case."""
        (own,) = (each for each in self.folds if each.fold == fold)
        together = None if self.risk is None else _rule(own)
        return self.model_copy(update={"folds": [own], "together": together, "cases": []})


def put_together(
    answers: Sequence[Sequence[Prediction]], tested: Sequence[Sequence[Prediction]], asked: Inner
) -> Decisions:
    """Decide in every fold, and once more from the inner answers of all folds for their networks together.

    What the common threshold keeps is not known: those of the folds are tested, each with the network of its own fold.
    A common one from all inner answers is tied to the common temperature; a mean of thresholds would not be.

    Args:
        answers: inner answers of each training part.
        tested: predictions of each test part.
        asked: what is to be decided.
    """
    folds = [decide(fold, inner, asked) for fold, inner in enumerate(answers)]
    everything = [answer for inner in answers for answer in inner]
    together = None if asked.abstain_at_risk is None else _rule(decide(_NO_FOLD, everything, asked))
    return Decisions(
        calibrated=asked.calibrate,
        risk=asked.abstain_at_risk,
        coverage=asked.coverage,
        folds=folds,
        together=together,
        cases=[case for fold, part in zip(folds, tested, strict=True) for case in apply(fold, part, asked)],
    )


def decide(fold: int, answers: Sequence[Prediction], asked: Inner) -> Decision:
    """Decide from the inner answers of a training part.

    Args:
        fold: number of the fold whose training part it is.
        answers: to every case of the training part, by networks that had not seen it.
        asked: what is to be decided.
    """
    labels, raw = _arrays(answers)
    decided = Decision(fold=fold, cases=labels.size)
    if asked.calibrate:
        fitted = calibration.fit_temperature(labels, _logits(raw))
        decided = decided.model_copy(update={"temperature": fitted.value, "at_limit": fitted.at_limit})
    probabilities = _tempered(raw, decided.temperature)
    if asked.abstain_at_risk is not None:
        decided = decided.model_copy(update=_threshold(labels, probabilities, asked.abstain_at_risk))
    if asked.coverage is not None:
        least = conformal.calibrate(labels, probabilities, asked.coverage).least
        decided = decided.model_copy(update={"least": least})
    return decided


def apply(decision: Decision, predictions: Sequence[Prediction], asked: Inner) -> list[Decided]:
    """Say of each tested case what the decision of its fold means."""
    _, raw = _arrays(predictions)
    probabilities = _tempered(raw, decision.temperature)
    return [
        Decided(
            case_id=prediction.case_id,
            probabilities=tuple(map(float, row)),
            answered=_answered(decision, row) if asked.abstain_at_risk is not None else None,
            classes=None if decision.least is None else tuple(np.flatnonzero(row >= decision.least).tolist()),
        )
        for prediction, row in zip(predictions, probabilities, strict=True)
    ]


def _rule(decision: Decision) -> Abstention:
    temperature = 1.0 if decision.temperature is None else decision.temperature
    return Abstention(temperature=temperature, above=1.0 if decision.above is None else decision.above)


def _threshold(labels: Integers, probabilities: Floats, risk: float) -> dict[str, object]:
    right = probabilities.argmax(axis=1) == labels
    found = selective.empirical_threshold(_confidences(probabilities), right, risk)
    if found is None:
        return {"none_answered": True, "inner_answered": 0, "inner_wrong": 0}
    return {"above": found.above, "inner_answered": found.answered, "inner_wrong": found.wrong}


def _answered(decision: Decision, probabilities: Floats) -> bool:
    return decision.above is not None and bool(probabilities.max() > decision.above)


def _arrays(predictions: Sequence[Prediction]) -> tuple[Integers, Floats]:
    labels = np.array([each.label for each in predictions], dtype=np.int64)
    return labels, np.array([each.probabilities for each in predictions], dtype=np.float64)


def _logits(probabilities: Floats) -> Floats:
    logits: Floats = np.log(np.maximum(probabilities, _LEAST))
    return logits


def _tempered(probabilities: Floats, temperature: float | None) -> Floats:
    return probabilities if temperature is None else calibration.apply_temperature(_logits(probabilities), temperature)


def _confidences(probabilities: Floats) -> Floats:
    surest: Floats = np.minimum(probabilities.max(axis=1), 1.0)
    return surest
