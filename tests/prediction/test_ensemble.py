import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from cvs_med.errors import RunError
from cvs_med.prediction import ensemble

CPU = torch.device("cpu")


def refuse(run: Path, match: str) -> None:
    with pytest.raises(RunError, match=match):
        ensemble.read(run, device=CPU)


@pytest.mark.parametrize("name", ["fold-1/model.safetensors", "encoder.safetensors"])
def test_a_file_that_is_cut_off_is_refused(name: str, run: Path) -> None:
    (run / name).write_bytes((run / name).read_bytes()[:1000])
    refuse(run, "damaged or of another network")


def test_a_pickle_is_never_opened(run: Path) -> None:
    torch.save({"weight": torch.zeros(1)}, run / "fold-0" / "model.safetensors")
    refuse(run, "damaged or of another network")


def test_numbers_that_are_none_are_refused(run: Path) -> None:
    state = load_file(run / "fold-0" / "model.safetensors")
    next(value for value in state.values() if value.is_floating_point()).view(-1)[0] = float("nan")
    save_file(state, run / "fold-0" / "model.safetensors")
    refuse(run, "not finite")


def test_a_network_for_other_classes_is_refused(run: Path) -> None:
    card = run / "dataset.json"
    card.write_text(card.read_text(encoding="utf-8").replace('"glaucoma"', '"glaucoma", "a fourth"'), encoding="utf-8")
    refuse(run, "another network")


def test_a_fold_without_a_model_is_named(run: Path) -> None:
    (run / "fold-2" / "model.safetensors").unlink()
    refuse(run, "none in fold-2")


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    refuse(tmp_path, "the folder of a run")


def test_a_probe_says_that_it_keeps_no_model(finished: Callable[..., Path], tmp_path: Path) -> None:
    refuse(Path(shutil.copytree(finished("method=probe"), tmp_path / "run")), "keeps no model")


def test_folds_that_each_chose_a_protocol_are_no_ensemble(run: Path) -> None:
    file = run / "protocol.yaml"
    text = file.read_text(encoding="utf-8").replace("select: {}", "select: {a: x, b: y}")
    file.write_text(text, encoding="utf-8")
    refuse(run, "each chose their own")
