"""Runs that decide inside their training parts: kept, measured, reported, and the same after a stop."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import log_loss

from cvs_med import report
from cvs_med.decisions import Decided, Decisions
from cvs_med.errors import RunError
from cvs_med.evaluation import decided, measure_run, read_json
from cvs_med.evaluation.decided import FILE, measure
from cvs_med.report.answers import answers
from cvs_med.report.facts import gather
from cvs_med.statistics.clusters import wilson_by_group
from cvs_med.tables import read_predictions
from cvs_med.types import Prediction

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
    for number, each in enumerate(found.abstained.classes):
        assert each.answered.n == labels.count(number)
        assert each.answered.successes == each.wrong.n == sum(row.label == number for row in answered)
        assert each.wrong.successes == sum(row.label == number != row.predicted for row in answered)
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


@pytest.mark.parametrize("method", ["cvs", "classification"])
def test_deciding_changes_no_answer_and_no_map(
    tmp_path: Path, method: str, cross_validate: Callable[..., object]
) -> None:
    common = (f"method={method}", "training.epochs=1", "network.trainable=head", "augmentation.colour=0")
    cross_validate(tmp_path / "plain", *common)
    cross_validate(tmp_path / "decided", *common, *ASKED[1:])
    names = [path.relative_to(tmp_path / "plain") for path in (tmp_path / "plain").rglob("maps/*.npz")]
    assert len(names) == 9
    for name in (Path("predictions.csv"), *names):
        assert (tmp_path / "decided" / name).read_bytes() == (tmp_path / "plain" / name).read_bytes()
    assert measure_run(tmp_path / "decided").decided is not None


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


CHANGES = {
    "another class": lambda case: case["probabilities"].reverse(),
    "a missing class": lambda case: case["probabilities"].pop(),
    "no probabilities": lambda case: case["probabilities"].clear(),
    "a sum of two": lambda case: case["probabilities"].__setitem__(0, 2.0),
    "a class that is none": lambda case: case["classes"].append(7),
    "nothing on abstaining": lambda case: case.update(answered=None),
    "nothing on sets": lambda case: case.update(classes=None),
}


@pytest.mark.parametrize("change", CHANGES)
def test_decisions_that_do_not_fit_a_case_are_refused(run: Path, change: str) -> None:
    kept = json.loads((run / FILE).read_text())
    CHANGES[change](kept["cases"][0])
    rows = read_predictions(run / "predictions.csv", measure_run(run).class_names)
    with pytest.raises(RunError, match="probabilities of its derived class"):
        measure(Decisions.model_validate(kept), rows, measure_run(run).class_names)


def test_an_interval_counts_groups_where_they_are_known() -> None:
    def row(number: int, group: str) -> Prediction:
        return Prediction(f"c{number}", group, 0, number % 2, (0.9, 0.1))

    kept = Decisions(calibrated=False, risk=0.5, coverage=0.5, folds=[], together=None, cases=[
        Decided(case_id=f"c{n}", probabilities=(0.9, 0.1), answered=n < 8, classes=(0,)) for n in range(12)
    ])  # fmt: skip
    alone = measure(kept, [row(n, "") for n in range(12)], ["a", "b"])
    grouped = measure(kept, [row(n, f"g{n // 4}") for n in range(12)], ["a", "b"])
    assert alone.abstained is not None
    assert grouped.abstained is not None
    assert grouped.sets is not None
    assert alone.abstained.wrong_by_group is None
    wrong = np.arange(8) % 2 == 1
    assert grouped.abstained.wrong_by_group == wilson_by_group(wrong, np.arange(8) // 4)
    assert grouped.sets.holds_by_group == wilson_by_group(np.arange(12) % 2 == 0, np.arange(12) // 4)


def test_where_nothing_is_answered_the_report_says_so(
    tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = read_json(run / FILE, Decisions)
    none = kept.model_copy(update={
        "folds": [fold.model_copy(update={"above": None, "none_answered": True, "inner_answered": 0, "inner_wrong": 0})
                  for fold in kept.folds],
        "cases": [case.model_copy(update={"answered": False}) for case in kept.cases],
    })  # fmt: skip
    monkeypatch.setattr(decided, "read", lambda run: none)
    said = report.write(run, "md").read_text(encoding="utf-8")
    assert "no image is answered: all go to a human. In 3 folds no threshold kept the risk inside" in said


def test_every_form_of_the_report_knows_the_decisions(run: Path) -> None:
    kept = json.loads(report.write(run, "json").read_text(encoding="utf-8"))["decisions"]
    assert kept == json.loads((run / FILE).read_text())
    said = report.write(run, "md").read_text(encoding="utf-8")
    assert "| sent to a human |" in said
    assert "figures/working_points.png" in said
    assert "figures/reliability_after.png" in said
    known = answers(gather(run))
    assert "temperature fitted inside each training part" in known["recalibration"]
    assert "goes to a human" in known["output"]


def test_a_run_that_decides_nothing_says_nothing_of_it(tmp_path: Path, cross_validate: Callable[..., object]) -> None:
    cross_validate(tmp_path / "run", "method=probe")
    assert measure_run(tmp_path / "run").decided is None
    assert not (tmp_path / "run" / FILE).exists()
    page = report.write(tmp_path / "run").read_text(encoding="utf-8")
    assert "Decided inside" not in page
    assert "Sent to a human" not in page
    known = answers(gather(tmp_path / "run"))
    assert known["recalibration"].startswith("None")
    assert "No threshold was chosen." in known["output"]


def test_a_file_from_before_the_common_rule_says_what_to_do(tmp_path: Path) -> None:
    old = {"calibrated": False, "risk": 0.1, "coverage": None, "folds": [], "cases": []}
    (tmp_path / FILE).write_text(json.dumps(old))
    with pytest.raises(RunError, match="Start the same command on this folder again"):
        decided.read(tmp_path)
    (tmp_path / FILE).write_text(json.dumps(old | {"risk": None, "coverage": 0.9}))
    assert decided.read(tmp_path) is not None
