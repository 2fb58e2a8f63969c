"""Databases for reviews, a PostgreSQL server of the tests' own among them, where the machine has the program."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine

from cvs_med.review import store


def _program(name: str) -> str | None:
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(debian[-1]) if debian else None)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of an empty server, such as `postgresql+psycopg://postgres@127.0.0.1:5432/`."""
    pytest.importorskip("psycopg", reason="needs the extra `postgres`")
    make, serve = _program("initdb"), _program("postgres")
    if make is None or serve is None:
        pytest.skip("no PostgreSQL on this machine: install the system's package postgresql")
    # PostgreSQL does not run as root.
    user = "nobody" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
    with tempfile.TemporaryDirectory(prefix="cvs-med-postgres-") as folder, socket.socket() as free:
        shutil.chown(folder, user)
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        data = f"{folder}/data"
        as_user = {"user": user, "cwd": folder} if os.getuid() == 0 else {"cwd": folder}
        subprocess.run([make, "-D", data, "-U", "postgres", "-A", "trust", "-N"], check=True, capture_output=True,
                       **as_user)  # fmt: skip
        options = ["-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", folder]
        with subprocess.Popen([serve, *options], stderr=subprocess.DEVNULL, **as_user) as server:
            try:
                _await(port)
                yield f"postgresql+psycopg://postgres@127.0.0.1:{port}/"
            finally:
                server.send_signal(signal.SIGINT)  # does not wait for open connections, as SIGTERM does


def _await(port: int) -> None:
    import time

    import psycopg

    deadline = time.monotonic() + 60
    while True:
        try:
            psycopg.connect(f"host=127.0.0.1 port={port} user=postgres dbname=postgres").close()
            return
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


@pytest.fixture
def new_database(postgres: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a database of the test's own; what a store keeps open is closed afterwards."""
    import psycopg

    opened: list[Engine] = []
    monkeypatch.setattr(store, "create_engine", lambda url: opened.append(create_engine(url)) or opened[-1])

    name = f"d{os.urandom(6).hex()}"
    with psycopg.connect(postgres.replace("+psycopg", "") + "postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield postgres + name
    for engine in opened:
        engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/reviews.sqlite"
    return str(request.getfixturevalue("new_database"))
