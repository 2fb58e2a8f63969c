"""Eight readers at once while the server is killed: every answer that was acknowledged is there, once."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Client
from pathlib import Path

import pytest

from cvs_med.review.store import open_store

pytestmark = pytest.mark.slow

READERS, EACH = 8, 200
SECONDS = 240

# As the app's process does: a thread a reader, who is told that an answer is stored when the store has returned.
SERVER = """
import sys, threading
from multiprocessing.connection import Listener
from pathlib import Path
from cvs_med.review.records import Answer
from cvs_med.review.store import open_store

folder, url, address = sys.argv[1:]
store = open_store(Path(folder), url)

def serve(connection):
    try:
        while True:
            token, reader, case_id = connection.recv()
            store.add_answer(Answer(token, reader, "run", "0" * 16, case_id, "healthy", "agree", "healthy", "good",
                                    "", "2026-01-01", "2026-01-02"))
            connection.send(token)
    except EOFError:
        pass

Path(address).unlink(missing_ok=True)
with Listener(address, "AF_UNIX", backlog=16) as listener:
    while True:
        threading.Thread(target=serve, args=(listener.accept(),), daemon=True).start()
"""


class Server:
    """The server, which may be killed and started again."""

    def __init__(self, folder: Path, url: str) -> None:
        self.address = str(folder / "socket")
        self._command = [sys.executable, "-c", SERVER, str(folder), url, self.address]
        self.process = subprocess.Popen(self._command)

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        assert self.process.wait() == -signal.SIGKILL
        self.process = subprocess.Popen(self._command)


def read(reader: int, server: Server, acknowledged: list[str], deadline: float) -> None:
    """Answer as a reader does who sends again what was not acknowledged."""
    done = 0
    while done < EACH:
        assert time.monotonic() < deadline, "the answers took too long"
        try:
            with Client(server.address, "AF_UNIX") as connection:
                while done < EACH:
                    connection.send((f"{reader}-{done}", f"reader {reader}", f"case {done}"))
                    assert connection.poll(60)
                    acknowledged.append(connection.recv())
                    done += 1
        except (OSError, EOFError):
            time.sleep(0.1)


def test_no_acknowledged_answer_is_lost_or_doubled(tmp_path: Path, database: str) -> None:
    open_store(tmp_path, database)
    server, acknowledged, deadline = Server(tmp_path, database), [], time.monotonic() + SECONDS
    lost = threading.Event()
    try:
        with ThreadPoolExecutor(READERS) as pool:
            reading = [pool.submit(read, reader, server, acknowledged, deadline) for reader in range(READERS)]
            for share in (1 / 3, 2 / 3):
                while len(acknowledged) < share * READERS * EACH and time.monotonic() < deadline:
                    lost.wait(0.02)
                before = list(acknowledged)
                server.kill()
                stored = {answer.token for answer in open_store(tmp_path, database).answers("0" * 16)}
                assert set(before) <= stored
            for each in reading:
                each.result()
    finally:
        server.process.kill()
        server.process.wait()
    store = open_store(tmp_path, database)
    tokens = [answer.token for answer in store.answers("0" * 16)]
    assert sorted(tokens) == sorted(acknowledged)
    assert len(set(tokens)) == len(tokens) == READERS * EACH
    assert store.verify() == []
