"""`cvs-med app`: what is wrong is said before a browser is opened."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cvs_med.cli import main
from cvs_med.review import access, launch

Started = list[tuple[list[str], dict[str, str]]]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    """What would have been started in the place of this process."""
    calls: Started = []
    monkeypatch.setattr(os, "execve", lambda _, command, environment: calls.append((command, environment)))
    return calls


def app(*words: object) -> Result:
    return CliRunner().invoke(main, ["app", *map(str, words)])


def test_the_pages_are_served_to_this_machine_alone(finished_run: Path, started: Started, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/reviews.sqlite"
    result = app("--run", finished_run, "--store", store, "--port", 8765)
    assert result.exit_code == 0, result.output
    assert "http://localhost:8765" in result.stdout
    ((command, environment),) = started
    assert command[command.index("--server.address") + 1] == "localhost"
    assert command[command.index("--server.port") + 1] == "8765"
    assert Path(command[4]).is_file()
    assert launch.settings(environment) == launch.Settings(finished_run.resolve(), None, store)


def test_other_machines_are_served_only_with_a_login(
    finished_run: Path, started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CVS_MED_RUN", str(finished_run))
    refused = app("--address", "0.0.0.0")
    assert refused.exit_code == 2
    assert "OpenID Connect" in refused.stderr
    assert started == []
    assert app("--address", "0.0.0.0", "--published-on-loopback").exit_code == 0
    assert not launch.settings(started.pop()[1]).login
    monkeypatch.setattr(access, "login_configured", lambda: True)
    assert app("--address", "0.0.0.0", "--admin", "ada@eye.example").exit_code == 0
    ((command, environment),) = started
    assert command[command.index("--server.address") + 1] == "0.0.0.0"
    settings = launch.settings(environment)
    assert settings.login
    assert settings.admins == {"ada@eye.example"}


def unfinished(folder: Path, run: Path) -> list[object]:
    (folder / "dataset.json").write_bytes((run / "dataset.json").read_bytes())
    return ["--run", folder]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (lambda folder, _: ["--run", folder / "nowhere"], "does not exist"),
        (lambda folder, _: ["--run", folder], "dataset.json"),
        (unfinished, "finished run"),
        (lambda folder, run: ["--run", run, "--store", "nonsense"], "--store"),
        (lambda folder, run: ["--run", run, "--data-dir", folder], "photographs"),
        (lambda folder, run: ["--run", run, "--port", "80"], "--port"),
    ],
)
def test_what_cannot_be_reviewed_is_refused(
    tmp_path: Path, finished_run: Path, started: Started, words: Callable[[Path, Path], list[object]], said: str
) -> None:
    result = app(*words(tmp_path, finished_run))
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert started == []
