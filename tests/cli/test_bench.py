"""`cvs-med bench`: tables, JSON, and what it refuses."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from cvs_med.cli import main


@pytest.mark.parametrize(
    "command", [("loader",), ("step", "--backbone", "wideresnet-10-1", "--batch-size", "4", "--device", "cpu")]
)
def test_the_commands_print_ratios(mnist: Path, command: tuple[str, ...]) -> None:
    options = ["--dataset", "mnist", "--data-dir", str(mnist), "--rounds", "1"]
    table, numbers = (CliRunner().invoke(main, ["bench", *command, *options, *more]) for more in ((), ("--json",)))
    assert (table.exit_code, numbers.exit_code) == (0, 0), table.output + numbers.output
    assert table.stdout.startswith("| what | ours | other | ratio |")
    assert json.loads(numbers.stdout)["ratios"][0]["ratio"] > 0


def test_a_data_set_that_is_not_known_is_told_so() -> None:
    result = CliRunner().invoke(main, ["bench", "step", "--dataset", "flowers"])
    assert result.exit_code == 2
    assert "Expected one of the data sets" in result.stderr
