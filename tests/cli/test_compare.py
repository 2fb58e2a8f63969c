"""`cvs-med compare`: a table and sentences, JSON, and refusals in words."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from cvs_med.cli import main

METHODS = {"probe": ("method=probe",), "classification": ("method=classification", "training.epochs=1")}


@pytest.fixture(scope="module")
def finished(cross_validate: Callable[..., object], tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two methods on the folds of two seeds."""
    root = tmp_path_factory.mktemp("runs")
    for method, settings in METHODS.items():
        for seed in range(2):
            cross_validate(root / f"{method}-{seed}", *settings, f"splits.seed={seed}")
    return [str(path) for path in sorted(root.iterdir())]


def test_a_table_and_a_sentence_for_every_pair(finished: list[str]) -> None:
    result = CliRunner().invoke(main, ["compare", *finished])
    assert result.exit_code == 0, result.output
    for word in ("Right of 9", "classification - probe", "p folds", "corrected resampled t-test", "Mean difference"):
        assert word in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_json_holds_the_same_numbers(finished: list[str]) -> None:
    (pair,) = json.loads(CliRunner().invoke(main, ["compare", "--json", *finished]).stdout)
    assert (pair["first"], pair["second"], pair["repeats"], pair["cases"]) == ("classification", "probe", 2, 9)
    assert len(pair["right"]) == 2


@pytest.mark.parametrize(("chosen", "message"), [(slice(0, 1), "two methods or more"), (slice(1, 3), "found none")])
def test_what_cannot_be_compared_is_refused_in_words(finished: list[str], chosen: slice, message: str) -> None:
    result = CliRunner().invoke(main, ["compare", *finished[chosen]])
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: ")
    assert message in result.stderr


def test_a_folder_that_is_no_run_is_refused_in_words(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["compare", str(tmp_path)])
    assert result.exit_code == 2
    assert "Traceback" not in result.stderr
