"""`cvs-med propagate`: what it prints, where its files lie, and how it refuses."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from cvs_med.cli import main

CHEAP = ("network.backbone=wideresnet-10-1", "training.steps=1", "training.precision=fp32")


@pytest.fixture
def propagate(mnist: Path, tmp_path: Path) -> Callable[..., Result]:
    """Propagate on tiny digits, whose protocol is the paper's, made cheap."""

    def run(*options: object, out: str = "seg") -> Result:
        command = ["propagate", "--dataset", "mnist", "--data-dir", str(mnist), "--device", "cpu"]
        command += [part for setting in CHEAP for part in ("--set", setting)]
        return CliRunner().invoke(main, [*command, "--out", str(tmp_path / out), *map(str, options)])

    return run


def test_it_says_what_was_made_and_draws_examples(propagate: Callable[..., Result], tmp_path: Path) -> None:
    result = propagate("--manual", 2)
    assert result.exit_code == 0, result.output
    for words in ("40 masks in ", "20 predicted, 20 as they were learnt from.", "Masks by Seg-2", "not by hand",
                  "mean confidence of the predicted: 0.", "mean Dice with the reference masks of 20 of them: "):
        assert words in result.stdout
    assert len(list((tmp_path / "seg" / "mnist").glob("*.png"))) == 40
    with Image.open(tmp_path / "seg" / "mnist-examples.png") as picture:
        narrow = picture.width
    assert propagate("--manual", 1, out="one").exit_code == 0
    result = propagate("--manual", 2, "--beside", tmp_path / "one" / "mnist")
    assert "Training 1/1" not in result.stderr
    with Image.open(tmp_path / "seg" / "mnist-examples.png") as picture:
        assert picture.width - narrow == 136


def test_it_goes_onto_another_data_set(propagate: Callable[..., Result], cifar10: Path, tmp_path: Path) -> None:
    result = propagate("--manual", 1, "--onto", "cifar10", "--onto-dir", cifar10, "--per-class", 2, "--seed", 3)
    assert result.exit_code == 0, result.output
    assert "20 predicted, 0 as they were learnt from" in result.stdout
    assert "mean Dice" not in result.stdout
    assert len(list((tmp_path / "seg" / "cifar10").glob("*.png"))) == 20
    assert (tmp_path / "seg" / "cifar10-examples.png").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--manual", 0), "Invalid value for '--manual'"),
        (("--manual", 7), "class '3': expected at least 7 cases to draw 7 from, found 4."),
        (("--manual", 1, "--onto-dir", "."), "expected --onto NAME with --onto-dir"),
        (("--manual", 1, "--onto", "flowers"), "Expected one of the data sets"),
        (("--manual", 1, "--masks", "nowhere"), "expected a folder of masks, found none"),
        (("--manual", 1, "--set", "method=classification"), "a method with a map, such as cvs, found classification"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(
    propagate: Callable[..., Result], options: tuple[object, ...], said: str
) -> None:
    result = propagate(*options)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.output
