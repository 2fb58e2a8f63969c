import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from cvs_med.errors import StatisticsError
from cvs_med.statistics.multiplicity import holm


@budget(max_examples=15)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_agrees_with_statsmodels(values: list[float]) -> None:
    assert holm(np.array(values)) == pytest.approx(multipletests(values, method="holm")[1])


def test_holms_procedure_by_hand() -> None:
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_no_comparison_needs_no_correction() -> None:
    assert holm(np.array([])).size == 0
    assert holm(np.array([0.03])) == pytest.approx([0.03])


@pytest.mark.parametrize("values", [[1.2], [-0.1], [np.nan]])
def test_what_is_no_p_value_is_refused(values: list[float]) -> None:
    with pytest.raises(StatisticsError, match=r"expected .* found 1"):
        holm(np.array(values))
