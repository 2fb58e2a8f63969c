"""How far the probabilities can be believed, and what abstaining would gain."""

import numpy as np

from cvs_med.report import curves, words
from cvs_med.report.document import Beside, Block, Picture, Section, Table, Text
from cvs_med.report.facts import Facts
from cvs_med.report.sections import decided
from cvs_med.statistics import calibration, selective
from cvs_med.statistics.metrics import proportion
from cvs_med.statistics.selective import Selection
from cvs_med.types import Floats, Integers

_LEVEL = 0.05
_COVERAGES = (1.0, 0.9, 0.75, 0.5)


def trust(facts: Facts) -> Section:
    """Hold confidence against accuracy, and show which answers are wrong when only the surest are given."""
    labels = np.array([p.label for p in facts.predictions], dtype=np.int64)
    probabilities = np.array([p.probabilities for p in facts.predictions], dtype=np.float64)
    confidences = np.minimum(probabilities.max(axis=1), 1.0)
    right = probabilities.argmax(axis=1) == labels
    curve = selective.risk_coverage(confidences, right)
    reliability = curves.reliability(calibration.reliability(labels, probabilities))
    risk = curves.risk_coverage(curve)
    blocks: list[Block] = [
        Text(_calibrated(facts, labels, probabilities)),
        Beside(Picture(reliability, f"{reliability.title}."), Picture(risk, f"{risk.title}.")),
        Text(_abstaining(facts, confidences, right)),
        Table(
            "If only the surest images were answered and the rest sent to a human",
            ("answered", "wrong among them", "95 % interval"),
            tuple(_row(_nearest(curve, wanted)) for wanted in _COVERAGES),
        ),
        *decided.inside(facts),
        *decided.worth(facts),
    ]
    return Section("calibration", "How far its probabilities can be believed", tuple(blocks))


def _calibrated(facts: Facts, labels: Integers, probabilities: Floats) -> str:
    confidences = np.minimum(probabilities.max(axis=1), 1.0)
    confidence, right = float(confidences.mean()), probabilities.argmax(axis=1) == labels
    share, manner = float(right.mean()), _manner(facts, confidences, right)
    result = facts.metrics.result
    return (
        f"The mean confidence is {words.percent(confidence)}, and {words.percent(share)} are right: "
        f"{manner}. Brier score {result.brier:.3f} (95 %: {words.ends(result.intervals.brier)}; 0 to 2, small is "
        f"good), expected calibration error {result.calibration_error:.3f} over 5 bins of about equally many, which is "
        "above 0 by chance alone. The curves show the probabilities as the networks gave them: nothing was fitted to "
        "the test images, and the folds' networks, each with a scale of its own, stand in one figure."
    )


def _manner(facts: Facts, confidences: Floats, right: np.typing.NDArray[np.bool_]) -> str:
    """Say whether confidence and accuracy differ by more than chance allows."""
    groups = np.array([p.unit for p in facts.predictions])
    if calibration.confidence_p(confidences, right, groups) > _LEVEL:
        return "that the method is bolder or humbler than it is right is not shown"
    return f"on the whole the method is {'bolder' if confidences.mean() > right.mean() else 'humbler'} than it is right"


def _abstaining(facts: Facts, confidences: Floats, right: np.typing.NDArray[np.bool_]) -> str:
    area = selective.area_under_risk_coverage(confidences, right)
    said = (
        f"Mean risk over all coverages: {area:.3f}; if confidence said nothing, it would be {1 - right.mean():.3f}. "
        "The coverages below were read off these very images, and promise nothing: new answers will be wrong more "
        "often."
    )
    if facts.metrics.decided and facts.metrics.decided.abstained:
        return said
    return f"{said} With --abstain-at-risk 0.05, a run chooses a threshold inside each training part."


def _nearest(curve: tuple[Selection, ...], wanted: float) -> Selection:
    return min(curve, key=lambda point: abs(point.coverage - wanted))


def _row(point: Selection) -> tuple[str, str, str]:
    wrong = proportion(point.wrong, point.answered)
    return (
        f"{point.answered} of {point.n} ({100 * point.coverage:.0f} %)",
        f"{point.wrong} ({words.percent(wrong.share)})",
        words.interval(wrong),
    )
