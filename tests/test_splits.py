"""Who is tested when: every case once, always the same, groups together."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import KFold, StratifiedGroupKFold, StratifiedKFold

from cvs_med.errors import DataError
from cvs_med.protocol_sections import Splits
from cvs_med.splits import k_folds, samples_per_class, spread_over_groups
from cvs_med.types import Case

NAMES = ("zero", "one", "two")
KINDS = ("random", "stratified", "grouped")
every_kind = pytest.mark.parametrize("kind", KINDS)


def some_cases(labels: list[int], groups: list[str | None] | None = None) -> list[Case]:
    chosen = groups or [None] * len(labels)
    return [
        Case(f"{number:02d}", Path(f"{number}.jpg"), label, group=group)
        for number, (label, group) in enumerate(zip(labels, chosen, strict=True))
    ]


@st.composite
def data_sets(draw: st.DrawFn) -> tuple[list[Case], int]:
    """Cases of three classes, as many of each as there are folds at least, some in groups; and the folds."""
    folds = draw(st.integers(2, 5))
    labels = [0, 1, 2] * folds + draw(st.lists(st.integers(0, 2), max_size=20))
    groups = draw(
        st.lists(st.sampled_from([None, *"abcdefghijkl"]), min_size=len(labels), max_size=len(labels)).filter(
            lambda names: len(set(filter(None, names))) + names.count(None) >= folds
        )
    )
    return some_cases(labels, groups), folds


@every_kind
@given(drawn=data_sets(), seed=st.integers(0, 2**32 - 1))
def test_every_case_is_tested_exactly_once(kind: str, drawn: tuple[list[Case], int], seed: int) -> None:
    cases, folds = drawn
    parts = k_folds(cases, Splits(kind=kind, folds=folds, seed=seed))  # type: ignore[arg-type]  # one of KINDS
    assert len(parts) == folds
    assert all(parts), "a fold without a case"
    assert Counter(name for part in parts for name in part) == Counter(case.id for case in cases)
    assert all(part == sorted(part) for part in parts)


@every_kind
@given(drawn=data_sets(), seed=st.integers(0, 2**32 - 1))
def test_the_same_seed_deals_the_same_folds(kind: str, drawn: tuple[list[Case], int], seed: int) -> None:
    cases, folds = drawn
    settings = Splits(kind=kind, folds=folds, seed=seed)  # type: ignore[arg-type]  # one of KINDS
    np.random.seed(seed % 7)  # The global state must not matter.
    first = k_folds(cases, settings)
    np.random.seed(1 + seed % 7)
    assert k_folds(cases, settings) == first


@every_kind
def test_another_seed_deals_other_folds(kind: str) -> None:
    cases = some_cases([0, 1, 2] * 15)
    dealt = [k_folds(cases, Splits(kind=kind, seed=seed)) for seed in range(3)]  # type: ignore[arg-type]
    assert len({str(parts) for parts in dealt}) == 3


@given(data_sets())
def test_a_group_stays_in_one_fold(drawn: tuple[list[Case], int]) -> None:
    cases, folds = drawn
    fold_of = {
        name: number
        for number, part in enumerate(k_folds(cases, Splits(kind="grouped", folds=folds)))
        for name in part
    }
    for group in {case.group for case in cases if case.group}:
        assert len({fold_of[case.id] for case in cases if case.group == group}) == 1


@given(data_sets())
def test_stratified_folds_have_their_share_of_each_class(drawn: tuple[list[Case], int]) -> None:
    cases, folds = drawn
    label = {case.id: case.label for case in cases}
    for part in k_folds(cases, Splits(kind="stratified", folds=folds)):
        for number, count in Counter(label.values()).items():
            assert abs(sum(label[name] == number for name in part) - count / folds) < 1


@pytest.mark.parametrize(
    ("kind", "reference"),
    [("random", KFold), ("stratified", StratifiedKFold), ("grouped", StratifiedGroupKFold)],
)
def test_folds_are_scikit_learn_s(kind: str, reference: type) -> None:
    labels, groups = [0, 1, 2] * 10, [f"group {number // 2}" for number in range(30)]
    cases = some_cases(labels, groups)  # type: ignore[arg-type]
    options = {"groups": groups} if kind == "grouped" else {}
    expected = reference(5, shuffle=True, random_state=3).split(labels, labels, **options)
    found = k_folds(cases, Splits(kind=kind, seed=3))  # type: ignore[arg-type]
    assert found == [[cases[i].id for i in test] for _, test in expected]


@every_kind
def test_the_paper_s_folds_are_nine_of_forty_five(kind: str) -> None:
    parts = k_folds(some_cases([0] * 15 + [1] * 15 + [2] * 15), Splits(kind=kind))  # type: ignore[arg-type]
    assert [len(part) for part in parts] == [9] * 5


@pytest.mark.parametrize("kind", ["random", "stratified"])
def test_fewer_cases_than_folds_are_refused(kind: str) -> None:
    with pytest.raises(DataError, match=r"at least 5 cases for 5 folds, found 3\. Ask for fewer folds"):
        k_folds(some_cases([0, 1, 2]), Splits(kind=kind))  # type: ignore[arg-type]


def test_fewer_groups_than_folds_are_refused() -> None:
    cases = some_cases([0, 1, 2] * 10, [f"{number % 4}" for number in range(30)])
    with pytest.raises(DataError, match="at least 5 groups for 5 folds, found 4"):
        k_folds(cases, Splits(kind="grouped"))


def test_a_case_without_a_group_is_a_group_of_its_own() -> None:
    cases = some_cases([0, 1] * 5, ["a", *[None] * 9])
    assert [len(part) for part in k_folds(cases, Splits(kind="grouped"))] == [2] * 5


def test_draws_of_one_seed_are_nested_and_even() -> None:
    cases = some_cases([0, 1, 2, 1] * 15)
    label = {case.id: case.label for case in cases}
    drawn = [samples_per_class(cases, count, NAMES, seed=7) for count in (1, 2, 5, 15)]
    for count, names in zip((1, 2, 5, 15), drawn, strict=True):
        assert Counter(label[name] for name in names) == {0: count, 1: count, 2: count}
        assert names == sorted(names)
    assert all(set(few) < set(more) for few, more in pairwise(drawn))


@given(st.permutations(range(24)), st.integers(0, 2**32 - 1))
def test_a_draw_depends_on_neither_the_order_nor_other_classes(order: list[int], seed: int) -> None:
    cases = some_cases([0, 1, 2] * 8)
    expected = samples_per_class(cases, 3, NAMES, seed)
    assert sorted(samples_per_class([cases[place] for place in order], 3, NAMES, seed)) == expected
    alone = samples_per_class([case for case in cases if case.label == 0], 3, NAMES[:1], seed)
    assert alone == [name for name in expected if int(name) % 3 == 0]


def test_draws_differ_by_seed_and_between_classes() -> None:
    cases = some_cases([0] * 50 + [1] * 50)
    draws = [samples_per_class(cases, 5, NAMES[:2], seed) for seed in range(4)]
    assert len({str(names) for names in draws}) == 4
    places = [[int(name) % 50 for name in names] for names in draws]
    assert all(found[:5] != found[5:] for found in places)


def test_every_case_is_drawn_about_as_often() -> None:
    cases = some_cases([0] * 10)
    counts = Counter(name for seed in range(2000) for name in samples_per_class(cases, 3, NAMES[:1], seed))
    # 600 expected of each, standard deviation 20.5: five of them.
    assert all(abs(counts[case.id] - 600) < 103 for case in cases)


def test_more_than_a_class_has_is_refused_in_numbers_for_every_class() -> None:
    with pytest.raises(DataError) as caught:
        samples_per_class(some_cases([0] * 5 + [1] * 3), 4, NAMES, seed=0)
    assert [str(problem) for problem in caught.value.problems] == [
        "class 'one': expected at least 4 cases to draw 4 from, found 3. "
        "Ask for fewer per class, or add cases of this class.",
        "class 'two': expected at least 4 cases to draw 4 from, found 0. "
        "Ask for fewer per class, or add cases of this class.",
    ]


@given(drawn=data_sets(), seed=st.integers(0, 2**32 - 1), count=st.integers(1, 6))
def test_a_group_gives_a_second_case_of_a_class_only_after_all_gave_one(
    drawn: tuple[list[Case], int], seed: int, count: int
) -> None:
    cases, _ = drawn
    chosen = spread_over_groups(cases, count, (seed, 1))
    assert chosen == [case.id for case in cases if case.id in chosen]
    for label in {case.label for case in cases}:
        of_class = [case for case in cases if case.label == label]
        known = Counter(case.unit for case in of_class)
        taken = Counter(case.unit for case in of_class if case.id in chosen)
        assert taken.total() == min(count, len(of_class))
        for unit, number in taken.items():
            assert all(taken[other] >= min(number - 1, known[other]) for other in known), (unit, taken)


@given(drawn=data_sets(), seed=st.integers(0, 2**32 - 1))
def test_draws_over_groups_are_nested_and_know_no_order(drawn: tuple[list[Case], int], seed: int) -> None:
    cases, _ = drawn
    draws = [set(spread_over_groups(cases, count, (seed, 0))) for count in range(1, 5)]
    assert all(small <= large for small, large in pairwise(draws))
    assert draws[1] == set(spread_over_groups(cases[::-1], 2, (seed, 0)))
