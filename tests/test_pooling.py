"""Pooled data sets: other folders' images are in every training part, in no test part, and no test image's twin."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from cvs_med import answering, datasets, experiment, pooling
from cvs_med.cli import main
from cvs_med.errors import DataError, ProtocolError, RunError
from cvs_med.protocol import load
from cvs_med.setup import Machine
from cvs_med.tables import read_predictions
from cvs_med.training import Epoch

CLASSES = ("healthy", "diabetic retinopathy", "glaucoma")
Make = Callable[..., Path]
Run = Callable[..., object]


@pytest.fixture
def other(make_folder: Make) -> Path:
    return make_folder("other", counts={"glaucoma": 2, "healthy": 4})


class Quiet:
    """An observer who keeps nothing."""

    def stage(self, text: str) -> None:
        """Hear that a part of the work begins."""

    def counted(self, done: int, total: int) -> None:
        """Hear how many are done."""

    def epoch(self, fold: int, epoch: Epoch) -> None:
        """Hear of an epoch."""


def also(*folders: Path) -> str:
    return f"also_train={json.dumps([str(folder) for folder in folders])}"


def test_pooled_images_are_learnt_from_in_every_fold_and_tested_in_none(
    other: Path, phantom_folder: Path, small: tuple[str, ...], tmp_path: Path
) -> None:
    protocol = load("phantom", [*small, "method=probe", also(other)])
    machine = Machine(tmp_path / "cache", "cpu", 1)
    with experiment.begun(
        protocol, tmp_path / "run", data_dir=phantom_folder, machine=machine, observer=Quiet()
    ) as (folder, run):
        setup = run.setups[answering.ONLY]
    pooled = {f"also-1-{name}" for name in ("P00_g0", "P00_g1", "P01_h0", "P01_h1", "P02_h2", "P02_h3")}
    tested = []
    for train, test in run.parts:
        learnt, answered = ({setup.cases[case].id for case in part} for part in (train, test))
        assert pooled <= learnt
        assert (len(learnt), len(answered)) == (6 + 6, 3)
        assert not answered & learnt
        tested += answered
    assert sorted(tested) == sorted(case.id for case in datasets.get("phantom").cases(phantom_folder))
    assert {case.id: CLASSES[case.label] for case in setup.cases}["also-1-P00_g0"] == "glaucoma"
    card = json.loads((folder.path / "dataset.json").read_text())
    assert card["cases"] == 9
    assert "6 images of another folder, 'Own images' (4 healthy, 2 glaucoma); none of them is" in card["notes"][-1]


def test_what_is_learnt_changes_and_the_constant_baseline_does_not(
    other: Path, cross_validate: Run, tmp_path: Path
) -> None:
    cross_validate(tmp_path / "alone", "training.epochs=1")
    cross_validate(tmp_path / "pooled", "training.epochs=1", also(other))
    alone, pooled = ((tmp_path / name / "predictions.csv").read_bytes() for name in ("alone", "pooled"))
    assert alone != pooled
    constant = [(tmp_path / name / "baselines" / "majority.csv").read_bytes() for name in ("alone", "pooled")]
    assert constant[0] == constant[1]


@pytest.mark.parametrize("method", ["classification", "probe", "multitask"])
def test_every_method_pools_and_a_folder_without_masks_is_enough_for_one_without_a_map(
    method: str, other: Path, cross_validate: Run, tmp_path: Path
) -> None:
    settings = (f"method={method}", "training.epochs=1", also(other))
    if method != "multitask":
        shutil.rmtree(other / "masks")
    cross_validate(tmp_path / "run", *settings)
    assert len(read_predictions(tmp_path / "run" / "predictions.csv", CLASSES)) == 9


def test_a_crop_around_the_disc_is_taken_of_pooled_images_too(
    other: Path, cross_validate: Run, tmp_path: Path
) -> None:
    cross_validate(tmp_path / "run", "method=classification", "images.crop=disc", "training.epochs=1", also(other))
    assert len(read_predictions(tmp_path / "run" / "predictions.csv", CLASSES)) == 9


def test_inner_folds_test_no_pooled_image(other: Path, cross_validate: Run, tmp_path: Path) -> None:
    cross_validate(tmp_path / "run", "method=probe", "inner.calibrate=true", also(other))
    answers = list((tmp_path / "run").rglob("answers-*.csv"))
    ids = [row.case_id for file in answers for row in read_predictions(file, CLASSES)]
    assert len(ids) == 3 * 6
    assert not any(name.startswith("also-") for name in ids)


def test_a_run_is_not_continued_with_other_pooled_images(other: Path, cross_validate: Run, tmp_path: Path) -> None:
    settings = ("method=probe", also(other))
    cross_validate(tmp_path / "run", *settings)
    cross_validate(tmp_path / "run", *settings)
    labels = (other / "labels.csv").read_text()
    (other / "labels.csv").write_text(labels.replace("P00_g0,glaucoma", "P00_g0,healthy"))
    with pytest.raises(RunError, match=r"inputs\.json"):
        cross_validate(tmp_path / "run", *settings)


def test_without_masks_a_map_is_refused(other: Path, cross_validate: Run, tmp_path: Path) -> None:
    shutil.rmtree(other / "masks")
    with pytest.raises(DataError, match="none for 6 of 15"):
        cross_validate(tmp_path / "run", also(other))


@pytest.mark.parametrize("turned", [None, Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_90])
def test_a_copy_of_a_test_image_is_refused_even_saved_again(
    other: Path, phantom_folder: Path, cross_validate: Run, tmp_path: Path, turned: Image.Transpose | None
) -> None:
    copied = next(iter(sorted((phantom_folder / "images").iterdir())))
    target = other / "images" / "P00_g0.png"
    shutil.rmtree(other / "masks")
    image = Image.open(copied).convert("RGB")
    image = image if turned is None else image.transpose(turned)
    image.resize((image.width * 2, image.height * 2), Image.Resampling.BICUBIC).save(target)
    with pytest.raises(DataError, match=rf"also-1-P00_g0.*nearly the same as {copied.stem}"):
        cross_validate(tmp_path / "run", "method=probe", "images.crop=none", also(other))


def test_all_faults_of_all_folders_are_told_at_once(other: Path, make_folder: Make) -> None:
    strange = make_folder("strange", counts={"benign": 2, "healthy": 2})
    (other / "labels.csv").write_text("case_id,label,group\nP00_g0,glaucoma,7\nnobody,healthy,\n")
    phantom = datasets.get("phantom")
    with pytest.raises(DataError) as error:
        pooling.gather(phantom, [], [str(strange), str(other)])
    said = str(error.value)
    assert "benign" in said
    assert "nobody" in said
    assert "healthy, diabetic retinopathy, glaucoma" in said


def test_a_patient_of_both_data_sets_is_refused(other: Path, make_folder: Make) -> None:
    own = datasets.opened("folder", make_folder("own", counts={"healthy": 2, "glaucoma": 2}))
    cases, _ = own[0].survey(own[1])
    with pytest.raises(DataError, match=r"2 of both \(P00, P01\)"):
        pooling.gather(own[0], cases, [str(other)])


def test_codes_name_a_class_too(make_folder: Make) -> None:
    folder = make_folder("codes", counts={"dr": 2, "g": 2})
    _, cases = pooling.gather(datasets.get("hrf"), [], [str(folder)])
    assert [case.label for case in cases] == [1, 1, 2, 2]


@pytest.mark.parametrize("settings", [["masks.per_class=2"], ["method=transfer"]])
def test_what_cannot_pool_says_so(settings: list[str]) -> None:
    with pytest.raises(ProtocolError, match="also_train"):
        load("phantom", [*settings, "also_train=[x]"])


def test_the_command_names_a_folder_that_is_not_there(phantom_folder: Path, tmp_path: Path) -> None:
    asked = ["cv", "--dataset", "phantom", "--data-dir", str(phantom_folder), "--folds", "3"]
    asked += ["--also-train", str(tmp_path / "gone"), "--out", str(tmp_path / "run")]
    result = CliRunner().invoke(main, asked)
    assert result.exit_code == 2
    assert "gone" in result.output


def test_the_command_of_the_docs_pools(
    fundus: Path, other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = "cvs-med cv --dataset hrf --also-train my-images"
    assert line in (Path(__file__).parents[1] / "docs" / "data.md").read_text()
    for file in (other / "images").iterdir():  # Both layouts draw the same eyes.
        Image.open(file).rotate(40).save(file)
    other.rename(tmp_path / "my-images")
    monkeypatch.chdir(tmp_path)
    small = ["--method", "probe", "--backbone", "resnet18", "--weights", "none", "--image-size", "64", "--folds", "2"]
    result = CliRunner().invoke(main, [*line.split()[1:], "--data-dir", str(fundus), *small, "--out", "run"])
    assert result.exit_code == 0, result.output
    assert "6 images of another folder" in (tmp_path / "run" / "report.html").read_text()


def test_a_sweep_does_not_pool(mnist: Path, tmp_path: Path) -> None:
    asked = ["sweep", "paper/mnist-lenet", "--data-dir", str(mnist), "--samples-per-class", "1", "--seeds", "1"]
    result = CliRunner().invoke(main, [*asked, "--set", "also_train=[x]", "--out", str(tmp_path / "sweep")])
    assert result.exit_code == 2
    assert "Expected protocols without also_train for a sweep" in result.output


def test_a_final_model_learns_from_pooled_images_too(
    other: Path, phantom_folder: Path, cross_validate: Run, tmp_path: Path
) -> None:
    cross_validate(tmp_path / "cv", "training.epochs=1", also(other))
    asked = ["train", "--dataset", "phantom", "--data-dir", str(phantom_folder), "--cv", str(tmp_path / "cv")]
    result = CliRunner().invoke(main, [*asked, "--out", str(tmp_path / "model")])
    assert result.exit_code == 0, result.output
    assert "Training on all 15 cases" in result.output
    assert "6 images of another folder" in (tmp_path / "model" / "MODEL_CARD.md").read_text()
