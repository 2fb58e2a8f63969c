import numpy as np
import pytest

from cvs_med.errors import CvsMedError, StatisticsError
from cvs_med.statistics.checks import group_numbers, require


def test_the_error_is_one_of_the_package_and_a_value_error() -> None:
    assert issubclass(StatisticsError, CvsMedError)
    assert issubclass(StatisticsError, ValueError)
    with pytest.raises(StatisticsError, match="expected bread, found stones"):
        require(False, "bread", "stones")


@pytest.mark.parametrize("names", [["b", "a", "b"], [7, 3, 7], np.array(["b", "a", "b"], dtype=object)])
def test_groups_are_numbered_whatever_their_names(names: list[object]) -> None:
    assert group_numbers(np.asarray(names)).tolist() == [1, 0, 1]


def test_a_case_without_a_group_is_no_member_of_a_group_without_a_name() -> None:
    with pytest.raises(StatisticsError, match=r"a group for every case \(of a case without one, its id\), found 2"):
        group_numbers(np.array(["a", "", "", "b"]))
