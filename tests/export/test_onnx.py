import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from click.testing import CliRunner

from cvs_med.cli import main
from cvs_med.prediction import ensemble


@pytest.fixture(scope="module")
def run(cross_validate: Callable[..., object], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("onnx") / "run"
    cross_validate(out, "training.epochs=1", "splits.folds=2", "network.trainable=head", "augmentation.colour=0")
    return out


def test_onnxruntime_answers_as_the_ensemble_does(run: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["export", str(run), "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    model = onnx.load(tmp_path / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    facts = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(facts["class_names"]) == ["healthy", "diabetic retinopathy", "glaucoma"]
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    inside = torch.ones(1, 64, 64)
    found = dict(
        zip(
            [output.name for output in session.get_outputs()],
            session.run(None, {"images": images.numpy(), "inside": inside.numpy()}),
            strict=True,
        )
    )
    networks = ensemble.read(run, device=torch.device("cpu"), precision="fp32")
    views = [torch.cat([images, images.flip(-1), images.flip(-2), images.flip(-1, -2)])]
    outputs, _ = networks.outputs(views[0], inside.expand(4, -1, -1))
    expected = torch.stack([output.class_logits for output in outputs]).mean(dim=(0, 1))[None]
    members = torch.stack([output.class_logits.mean(dim=0) for output in outputs]).softmax(dim=1)[None]
    np.testing.assert_allclose(found["scores"], expected.numpy(), atol=1e-4)
    np.testing.assert_allclose(found["probabilities"], expected.softmax(dim=1).numpy(), atol=1e-4)
    np.testing.assert_allclose(found["members"], members.numpy(), atol=1e-4)
    np.testing.assert_allclose(found["evidence"].sum(axis=(2, 3)), found["scores"], atol=1e-4)
    np.testing.assert_allclose(found["map"].sum(axis=1), 1, atol=1e-5)


def test_the_file_names_no_folder_of_this_machine(run: Path, tmp_path: Path) -> None:
    assert CliRunner().invoke(main, ["export", str(run), "--out", str(tmp_path)]).exit_code == 0
    for file in tmp_path.iterdir():
        content = file.read_bytes()
        assert str(Path(ensemble.__file__).parent.parent).encode() not in content
        assert str(run).encode() not in content


def test_a_fold_that_is_not_there_is_refused(run: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["export", str(run), "--fold", "2", "--out", str(tmp_path)])
    assert result.exit_code == 2
    assert "fold of 0 to 1" in result.stderr
