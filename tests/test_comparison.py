"""Finished runs against each other: who is paired with whom, and what the tests are given."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from cvs_med.comparison import compare
from cvs_med.errors import RunError
from cvs_med.report.pairs import sentence

NAMES = ("healthy", "ill")
CASES = 12


def write_run(
    folder: Path, method: str, seed: int, wrong: set[int], *, kind: str = "random", cuts: tuple[int, int] = (4, 8)
) -> Path:
    """Write what a comparison reads of a finished run of twelve cases in three folds; pairs of cases are groups."""
    folder.mkdir(parents=True)
    order = np.random.default_rng(seed).permutation(CASES)
    folds = [[f"{case:02d}" for case in part] for part in np.split(order, cuts)]
    rows = ["case_id,group,fold,label,predicted,p_healthy,p_ill"]
    for number, fold in enumerate(folds):
        for case in map(int, fold):
            said = case % 2 if case not in wrong else 1 - case % 2
            rows.append(f"{case:02d},s{case // 2},{number},{NAMES[case % 2]},{NAMES[said]},{1.0 - said},{float(said)}")
    (folder / "predictions.csv").write_text("\n".join(rows) + "\n")
    (folder / "folds.json").write_text(json.dumps({"kind": kind, "seed": seed, "folds": folds}))
    (folder / "protocol.yaml").write_text(f"dataset: made\nmethod: {method}\nsplits:\n  kind: {kind}\n  seed: {seed}\n")
    facts = {"name": "made", "title": "Made", "class_names": NAMES, "class_codes": ["h", "i"], "foreground": "spots"}
    facts |= {"licence": "none", "citation": "none", "notes": [], "cases": CASES}
    (folder / "dataset.json").write_text(json.dumps(facts))
    return folder


def runs(root: Path, method: str, wrong: list[set[int]]) -> list[Path]:
    return [write_run(root / f"{method}-{seed}", method, seed, cases) for seed, cases in enumerate(wrong)]


def test_runs_are_paired_by_their_folds_and_tested_over_folds_and_cases(tmp_path: Path) -> None:
    first = runs(tmp_path, "cvs", [{0}, {1}, {2, 3}])
    second = runs(tmp_path, "probe", [{0, 4, 6}, {1, 5}, {2, 8}])
    (pair,) = compare([*second[::-1], *first])
    assert (pair.first, pair.second, pair.repeats, pair.cases) == ("probe", "cvs", 3, CASES)
    assert sorted(pair.right) == [(9, 11), (10, 10), (10, 11)]
    assert pair.difference == pytest.approx(-1)
    assert pair.over_folds is not None
    assert pair.over_folds.mean * CASES == pytest.approx(-1)
    assert pair.over_folds.degrees == 8
    assert 0 < pair.over_cases.p <= 1


def test_folds_of_several_sizes_give_an_interval_around_the_difference_of_all_cases(tmp_path: Path) -> None:
    # The first has the large fold right and the small ones wrong: means of folds would favour the second.
    large = [{int(case) for case in np.random.default_rng(seed).permutation(CASES)[:8]} for seed in range(3)]
    small = [set(range(CASES)) - cases for cases in large]
    first = [write_run(tmp_path / f"a{n}", "cvs", n, wrong, cuts=(8, 10)) for n, wrong in enumerate(small)]
    second = [write_run(tmp_path / f"b{n}", "probe", n, wrong, cuts=(8, 10)) for n, wrong in enumerate(large)]
    (pair,) = compare([*first, *second])
    assert pair.difference == pytest.approx(4)
    assert pair.over_folds is not None
    assert pair.over_folds.interval is not None
    assert pair.over_folds.mean * CASES == pytest.approx(pair.difference)
    assert pair.over_folds.interval.low * CASES < 4 < pair.over_folds.interval.high * CASES


def test_the_test_over_cases_is_scipy_s_permutation_of_signs_of_whole_groups(tmp_path: Path) -> None:
    (pair,) = compare([*runs(tmp_path, "cvs", [{0}]), *runs(tmp_path, "probe", [{2, 3, 4, 6, 8}])])
    # One group speaks for the probe, four for CvS: two cases of the second, one of each other.
    sums = np.array([-1, 2, 1, 1, 1])
    expected = stats.permutation_test((sums,), np.sum, permutation_type="samples", n_resamples=np.inf)
    assert pair.over_cases.p == pytest.approx(expected.pvalue)
    assert pair.over_folds is None
    assert "repeat with other seeds" in sentence(pair)


def test_what_was_not_shown_is_not_claimed(tmp_path: Path) -> None:
    (pair,) = compare([*runs(tmp_path, "cvs", [{0}, {1}]), *runs(tmp_path, "probe", [{2}, {3, 4}])])
    assert "these runs do not show a difference, nor that there is none" in sentence(pair)
    assert "11 against 11, 11 against 10" in sentence(pair)


def test_a_clear_difference_is_named_with_the_better_one(tmp_path: Path) -> None:
    everything = [set(range(CASES))] * 4
    (pair,) = compare([*runs(tmp_path, "probe", everything), *runs(tmp_path, "cvs", [set(), {0}, set(), {1}])])
    assert pair.p_corrected < 0.05
    assert "CvS (class from the map) is right more often than chance explains" in sentence(pair)


def test_two_protocols_of_one_method_are_two_contenders(tmp_path: Path) -> None:
    first, second = runs(tmp_path / "a", "cvs", [{0}]), runs(tmp_path / "b", "cvs", [{1}])
    (second[0] / "protocol.yaml").write_text("dataset: made\nmethod: cvs\nq: foreground\nsplits:\n  seed: 0\n")
    (pair,) = compare([*first, *second])
    assert (pair.first, pair.second) == ("cvs (a/cvs-0)", "cvs (b/cvs-0)")


def test_a_protocol_is_the_same_however_its_file_is_written(tmp_path: Path) -> None:
    first, second = runs(tmp_path, "cvs", [{0}, {1}])
    (second / "protocol.yaml").write_text("splits: {seed: 1, kind: random}\nmethod: cvs\ndataset: made  # seed: any\n")
    (pair,) = compare([first, second, *runs(tmp_path, "probe", [{2}, {3}])])
    assert (pair.first, pair.repeats) == ("cvs", 2)


def test_a_comparison_writes_nothing_into_the_runs(tmp_path: Path) -> None:
    found = [*runs(tmp_path, "cvs", [{0}]), *runs(tmp_path, "probe", [{1}])]
    before = sorted(tmp_path.rglob("*"))
    compare(found)
    assert sorted(tmp_path.rglob("*")) == before


def test_cases_of_one_name_with_two_labels_are_not_compared(tmp_path: Path) -> None:
    first, second = *runs(tmp_path, "cvs", [{0}]), *runs(tmp_path, "probe", [{1}])
    table = (second / "predictions.csv").read_text()
    (second / "predictions.csv").write_text(table.replace(",healthy,", ",ill,", 1))
    with pytest.raises(RunError, match="two labels"):
        compare([first, second])


def test_three_methods_make_three_pairs_corrected_by_holm(tmp_path: Path) -> None:
    wrong = {"cvs": set[int](), "probe": {0, 2, 4, 6, 8, 10}, "classification": {0}}
    pairs = compare([run for method, cases in wrong.items() for run in runs(tmp_path, method, [cases])])
    assert len(pairs) == 3
    assert all(pair.p_corrected >= pair.over_cases.p for pair in pairs)
    assert min(pair.p_corrected for pair in pairs) == pytest.approx(3 * min(pair.over_cases.p for pair in pairs))


@pytest.mark.parametrize(
    ("methods", "seeds", "message"),
    [
        (("cvs", "cvs"), (0, 1), "Expected runs of two methods or more, found cvs alone"),
        (("cvs", "cvs"), (0, 0), "found these a second time"),
        (("cvs", "probe"), (0, 1), "on the same folds, found none"),
    ],
)
def test_runs_that_cannot_be_compared(
    tmp_path: Path, methods: tuple[str, ...], seeds: tuple[int, ...], message: str
) -> None:
    made = [write_run(tmp_path / str(n), m, s, {0}) for n, (m, s) in enumerate(zip(methods, seeds, strict=True))]
    with pytest.raises(RunError, match=message):
        compare(made)


def test_protocols_of_one_method_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    given = []
    for name in ("a", "b"):
        given.append(write_run(tmp_path / name / "seed-0", "cvs", 0, {0}))
        file = given[-1] / "protocol.yaml"
        file.write_text(file.read_text() + f"q: {'mean' if name == 'a' else 'foreground'}\n")
    (pair,) = compare(given)
    assert (pair.first, pair.second) == ("cvs (a/seed-0)", "cvs (b/seed-0)")
    pairs = compare([*given, *runs(tmp_path / "c", "probe", [{1}])])
    names = {name for pair in pairs for name in (pair.first, pair.second)}
    assert names == {"cvs (a/seed-0)", "cvs (b/seed-0)", "probe"}
