"""`cvs-med audit`: table, JSON, files, and refusals."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from cvs_med import audit as audits
from cvs_med.cli import main
from cvs_med.tables import read_predictions


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Call the command with few permutations."""
    few = audits.audit.__kwdefaults__ | {"permutations": 19}
    monkeypatch.setattr(audits.audit, "__kwdefaults__", few)
    return lambda *options: CliRunner().invoke(main, ["audit", *map(str, options)])


def test_the_table_and_all_files_tell_the_same(
    run: Callable[..., Result], phantom_folder: Path, tmp_path: Path
) -> None:
    options = ("--dataset", "phantom", "--data-dir", phantom_folder, "--out", tmp_path / "audit")
    result = run(*options)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    assert {path.name for path in (tmp_path / "audit").iterdir()} == {
        "audit.json", "audit.csv", "audit.png", "audit.html"
    }  # fmt: skip
    content = json.loads((tmp_path / "audit" / "audit.json").read_text())
    with (tmp_path / "audit" / "audit.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    page = (tmp_path / "audit" / "audit.html").read_text()
    names = [finding["probe"] for finding in content["findings"]]
    assert names == [row["probe"] for row in table]
    for name in names:
        assert name in result.stdout
        assert name in page
    assert "<script" not in page
    assert "http" not in page
    again = run(*options, "--json")
    assert json.loads(again.stdout) == content


def test_a_folder_with_faults_is_refused(run: Callable[..., Result], fundus: Path) -> None:
    (fundus / "manual1" / "01_h.tif").unlink()
    result = run("--dataset", "hrf", "--data-dir", fundus)
    assert result.exit_code == 2
    assert "manual1/01_h" in result.stderr


def test_a_data_set_without_files_and_masks_of_its_own_is_audited(
    run: Callable[..., Result], cifar10: Path, tmp_path: Path
) -> None:
    result = run("--dataset", "cifar10", "--data-dir", cifar10, "--out", tmp_path / "audit", "--json")
    assert result.exit_code == 0, result.output
    grades = {finding["probe"]: finding["grade"] for finding in json.loads(result.stdout)["findings"]}
    assert grades["mask-area"] == grades["jpeg-quantisation"] == grades["outside-view"] == "absent"
    assert grades["geometry"] == "same"


def test_the_answers_of_a_run_show_which_labels_are_in_doubt(
    run: Callable[..., Result], phantom_folder: Path, finished_run: Path, tmp_path: Path
) -> None:
    options = ("--dataset", "phantom", "--data-dir", phantom_folder, "--out", tmp_path / "audit")
    assert "Name a finished run of this data set with --run" in " ".join(run(*options).stdout.split())
    assert json.loads(run(*options, "--json").stdout)["doubts"] is None
    table = read_predictions(finished_run / "predictions.csv", ("healthy", "diabetic retinopathy", "glaucoma"))
    answers = np.array([each.probabilities for each in table])
    wrong = [p.case_id for p, row in zip(table, answers, strict=True) if row.argmax() != p.label]
    doubted = json.loads(run(*options, "--run", finished_run, "--json").stdout)["doubts"]
    assert (doubted["cases"], doubted["right"]) == (9, 9 - len(wrong))
    assert {each["case"] for each in doubted["found"]} <= set(wrong)
    page = (tmp_path / "audit" / "audit.html").read_text()
    for each in doubted["found"]:
        assert f"{each['case']} ({each['label']}, rather {each['answer']})" in page


def test_a_run_of_another_data_set_is_refused(
    run: Callable[..., Result], cifar10: Path, finished_run: Path
) -> None:
    result = run("--dataset", "cifar10", "--data-dir", cifar10, "--run", finished_run)
    assert result.exit_code == 2
    assert "expected a run of the data set cifar10, found one of phantom" in result.stderr
