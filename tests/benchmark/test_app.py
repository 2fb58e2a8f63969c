"""The review app is timed in a browser, on a run that stays as it was."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from cvs_med.benchmark import app
from cvs_med.cli import main
from cvs_med.review import headless
from cvs_med.review.run import open_run


def test_a_run_is_made_long_and_shows_the_same_cases(finished_run: Path, tmp_path: Path) -> None:
    app.multiply(finished_run, 20, tmp_path / "many")
    run, many = open_run(finished_run), open_run(tmp_path / "many")
    assert len(many.ids) == 20
    for case_id in many.ids:
        own = run.predictions[case_id.rpartition("-")[0]]
        assert many.predictions[case_id].probabilities == own.probabilities
        file = many.path / f"fold-{own.fold}" / "maps" / f"{case_id}.npz"
        assert file.samefile(run.path / f"fold-{own.fold}" / "maps" / f"{own.case_id}.npz")


def test_too_few_cases_for_the_rounds_are_said(finished_run: Path) -> None:
    result = CliRunner().invoke(main, ["bench", "app", "--run", str(finished_run), "--rounds", "4"])
    assert result.exit_code == 2
    assert "at least 11 cases" in result.stderr


@pytest.mark.browser
@pytest.mark.skipif(headless.find_chromium() is None, reason="no Chromium on this machine")
def test_the_next_case_and_the_long_worklist_are_timed(
    finished_run: Path, phantom_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("playwright.sync_api", reason="needs the extra `browser`: make test-browser")
    monkeypatch.setattr(app, "MANY", 50)
    run = shutil.copytree(finished_run, tmp_path / "run")
    words = ["--run", str(run), "--data-dir", str(phantom_folder), "--rounds", "1", "--json"]
    result = CliRunner().invoke(main, ["bench", "app", *words])
    assert result.exit_code == 0, result.output
    measured = json.loads(result.stdout)["ratios"]
    assert ["next case" in measured[0]["what"], "worklist of 50" in measured[1]["what"]] == [True, True]
    assert all(ratio["ours"] > 0 and ratio["unit"] == "ms" for ratio in measured)
    assert not (run / "reviews" / "reviews.sqlite").exists()
