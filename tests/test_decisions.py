"""What a training part decides for its test part: no class changes, and what is promised is kept."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from cvs_med.decisions import Abstention, Decision, apply, decide, put_together
from cvs_med.protocol_sections import Inner
from cvs_med.types import Prediction


def answers(seed: int, cases: int, *, bold: float = 1.0) -> list[Prediction]:
    """Draw labels from known probabilities, and answer with logits that are `bold` times too large."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, (cases, 3))
    true = softmax(logits, axis=1)
    labels = [int(rng.choice(3, p=row)) for row in true]
    given = softmax(bold * logits, axis=1)
    return [
        Prediction(f"c{n}", "", 0, label, tuple(map(float, row)))
        for n, (label, row) in enumerate(zip(labels, given, strict=True))
    ]


def test_a_temperature_takes_back_what_a_network_is_too_bold() -> None:
    asked = Inner(calibrate=True)
    decision = decide(2, answers(0, 4000, bold=3.0), asked)
    assert decision.fold == 2
    assert decision.temperature == pytest.approx(3, rel=0.1)
    (decided,) = apply(decision, [Prediction("x", "", 2, 0, (0.7, 0.2, 0.1))], asked)
    expected = softmax(np.log([0.7, 0.2, 0.1]) / decision.temperature)
    assert decided.probabilities == pytest.approx(expected)
    assert decided.answered is None
    assert decided.classes is None


@given(st.integers(0, 1000), st.booleans())
def test_no_answer_changes_its_class(seed: int, calibrate: bool) -> None:
    asked = Inner(calibrate=calibrate, abstain_at_risk=0.1, coverage=0.8)
    tested = answers(seed + 1, 20, bold=2.0)
    for prediction, decided in zip(tested, apply(decide(0, answers(seed, 30), asked), tested, asked), strict=True):
        assert int(np.argmax(decided.probabilities)) == prediction.predicted
        assert calibrate or decided.probabilities == prediction.probabilities


def test_a_threshold_keeps_the_risk_among_the_answers_it_was_chosen_by() -> None:
    known, asked = answers(3, 400), Inner(abstain_at_risk=0.1)
    decision = decide(0, known, asked)
    decided = apply(decision, known, asked)
    given = [p.predicted != p.label for p, each in zip(known, decided, strict=True) if each.answered]
    assert len(given) == decision.inner_answered
    assert sum(given) == decision.inner_wrong
    assert 0 < len(given) < 400
    assert sum(given) <= 0.1 * len(given)


def test_where_no_threshold_keeps_the_risk_every_case_goes_to_a_human() -> None:
    wrong = [Prediction(f"c{n}", "", 0, 1, (0.9, 0.1)) for n in range(9)]
    asked = Inner(abstain_at_risk=0.05)
    decision = decide(0, wrong, asked)
    assert decision.none_answered
    assert [each.answered for each in apply(decision, wrong, asked)] == [False] * 9


def test_sets_hold_the_class_as_often_as_promised_in_the_mean() -> None:
    asked, held = Inner(coverage=0.9), []
    for seed in range(150):
        tested = answers(10_000 + seed, 40)
        decided = apply(decide(0, answers(seed, 39), asked), tested, asked)
        held += [p.label in (each.classes or ()) for p, each in zip(tested, decided, strict=True)]
    assert 0.88 <= np.mean(held) <= 0.92


def test_probabilities_of_zero_are_no_hindrance() -> None:
    sure = [Prediction(f"c{n}", "", 0, n % 2, (1.0, 0.0) if n % 3 else (0.0, 1.0)) for n in range(12)]
    asked = Inner(calibrate=True, abstain_at_risk=0.3, coverage=0.5)
    decision = decide(0, sure, asked)
    assert decision.temperature is not None
    assert np.isfinite(decision.temperature)
    for decided in apply(decision, sure, asked):
        assert sum(decided.probabilities) == pytest.approx(1)


def test_a_decision_survives_its_file() -> None:
    decision = decide(1, answers(5, 50), Inner(calibrate=True, abstain_at_risk=0.2, coverage=0.9))
    assert Decision.model_validate_json(decision.model_dump_json()) == decision


def test_a_temperature_at_the_end_of_its_range_is_told_of() -> None:
    sure = [Prediction(f"c{n}", "", 0, n % 2, (0.9, 0.1) if n % 2 == 0 else (0.1, 0.9)) for n in range(12)]
    assert decide(0, sure, Inner(calibrate=True)).at_limit
    assert not decide(0, answers(0, 400), Inner(calibrate=True)).at_limit


def test_the_rule_for_all_networks_rests_on_all_inner_answers() -> None:
    asked = Inner(calibrate=True, abstain_at_risk=0.1)
    inner, tested = [answers(seed, 90, bold=1.0 + seed) for seed in range(3)], [answers(9, 4)] * 3
    found = put_together(inner, tested, asked)
    everything = decide(0, [answer for part in inner for answer in part], asked)
    assert found.together == Abstention(temperature=everything.temperature, above=everything.above)
    assert [fold.fold for fold in found.folds] == [0, 1, 2]
    assert found.folds[1] == decide(1, inner[1], asked)
    assert len(found.cases) == 12


def test_the_rule_of_one_fold_is_its_own() -> None:
    found = put_together([answers(1, 90), answers(2, 90)], [answers(9, 4)] * 2, Inner(abstain_at_risk=0.2))
    own = found.of(1)
    assert own.folds == [found.folds[1]]
    assert own.cases == []
    assert own.together == Abstention(temperature=1.0, above=found.folds[1].above)


def test_a_rule_says_why_it_gives_no_answer() -> None:
    rule = Abstention(temperature=2.0, above=0.6)
    # Divided by two, the logarithms of (0.64, 0.36) are those of (0.8, 0.6) up to a constant: 0.571.
    assert rule.reasons(np.array([0.64, 0.36])) == ["too unsure to be answered (confidence 0.571, threshold 0.600)"]
    assert rule.reasons(np.array([0.81, 0.19])) == []


def test_where_no_threshold_keeps_the_risk_the_rule_answers_nothing() -> None:
    wrong = [Prediction(f"c{n}", "", 0, 1, (0.9, 0.1)) for n in range(9)]
    rule = put_together([wrong, wrong], [wrong, wrong], Inner(abstain_at_risk=0.05)).together
    assert rule is not None
    assert rule.reasons(np.array([1.0, 0.0]))


def test_without_a_threshold_there_is_no_rule() -> None:
    found = put_together([answers(1, 30)], [answers(9, 4)], Inner(calibrate=True))
    assert found.together is None
    assert found.of(0).together is None
