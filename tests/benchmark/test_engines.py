"""Engines on whole photographs: each answers what PyTorch does."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from cvs_med.benchmark import engines
from cvs_med.cli import main

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


@pytest.fixture
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Compiling takes a minute; what is to be compiled is kept instead."""
    asked: list[object] = []
    monkeypatch.setattr(torch, "compile", lambda module: asked.append(module) or module)
    return asked


def test_engines_stand_beside_pytorch_with_labels_compared(
    finished_run: Path, phantom_folder: Path, uncompiled: list[object]
) -> None:
    images = [str(path) for path in sorted((phantom_folder / "images").iterdir())[:2]]
    command = ["bench", "engines", *images, "--run", str(finished_run), "--rounds", "1", "--json"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    ratios = {ratio["what"].split(" : ")[0]: ratio for ratio in json.loads(result.stdout)["ratios"]}
    expected = {"torch fp32, channels last", "torch bf16, fused", "torch.compile bf16", "onnxruntime fp32"}
    assert expected <= ratios.keys()
    assert len(uncompiled) == 1
    for name in ("torch fp32, channels last", "torch fp32, fused", "onnxruntime fp32"):
        assert "2 of 2 classes equal" in ratios[name]["what"]
        assert "100.00 % of pixels" in ratios[name]["what"]
    for ratio in ratios.values():
        assert ratio["ratio"] == pytest.approx(ratio["other"] / ratio["ours"])


def test_engines_look_at_spots_too(
    cross_validate: Callable[..., object], phantom_folder: Path, uncompiled: list[object], tmp_path: Path
) -> None:
    cross_validate(tmp_path / "run", "training.epochs=1", "splits.folds=2", "images.finer=2")
    image = str(phantom_folder / "images" / "01_h.jpg")
    command = ["bench", "engines", image, "--run", str(tmp_path / "run"), "--rounds", "1"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    assert "1 of 1 classes equal" in result.stdout


def test_answers_that_differ_are_said_to() -> None:
    from numpy import array, float32, zeros

    base = [[array([0.9, 0.1], float32), zeros(0), zeros(0), array([[[[1.0, 0.0]], [[0.0, 1.0]]]], float32)]]
    ours = [[array([0.4, 0.6], float32), zeros(0), zeros(0), array([[[[1.0, 1.0]], [[0.0, 0.0]]]], float32)]]
    said = engines._said(ours, base)
    assert said == "; 0 of 1 classes equal, probabilities within 0.5, 50.00 % of pixels at least"
