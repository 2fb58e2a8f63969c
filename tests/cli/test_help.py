"""Every command explains itself."""

import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from cvs_med.cli import main


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """List a command and all below it, with the words that call it."""
    yield path, command
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from commands(inner, (*path, name))


COMMANDS = list(commands(main))
every_command = pytest.mark.parametrize(
    ("path", "command"), COMMANDS, ids=[" ".join(path) or "cvs-med" for path, _ in COMMANDS]
)


def test_the_commands_of_the_issue_are_there() -> None:
    assert {("cv",), ("report",), ("data", "fetch"), ("data", "check"), ("data", "make"), ("bench", "train")} <= {
        path for path, _ in COMMANDS
    }


@every_command
@pytest.mark.parametrize("asking", ["--help", "-h"])
def test_help_works(path: tuple[str, ...], command: click.Command, asking: str) -> None:
    result = CliRunner().invoke(main, [*path, asking])
    assert result.exit_code == 0
    assert result.stderr == ""
    assert result.stdout.startswith("Usage:")


@every_command
def test_help_says_what_the_command_does_and_names_every_option(path: tuple[str, ...], command: click.Command) -> None:
    text = CliRunner().invoke(main, [*path, "--help"], terminal_width=200).stdout
    assert command.help
    assert command.help.split("\n")[0] in text
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{' '.join(path)} {parameter.opts[0]} has no help"
            for line in (parameter.opts[-1], *parameter.help.split("  [")[0].splitlines()):
                assert line in text
        else:
            assert parameter.make_metavar(click.Context(command)) in text


@every_command
def test_a_group_lists_its_commands(path: tuple[str, ...], command: click.Command) -> None:
    text = CliRunner().invoke(main, [*path, "--help"], terminal_width=200).stdout
    for name, inner in getattr(command, "commands", {}).items():
        assert f"{name} " in text
        assert inner.get_short_help_str(200) in text


def test_an_unknown_command_is_refused() -> None:
    result = CliRunner().invoke(main, ["classify"])
    assert result.exit_code == 2
    assert "No such command 'classify'" in result.stderr


def test_the_version_is_told() -> None:
    result = CliRunner().invoke(main, ["--version"])
    assert result.exit_code == 0
    assert "0.1.0" in result.stdout


def test_help_comes_without_loading_a_network_library() -> None:
    program = (
        "import sys; import cvs_med.cli; "
        "print(*({'torch', 'monai', 'sklearn', 'scipy', 'matplotlib', 'lightning_fabric'} & set(sys.modules)))"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == ""
