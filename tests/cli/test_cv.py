"""`cvs-med cv`: what it prints, what it returns, and how it refuses."""

import errno
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cvs_med import experiment
from cvs_med.cli import main
from cvs_med.errors import CvsMedError
from cvs_med.protocol import load
from cvs_med.run_folder import opened

Command = Callable[..., Result]


@pytest.fixture
def cv(phantom_folder: Path, small: tuple[str, ...], tmp_path: Path) -> Command:
    """Run the probe on nine phantoms: `cv(*options, data=..., dataset=...)`."""

    def run(*options: str, data: Path = phantom_folder, dataset: str = "phantom", cheap: bool = True) -> Result:
        command = ["cv", "--dataset", dataset, "--data-dir", str(data), "--device", "cpu"]
        command += ["--method", "probe", "--out", str(tmp_path / "run")]
        command += [part for setting in small for part in ("--set", setting)] if cheap else []
        return CliRunner().invoke(main, [*command, *options])

    return run


def refusal(result: Result) -> str:
    """Check that a command was refused in words, and give them."""
    assert result.exit_code == 2, (result.output, result.exception)
    assert isinstance(result.exception, SystemExit)
    assert result.stdout == ""
    assert result.stderr.count("Error: ") == 1
    assert "Traceback" not in result.stderr
    return result.stderr.split("Error: ")[1]


def nothing_was_trained(out: Path) -> bool:
    return not any(out.glob("fold-*")) and not (out / "predictions.csv").exists() and not any(out.rglob("*.pt"))


def test_a_run_ends_with_tables_and_the_place_of_the_report(cv: Command, tmp_path: Path) -> None:
    result = cv()
    assert result.exit_code == 0, result.output
    for word in ("Accuracy", "probe", "most frequent class", "area of the gold mask", "Confusion", "Wilson"):
        assert word in result.stdout
    assert result.stdout.rstrip().endswith(f"Report: {tmp_path / 'run' / 'report.html'}")
    for name in ("report.html", "metrics.json", "figures/accuracy.png", "overlays/01_h.png"):
        assert (tmp_path / "run" / name).stat().st_size > 0
    assert "Fold 1 of 3: 6 to learn from, 3 to test" in result.stderr


