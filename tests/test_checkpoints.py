"""Checkpoints: whole or known to be damaged, with the one before kept."""

import errno
import os
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cvs_med import checkpoints
from cvs_med.errors import RunError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / checkpoints.FILE


def keep(path: Path, *numbers: int) -> None:
    for number in numbers:
        checkpoints.write(path, {"weights": torch.full((3,), float(number)), "epochs": [(number, {"loss": 0.5})]})


def number(path: Path, said: list[str]) -> int | None:
    state = checkpoints.read(path, said.append)
    return None if state is None else int(state["weights"][0])


def test_the_last_state_comes_back_and_nothing_is_said(path: Path) -> None:
    keep(path, 1, 2, 3)
    said: list[str] = []
    assert number(path, said) == 3
    assert said == []
    assert sorted(file.name for file in path.parent.iterdir()) == ["checkpoint.previous.pt", "checkpoint.pt"]


def test_without_any_there_is_none(path: Path) -> None:
    assert number(path, []) is None


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no state", b"\x80\x02cos\nsystem\n.", b"0" * 64 + b"\n"])
def test_a_file_that_is_no_state_is_never_opened_as_one(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    said: list[str] = []
    assert number(path, said) is None
    assert not path.exists()
    assert len(said) == 1
    assert "This training begins anew." in said[0]


@given(data=st.data())
def test_any_bit_that_flips_and_any_cut_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("flipped") / checkpoints.FILE
    keep(path, 1, 2)
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    else:
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    path.write_bytes(content)
    said: list[str] = []
    assert number(path, said) == 1
    assert len(said) == 1
    keep(path, 3)
    assert number(path, said) == 3
    path.unlink()
    assert number(path, said) == 1  # What was damaged has not taken the place of what was whole.


def test_with_both_damaged_the_training_begins_anew(path: Path) -> None:
    keep(path, 1, 2)
    for file in path.parent.iterdir():
        file.write_bytes(file.read_bytes()[:-1])
    said: list[str] = []
    assert number(path, said) is None
    assert ["begins anew" in text for text in said] == [False, True]


def test_a_disk_that_is_full_leaves_what_was_there(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(path, 1, 2)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("cvs_med.checkpoints.write_bytes", full)
        with pytest.raises(OSError, match="No space left"):
            keep(path, 3)
    assert number(path, []) == 2


def test_a_kill_between_two_names_loses_nothing(path: Path) -> None:
    keep(path, 1)
    path.rename(path.with_name("checkpoint.previous.pt"))
    assert number(path, []) == 1


def test_what_is_no_file_is_said(path: Path) -> None:
    path.mkdir()
    with pytest.raises(RunError, match=r"checkpoint\.pt: expected a file that can be read"):
        number(path, [])


def test_all_are_removed(path: Path) -> None:
    keep(path, 1, 2)
    path.with_name("checkpoint.new.pt").write_bytes(b"left by a kill")
    checkpoints.remove(path)
    assert list(path.parent.iterdir()) == []


def test_a_state_is_on_the_disk_before_it_takes_the_name_of_the_last(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints.write(path, {"epochs": [1]})
    kept, seen = path.read_bytes(), []

    def cut_off(handle: int) -> None:
        seen.append(os.fstat(handle).st_size)
        raise OSError(errno.EIO, "power is lost")

    monkeypatch.setattr(os, "fsync", cut_off)
    with pytest.raises(OSError, match="power is lost"):
        checkpoints.write(path, {"epochs": [1, 2]})
    assert seen == [path.with_name("checkpoint.new.pt").stat().st_size]
    assert path.read_bytes() == kept
