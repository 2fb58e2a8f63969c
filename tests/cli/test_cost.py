"""`cvs-med cost`: its files, its table, and how it refuses."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cvs_med.cli import main


@pytest.fixture
def run(mnist: Path, tmp_path: Path) -> Path:
    """A sweep of tiny digits."""
    settings = ("network.backbone=wideresnet-10-1", "training.steps=1")
    command = ["sweep", "paper/mnist-wideresnet", "--data-dir", str(mnist), "--device", "cpu", "--seeds", "1"]
    command += [part for setting in settings for part in ("--set", setting)]
    options = ["--samples-per-class", "1,2", "--methods", "cvs,classification", "--out", str(tmp_path / "run")]
    assert CliRunner().invoke(main, [*command, *options]).exit_code == 0
    return tmp_path / "run"


@pytest.fixture
def cost(run: Path, tmp_path: Path) -> Callable[..., Result]:
    return lambda *options: CliRunner().invoke(main, ["cost", str(run), "--out", str(tmp_path / "out"), *options])


def test_a_sweep_is_drawn_written_and_printed(cost: Callable[..., Result], tmp_path: Path) -> None:
    result = cost("--seconds-per-label", "2", "--seconds-per-mask", "0")
    assert result.exit_code == 0, result.output
    assert "mnist: 2 s a label, 0 s a mask." in result.stdout
    assert (tmp_path / "out" / "cost.png").read_bytes().startswith(b"\x89PNG")
    lines = (tmp_path / "out" / "cost.csv").read_text().splitlines()
    assert [line.split(",")[2:7] for line in lines[1:]] == [
        ["cvs", "1", "10.0", "10.0", "20.0"], ["classification", "1", "10.0", "0", "20.0"],
        ["cvs", "2", "20.0", "20.0", "40.0"], ["classification", "2", "20.0", "0", "40.0"],
    ]  # fmt: skip


def test_what_is_not_published_is_asked_for(cost: Callable[..., Result]) -> None:
    result = cost()
    assert result.exit_code == 2
    assert "Expected --seconds-per-label and --seconds-per-mask for mnist" in result.stderr


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["cost", str(tmp_path)])
    assert result.exit_code == 2
    assert "dataset.json" in result.stderr
    assert "Traceback" not in result.output
