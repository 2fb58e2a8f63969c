"""What stands out in the cases of a run: held against the other folds, kept once, told only as far as it is known."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from cvs_med.errors import RunError
from cvs_med.review import flags
from cvs_med.review.run import FinishedRun, open_run


@pytest.fixture
def run(finished_run: Path, tmp_path: Path) -> FinishedRun:
    return open_run(Path(shutil.copytree(finished_run, tmp_path / "run")))


def blacken(run: FinishedRun, case_id: str) -> None:
    path = run.path / f"fold-{run.predictions[case_id].fold}" / "maps" / f"{case_id}.npz"
    with np.load(path) as stored:
        arrays = dict(stored)
    np.savez(path, allow_pickle=False, **(arrays | {"image": arrays["image"] // 20}))


def test_a_dark_photograph_is_flagged_and_the_others_keep_their_limits(run: FinishedRun) -> None:
    before = flags.of_run(run).quality
    (run.path / flags.FILE).unlink()
    blacken(run, run.ids[0])
    found = flags.of_run(run)
    assert any("too dark" in said for said in found.of(run.ids[0]))
    assert "too dark" in found.said(run.ids[0])
    fold = run.predictions[run.ids[0]].fold
    same = [case_id for case_id in run.ids[1:] if run.predictions[case_id].fold == fold]
    assert {case_id: found.quality.get(case_id) for case_id in same} == {i: before.get(i) for i in same}


def test_flags_are_measured_once_and_again_for_other_predictions(run: FinishedRun) -> None:
    flags.of_run(run)
    kept = run.path / flags.FILE
    kept.write_text(json.dumps({"run": run.digest, "flags": {run.ids[1]: ["as kept"]}}))
    assert flags.of_run(run).of(run.ids[1]) == ("as kept",)
    kept.write_text(json.dumps({"run": "0" * 16, "flags": {run.ids[1]: ["of another run"]}}))
    assert "of another run" not in flags.of_run(run).of(run.ids[1])


def test_likeness_is_told_only_where_the_networks_were_asked(run: FinishedRun) -> None:
    first, second, *_ = run.ids
    assert "was not measured" in flags.Flags({}, None).said(first)
    (run.path / "unlike.json").write_text(json.dumps({"unlike": {first: True, second: False}}))
    found = flags.of_run(run)
    assert "unlike the training photographs" in found.said(first)
    assert "unlike the training photographs" not in found.of(second)
    assert "was not measured" in flags.Flags({}, found.unlike).said(run.ids[2])


def test_answers_that_their_fold_found_too_unsure_are_flagged(run: FinishedRun) -> None:
    unsure, sure = run.ids[:2]
    assert flags.of_run(run).sent == frozenset()
    cases = [{"case_id": case_id, "probabilities": [], "answered": case_id != unsure} for case_id in run.ids]
    kept = {"calibrated": False, "risk": 0.05, "coverage": None, "folds": [], "cases": cases}
    kept["together"] = {"temperature": 1.0, "above": 0.9}
    (run.path / "decisions.json").write_text(json.dumps(kept))
    found = flags.of_run(run)
    assert found.sent == {unsure}
    assert "Flagged: too unsure to be answered, sent to a human" in found.said(unsure)
    assert "too unsure" not in found.said(sure)
    (run.path / "decisions.json").write_text("[]")
    with pytest.raises(RunError, match=r"decisions\.json"):
        flags.of_run(run)


def test_a_damaged_case_is_a_flag_and_a_damaged_file_of_flags_an_error(run: FinishedRun) -> None:
    case_id = run.ids[0]
    (run.path / flags.FILE).unlink(missing_ok=True)
    (run.path / f"fold-{run.predictions[case_id].fold}" / "maps" / f"{case_id}.npz").write_bytes(b"cut off")
    assert "damaged" in flags.of_run(run).said(case_id)
    (run.path / flags.FILE).write_text("[]")
    with pytest.raises(RunError, match="Delete the file"):
        flags.of_run(run)
