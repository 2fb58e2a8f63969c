import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, roc_auc_score

from cvs_med.errors import RunError
from cvs_med.evaluation import evaluate, evaluate_run
from cvs_med.evaluation.measures import balance
from cvs_med.tables import Segmentation, write_predictions, write_segmentation
from cvs_med.types import Prediction

NAMES = ["healthy", "diseased"]


def _predict(case: str, fold: int, label: int, share: float, group: str = "") -> Prediction:
    return Prediction(case, group, fold, label, (1 - share, share))


EIGHT = [
    _predict("a", 0, 0, 0.1),
    _predict("b", 0, 1, 0.4),
    _predict("c", 0, 1, 0.9),
    _predict("d", 0, 0, 0.6),
    _predict("e", 1, 0, 0.01),
    _predict("f", 1, 0, 0.02),
    _predict("g", 2, 1, 0.03),
    _predict("h", 2, 0, 0.04),
]


def _ids(predictions: Sequence[Prediction]) -> list[str]:
    return [p.case_id for p in predictions]


def test_missing_doubled_and_unknown_cases_are_all_listed() -> None:
    predictions = [EIGHT[0], EIGHT[0], EIGHT[2], _predict("x", 0, 0, 0.1)]
    with pytest.raises(RunError) as caught:
        evaluate(predictions, ["a", "b", "c", "d"], NAMES)
    assert "missing: b, d; doubled: a; unknown: x" in str(caught.value)


def test_a_run_without_cases_is_refused() -> None:
    with pytest.raises(RunError, match="no case"):
        evaluate([], [], NAMES)


def test_segmentation_must_be_complete_too() -> None:
    with pytest.raises(RunError, match=r"segmentation .* missing: b"):
        evaluate(EIGHT[:2], ["a", "b"], NAMES, [Segmentation("a", 0, 0.5, None, None, None)])


def test_counts_and_matrix() -> None:
    metrics = evaluate(EIGHT, _ids(EIGHT), NAMES)
    assert metrics.confusion == ((4, 1), (2, 1))
    assert (metrics.accuracy.successes, metrics.accuracy.n) == (5, 8)
    assert metrics.classes[1].sensitivity.successes == 1
    assert metrics.classes[1].specificity.successes == 4


def test_auroc_is_per_fold_and_its_mean_leaves_out_folds_where_it_is_not_defined() -> None:
    metrics = evaluate(EIGHT, _ids(EIGHT), NAMES)
    assert [fold.macro_auroc for fold in metrics.folds] == [0.75, None, 0.0]
    assert metrics.folds[1].absent == ("diseased",)
    assert metrics.mean_auroc == pytest.approx(0.375)
    assert [fold.aurocs for fold in metrics.folds] == [(0.75, 0.75), (None, None), (0.0, 0.0)]
    assert [(each.auroc, each.auroc_folds) for each in metrics.classes] == [(0.375, 2), (0.375, 2)]
    pooled = roc_auc_score([p.label for p in EIGHT], [p.probabilities[1] for p in EIGHT])
    assert metrics.mean_auroc != pytest.approx(pooled)


def test_dice_is_averaged_over_the_cases_where_it_is_known() -> None:
    rows = [Segmentation("a", 0, 0.5, None, 0.1, 0.1), Segmentation("b", 0, 0.7, None, 0.1, None)]
    metrics = evaluate(EIGHT[:2], ["a", "b"], NAMES, rows)
    assert metrics.dice_working is not None
    assert (metrics.dice_working.mean, metrics.dice_working.low, metrics.dice_working.high) == pytest.approx(
        (0.6, 0.5, 0.7)
    )
    assert metrics.dice_native is None


def test_predictive_values_stand_beside_the_prevalence() -> None:
    diseased = evaluate(EIGHT, _ids(EIGHT), NAMES).classes[1]
    positive, negative = diseased.positive_predictive_value, diseased.negative_predictive_value
    assert (positive.value.successes, positive.value.n, positive.prevalence) == (1, 2, 0.375)
    assert (negative.value.successes, negative.value.n, negative.prevalence) == (4, 6, 0.375)


def test_the_brier_score_is_scikit_learn_s() -> None:
    expected = 2 * brier_score_loss([p.label for p in EIGHT], [p.probabilities[1] for p in EIGHT])
    assert evaluate(EIGHT, _ids(EIGHT), NAMES).brier == pytest.approx(expected)


def test_groups_that_are_alike_widen_the_interval() -> None:
    paired = [
        _predict(f"{group}{side}", group % 3, group % 2, float(group % 2 != (group == 4)), f"s{group}")
        for group in range(9)
        for side in "lr"
    ]
    alone = [_predict(p.case_id, p.fold, p.label, p.probabilities[1]) for p in paired]
    grouped, plain = (evaluate(rows, _ids(rows), NAMES) for rows in (paired, alone))
    assert plain.by_group is None
    assert grouped.by_group is not None
    assert grouped.by_group.groups == 9
    assert grouped.by_group.interval.low < grouped.accuracy.low
    assert grouped.by_group.interval.high > grouped.accuracy.high


