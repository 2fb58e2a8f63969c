"""What is said of networks, evidence and density is what the numbers say."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cvs_med.report.case_maps import CaseMap, Margin
from cvs_med.review import findings, worklist
from cvs_med.review.flags import Flags
from cvs_med.review.run import FinishedRun, open_run


@pytest.fixture(scope="module")
def run(finished_run: Path) -> FinishedRun:
    return open_run(finished_run)


def test_a_single_cross_validation_has_one_network_a_case(run: FinishedRun) -> None:
    said = findings.who_answered(run, run.ids[0])
    assert "One network answered" in said
    assert "no spread" in said


def test_repeats_tell_the_spread_over_networks(run: FinishedRun) -> None:
    case_id = run.ids[0]
    own = run.predictions[case_id]
    other = (own.predicted + 1) % 3
    shares = tuple(0.8 if c == other else 0.1 for c in range(3))
    repeats = (dict(run.predictions), {**run.predictions, case_id: replace(own, probabilities=shares)})
    repeated = replace(run, repeats=repeats)
    said = findings.who_answered(repeated, case_id)
    assert f"3 networks agree 2:1 on {run.derived(case_id)}" in said
    assert f"from 0.10 to {max(own.probabilities):.2f}" in said
    row = next(r for r in worklist.rows(repeated, [], [], "Ada", blinded=True, flags=Flags({}, None))
               if r.case_id == case_id)  # fmt: skip
    assert row.spread == (0.1, max(own.probabilities))


def test_agreement_of_all_is_said_plainly() -> None:
    assert findings.agreement("healthy", 5, 5, 0.6, 0.9) == (
        "all 5 networks agree on healthy, at probabilities from 0.60 to 0.90"
    )


def test_evidence_is_divided_among_disc_vessels_and_the_rest() -> None:
    shares = np.zeros((4, 4), np.float32)
    shares[0, 0], shares[0, 1], shares[3, 3] = 5, 3, 2
    vessels = np.zeros((4, 4), np.uint8)
    vessels[0, :2] = 255
    region = np.zeros((4, 4), np.bool_)
    region[0, 0] = True
    case = CaseMap(np.zeros((4, 4, 3), np.uint8), None, None, None, None, Margin(shares, 10.0, 1), vessels)
    said = findings.rests_on(["healthy", "glaucoma"], "vessels", case, region)
    assert said == (
        "Its lead over glaucoma: 50.0 % from the region of the optic disc; 30.0 % along the predicted vessels outside "
        "it; 20.0 % from elsewhere."
    )
    shares[3, 3] = -2
    assert "contradict" in findings.rests_on(["healthy", "glaucoma"], "vessels", case, region)
    assert "disc" not in findings.rests_on(["healthy", "glaucoma"], "strokes", case, None)


def test_there_is_no_disc_to_look_for_in_digits_or_in_a_crop_to_the_disc() -> None:
    view = np.ones((64, 64), np.uint8)
    case = CaseMap(np.full((64, 64, 3), 90, np.uint8), None, None, None, None, field_of_view=view)
    assert findings.disc_region(case, "strokes", "none") is None
    assert findings.disc_region(case, "vessels", "disc") is None
    region = findings.disc_region(case, "vessels", "field_of_view")
    assert region is not None
    assert region.sum() <= np.ceil(np.pi * (64 / 7 + 1) ** 2)


def test_density_is_held_against_the_photographs_trained_on(run: FinishedRun) -> None:
    case_id = run.ids[0]
    own = run.segmentation[case_id]
    learnt = [row for row in run.segmentation.values() if row.fold != own.fold]
    low, high = np.quantile([row.gold_fraction for row in learnt], [0.05, 0.95])
    said = findings.area(run, case_id)
    assert said is not None
    assert f"{100 * low:.1f} to {100 * high:.1f} %" in said
    assert said.startswith("Unusual") == (not low <= own.predicted_fraction <= high)
    assert findings.spread(0.2, [0.1] * 4, "vessels", "drawn") is None
