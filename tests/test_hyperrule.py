"""BiT's HyperRule, against the table of its paper and the steps of its published code."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvs_med.hyperrule import factor, resolved, rule
from cvs_med.protocol import Protocol


def a_protocol(**training: object) -> Protocol:
    return Protocol.model_validate(
        {
            "dataset": "hrf",
            "method": "classification",
            "network": {"backbone": "bit50x1", "weights": "none", "trainable": "all"},
            "training": {"schedule": "hyperrule", "learning_rate": 0.003, **training},
        }
    )


@pytest.mark.parametrize(
    ("cases", "steps", "mixup"),
    [
        (2, 500, 0), (45, 500, 0), (19_999, 500, 0), (20_000, 10_000, 0.1), (499_999, 10_000, 0.1),
        (500_000, 20_000, 0.1), (10**8, 20_000, 0.1),
    ],
)  # fmt: skip
def test_length_and_mixup_are_those_of_the_paper_s_sizes(cases: int, steps: int, mixup: float) -> None:
    protocol = resolved(a_protocol(), cases)
    assert (protocol.training.steps, protocol.augmentation.mixup) == (steps, mixup)


# Steps at which the published code changes the rate, and the rate there as a multiple of the base rate.
@pytest.mark.parametrize(
    ("cases", "steps"),
    [
        (36, {0: 0, 50: 0.5, 100: 1, 200: 1, 201: 0.1, 300: 0.1, 301: 0.01, 400: 0.01, 401: 0.001, 499: 0.001}),
        (50_000, {0: 0, 250: 0.5, 500: 1, 3000: 1, 3001: 0.1, 6000: 0.1, 6001: 0.01, 9000: 0.01, 9001: 0.001}),
        (10**6, {0: 0, 250: 0.5, 500: 1, 6000: 1, 6001: 0.1, 12_000: 0.1, 12_001: 0.01, 18_001: 0.001}),
    ],
)
def test_the_rate_is_that_of_the_published_code(cases: int, steps: dict[int, float]) -> None:
    total = rule(cases).steps
    found = {step: factor(step / total, cases) for step in steps}
    assert found == pytest.approx(steps)


@given(st.integers(2, 10**6), st.floats(0, 1, exclude_max=True))
def test_the_rate_is_never_above_the_base_rate(cases: int, done: float) -> None:
    assert 0 <= factor(done, cases) <= 1


def test_a_shorter_training_is_kept_and_goes_through_the_whole_schedule() -> None:
    protocol = resolved(a_protocol(steps=50), 36)
    assert protocol.training.steps == 50
    assert [factor(step / 50, 36) for step in (0, 5, 10, 20, 21, 31, 41)] == pytest.approx(
        [0, 0.5, 1, 1, 0.1, 0.01, 0.001]
    )


@pytest.mark.parametrize("schedule", ["constant", "one_cycle"])
def test_other_schedules_stay_as_they_are(schedule: str) -> None:
    protocol = a_protocol(schedule=schedule)
    assert resolved(protocol, 10**6) is protocol


def test_nothing_else_of_a_protocol_changes() -> None:
    protocol = a_protocol()
    changed = resolved(protocol, 30_000)
    assert changed.training.model_copy(update={"steps": None}) == protocol.training
    assert changed.augmentation.model_copy(update={"mixup": 0}) == protocol.augmentation
    parts = {"training": protocol.training, "augmentation": protocol.augmentation}
    assert changed.model_copy(update=parts) == protocol
