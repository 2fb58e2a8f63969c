import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from cvs_med import final_model
from cvs_med.cli import main
from cvs_med.decisions import Abstention, Decided, Decision, Decisions
from cvs_med.evaluation import measure_run
from cvs_med.prediction import ensemble, gate_file
from cvs_med.prediction.gates import FalseAlarms
from cvs_med.tables import read_predictions


@pytest.fixture(scope="module")
def cross_validation(cross_validate: Callable[..., object], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("cv") / "run"
    cross_validate(out, "training.epochs=1")
    return out


def train(cv: Path, data: Path, out: Path, *more: str) -> tuple[int, str]:
    asked = ["train", "--dataset", "phantom", "--data-dir", str(data), "--cv", str(cv), "--out", str(out), *more]
    result = CliRunner().invoke(main, asked)
    return result.exit_code, result.output


def test_a_final_model_answers_and_states_what_its_cross_validation_found(
    cross_validation: Path, phantom_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "model"
    code, said = train(cross_validation, phantom_folder, out)
    assert code == 0, said
    network = ensemble.read(out, device=torch.device("cpu"))
    assert len(network.networks) == 1
    assert gate_file.of_run(out, network, lambda done, total: pytest.fail("fitted again")).alarms.photographs == 9
    accuracy = measure_run(cross_validation).result.accuracy
    card = (out / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert f"Accuracy {accuracy.successes} of 9" in card
    assert not (out / "checkpoint.pt").exists()
    asked = ["predict", "--run", str(out), "--out", str(tmp_path / "answers"), str(phantom_folder / "images")]
    assert CliRunner().invoke(main, asked).exit_code == 0


def test_a_final_model_abstains_as_its_cross_validation_decided(
    cross_validation: Path, phantom_folder: Path, tmp_path: Path
) -> None:
    cv, out = Path(shutil.copytree(cross_validation, tmp_path / "cv")), tmp_path / "model"
    rows = read_predictions(cv / "predictions.csv", measure_run(cv).class_names)
    cases = [Decided(case_id=row.case_id, probabilities=row.probabilities, answered=False) for row in rows]
    folds = [Decision(fold=fold, cases=6, above=0.75) for fold in range(3)]
    both = Abstention(temperature=1.0, above=0.7)
    kept = Decisions(calibrated=False, risk=0.05, coverage=None, folds=folds, together=both, cases=cases)
    (cv / "decisions.json").write_text(kept.model_dump_json())
    code, said = train(cv, phantom_folder, out)
    assert code == 0, said
    rule = ensemble.read(out, device=torch.device("cpu")).abstention
    assert rule is not None
    assert rule == both
    model = ensemble.read(out, device=torch.device("cpu"))
    assert ensemble.one(model, 0).abstention == both


def test_no_name_is_a_mark_in_the_card(cross_validation: Path, phantom_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "model"
    assert train(cross_validation, phantom_folder, out)[0] == 0
    network, expected = ensemble.read(out, device=torch.device("cpu")), measure_run(cross_validation)
    names = ("a|b", "<img src=x>", "*c*")
    odd = replace(network, card=network.card.model_copy(update={"class_names": names, "title": "[t](http://x)"}))
    text = final_model.card(odd, expected, FalseAlarms(0, 0, 0, 9))
    assert r"It tells a\|b, \<img src=x\>, \*c\*." in text
    assert r"# \[t\](http://x)" in text


def test_a_cross_validation_of_something_else_is_refused(
    cross_validation: Path, phantom_folder: Path, tmp_path: Path
) -> None:
    code, said = train(cross_validation, phantom_folder, tmp_path / "model", "--protocol", "phantom")
    assert code == 2
    assert "found another images, network, training" in said
    assert not (tmp_path / "model" / "model.safetensors").exists()


def test_a_model_does_not_move_into_another_run(cross_validation: Path, phantom_folder: Path, tmp_path: Path) -> None:
    code, said = train(cross_validation, phantom_folder, cross_validation)
    assert code == 2
    assert "expected a folder for the model alone" in said
    out = Path(shutil.copytree(cross_validation, tmp_path / "begun"))
    (out / "folds.json").unlink()
    asked = ["cv", "--dataset", "phantom", "--data-dir", str(phantom_folder), "--set", "training.epochs=3"]
    result = CliRunner().invoke(main, [*asked, "--out", str(out)])
    assert result.exit_code == 2
    assert "another protocol" in result.output
