"""Beside a result: images that are there twice, and labels that the answers contradict."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from cvs_med import report
from cvs_med.cli import main
from cvs_med.duplicates import Pair
from cvs_med.report.document import Table, Text
from cvs_med.report.facts import Facts, gather
from cvs_med.report.kept_audit import KeptAudit, KeptFinding
from cvs_med.report.sections import shortcuts

SUSPECT = KeptFinding(
    probe="size of the file", grade="suspect", right=4, cases=6, low=0.3, high=0.9, p=0.03, p_corrected=0.2, verdict="v"
)


def audited(facts: Facts, *pairs: Pair) -> str:
    kept = KeptAudit(
        classes={}, splits="grouped", folds=2, permutations=99, findings=[SUSPECT], duplicates=list(pairs)
    )
    return " ".join(each.text for each in shortcuts.audited(replace(facts, audit=kept)) if isinstance(each, Text))


def test_images_that_are_nearly_the_same_are_counted_by_the_folds_of_this_run(map_run: Path) -> None:
    facts = gather(map_run)
    ids = [p.case_id for p in facts.predictions]
    assert "No two of these images are nearly the same." in audited(facts)
    said = audited(facts, Pair(ids[0], ids[5], False, False, 3), Pair(ids[0], ids[1], True, True, 0))
    assert f"2 pairs of images are nearly the same, such as {ids[0]} and {ids[5]}" in said
    assert "1 of them have two labels" in said
    assert "This run's folds part 1 of these" in said
    assert "1 pair of images is nearly the same" in audited(facts, Pair(ids[0], ids[1], True, True, 0))


def test_a_suspect_is_called_no_finding(map_run: Path) -> None:
    assert "A suspect is no finding" in audited(gather(map_run))


def test_labels_that_the_answers_contradict_are_listed_and_kept(map_run: Path) -> None:
    facts = gather(map_run)
    assert facts.doubts.found
    text, table = shortcuts.doubted(facts)[1:]
    assert isinstance(text, Text)
    assert text.text.startswith(f"{len(facts.doubts.found)} of 6 labels")
    assert isinstance(table, Table)
    first = facts.doubts.found[0]
    prediction = next(each for each in facts.predictions if each.case_id == first.case)
    assert table.rows[0][0] == first.case
    assert first.label == facts.metrics.class_names[prediction.label]
    assert float(table.rows[0][2]) == pytest.approx(prediction.probabilities[prediction.label])
    kept = json.loads(report.write(map_run, "json").read_text(encoding="utf-8"))["doubted_labels"]
    assert kept[0] == asdict(first)
    assert len(shortcuts.doubted(replace(facts, doubts=replace(facts.doubts, found=())))) == 2


def test_a_folder_of_repeats_is_not_taken_for_a_run(tmp_path: Path) -> None:
    for name in ("seed-0", "seed-1"):
        (tmp_path / name).mkdir()
    (tmp_path / "repeats.json").write_text("{}")
    for command in ("report", "checklist", "cost"):
        result = CliRunner().invoke(main, [command, str(tmp_path)])
        assert result.exit_code == 2
        assert "expected the folder of a single run, found one of repeats. Name one of its: seed-0" in result.stderr