def test_balance_names_the_fold_and_the_class_that_are_furthest_from_even() -> None:
    found = balance(EIGHT, NAMES)
    assert found.cases == ((2, 2), (2, 0), (1, 1))
    # Fold 1 has two of the eight cases, and so 0.75 of the three diseased ones.
    assert (found.largest_deviation, found.fold) == (0.75, 1)


def test_siblings_are_cases_whose_group_was_also_trained_on() -> None:
    predictions = [
        _predict("a", 0, 0, 0.1, "s1"),
        _predict("b", 1, 0, 0.9, "s1"),
        _predict("c", 0, 1, 0.9, "s2"),
        _predict("d", 0, 1, 0.9, "s2"),
        _predict("e", 1, 1, 0.2),
        _predict("f", 0, 1, 0.9),
    ]
    siblings = evaluate(predictions, "abcdef", NAMES).siblings
    assert siblings is not None
    assert (siblings.with_sibling.successes, siblings.with_sibling.n) == (1, 2)
    assert (siblings.without_sibling.successes, siblings.without_sibling.n) == (3, 4)
    assert evaluate(EIGHT, _ids(EIGHT), NAMES).siblings is None


@pytest.fixture
def run(tmp_path: Path) -> Path:
    dataset = {"name": "x", "title": "X", "class_names": NAMES, "class_codes": ["h", "d"], "foreground": "vessels"}
    rest = {"licence": "CC0", "citation": "none", "notes": [], "cases": 8}
    (tmp_path / "dataset.json").write_text(json.dumps(dataset | rest))
    folds = [["a", "b", "c", "d"], ["f", "e"], ["g", "h"]]
    (tmp_path / "folds.json").write_text(json.dumps({"kind": "random", "seed": 0, "folds": folds}))
    (tmp_path / "protocol.yaml").write_text("method: cvs\n")
    (tmp_path / "baselines").mkdir()
    write_predictions(tmp_path / "predictions.csv", EIGHT, NAMES)
    flat = [_predict(p.case_id, p.fold, p.label, 0.0) for p in EIGHT]
    write_predictions(tmp_path / "baselines" / "majority.csv", flat, NAMES)
    write_segmentation(
        tmp_path / "segmentation.csv", [Segmentation(p.case_id, p.fold, 0.5, None, 0.1, 0.1) for p in EIGHT]
    )
    return tmp_path


def test_a_run_is_evaluated_with_its_baselines_and_kept_as_json(run: Path) -> None:
    metrics = evaluate_run(run)
    assert [name for name, _ in metrics.compared] == ["cvs", "majority"]
    assert metrics.baselines["majority"].accuracy.successes == 5
    kept = json.loads((run / "metrics.json").read_text())
    assert kept["result"]["accuracy"] == {
        "successes": 5,
        "n": 8,
        "low": metrics.result.accuracy.low,
        "high": metrics.result.accuracy.high,
    }
    assert kept["result"]["folds"][1]["macro_auroc"] is None
    assert "independent" in kept["interval_caveat"]
    first = (run / "metrics.json").read_bytes()
    evaluate_run(run)
    assert (run / "metrics.json").read_bytes() == first


def test_predictions_of_other_folds_are_refused(run: Path) -> None:
    moved = [_predict(p.case_id, int(p.case_id in "gh"), p.label, p.probabilities[1]) for p in EIGHT]
    write_predictions(run / "baselines" / "majority.csv", moved, NAMES)
    with pytest.raises(RunError, match=r"majority\.csv: expected the folds of folds\.json"):
        evaluate_run(run)


def test_an_unfinished_run_says_which_table_lacks_which_case(run: Path) -> None:
    write_predictions(run / "predictions.csv", EIGHT[:-1], NAMES)
    with pytest.raises(RunError, match=r"predictions\.csv: .*missing: h"):
        evaluate_run(run)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("dataset.json", "{}"),
        ("folds.json", "not json"),
        ("protocol.yaml", "method: [a, b"),
        ("protocol.yaml", "!!python/object/apply:os.getcwd []"),
        ("protocol.yaml", "folds: 5"),
    ],
)
def test_a_damaged_file_is_named(run: Path, name: str, content: str) -> None:
    (run / name).write_text(content)
    with pytest.raises(RunError, match=name):
        evaluate_run(run)


def test_the_order_of_rows_does_not_matter() -> None:
    shuffled = [EIGHT[place] for place in np.random.default_rng(0).permutation(len(EIGHT))]
    assert evaluate(shuffled, _ids(EIGHT), NAMES) == evaluate(EIGHT, _ids(EIGHT), NAMES)