def test_json_is_all_that_is_printed(cv: Command, tmp_path: Path) -> None:
    result = cv("--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert json.loads(result.stdout)["result"]["accuracy"]["n"] == 9


def test_the_same_command_again_gives_the_same_result(cv: Command, tmp_path: Path) -> None:
    first, predictions = cv("--json"), (tmp_path / "run" / "predictions.csv").read_bytes()
    again = cv("--json")
    assert again.exit_code == 0
    assert again.stdout == first.stdout
    assert (tmp_path / "run" / "predictions.csv").read_bytes() == predictions


def test_options_are_fields_of_the_protocol(cv: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise CvsMedError("enough")

    monkeypatch.setattr("cvs_med.experiment.prepare", stop)
    weights = "my: strange #1 [file].pth"
    refusal(
        cv(
            "--folds", "4", "--method", "classification", "--backbone", "resnet34", "--weights", weights,
            "--weights-partial", "--image-size", "96", "--epochs", "7", "--splits", "grouped", "--seed", "5",
            "--precision", "fp32", "--set", "probe.level=2", cheap=False,
        )
    )  # fmt: skip
    protocol = load(str(tmp_path / "run" / "protocol.yaml"))
    assert (protocol.dataset, protocol.method) == ("phantom", "classification")
    assert (protocol.splits.folds, protocol.splits.kind, protocol.splits.seed) == (4, "grouped", 5)
    assert (protocol.network.backbone, protocol.network.weights) == ("resnet34", weights)
    assert protocol.network.weights_partial
    assert (protocol.images.size, protocol.training.epochs, protocol.training.precision) == (96, 7, "fp32")
    assert protocol.probe.level == 2


def test_a_run_without_a_name_gets_one_that_the_same_command_finds_again(
    cv: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, phantom_folder: Path
) -> None:
    asked: list[Path] = []

    def keep(protocol: object, out: Path, **_: object) -> None:
        asked.append(out)
        raise CvsMedError("enough")

    monkeypatch.setattr(experiment, "cross_validate", keep)
    for epochs in ("3", "3", "4"):
        refusal(CliRunner().invoke(main, ["cv", "--dataset", "phantom", "--epochs", epochs]))
    assert asked[0] == asked[1] != asked[2]
    assert asked[0].parts[0] == "runs"
    assert asked[0].name.startswith("phantom-cvs-stratified-seed0-")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--set", "training.epoch=3"], "training.epoch (given by an option): expected one of optimiser"),
        (["--set", "training.epochs"], "Expected KEY=VALUE such as training.epochs=3"),
        (["--set", "training.epochs=many"], "training.epochs (given by an option)"),
        (["--backbone", "vgg"], "network.backbone (given by an option): expected resnet18, resnet34"),
        (["--method", "cvs", "--backbone", "wideresnet-28-10"], "expected levels and context of 0 to 3 with"),
        (["--method", "cvs", "--backbone", "lenet5"], "expected classification or probe with lenet5"),
        (["--method", "multitask", "--set", "loss.class_weight=0"], "expected map_weight and class_weight above"),
        (["--image-size", "32", "--set", "training.batch_size=1"], "batch_size (given by an option): expected at"),
        (["--folds", "1"], "splits.folds (given by an option)"),
        (["--image-size", "100"], "images.size (given by an option)"),
        (["--epochs", "0"], "training.epochs (given by an option)"),
        (["--seed", "-1"], "splits.seed (given by an option)"),
        (["--protocol", "nonsense"], "Expected a protocol file or one of"),
        (["--dataset", "nonsense"], "Expected one of the data sets hrf, phantom, digits, mnist, cifar10, cifar100,"),
        (["--dataset", "hrf-gpu"], "Expected one of the data sets"),
        (["--dataset", "mnist"], "expected at least one of train-images"),
        (["--protocol", "hrf", "--dataset", "nonsense"], "Expected one of the data sets"),
        (["--data-dir", "/nonexistent/folder"], "found none at /nonexistent/folder"),
        (["--folds", "3", "--weights", "nowhere.pth"], "nowhere.pth: expected a file of weights, found none"),
        (["--folds", "3", "--weights", "weights.txt"], "weights.txt: expected a file ending in .pth"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_sentence(cv: Command, tmp_path: Path, options: list[str], said: str) -> None:
    settings = [] if "--weights" in options else ["--set", "network.weights=none"]
    result = cv(*settings, *options, cheap=False)
    assert said in refusal(result)
    assert nothing_was_trained(tmp_path / "run")


@pytest.mark.parametrize("options", [["--method", "magic"], ["--seed", "x"], ["--device", "tpu"], ["--nonsense"]])
def test_what_click_refuses_ends_with_the_same_code(cv: Command, options: list[str]) -> None:
    result = cv(*options)
    assert result.exit_code == 2
    assert "Usage:" in result.stderr
    assert result.stdout == ""


def test_a_gpu_that_is_not_there_is_refused(cv: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert "Expected a GPU for --device cuda" in refusal(cv("--device", "cuda"))


def test_a_data_set_that_is_not_on_this_machine_says_how_to_get_it(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["cv", "--dataset", "hrf", "--device", "cpu", "--out", str(tmp_path / "run")])
    assert "cvs-med data fetch hrf" in refusal(result)


def test_all_faults_of_a_folder_are_listed_before_anything_is_trained(
    cv: Command, make_fundus: Callable[..., Path], tmp_path: Path
) -> None:
    data = make_fundus("faulty", cases=3)
    (data / "manual1" / "01_h.tif").unlink()
    (data / "images" / "02_dr.JPG").write_bytes((data / "images" / "02_dr.JPG").read_bytes()[:400])
    (data / "images" / "03_g.png").write_bytes(b"")
    (data / "mask" / "02_h_mask.tif").write_bytes(b"II*\0nonsense")
    said = refusal(cv(data=data))
    for name in ("manual1/01_h", "images/02_dr.JPG", "images/03_g", "mask/02_h_mask.tif"):
        assert said.count(f"  {name}: expected") == 1, said
    assert "has 4 problems:" in said
    assert nothing_was_trained(tmp_path / "run")


def test_faults_of_pixels_alone_are_listed_too(cv: Command, make_fundus: Callable[..., Path], tmp_path: Path) -> None:
    data = make_fundus("faulty", cases=3)
    for name in ("images/01_h.jpg", "images/02_dr.JPG"):
        (data / name).write_bytes((data / name).read_bytes()[:-500])
    said = refusal(cv(data=data))
    assert "has 2 problems:" in said
    for name in ("images/01_h.jpg", "images/02_dr.JPG"):
        assert name in said
    assert nothing_was_trained(tmp_path / "run")


def test_more_folds_than_cases_of_a_class_are_refused(cv: Command, tmp_path: Path) -> None:
    said = refusal(cv("--folds", "4", "--set", "splits.folds=4"))
    assert said.count("at least 4 cases for 4 folds, found 3") == 3
    assert nothing_was_trained(tmp_path / "run")


def test_a_run_of_another_protocol_is_refused_with_a_diff(cv: Command, tmp_path: Path) -> None:
    assert cv().exit_code == 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*") if path.name != ".lock"}
    said = refusal(cv("--set", "probe.inverse_penalty=0.5"))
    assert "holds a run of another protocol" in said
    assert "-  inverse_penalty: 0.01" in said
    assert "+  inverse_penalty: 0.5" in said
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*") if path.name != ".lock"}


def test_a_folder_in_use_is_refused(cv: Command, tmp_path: Path, small: tuple[str, ...]) -> None:
    with opened(tmp_path / "run", load("phantom", [*small, "method=probe"])):
        assert "expected to work here alone" in refusal(cv())


def test_a_folder_that_is_a_file_is_refused(cv: Command, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("in the way")
    assert cv().exit_code == 2
    assert (tmp_path / "run").read_text() == "in the way"


def test_ctrl_c_says_how_to_go_on(cv: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(experiment, "cross_validate", interrupt)
    result = cv()
    assert result.exit_code == 130
    assert "The same command goes on" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_a_disk_that_fills_up_is_said_in_words(cv: Command, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, "no more", "run/fold-0/model.safetensors")

    monkeypatch.setattr(experiment, "cross_validate", fail)
    said = refusal(cv())
    assert "run/fold-0/model.safetensors: expected to write here, found: no more" in said
    assert "what was computed stays" in said


def test_a_fault_of_ours_is_not_hidden(cv: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(experiment, "cross_validate", fail)
    assert isinstance(cv().exception, ZeroDivisionError)


def test_repeats_are_ordinary_runs_with_a_summary(cv: Command, tmp_path: Path) -> None:
    result = cv("--repeats", "2", "--seed", "3")
    assert result.exit_code == 0, result.output
    for word in ("Right of 9 in 2 repeats", "corrected resampled t", "most frequent class", "seed-*/report.html"):
        assert word in result.stdout
    for seed in (3, 4):
        assert (tmp_path / "run" / f"seed-{seed}" / "report.html").stat().st_size > 0
    again = cv("--repeats", "2", "--seed", "3", "--json")
    assert again.exit_code == 0, again.output
    assert "Fold" not in again.stderr
    assert json.loads(again.stdout)["seeds"] == [3, 4]


def test_a_tracker_leaves_nothing_in_the_folder_of_another_run(cv: Command, tmp_path: Path) -> None:
    assert cv().exit_code == 0
    before = sorted(tmp_path.joinpath("run").rglob("*"))
    assert "holds a run of another protocol" in refusal(cv("--track", "tensorboard", "--seed", "7"))
    assert sorted(tmp_path.joinpath("run").rglob("*")) == before


def test_a_single_run_is_not_begun_among_repeats(cv: Command, tmp_path: Path) -> None:
    (tmp_path / "run" / "seed-0").mkdir(parents=True)
    (tmp_path / "run" / "seed-0" / "protocol.yaml").write_text("")
    assert "found one of repeats" in refusal(cv())
    assert not (tmp_path / "run" / "protocol.yaml").exists()
