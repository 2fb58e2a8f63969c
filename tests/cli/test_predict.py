import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from cvs_med.cli import main


@pytest.fixture
def run(cross_validate: Callable[..., object], tmp_path: Path) -> Path:
    cross_validate(tmp_path / "run", "training.epochs=1")
    return tmp_path / "run"


def test_photographs_are_answered_for(run: Path, phantom_folder: Path, tmp_path: Path) -> None:
    asked = ["predict", "--run", str(run), "--out", str(tmp_path / "out"), str(phantom_folder / "images")]
    result = CliRunner().invoke(main, [*asked, "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["derived"] + found["flagged"] == 9
    assert found["false_alarms"]["photographs"] == 9
    said = CliRunner().invoke(main, asked).stdout
    assert f"{found['derived']} with a diagnosis, {found['flagged']} flagged, 0 failed" in said


def test_exit_codes(run: Path, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    common = ["predict", "--run", str(run), "--out", str(tmp_path / "out")]
    failed = CliRunner().invoke(main, [*common, str(tmp_path / "a.png")])
    assert failed.exit_code == 1
    assert "failures.csv; the first: a.png: expected" in failed.stdout
    assert CliRunner().invoke(main, [*common, str(tmp_path / "absent.png")]).exit_code == 2
    shutil.rmtree(run / "fold-0")
    result = CliRunner().invoke(main, [*common, str(tmp_path / "a.png")])
    assert result.exit_code == 2
    assert "fold-0" in result.stderr


def test_a_prediction_is_held_against_its_bare_networks(run: Path, phantom_folder: Path) -> None:
    image = next((phantom_folder / "images").iterdir())
    result = CliRunner().invoke(main, ["bench", "predict", str(image), "--run", str(run), "--rounds", "1", "--json"])
    assert result.exit_code == 0, result.output
    (ratio,) = json.loads(result.stdout)["ratios"]
    assert ratio["ratio"] == pytest.approx(ratio["ours"] / ratio["other"])
    assert min(ratio["ours"], ratio["other"]) > 0
