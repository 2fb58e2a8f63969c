"""Sections that are shown where a run knows of them, and the sentences of a comparison."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cvs_med.comparison import Paired
from cvs_med.datasets.masks import Origin
from cvs_med.evaluation import Balance, GroupedAccuracy, Spread
from cvs_med.evaluation.auroc_difference import AurocDifference
from cvs_med.report import compose, pairs
from cvs_med.report.document import Table, Text
from cvs_med.report.facts import Facts, gather
from cvs_med.report.sections import more, trust
from cvs_med.statistics.cross_validation import CorrectedT
from cvs_med.statistics.intervals import Interval
from cvs_med.statistics.metrics import PredictiveValue, Proportion
from cvs_med.statistics.paired import SignFlip


def texts(facts: Facts) -> str:
    return " ".join(block.text for block in compose.compose(facts, []).blocks() if isinstance(block, Text))


def test_tables_and_figures_are_numbered_in_reading_order(map_run: Path) -> None:
    captions = [block.caption for block in compose.compose(gather(map_run), []).blocks() if isinstance(block, Table)]
    assert [caption.partition(".")[0] for caption in captions] == [f"Table {n}" for n in range(1, len(captions) + 1)]


def test_stand_in_masks_are_named_as_such(map_run: Path) -> None:
    assert "stand in for" not in texts(gather(map_run))
    origin = Origin(
        method="GrabCut", software={"opencv": "5"}, settings={}, seed=1, dataset="x", part="train", per_class=None,
        images={"a": "0", "b": "1"}, fallbacks=["a"],
    )  # fmt: skip
    (map_run / "masks.json").write_text(origin.model_dump_json())
    said = texts(gather(map_run))
    assert "Masks by GrabCut (opencv 5, seed 1), not by hand; 1 of 2 are plain ellipses." in said
    assert "They stand in for masks by experts." in said


def test_groups_balance_and_predictive_values_stand_beside_the_accuracy(map_run: Path) -> None:
    metrics = gather(map_run).metrics
    share = Proportion(3, 4, 0.3, 0.95)
    value = PredictiveValue(share, 0.25)
    known = metrics.result.classes[0]
    ill = replace(known, name="ill", positive_predictive_value=value, negative_predictive_value=value)
    grouped = GroupedAccuracy(28, Interval(0.6, 0.9))
    result = replace(metrics.result, classes=(ill,), by_group=grouped, centreline_dice=Spread(0.5, 0.1, 0.9, 3))
    full = replace(metrics, result=result, balance=Balance(((),), 1.4, 2, "ill"))
    (table,) = more.predictive_values(full)
    assert isinstance(table, Table)
    assert table.rows == (("ill", "3 of 4\n75.0 %\n30.0 to 95.0 %", "3 of 4\n75.0 %\n30.0 to 95.0 %", "25.0 %"),)
    (said,) = more.accuracy_by_group(full)
    assert isinstance(said, Text)
    assert "28 groups" in said.text
    assert "60.0 to 90.0 %" in said.text
    assert "1.4 away" in said.text
    assert len(more.lines_or_outlines(full)) == 1
    result = replace(result, by_group=None, centreline_dice=None)
    bare = replace(full, result=result, balance=Balance(((),), 0, 0, "ill"))
    regions = replace(metrics, result=replace(result, outline_distance=Spread(3.25, 1.0, 8.0, 3)))
    (said,) = more.lines_or_outlines(regions)
    assert "95 % Hausdorff distance" in str(said)
    assert "3.2 on average (1.0 to 8.0)" in str(said)
    assert more.accuracy_by_group(bare) == more.lines_or_outlines(bare) == []


def test_a_run_that_chose_says_what_it_chose_from_and_not_what_one_of_them_is(map_run: Path) -> None:
    for name, method in (("hrf", "cvs"), ("hrf-probe", "probe")):
        (map_run / "candidates" / name).mkdir(parents=True)
        (map_run / "candidates" / name / "protocol.yaml").write_text(f"method: {method}\n")
    (map_run / "protocol.yaml").write_text("method: cvs\ntraining: {learning_rate: 0.123}\n")
    (map_run / "selection.json").write_text('{"chosen": {"hrf": 3, "hrf-probe": 2}}')
    facts = gather(map_run)
    blocks = list(compose.compose(facts, []).blocks())
    assert "Of 5 folds, each chose its protocol inside its training part: hrf in 3, hrf-probe in 2." in texts(facts)
    tables = [block for block in blocks if isinstance(block, Table)]
    (choice,) = (each for each in tables if "What each fold chose from" in each.caption)
    assert choice.rows[0] == ("hrf", "3", "candidates/hrf/protocol.yaml")
    assert not any("0.123" in cell for each in tables for row in each.rows for cell in row)
    assert not facts.explained
    (map_run / "candidates" / "hrf-probe" / "protocol.yaml").write_text("method: cvs\n")
    assert gather(map_run).explained


def test_what_abstaining_would_gain_is_counted(map_run: Path) -> None:
    section = trust.trust(gather(map_run))
    (table,) = (block for block in section.blocks if isinstance(block, Table))
    assert table.rows[0] == ("6 of 6 (100 %)", "2 (33.3 %)", "9.7 to 70.0 %")
    # Of the surest answers (0.9, 0.9, 0.8, 0.8), those of one confidence together, one is wrong.
    assert table.rows[-1][:2] == ("4 of 6 (67 %)", "1 (25.0 %)")
    assert any(isinstance(block, Text) and "--abstain-at-risk" in block.text for block in section.blocks)


def pair(difference: float, p_folds: float, p_cases: float) -> Paired:
    interval = Interval(difference / 45 - 0.05, difference / 45 + 0.05)
    test = CorrectedT(difference / 45, interval, 2.0, 9, p_folds)
    flip = SignFlip(difference / 45, p_cases, True, 12)
    areas = AurocDifference(difference / 100, Interval(difference / 100 - 0.02, difference / 100 + 0.02))
    return Paired("cvs", "probe", 2, ((36, 30), (35, 31)), difference, 45, test, flip, p_cases, areas)


@pytest.mark.parametrize(
    ("p_folds", "p_cases", "claimed"), [(0.01, 0.01, True), (0.2, 0.01, False), (0.01, 0.2, False)]
)
def test_a_difference_is_claimed_only_where_both_tests_find_it(p_folds: float, p_cases: float, claimed: bool) -> None:
    said = pairs.sentence(pair(5.0, p_folds, p_cases))
    assert ("more often than chance explains" in said) is claimed
    assert ("nor that there is none" in said) is not claimed
    assert f"over folds p {p_folds:.3f}; over cases p {p_cases:.3f} after Holm" in said


def test_the_auroc_are_told_with_their_interval_or_not_at_all() -> None:
    made = pair(5.0, 0.2, 0.2)
    assert "Mean AUROC +0.050 (95 % interval +0.030 to +0.070, groups drawn again)." in pairs.sentence(made)
    without = replace(made, auroc=AurocDifference(0.05, None), over_folds=None)
    assert "Mean AUROC +0.050 (95 % interval not defined" in pairs.sentence(without)
    assert "AUROC" not in pairs.sentence(replace(made, auroc=None))


def test_a_forest_plot_has_a_row_for_every_pair() -> None:
    few, many = (np.asarray(Image.open(io.BytesIO(pairs.draw([pair(5.0, 0.2, 0.2)] * count)))) for count in (1, 4))
    assert many.shape[0] > few.shape[0] + 100
    assert few.std() > 10


@pytest.mark.parametrize(
    ("images", "said", "row"),
    [
        ("{}", "follows from this map alone, so", None),
        ("{finer: 3}", "it finds, from small dark spots, so", "small dark spots"),
        ("{finer: 3, fibres: true}", "from small dark spots and the light of nerve fibres around the optic disc, so",
         "small dark spots and the light of nerve fibres around the optic disc"),
    ],
)  # fmt: skip
def test_what_tells_the_class_beside_the_map_is_said(map_run: Path, images: str, said: str, row: str | None) -> None:
    (map_run / "protocol.yaml").write_text(f"method: cvs\nimages: {images}\n")
    facts = gather(map_run)
    assert said in texts(facts)
    assert ("in the colours of the shown map too" in texts(facts)) is (row is not None)
    tables = [block for block in compose.compose(facts, []).blocks() if isinstance(block, Table)]
    rows = dict(row for each in tables if "What was trained" in each.caption for row in each.rows)
    assert rows.get("beside the map") == row


@pytest.mark.parametrize("decoder", ["skip", "fine"])
def test_a_stage_at_a_finer_scale_is_told(map_run: Path, decoder: str) -> None:
    text = f"method: cvs\nnetwork: {{decoder: {decoder}}}\nfine: {{steps: 2100}}\n"
    (map_run / "protocol.yaml").write_text(text)
    blocks = compose.compose(gather(map_run), []).blocks()
    rows = [row for block in blocks if isinstance(block, Table) for row in block.rows]
    told = ("finer scale", "foreground trained first, by 2100 steps on tiles") in rows
    assert told is (decoder == "fine")
