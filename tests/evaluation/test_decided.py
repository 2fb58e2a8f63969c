"""Runs that decide inside their training parts: kept, measured, reported, and the same after a stop."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sklearn.metrics import log_loss

from cvs_med import report
from cvs_med.decisions import Decisions
from cvs_med.errors import RunError
from cvs_med.evaluation import measure_run, read_json
from cvs_med.evaluation.decided import FILE
from cvs_med.tables import read_predictions

ASKED = ("method=probe", "inner.calibrate=true", "inner.abstain_at_risk=0.4", "inner.coverage=0.7")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, cross_validate: Callable[..., object]) -> Path:
    folder = tmp_path_factory.mktemp("decided") / "run"
    cross_validate(folder, *ASKED)
    return folder


def test_the_decisions_are_held_against_the_test_cases(run: Path) -> None:
    metrics = measure_run(run)
    kept = read_json(run / FILE, Decisions)
    found = metrics.decided
    assert found is not None
    assert found.calibrated is not None
    assert found.abstained is not None
    assert found.sets is not None
    rows = read_predictions(run / "predictions.csv", metrics.class_names)
    cases = {each.case_id: each for each in kept.cases}
    labels = [row.label for row in rows]
    assert found.calibrated.before.log_loss == pytest.approx(log_loss(labels, [row.probabilities for row in rows]))
    after = [cases[row.case_id].probabilities for row in rows]
    assert found.calibrated.after.log_loss == pytest.approx(log_loss(labels, after))
    answered = [row for row in rows if cases[row.case_id].answered]
    assert found.abstained.answered.successes == found.abstained.wrong.n == len(answered)
    assert found.abstained.wrong.successes == sum(row.predicted != row.label for row in answered)
    assert found.abstained.wrong_among_sent.n == len(rows) - len(answered)
    assert sum(found.sets.sizes) == len(rows)
    assert found.sets.holds.successes == sum(row.label in (cases[row.case_id].classes or ()) for row in rows)
    assert sum(each.holds.n for each in found.sets.classes) == len(rows)


def test_the_inner_answers_of_a_training_part_decide_for_its_fold(run: Path) -> None:
    kept = read_json(run / FILE, Decisions)
    folds = json.loads((run / "folds.json").read_text())["folds"]
    assert [each.fold for each in kept.folds] == [0, 1, 2]
    for decision, fold in zip(kept.folds, folds, strict=True):
        assert decision.cases == 9 - len(fold)
    assert sorted(each.case_id for each in kept.cases) == sorted(case for fold in folds for case in fold)


def test_the_report_says_what_was_decided_and_marks_who_goes_to_a_human(run: Path) -> None:
    page = report.write(run).read_text(encoding="utf-8")
    for said in ("Decided inside the training parts", "no answer changes its class", "goes to a human", "Sets made to"):
        assert said in page, said
    sent = sum(not each.answered for each in read_json(run / FILE, Decisions).cases)
    assert page.count('data-sent="yes"') == sent
    assert page.count("Too unsure to be answered") == sent
    said = report.write(run, "md").read_text(encoding="utf-8")
    assert "Decided inside the training parts" in said


def test_a_run_that_was_stopped_decides_the_same(run: Path, cross_validate: Callable[..., object]) -> None:
    before = (run / FILE).read_bytes()
    (run / FILE).unlink()
    (run / "fold-1" / "inner" / "answers-0.csv").unlink()
    (run / "fold-1" / "predictions.csv").unlink()
    cross_validate(run, *ASKED)
    assert (run / FILE).read_bytes() == before


def test_decisions_of_other_cases_are_refused(tmp_path: Path, run: Path) -> None:
    kept = json.loads((run / FILE).read_text())
    kept["cases"][0]["case_id"] = "somebody else"
    text = (run / FILE).read_text()
    try:
        (run / FILE).write_text(json.dumps(kept))
        with pytest.raises(RunError, match=r"expected the cases of predictions\.csv"):
            measure_run(run)
    finally:
        (run / FILE).write_text(text)


def test_a_run_that_decides_nothing_says_nothing_of_it(tmp_path: Path, cross_validate: Callable[..., object]) -> None:
    cross_validate(tmp_path / "run", "method=probe")
    assert measure_run(tmp_path / "run").decided is None
    assert not (tmp_path / "run" / FILE).exists()
    page = report.write(tmp_path / "run").read_text(encoding="utf-8")
    assert "Decided inside" not in page
    assert "Sent to a human" not in page
