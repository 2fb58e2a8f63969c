"""The app in headless Chromium: a reader reviews, draws and reloads, and the store holds just what was done."""

import os
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.error import URLError

import pytest

from cvs_med.review import corrections, launch
from cvs_med.review.run import FinishedRun
from cvs_med.review.store import Store

playwright = pytest.importorskip("playwright.sync_api", reason="needs the Python package playwright")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: install the system's package chromium"),
]

WAIT = 60_000
"""Milliseconds; a busy machine is no fault."""


@pytest.fixture
def address(run_folder: Path, phantom_folder: Path) -> Iterator[str]:
    """Serve the app as `cvs-med app` does, on a free port."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    command, environment = launch.command(run_folder, phantom_folder, None, port)
    package = {"PYTHONPATH": str(launch.pages().parent)}
    with subprocess.Popen(command, env={**os.environ, **environment, **package}) as server:
        try:
            _await(f"http://localhost:{port}/_stcore/health")
            yield f"http://localhost:{port}"
        finally:
            server.terminate()


def _await(health: str) -> None:
    deadline = monotonic() + WAIT / 1000
    while monotonic() < deadline:
        try:
            with urllib.request.urlopen(health, timeout=5):
                return
        except (URLError, ConnectionError, TimeoutError):
            sleep(0.2)
    pytest.fail("the server did not start")


@pytest.fixture
def page(address: str) -> Iterator[Any]:
    """A page that fails on an error of its script, and on a request to any other machine."""
    wrong: list[str] = []
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        opened = browser.new_page(viewport={"width": 1280, "height": 860})
        opened.set_default_timeout(WAIT)
        opened.on("pageerror", lambda error: wrong.append(str(error)))
        own = (address, "data:", "blob:", address.replace("http", "ws"))
        opened.on("request", lambda request: None if request.url.startswith(own) else wrong.append(request.url))
        yield opened
        browser.close()
    assert wrong == []


def shown(page: Any) -> str:  # noqa: ANN401 - Playwright is not there at collection
    return page.locator("[data-shown]").get_attribute("data-shown")


def await_another(page: Any, before: str) -> str:  # noqa: ANN401
    playwright.expect(page.locator("[data-shown]")).not_to_have_attribute("data-shown", before, timeout=WAIT)
    return shown(page)


def lit(page: Any) -> int:  # noqa: ANN401
    """Sum of the pixels of the last picture on the page."""
    return page.locator("canvas[role=img]").last.evaluate(
        "c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.reduce((sum, value) => sum + value, 0)"
    )


def test_a_reader_reviews_draws_and_reloads(page: Any, address: str, run: FinishedRun, store: Store) -> None:  # noqa: ANN401
    page.goto(f"{address}/?reader=Ada")
    page.get_by_text("0 of 9 cases answered").wait_for()
    page.keyboard.press("n")
    page.locator("[data-shown]").wait_for()
    first = shown(page)

    for title in ("Predicted map", "Evidence"):
        before = lit(page)
        page.get_by_label(title).click()
        page.wait_for_timeout(300)
        assert lit(page) != before, title
    assert page.get_by_label("Reference mask").count() == 0

    page.keyboard.press("a")
    second = await_another(page, first)
    page.get_by_label("Comment").fill("a <b>comment</b>")
    page.get_by_role("button", name="Cannot tell").click()
    third = await_another(page, second)

    page.reload()
    page.locator("[data-shown]").wait_for()
    assert shown(page) == third
    page.get_by_text("2 of 9 answered").wait_for()

    page.keyboard.press("m")
    page.get_by_text("Nothing drawn yet").wait_for()
    canvas = page.get_by_label("Mask to be corrected")
    box = canvas.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.get_by_role("button", name="Brush: erase from the mask").click()
    for turn in range(2):
        page.mouse.move(x - 60, y - 40 + 80 * turn)
        page.mouse.down()
        page.mouse.move(x + 60, y - 40 + 80 * turn, steps=5)
        page.mouse.up()
        page.get_by_text(f"{turn + 1} strokes, not saved yet").wait_for()
    page.get_by_role("button", name="Take the last stroke back").click()
    page.get_by_text("1 strokes, not saved yet").wait_for()
    page.reload()
    page.get_by_text("1 strokes, not saved yet").wait_for()
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Version 1 by Ada").wait_for()
    page.get_by_text("Nothing drawn yet").wait_for()

    answers = store.answers(run.digest)
    assert [(answer.verdict, answer.comment) for answer in answers] == [
        ("agree", ""),
        ("cannot tell", "a <b>comment</b>"),
    ]
    (version,) = store.masks(run.digest)
    assert version.case_id == run.ids[int(third.split()[1]) - 1]
    predicted = corrections.base(run, store, version.case_id, "predicted")
    changed = predicted & ~store.read_mask(version)
    assert changed.any()
    assert not (store.read_mask(version) & ~predicted).any()
    assert store.verify() == []
