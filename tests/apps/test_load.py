"""Eight readers at once on the app's own server, killed twice: what a reader was told is stored is there, once."""

import os
import signal
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

import pytest
from websockets.exceptions import WebSocketException

from cvs_med.benchmark.app import multiply
from cvs_med.review import flags, headless
from cvs_med.review.launch import Settings
from cvs_med.review.run import open_run
from cvs_med.review.store import open_store
from reader_session import reader_session

pytestmark = pytest.mark.slow

READERS, EACH = 8, 200
SECONDS = 900

Said = list[tuple[str, int]]


def read(name: str, address: str, stored: Said, deadline: float) -> None:
    """Answer every case, as a reader whose page is loaded again whenever the server is gone."""
    last = 1
    while time.monotonic() < deadline:
        try:
            with reader_session(address, "case", {"reader": name, "case": str(last)}) as session:
                while time.monotonic() < deadline:
                    last = session.number()
                    if "You have answered every case" in " ".join(session.said):
                        return
                    if "Your answer to this one" in " ".join(session.said):  # stored, but the word of it was lost
                        session.press("Next")
                        continue
                    session.press("Agree")
                    if any(text.startswith(f"Case {last} stored") for text in session.said):
                        stored.append((name, last))
        except (OSError, WebSocketException):
            time.sleep(0.2)
    raise AssertionError("the answers took too long")


def ended(reading: list[Future[None]]) -> None:
    """Fail with a reader that failed."""
    for each in reading:
        if each.done():
            each.result()


def test_every_answer_that_a_reader_was_told_is_stored_is_there_once(
    finished_run: Path, tmp_path: Path, database: str
) -> None:
    multiply(finished_run, EACH, tmp_path / "run")
    run = open_run(tmp_path / "run")
    flags.of_run(run)
    shown, port = Settings(run.path, None, database), headless.free_port()
    said: Said = []
    deadline = time.monotonic() + SECONDS
    with ThreadPoolExecutor(READERS) as pool:
        names = [f"reader {number}" for number in range(READERS)]
        reading = [pool.submit(read, name, f"http://localhost:{port}", said, deadline) for name in names]
        for share in (1 / 3, 2 / 3):
            with headless.served(shown, port) as server:
                while len(said) < share * READERS * EACH:
                    time.sleep(0.05)
                    ended(reading)
                os.kill(server.process.pid, signal.SIGKILL)
                assert server.process.wait() == -signal.SIGKILL
        with headless.served(shown, port):
            wait(reading)
            ended(reading)
    store = open_store(run.path / "reviews", database)
    answers = [(answer.reader, answer.case_id) for answer in store.answers(run.digest)]
    assert {(name, run.ids[number - 1]) for name, number in said} <= set(answers)
    assert sorted(answers) == sorted((name, case_id) for name in names for case_id in run.ids)
    assert store.verify() == []
