"""YAML as data: the same as PyYAML's safe loader gives, and no field twice."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cvs_med import strict_yaml

DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(DATA)
def test_data_come_back(data: object) -> None:
    assert strict_yaml.parse(yaml.safe_dump(data)) == data


@pytest.mark.parametrize("text", ["a: 1\na: 2\n", "a: {b: 1, b: 2}\n", "- {1: x, 1: y}\n", "'a': 1\na: 2\n"])
def test_a_doubled_field_is_refused(text: str) -> None:
    with pytest.raises(yaml.YAMLError, match="twice"):
        strict_yaml.parse(text)


@pytest.mark.parametrize("text", ["!!python/object/apply:os.system [ls]", "!!python/name:os.system"])
def test_code_is_refused(text: str) -> None:
    with pytest.raises(yaml.YAMLError, match="could not determine a constructor"):
        strict_yaml.parse(text)
