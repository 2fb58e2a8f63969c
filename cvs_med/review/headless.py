"""The app and a browser without a screen, for what must be seen as a reader sees it: times, screenshots, tests."""

import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.error import URLError

import cvs_med
from cvs_med.errors import ReviewError
from cvs_med.review import launch

if TYPE_CHECKING:
    from playwright.sync_api import Browser

WAIT: Final = 60
"""Seconds; a busy machine is no fault."""

_NAMES = ("chromium", "chromium-browser", "google-chrome")
# In a container it has no sandbox, and without a network it need not look for updates.
_FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Served:
    """The app, being served.

    Attributes:
        address: of the first page.
        process: that serves it.
    """

    address: str
    process: "subprocess.Popen[bytes]"


def free_port() -> int:
    """Give a port of this machine that nobody listens on."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return int(free.getsockname()[1])


@contextmanager
def served(shown: launch.Settings, port: int | None = None) -> Iterator[Served]:
    """Serve the app as `cvs-med app` does, until the block ends.

    Raises:
        ReviewError: it did not answer within a minute.
    """
    port = port or free_port()
    command, environment = launch.command(shown, port, "localhost")
    # A checkout need not be installed.
    package = {"PYTHONPATH": os.pathsep.join(filter(None, [str(_root()), os.environ.get("PYTHONPATH", "")]))}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, env={**os.environ, **environment, **package}, **quiet) as process:  # type: ignore[call-overload]  # both are numbers
        try:
            _await(f"http://localhost:{port}/_stcore/health")
            yield Served(f"http://localhost:{port}", process)
        finally:
            process.terminate()


def _root() -> Path:
    return Path(cvs_med.__file__).parents[1]


def _await(health: str) -> None:
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(health, timeout=5):
                return
        except (URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    raise ReviewError(f"Expected the app to be served within {WAIT} seconds, found no answer. Free the machine.")


def find_chromium() -> str | None:
    """Say where the system's Chromium is; None if there is none."""
    return next(filter(None, map(shutil.which, _NAMES)), None)


@contextmanager
def chromium() -> "Iterator[Browser]":
    """Open the system's Chromium without a screen.

    Raises:
        ReviewError: it, or the package that drives it, is not installed.
    """
    program = find_chromium()
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise ReviewError("Expected the package playwright, found none. Install cvs-med[browser].") from None
    if program is None:
        raise ReviewError("Expected Chromium on this machine, found none. Install the system's package chromium.")
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=program, args=list(_FLAGS))
        try:
            yield browser
        finally:
            browser.close()
