"""`cvs-med checklist`, `cvs-med card` and the forms of `cvs-med report`."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from cvs_med.cli import main


@pytest.fixture(scope="module")
def run(cross_validate: Callable[..., object], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    cross_validate(folder, "method=probe", "network.trainable=head", "augmentation.colour=0")
    return folder


@pytest.mark.parametrize(
    ("words", "begins"),
    [
        (["checklist"], "# CLAIM 2024"),
        (["checklist", "--format", "csv"], "checklist,item,asks for,what the run says"),
        (["card"], "# Model card: probe (frozen features)"),
    ],
)
def test_they_print_what_a_paper_needs(run: Path, words: list[str], begins: str) -> None:
    result = CliRunner().invoke(main, [*words, str(run)])
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(begins)


@pytest.mark.parametrize("form", ["html", "pdf", "md", "json"])
def test_a_report_has_four_forms(run: Path, form: str) -> None:
    result = CliRunner().invoke(main, ["report", str(run), "--format", form])
    assert result.stdout == f"Report: {run / f'report.{form}'}\n"
    assert (run / f"report.{form}").stat().st_size > 1000


@pytest.mark.parametrize("command", ["checklist", "card"])
def test_a_folder_without_a_run_is_refused(tmp_path: Path, command: str) -> None:
    result = CliRunner().invoke(main, [command, str(tmp_path)])
    assert result.exit_code == 2
    assert "Traceback" not in result.stderr
