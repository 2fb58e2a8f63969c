"""Cross-validation as a whole: what lies in the run folder, and that nothing can spoil it."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import cvs_med
from cvs_med import checkpoints, environment, report
from cvs_med.cli import main
from cvs_med.errors import DataError, RunError
from cvs_med.tables import read_predictions, read_segmentation

CLASSES = ("healthy", "diabetic retinopathy", "glaucoma")
FROZEN = ("network.trainable=head", "augmentation.colour=0")
METHODS = {
    "cvs": (),
    "cvs, frozen": FROZEN,
    "cvs, frozen, with context": (*FROZEN, "network.context=[1, 3]"),
    "cvs, frozen, with context and spots": (*FROZEN, "network.context=[1, 3]", "images.finer=2"),
    "cvs with spots": ("images.finer=2",),
    "cvs, frozen, with nerve fibres": (*FROZEN, "images.fibres=true"),
    "cvs, frozen, with a finer stage": (
        *FROZEN, "network.context=[1, 3]", "images.finer=2", "images.fibres=true", "network.decoder=fine",
        "fine.widths=[8,8]", "fine.tile=32", "fine.steps=4",
    ),
    "classification": ("method=classification",),
    "classification, frozen": ("method=classification", *FROZEN),
    "probe": ("method=probe", *FROZEN),
}

Run = Callable[..., object]


@pytest.fixture(scope="module", params=METHODS)
def finished(
    request: pytest.FixtureRequest, cross_validate: Run, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, tuple[str, ...]]:
    """One finished run of every method, and its settings."""
    out = tmp_path_factory.mktemp("run") / "new" / "folder"
    settings = (*METHODS[request.param], "training.epochs=1")
    cross_validate(out, *settings)
    return out, settings


def test_the_run_folder_holds_what_the_design_says(finished: tuple[Path, tuple[str, ...]]) -> None:
    out, settings = finished
    trained, mapped = "method=probe" not in settings, not any(setting.startswith("method") for setting in settings)
    folds = json.loads((out / "folds.json").read_text())["folds"]
    expected = {"protocol.yaml", "environment.json", "folds.json", "inputs.json", "dataset.json", "predictions.csv"}
    expected |= {".lock"}
    expected |= {f"baselines/{name}.csv" for name in ("majority", "mask-area")}
    expected |= {"baselines/probe.csv"} if trained else set()
    expected |= {"segmentation.csv"} if mapped else set()
    expected |= {"encoder.safetensors"} if set(FROZEN) <= set(settings) else set()
    for number, cases in enumerate(folds):
        names = ["predictions.csv", *(f"maps/{case}.npz" for case in cases)]
        names += ["model.safetensors", "history.csv"] if trained else []
        names += ["segmentation.csv"] if mapped else []
        expected |= {f"fold-{number}/{name}" for name in names}
    assert {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()} == expected


def test_every_case_is_answered_once_by_the_network_that_did_not_see_it(
    finished: tuple[Path, tuple[str, ...]],
) -> None:
    out, _ = finished
    folds = json.loads((out / "folds.json").read_text())["folds"]
    for table in [out / "predictions.csv", *(out / "baselines").glob("*.csv")]:
        rows = [(row.fold, row.case_id) for row in read_predictions(table, CLASSES)]
        assert rows == [(number, case) for number, cases in enumerate(folds) for case in cases]
    assert len({case for cases in folds for case in cases}) == 9


def test_what_is_kept_of_a_map_explains_the_prediction(finished: tuple[Path, tuple[str, ...]]) -> None:
    out, settings = finished
    mapped = not any(setting.startswith("method") for setting in settings)
    for row in read_predictions(out / "predictions.csv", CLASSES):
        kept = np.load(out / f"fold-{row.fold}" / "maps" / f"{row.case_id}.npz", allow_pickle=False)
        assert {"image", "field_of_view", "gold"} <= set(kept)
        assert kept["image"].shape == (64, 64, 3)
        assert ("evidence" in kept) == mapped
        if mapped:
            assert abs(kept["evidence"].sum(dtype=np.float64) - kept["score"]) < 1e-5
            assert set(np.unique(kept["label_map"])) <= {0, 1, 2, 3}
            assert not kept["label_map"][kept["field_of_view"] == 0].any()


def test_segmentation_is_measured_for_every_case(finished: tuple[Path, tuple[str, ...]]) -> None:
    out, settings = finished
    if any(setting.startswith("method") for setting in settings):
        assert not (out / "segmentation.csv").exists()
        return
    rows = read_segmentation(out / "segmentation.csv")
    assert len(rows) == 9
    for row in rows:
        kept = np.load(out / f"fold-{row.fold}" / "maps" / f"{row.case_id}.npz", allow_pickle=False)
        seen = kept["field_of_view"] > 0
        assert row.gold_fraction == pytest.approx(kept["gold"][seen].mean())
        assert row.dice_native is not None


def test_the_same_call_again_computes_nothing_and_changes_nothing(
    finished: tuple[Path, tuple[str, ...]], cross_validate: Callable[..., object]
) -> None:
    out, settings = finished
    before = _contents(out)
    watching = cross_validate(out, *settings)
    assert watching.epochs == []  # type: ignore[attr-defined]  # the observer of conftest.py
    assert _contents(out) == before


def test_the_environment_is_written_down(finished: tuple[Path, tuple[str, ...]]) -> None:
    facts = json.loads((finished[0] / "environment.json").read_text())
    assert {"torch", "monai", "commit", "cores", "precision", "device", "seconds: photographs"} <= set(facts)
    assert facts["torch"] == torch.__version__.split("+")[0] or facts["torch"] == torch.__version__
    assert 0 < facts["peak memory, GB"] < 100


def test_two_runs_of_the_same_protocol_are_equal_to_the_last_bit(tmp_path: Path, cross_validate: Run) -> None:
    for name in ("first", "second"):
        cross_validate(tmp_path / name, *FROZEN)
    assert _contents(tmp_path / "first") == _contents(tmp_path / "second")


def test_another_seed_gives_another_run(tmp_path: Path, cross_validate: Run) -> None:
    for seed in (0, 1):
        cross_validate(tmp_path / str(seed), *FROZEN, f"splits.seed={seed}", "training.epochs=1")
    folds = [json.loads((tmp_path / str(seed) / "folds.json").read_text())["folds"] for seed in (0, 1)]
    assert folds[0] != folds[1]
    assert _contents(tmp_path / "0")["encoder.safetensors"] != _contents(tmp_path / "1")["encoder.safetensors"]


def test_a_frozen_encoder_is_the_same_in_every_fold_and_heads_are_not(tmp_path: Path, cross_validate: Run) -> None:
    cross_validate(tmp_path / "run", *FROZEN, "training.epochs=1")
    found = _contents(tmp_path / "run")
    models = {found[f"fold-{number}/model.safetensors"] for number in range(3)}
    assert len(models) == 3
    assert (tmp_path / "run" / "fold-0" / "model.safetensors").stat().st_size < 1_000_000


def test_other_cases_under_the_same_run_are_refused(
    tmp_path: Path, cross_validate: Run, phantom_folder: Path
) -> None:
    from cvs_med.datasets import phantom

    cross_validate(tmp_path / "run", "method=probe", *FROZEN)
    before = _contents(tmp_path / "run")
    phantom.make(tmp_path / "more", cases=12, size=64)
    with pytest.raises(RunError, match=r"inputs\.json is of other photographs"):
        cross_validate(tmp_path / "run", "method=probe", *FROZEN, data_dir=tmp_path / "more")
    assert _contents(tmp_path / "run") == before


def test_an_interruption_between_epochs_costs_no_more_than_that_epoch(
    tmp_path: Path, cross_validate: Callable[..., object]
) -> None:
    class Impatient:
        def stage(self, text: str) -> None: ...

        def counted(self, done: int, total: int) -> None: ...

        def epoch(self, fold: int, epoch: object) -> None:
            if (fold, epoch.number) == (1, 1):  # type: ignore[attr-defined]  # an Epoch
                raise KeyboardInterrupt

    settings = (*FROZEN, "training.epochs=3")
    with pytest.raises(KeyboardInterrupt):
        cross_validate(tmp_path / "stopped", *settings, observer=Impatient())
    again = cross_validate(tmp_path / "stopped", *settings)
    assert again.epochs == [(1, 2), (2, 0), (2, 1), (2, 2)]  # type: ignore[attr-defined]  # the observer of conftest.py
    cross_validate(tmp_path / "undisturbed", *settings)
    assert _contents(tmp_path / "stopped") == _contents(tmp_path / "undisturbed")


@pytest.mark.parametrize("settings", [(), (*FROZEN, "network.context=[3]")], ids=["whole network", "frozen encoder"])
def test_killed_in_the_second_fold_and_started_again_is_as_if_undisturbed(
    tmp_path: Path, phantom_folder: Path, cross_validate: Run, small: tuple[str, ...], settings: tuple[str, ...]
) -> None:
    epochs = 30 if settings else 3  # Enough of them that the kill comes before the last.
    settings = (*settings, "training.optimiser=sgd", f"training.epochs={epochs}", "splits.folds=2")
    chosen = [*small, *settings]
    options = ["cv", "--dataset", "phantom", "--data-dir", str(phantom_folder), "--device", "cpu"]
    options += [part for setting in chosen for part in ("--set", setting)]
    killed, undisturbed = tmp_path / "killed", tmp_path / "undisturbed"

    kept = _kill_in_second_fold([*options, "--out", str(killed)], killed)
    assert 1 <= len(kept) < epochs
    assert not (killed / "fold-1" / "predictions.csv").exists()
    assert not (killed / "predictions.csv").exists()

    result = CliRunner().invoke(main, [*options, "--out", str(killed)])
    assert result.exit_code == 0, result.output
    cross_validate(undisturbed, *settings)
    assert (killed / "predictions.csv").read_bytes() == (undisturbed / "predictions.csv").read_bytes()
    assert (killed / "segmentation.csv").read_bytes() == (undisturbed / "segmentation.csv").read_bytes()
    models = [(out / "fold-1" / "model.safetensors").read_bytes() for out in (killed, undisturbed)]
    assert models[0] == models[1]
    history = (killed / "fold-1" / "history.csv").read_text().splitlines()[1:]
    assert len(history) == epochs
    assert [line.rsplit(",", 1)[1] for line in history[: len(kept)]] == [f"{epoch[2]:.3f}" for epoch in kept]


# Every network and method of the paper whole, from photographs to the report: settings, and whether there is a map.
OF_THE_PAPER = {
    "CvS, Wide-ResNet": (("network.backbone=wideresnet-10-1", "network.decoder=transposed", "images.size=28"), True),
    "multi-task": (
        ("method=multitask", "network.backbone=wideresnet-10-1", "network.decoder=transposed", "images.size=28"), True
    ),
    "multi-task, frozen": (("method=multitask", *FROZEN, "network.levels=[0,1]", "images.size=32"), True),
    "LeNet": (("method=classification", "network.backbone=lenet5", "images.size=28", "probe.level=1"), False),
    "BiT": (
        (
            "method=classification", "network.backbone=bit50x1", "images.size=32", "training.optimiser=sgd",
            "training.schedule=hyperrule", "training.steps=1", "training.learning_rate=0.003", "training.batch_size=9",
            "augmentation.crop_area=[0.64, 0.64]", "splits.folds=2",
        ),
        False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("which", OF_THE_PAPER)
def test_a_network_of_the_paper_goes_the_whole_way(tmp_path: Path, cross_validate: Run, which: str) -> None:
    settings, has_map = OF_THE_PAPER[which]
    cross_validate(tmp_path / "run", *settings)
    assert (tmp_path / "run" / "segmentation.csv").exists() == has_map
    page = report.write(tmp_path / "run").read_text(encoding="utf-8")
    assert ("Dice of the" in page) == has_map
    assert ("Evidence for the derived class" in page) == which.startswith("CvS")
    assert ("need not agree" in page) == which.startswith("multi-task")
    with np.load(next((tmp_path / "run" / "fold-0" / "maps").glob("*.npz")), allow_pickle=False) as kept:
        assert ("label_map" in kept.files) == has_map
        assert ("evidence" in kept.files) == which.startswith("CvS")


def test_multi_task_again_is_the_same_bit_by_bit(tmp_path: Path, cross_validate: Run) -> None:
    settings = OF_THE_PAPER["multi-task"][0]
    for name in ("first", "again"):
        cross_validate(tmp_path / name, *settings, "training.epochs=1", "splits.folds=2")
    assert _contents(tmp_path / "first") == _contents(tmp_path / "again")


def test_a_commit_is_named_or_its_absence() -> None:
    assert environment._commit()
    assert environment._processor()


def _kill_in_second_fold(options: list[str], out: Path) -> list[tuple[int, dict[str, float], float, float, int]]:
    """Start the command, kill it once the second fold has kept an epoch, and give the epochs that it kept."""
    command = [sys.executable, "-c", "from cvs_med.cli import main; main()", *options]
    checkpoint = out / "fold-1" / checkpoints.FILE
    # The package that these tests are of, whichever is installed.
    settings = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(cvs_med.__file__).parent.parent)}
    process = subprocess.Popen(
        command, env=os.environ | settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    while not checkpoint.exists() and process.poll() is None:
        time.sleep(0.001)
    process.kill()
    output = process.communicate()[0].decode()
    assert process.returncode == -signal.SIGKILL, output
    kept = checkpoints.read(checkpoint, pytest.fail)
    assert kept is not None
    return kept["epochs"]


def _contents(out: Path) -> dict[str, str]:
    """Digest every file of a run, except for those that tell of time and process."""
    found = {}
    for path in sorted(path for path in out.rglob("*") if path.is_file()):
        name = str(path.relative_to(out))
        content = path.read_bytes()
        if path.name == "history.csv":
            content = b"\n".join(line.rsplit(b",", 1)[0] for line in content.splitlines())
        if name not in {"environment.json", ".lock"}:
            found[name] = hashlib.sha256(content).hexdigest()
    return found


def test_room_for_models_and_checkpoints_is_asked_for_before_training(
    cross_validate: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = shutil.disk_usage(tmp_path)._replace(free=300_000_000)
    monkeypatch.setattr("shutil.disk_usage", lambda path: free)
    # ResNet-18 has 45 MB of weights; AdamW keeps two numbers more of each, and three checkpoints lie there at most.
    with pytest.raises(DataError, match=r"expected 5\d\d MB of free space, found 300 MB"):
        cross_validate(tmp_path / "whole", "training.epochs=1")
    assert not (tmp_path / "whole" / "fold-0").exists()
    cross_validate(tmp_path / "head", "training.epochs=1", *FROZEN)
