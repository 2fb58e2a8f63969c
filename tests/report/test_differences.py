"""The method against its baselines, case by case."""

from dataclasses import replace

from cvs_med.report.differences import against_baselines
from cvs_med.types import Prediction

RIGHT = [Prediction(f"c{n}", f"g{n // 2}", n % 3, n % 2, (1.0 - n % 2, float(n % 2))) for n in range(24)]
WRONG = [replace(row, probabilities=row.probabilities[::-1]) for row in RIGHT]


def test_counts_and_exact_p_are_those_of_flipping_whole_groups() -> None:
    (found,) = against_baselines(RIGHT, {"wrong": WRONG[::-1]})
    assert (found.more, found.only_method, found.only_baseline) == (24, 24, 0)
    # Twelve groups, all with one sign: two of 2^12 ways of flipping are as far from 0.
    assert found.p == 2 / 2**12
    assert found.shown


def test_the_same_answers_differ_by_nothing() -> None:
    (found,) = against_baselines(RIGHT, {"same": RIGHT})
    assert (found.more, found.p, found.shown) == (0, 1.0, False)


def test_several_baselines_are_corrected() -> None:
    first, second = against_baselines(RIGHT, {"wrong": WRONG, "same": RIGHT})
    assert first.p_corrected == 2 * first.p
    assert second.p_corrected == 1.0
    assert against_baselines(RIGHT, {}) == []
