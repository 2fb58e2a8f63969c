import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st
from scipy import stats

from cvs_med.errors import StatisticsError
from cvs_med.statistics.bootstrap import Bootstrap, Method, OfCases, cluster_bootstrap, of_cases
from cvs_med.statistics.roc import auroc


def drawn(metric: OfCases, groups: np.ndarray, **options: object) -> Bootstrap:
    """Draw groups again for a function of a list of cases."""
    return cluster_bootstrap(of_cases(metric), groups, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(("method", "name"), [("bca", "BCa"), ("percentile", "percentile")])
@pytest.mark.parametrize("statistic", [np.mean, np.std, stats.skew])
def test_cases_of_their_own_agree_with_scipy(method: Method, name: str, statistic: type) -> None:
    sample = np.random.default_rng(1).gamma(2.0, size=30)
    reference = stats.bootstrap(
        (sample,), statistic, vectorized=False, method=name, n_resamples=500, rng=np.random.default_rng(7)
    )
    found = drawn(
        lambda cases: float(statistic(sample[cases])), np.arange(30), method=method, resamples=500, seed=7
    )
    assert found.interval == pytest.approx(tuple(reference.confidence_interval), rel=1e-12)
    assert (found.groups, found.resamples, found.dropped, found.reason) == (30, 500, 0, None)


def test_equal_groups_agree_with_scipy_on_their_means() -> None:
    sample = np.random.default_rng(2).normal(size=(12, 4))
    reference = stats.bootstrap((sample.mean(axis=1),), np.mean, n_resamples=500, rng=np.random.default_rng(0))
    found = drawn(lambda cases: sample.ravel()[cases].mean(), np.repeat(np.arange(12), 4), resamples=500)
    assert found.interval == pytest.approx(tuple(reference.confidence_interval), rel=1e-9)


@budget(max_examples=20)
@given(st.integers(0, 10_000))
def test_groups_are_drawn_whole_and_their_names_and_places_do_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = rng.permutation(np.repeat(["a", "b", "c", "d"], [1, 2, 3, 4]))
    draws = []

    def watch(cases: np.ndarray) -> float:
        draws.append(cases)
        return float(cases.mean())

    drawn(watch, groups, resamples=50, method="percentile", seed=seed)
    sizes = dict(zip(*np.unique(groups, return_counts=True), strict=True))
    for cases in draws:
        names, counts = np.unique(groups[cases], return_counts=True)
        for name, count in zip(names, counts, strict=True):
            times, rest = divmod(int(count), int(sizes[name]))
            assert rest == 0
            assert np.all(np.unique(cases[groups[cases] == name], return_counts=True)[1] == times)


def test_the_seed_decides() -> None:
    sample = np.random.default_rng(3).normal(size=20)
    first, again, other = (
        drawn(lambda cases: sample[cases].mean(), np.arange(20), resamples=200, seed=seed)
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first.interval != other.interval


def test_draws_without_a_class_are_dropped_and_counted() -> None:
    positive, scores = np.arange(10) < 2, np.random.default_rng(4).random(10)
    found = drawn(
        lambda cases: auroc(positive[cases], scores[cases]), np.arange(10), method="percentile", resamples=4000
    )
    assert found.interval is not None
    # None of ten draws is one of the two positive cases.
    assert found.dropped / 4000 == pytest.approx(0.8**10, abs=0.02)


def test_there_is_no_interval_where_most_draws_are_undefined() -> None:
    found = drawn(lambda cases: 1.0 if np.unique(cases).size == 5 else None, np.arange(5))
    assert found.interval is None
    assert found.reason == f"the metric is undefined on {found.dropped} of 2000 resamples"
    assert found.dropped > 1000


def test_all_right_is_not_certainty() -> None:
    found = drawn(lambda cases: 1.0, np.arange(45), resamples=100)
    assert (found.estimate, found.interval, found.reason) == (1, None, "all resamples give the same value")


def test_the_accelerated_interval_says_when_its_corrections_do_not_exist() -> None:
    lonely = np.arange(30) == 0
    needs_one = drawn(lambda cases: cases.mean() if lonely[cases].any() else None, np.arange(30))
    assert needs_one.reason == "the metric is undefined without one of the groups"
    one_sided = drawn(lambda cases: np.unique(cases).size, np.arange(30))
    assert one_sided.reason == "all resamples lie on one side of the estimate"
    assert one_sided.interval is None


@pytest.mark.parametrize(
    ("groups", "options", "found"),
    [
        (np.zeros(5), {}, "1"),
        (np.arange(5), {"level": 1.0}, "1.0"),
        (np.arange(5), {"resamples": 20}, "20"),
        (np.array(["a", "b", ""]), {}, "1 empty"),
    ],
)
def test_what_cannot_be_drawn_from_is_refused(groups: np.ndarray, options: dict[str, float], found: str) -> None:
    with pytest.raises(StatisticsError, match=f"expected .*found {found}"):
        drawn(lambda cases: cases.mean(), groups, **options)


def test_a_metric_that_is_undefined_on_the_cases_is_refused() -> None:
    with pytest.raises(StatisticsError, match="found nan"):
        drawn(lambda cases: None, np.arange(5))
