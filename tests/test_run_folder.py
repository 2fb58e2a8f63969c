"""The run folder: one protocol, one process, nothing overwritten."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cvs_med.errors import DataError, Problem, RunError
from cvs_med.protocol import dump, load
from cvs_med.run_folder import RunFolder, opened

PROTOCOL = load("hrf")


def test_a_new_folder_gets_its_protocol(tmp_path: Path) -> None:
    out = tmp_path / "runs" / "first"
    with opened(out, PROTOCOL) as folder:
        assert folder.path == out
        assert load(str(out / "protocol.yaml")) == PROTOCOL
    assert (out / "protocol.yaml").read_text() == dump(PROTOCOL)


def test_the_same_protocol_may_continue_and_changes_nothing(tmp_path: Path) -> None:
    with opened(tmp_path, PROTOCOL):
        (tmp_path / "folds.json").write_text("kept")
        (tmp_path / "predictions.csv").write_text("kept")
    before = (tmp_path / "protocol.yaml").stat()
    with opened(tmp_path, PROTOCOL):
        assert (tmp_path / "predictions.csv").read_text() == "kept"
    assert (tmp_path / "protocol.yaml").stat() == before


def test_another_protocol_is_refused_with_a_diff(tmp_path: Path) -> None:
    with opened(tmp_path, PROTOCOL):
        (tmp_path / "folds.json").write_text("{}")
    before = (tmp_path / "protocol.yaml").read_bytes()
    with (
        pytest.raises(RunError, match="holds a run of another protocol") as caught,
        opened(tmp_path, load("hrf", ["training.epochs=99", "q=mean"])),
    ):
        pytest.fail("it was opened")
    lines = [line.strip() for line in str(caught.value).splitlines()]
    assert f"-  epochs: {PROTOCOL.training.epochs}" in lines
    assert "+  epochs: 99" in lines
    assert "-q: foreground" in lines
    assert "+q: mean" in lines
    assert "--out" in lines[-1]
    assert not any("learning_rate" in line and line[0] in "+-" for line in lines)
    assert (tmp_path / "protocol.yaml").read_bytes() == before


def test_candidates_in_another_order_are_another_run(tmp_path: Path) -> None:
    """Ties between them are broken by their order."""
    orders = [{"a": "1" * 64, "b": "2" * 64}, {"b": "2" * 64, "a": "1" * 64}]
    first, second = (
        PROTOCOL.model_copy(update={"inner": PROTOCOL.inner.model_copy(update={"select": order})}) for order in orders
    )
    with opened(tmp_path, first):
        (tmp_path / "folds.json").write_text("{}")
    with opened(tmp_path, first):
        pass
    with pytest.raises(RunError, match="holds a run of another protocol"), opened(tmp_path, second):
        pytest.fail("it was opened")


def test_a_run_that_never_began_does_not_keep_its_folder(tmp_path: Path) -> None:
    with opened(tmp_path, load("hrf", ["network.weights=misspelt.pth"])):
        pass
    with opened(tmp_path, PROTOCOL):
        assert load(str(tmp_path / "protocol.yaml")) == PROTOCOL


def test_a_folder_in_use_is_refused_and_its_process_named(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from cvs_med.protocol import load; from cvs_med.run_folder import opened\n"
        "with opened(Path(sys.argv[1]), load('hrf')):\n"
        "    print('open', flush=True); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with (
            pytest.raises(RunError, match=rf"found process {other.pid} on \S+ at work\. Wait for it, or name"),
            opened(tmp_path, PROTOCOL),
        ):
            pytest.fail("it was opened")
        other.kill()
        other.wait()
    with opened(tmp_path, PROTOCOL):  # The lock of a killed process is no lock.
        assert (tmp_path / ".lock").read_text().split()[0] == str(os.getpid())


def test_two_openings_in_one_process_exclude_each_other(tmp_path: Path) -> None:
    with opened(tmp_path, PROTOCOL), pytest.raises(RunError, match="to work here alone"), opened(tmp_path, PROTOCOL):
        pytest.fail("it was opened")


def test_an_error_inside_frees_the_folder(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), opened(tmp_path, PROTOCOL):
        raise KeyboardInterrupt
    with opened(tmp_path, PROTOCOL) as folder:
        assert folder.path == tmp_path


def test_a_place_that_cannot_be_written_is_found_first(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="expected a folder that can be written"), opened(tmp_path / "file", PROTOCOL):
        pytest.fail("it was opened")
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_full_disk_is_found_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = [Problem("run", "64 MB of free space", "1 MB", "Free some space.")]
    monkeypatch.setattr("cvs_med.run_folder.check_writable", lambda folder, needed: full)
    with pytest.raises(DataError, match="Free some space"), opened(tmp_path / "run", PROTOCOL):
        pytest.fail("it was opened")
    assert not (tmp_path / "run").exists()


def test_folds_and_baselines_have_their_places(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert folder.fold(2) == tmp_path / "fold-2"
    assert (tmp_path / "fold-2" / "maps").is_dir()
    assert folder.baseline("probe") == tmp_path / "baselines" / "probe.csv"
    assert (tmp_path / "baselines").is_dir()


def test_json_is_written_whole_for_people_and_programs(tmp_path: Path) -> None:
    folder, content = RunFolder(tmp_path), {"name": "Jürgen", "numbers": [1, 2.5, None]}
    folder.write_json("facts.json", content)
    text = (tmp_path / "facts.json").read_text(encoding="utf-8")
    assert json.loads(text) == content
    assert "Jürgen" in text
    with pytest.raises(TypeError):
        folder.write_json("facts.json", {"name": object()})
    assert (tmp_path / "facts.json").read_text(encoding="utf-8") == text
    assert [path.name for path in tmp_path.iterdir()] == ["facts.json"]
