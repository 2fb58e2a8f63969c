"""`cvs-med report`: a finished run is evaluated again without a network."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cvs_med.cli import main


def report(folder: Path) -> Result:
    return CliRunner().invoke(main, ["report", str(folder)])


def refusal(result: Result) -> str:
    assert result.exit_code == 2, (result.output, result.exception)
    assert isinstance(result.exception, SystemExit)
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    return result.stderr


@pytest.fixture
def run(tmp_path: Path, cross_validate: Callable[..., object]) -> Path:
    cross_validate(tmp_path / "run", "method=probe", "network.trainable=head", "augmentation.colour=0")
    return tmp_path / "run"


def test_a_finished_run_gets_its_report_again(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cvs_med.networks.network.Network.forward", None)
    result = report(run)
    assert result.exit_code == 0, result.output
    assert result.stdout == f"Report: {run / 'report.html'}\n"
    predictions, page, metrics = (run / name for name in ("predictions.csv", "report.html", "metrics.json"))
    before = predictions.read_bytes(), metrics.read_bytes()
    assert "<html" in page.read_text(encoding="utf-8")
    page.unlink()
    assert report(run).exit_code == 0
    assert page.exists()
    assert (predictions.read_bytes(), metrics.read_bytes()) == before


@pytest.mark.parametrize("name", ["predictions.csv", "folds.json", "dataset.json", "protocol.yaml", "environment.json"])
@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_a_run_that_is_not_whole_is_refused_by_the_name_of_the_file(run: Path, name: str, damage: str) -> None:
    file = run / name
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[: 40 if name == "protocol.yaml" else -20])
    if (name, damage) == ("protocol.yaml", "cut"):
        file.write_text("dataset: [")
    assert name in refusal(report(run))


def test_a_missing_case_is_named(run: Path) -> None:
    lines = (run / "predictions.csv").read_text().splitlines(keepends=True)
    (run / "predictions.csv").write_text("".join(lines[:-1]))
    said = refusal(report(run))
    assert "missing: " + lines[-1].split(",")[0] in said


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    assert str(tmp_path) in refusal(report(tmp_path))


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert "does not exist" in refusal(report(tmp_path / "nowhere"))
