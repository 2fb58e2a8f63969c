"""The next cases are made while the reader looks at this one, each once, and not all are kept."""

import threading
from pathlib import Path

import pytest

from cvs_med.errors import RunError
from cvs_med.review import screen
from cvs_med.review.flags import Flags
from cvs_med.review.run import FinishedRun, open_run
from cvs_med.review.screen import Desk, Screen


@pytest.fixture
def run(finished_run: Path) -> FinishedRun:
    return open_run(finished_run)


class Maker:
    """Stands for `screen.make`, and keeps what it was asked for; `go_on` is its permission to work."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.go_on = threading.Event()
        self.go_on.set()

    def __call__(self, run: FinishedRun, case_id: str, flags: Flags) -> Screen:
        assert self.go_on.wait(30)
        self.asked.append(case_id)
        if case_id == "damaged":
            raise RunError("damaged")
        return Screen(None, (), case_id, ())  # type: ignore[arg-type]  # no picture is looked at


@pytest.fixture
def maker(monkeypatch: pytest.MonkeyPatch) -> Maker:
    made = Maker()
    monkeypatch.setattr(screen, "make", made)
    monkeypatch.setattr(screen, "PAUSE", 0)
    return made


def test_what_was_prepared_is_ready_and_made_once(run: FinishedRun, maker: Maker) -> None:
    desk = Desk(run, Flags({}, None))
    assert desk.ready("a") is None
    maker.go_on.clear()
    desk.prepare(["a", "b"])
    maker.go_on.set()
    assert desk.screen("b").diagnosis == "b"
    assert desk.screen("a").diagnosis == "a"
    assert desk.ready("a") is desk.screen("a")
    assert sorted(maker.asked) == ["a", "b"]


def test_a_case_that_cannot_be_made_is_not_ready_and_told_when_opened(run: FinishedRun, maker: Maker) -> None:
    desk = Desk(run, Flags({}, None))
    with pytest.raises(RunError):
        desk.screen("damaged")
    assert desk.ready("damaged") is None


def test_the_cases_that_were_asked_for_last_are_kept(
    run: FinishedRun, maker: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screen, "KEPT", 2)
    desk = Desk(run, Flags({}, None))
    for case_id in ("a", "b", "a", "c"):
        desk.screen(case_id)
    assert [desk.ready(case_id) is not None for case_id in "abc"] == [True, False, True]
