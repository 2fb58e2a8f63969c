"""An exported model gives the answers of its run, in a process that cannot import PyTorch."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from cvs_med.cli import main
from cvs_med.errors import RunError
from cvs_med.prediction import served

WITHOUT_TORCH = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "monai", "lightning", "lightning_fabric"):
            raise ModuleNotFoundError(f"{name} is blocked", name=name)

sys.meta_path.insert(0, Missing())
from cvs_med.cli import main
main()
"""


def export(run: Path, out: Path) -> Path:
    result = CliRunner().invoke(main, ["export", str(run), "--out", str(out)])
    assert result.exit_code == 0, result.output
    return out


def rows(out: Path) -> dict[str, dict[str, object]]:
    lines = (out / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    return {row["file"]: row for row in map(json.loads, lines)}


FINE = "network.decoder=fine", "network.context=[3]", "fine.widths=[8,8]", "fine.tile=32", "fine.steps=4"


@pytest.mark.parametrize(
    ("settings", "trainable"),
    [
        (("q=mean", "images.finer=2", "images.harmonise=true"), "head"),
        (("q=foreground", "images.finer=2", *FINE), "head"),
        (("q=foreground", "images.finer=2", "images.fibres=true", *FINE), "head"),
        (("q=probability",), "all"),
        (("method=multitask", "loss.class_weight=1"), "head"),
    ],
)
def test_without_pytorch_the_answers_are_the_same(
    settings: tuple[str, ...], trainable: str, finished: Callable[..., Path], photographs: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(finished(*settings, trainable=trainable), tmp_path / "run"))
    model = export(run, tmp_path / "model")
    ours, theirs = tmp_path / "torch", tmp_path / "onnx"
    asked = ["predict", str(photographs), "--run"]
    result = CliRunner().invoke(main, [*asked, str(run), "--precision", "fp32", "--out", str(ours)])
    assert result.exit_code == 0, result.output
    served_run = [*asked, str(model), "--engine", "onnx", "--out", str(theirs)]
    done = subprocess.run([sys.executable, "-c", WITHOUT_TORCH, *served_run], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    expected, found = rows(ours), rows(theirs)
    assert expected.keys() == found.keys()
    for name, row in found.items():
        for key in ("status", "derived", "agreeing", "models", "sha256"):
            assert row[key] == expected[name][key]
        for key in ("probabilities", "lowest", "highest"):
            assert row[key] == pytest.approx(expected[name][key], abs=1e-4)
        for written in (ours / "photographs" / name).iterdir():
            assert (theirs / "photographs" / name / written.name).exists()
    for file in ours.rglob("label_map.png"):
        one, other = (np.asarray(Image.open(each)) for each in (file, theirs / file.relative_to(ours)))
        assert (one == other).mean() > 0.999
    for file in ours.rglob("evidence.npz"):
        with np.load(file) as one, np.load(theirs / file.relative_to(ours)) as other:
            np.testing.assert_allclose(other["shares"], one["shares"], atol=1e-4)
            np.testing.assert_allclose(other["scores"], one["scores"], atol=1e-4)


@pytest.fixture
def model(run: Path, tmp_path: Path) -> Path:
    return export(run, tmp_path / "model")


def test_a_model_without_its_gates_or_with_others_is_refused(model: Path) -> None:
    gates = model / "gates.safetensors"
    gates.write_bytes(gates.read_bytes()[:-1])
    with pytest.raises(RunError, match="found others"):
        served.read(model, threads=1)
    gates.unlink()
    with pytest.raises(RunError, match="both files"):
        served.read(model, threads=1)


@pytest.mark.parametrize("change", [lambda content: content[:1000], lambda content: b"no model"])
def test_what_is_no_exported_model_is_refused(model: Path, change: Callable[[bytes], bytes]) -> None:
    file = model / "model.onnx"
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(RunError, match="cvs-med exported"):
        served.read(file, threads=1)


def test_an_engine_says_what_it_cannot(model: Path, photographs: Path, tmp_path: Path) -> None:
    asked = ["predict", str(photographs), "--run", str(model), "--out", str(tmp_path / "out"), "--engine"]
    for engine, settings, said in (
        ("onnx", ["--precision", "bf16"], "32 bits for --engine onnx"),
        ("onnx", ["--device", "cuda"], "the CPU for --engine onnx"),
        ("openvino", ["--device", "cuda"], "the CPU for --engine openvino"),
    ):
        result = CliRunner().invoke(main, [*asked, engine, *settings])
        assert result.exit_code == 2
        assert said in result.stderr


@pytest.mark.parametrize(("precision", "apart", "alike"), [("fp32", 1e-4, 0.999), ("bf16", 0.05, 0.95)])
def test_openvino_answers_as_onnxruntime_does(
    precision: str, apart: float, alike: float, model: Path, photographs: Path, tmp_path: Path
) -> None:
    asked = ["predict", str(photographs), "--run", str(model), "--out"]
    for out, more in (("onnx", ["onnx"]), ("openvino", ["openvino", "--precision", precision])):
        result = CliRunner().invoke(main, [*asked, str(tmp_path / out), "--engine", *more])
        assert result.exit_code == 0, result.output
    expected, found = rows(tmp_path / "onnx"), rows(tmp_path / "openvino")
    assert expected.keys() == found.keys()
    for name, row in found.items():
        assert row["status"] == expected[name]["status"]
        assert row["probabilities"] == pytest.approx(expected[name]["probabilities"], abs=apart)
    for file in (tmp_path / "onnx").rglob("label_map.png"):
        other = tmp_path / "openvino" / file.relative_to(tmp_path / "onnx")
        assert (np.asarray(Image.open(file)) == np.asarray(Image.open(other))).mean() > alike
