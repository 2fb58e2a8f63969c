"""Settings counted by class, with the counts of HRF's JPEG tables."""

import numpy as np
import pytest

from cvs_med.audit.sample import Measures
from cvs_med.audit.settings import uneven

NAMES = ("healthy", "diabetic retinopathy", "glaucoma")
LABELS = np.repeat(np.arange(3), 15)


def tables(*fine: int) -> list[Measures]:
    return [{"brightness": 5.2 if place < count else 6.6} for count in fine for place in range(15)]


def test_the_tables_of_hrf_are_uneven() -> None:
    said = uneven(tables(5, 12, 8), LABELS, NAMES)
    assert said
    assert "5 of 15 healthy, 12 of 15 diabetic retinopathy, 8 of 15 glaucoma" in said
    assert "0.036" in said


@pytest.mark.parametrize("fine", [(8, 8, 8), (7, 9, 8), (15, 15, 15)])
def test_an_even_spread_or_a_single_setting_is_not(fine: tuple[int, ...]) -> None:
    assert uneven(tables(*fine), LABELS, NAMES) is None


def test_numbers_that_all_differ_are_no_settings() -> None:
    assert uneven([{"size": float(number)} for number in range(45)], LABELS, NAMES) is None
