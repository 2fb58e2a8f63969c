"""`cvs-med sweep` and `cvs-med table`: what they print and how they refuse."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from cvs_med.cli import main

CHEAP = ("network.backbone=wideresnet-10-1", "training.steps=1", "training.batch_size=16")


@pytest.fixture
def sweep(mnist: Path, tmp_path: Path) -> Callable[..., Result]:
    """Sweep a paper's protocol, made cheap, on tiny digits."""

    def run(*options: str) -> Result:
        command = ["sweep", "paper/mnist-wideresnet", "--data-dir", str(mnist), "--device", "cpu", "--seeds", "1"]
        command += [part for setting in CHEAP for part in ("--set", setting)]
        return CliRunner().invoke(main, [*command, "--out", str(tmp_path / "run"), *options])

    return run


def test_it_ends_with_the_table_and_its_place(sweep: Callable[..., Result], tmp_path: Path) -> None:
    result = sweep("--methods", "cvs,multitask", "--samples-per-class", "2,full", "--test-per-class", "1")
    assert result.exit_code == 0, result.output
    for word in ("mnist, wideresnet-10-1", "samples a class", "multitask", "full", "1 seed", "binarization"):
        assert word in result.stdout
    assert result.stdout.rstrip().endswith(f"Table: {tmp_path / 'run' / 'table.md'}")
    assert "Cell 4 of 4: multitask, the whole train part, seed 0; 40 to learn from, 10 to test" in " ".join(
        result.stderr.split()
    )
    content = json.loads((tmp_path / "run" / "table.json").read_text())
    assert [row["mean"] for row in content["rows"]] == [10 * row["right"][0] for row in content["rows"]]
    assert (tmp_path / "run" / "table.csv").read_text().startswith("method,samples,seeds,mean,minimum,maximum,tested\n")


def test_the_same_command_goes_on_and_another_protocol_is_refused(sweep: Callable[..., Result]) -> None:
    first = sweep("--samples-per-class", "1")
    assert sweep("--samples-per-class", "1").stdout == first.stdout
    refused = sweep("--samples-per-class", "1", "--epochs", "7")
    assert refused.exit_code == 2
    assert "+  epochs: 7" in refused.stderr


def test_the_same_augmentation_for_all_is_in_every_protocol(sweep: Callable[..., Result], tmp_path: Path) -> None:
    options = ("--methods", "cvs,classification", "--samples-per-class", "1", "--augmentation", "same")
    assert sweep(*options).exit_code == 0
    texts = [(tmp_path / "run" / name / "protocol.yaml").read_text() for name in ("cvs", "classification")]
    parts = [text[text.index("augmentation:") : text.index("loss:")] for text in texts]
    assert parts[0] == parts[1]
    assert "turn: 15" in parts[0]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--samples-per-class", "1,many"), "expected numbers from 1, or full, with commas between them, found 'many'"),
        (("--samples-per-class", "0"), "found '0'"),
        (("--test-per-class", "some"), "expected a number from 1, or all, found 'some'"),
        (("--samples-per-class", "9"), "class '7': expected at least 9 cases to draw 9 from, found 4."),
        (("--methods", "probe"), "Expected methods that train a network, found probe."),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(
    sweep: Callable[..., Result], options: tuple[str, ...], said: str
) -> None:
    result = sweep(*options)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_a_table_prints_what_was_measured_and_what_was_published(sweep: Callable[..., Result], tmp_path: Path) -> None:
    sweep("--samples-per-class", "1", "--set", "network.backbone=wideresnet-16-1")
    table = tmp_path / "run" / "table.json"
    table.write_text(table.read_text().replace("wideresnet-16-1", "wideresnet-28-10"))
    plain = CliRunner().invoke(main, ["table", str(tmp_path / "run")])
    both = CliRunner().invoke(main, ["table", str(tmp_path / "run"), "--reported"])
    numbers = CliRunner().invoke(main, ["table", str(tmp_path / "run"), "--reported", "--csv"])
    assert (plain.exit_code, both.exit_code, numbers.exit_code) == (0, 0, 0)
    assert "reported" not in plain.stdout
    assert "CvS, Wide-ResNet-28-10, reported" in both.stdout
    assert numbers.stdout.startswith("dataset,run,system")
    drawn = CliRunner().invoke(main, ["table", str(tmp_path / "run"), "--reported", "--plot", str(tmp_path / "t.png")])
    assert drawn.stdout == both.stdout
    with Image.open(tmp_path / "t.png") as picture:
        assert picture.width > picture.height


def test_a_folder_without_a_table_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["table", str(tmp_path)])
    assert result.exit_code == 2
    assert "table.json" in result.stderr
