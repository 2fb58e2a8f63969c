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

playwright = pytest.importorskip("playwright.sync_api", reason="needs the extra `browser`: make test-browser")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs the extra `browser`")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = [
    pytest.mark.browser,
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
    command, environment = launch.command(launch.Settings(run_folder, phantom_folder, None), port, "localhost")
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


def switch_every_layer(page: Any) -> None:  # noqa: ANN401
    """Switch each layer off or on and see the picture change; then back.

    A network that was hardly trained may find no foreground at all, and then its outline is nothing to see.
    """
    for box in page.locator(".bar input[type=checkbox]").all():
        for _ in range(2):
            before = lit(page)
            box.click()
            page.wait_for_timeout(200)
            name = box.evaluate("box => box.parentElement.textContent")
            assert lit(page) != before or name.strip().startswith("Outline"), name


def test_a_reader_reviews_draws_and_reloads(page: Any, address: str, run: FinishedRun, store: Store) -> None:  # noqa: ANN401
    page.goto(f"{address}/?reader=Ada")
    page.get_by_text("0 of 9 cases answered").wait_for()
    page.keyboard.press("n")
    page.locator("[data-shown]").wait_for()
    assert page.get_by_label("Reference mask").count() == 0
    switch_every_layer(page)

    given = []
    for turn in range(9):
        here = shown(page)
        if turn == 1:
            page.get_by_label("Comment").fill("a <b>comment</b>")
            page.get_by_role("button", name="Cannot tell").click()
        elif turn % 2:
            page.get_by_role("button", name="Agree").click()
        else:
            page.keyboard.press("x" if turn == 4 else "a")
        given.append((run.ids[int(here.split()[1]) - 1], "cannot tell" if turn in (1, 4) else "agree"))
        if turn < 8:
            after = await_another(page, here)
        if turn == 3:
            page.reload()
            page.locator("[data-shown]").wait_for()
            assert shown(page) == after
            page.get_by_text("4 of 9 answered").wait_for()
    page.get_by_text("You have answered every case").wait_for()
    page.get_by_role("button", name="Cannot tell").click()  # a second answer to the last case stands beside the first
    page.get_by_text("Your answer to this one: cannot tell").wait_for()
    given.append((given[-1][0], "cannot tell"))
    page.get_by_label("Reference mask").wait_for()
    switch_every_layer(page)
    third = shown(page)

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
        page.get_by_text(f"{turn + 1} stroke").wait_for()
    page.get_by_role("button", name="Take the last stroke back").click()
    page.get_by_text("1 stroke, not saved yet").wait_for()
    page.reload()
    page.get_by_text("1 stroke, not saved yet").wait_for()
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Version 1 by Ada").wait_for()
    page.get_by_text("Nothing drawn yet").wait_for()

    answers = store.answers(run.digest)
    assert [(answer.case_id, answer.verdict) for answer in answers] == given
    assert [answer.comment for answer in answers if answer.comment] == ["a <b>comment</b>"]
    assert {answer.reader for answer in answers} == {"Ada"}
    assert all(answer.image_digest and answer.model_digest for answer in answers)
    (version,) = store.masks(run.digest)
    assert version.case_id == run.ids[int(third.split()[1]) - 1]
    predicted = corrections.base(run, store, version.case_id, "predicted")
    changed = predicted & ~store.read_mask(version)
    assert changed.any()
    assert not (store.read_mask(version) & ~predicted).any()
    assert store.verify() == []


def test_an_image_is_tried_and_a_file_that_is_none_is_refused(
    page: Any,  # noqa: ANN401
    address: str,
    phantom_folder: Path,
    store: Store,
) -> None:
    page.goto(f"{address}/try?reader=Ada")
    upload = page.locator("input[type=file]")
    upload.set_input_files({"name": "<b>x</b>.png", "mimeType": "image/png", "buffer": b"<script>alert(1)</script>"})
    page.get_by_text("This file cannot be read").wait_for()
    assert page.locator("[data-shown]").count() == 0
    upload.set_input_files(min((phantom_folder / "images").iterdir()))
    page.get_by_text("The networks say").wait_for()
    page.locator("[data-shown]").wait_for()
    switch_every_layer(page)
    assert not (store.folder.parent / "tried").exists()


SERIOUS = {"serious", "critical"}
# Streamlit's own: its grid of cells is a canvas that announces itself, and its menu and input parts are not ours.
NOT_OURS = ("stDataFrame", "glideDataEditor", "stToolbar", "stAppToolbar", "stHeader")


def faults(page: Any) -> list[tuple[str, str]]:  # noqa: ANN401
    found = axe.Axe().run(page).response["violations"]
    nodes = [(each["id"], node["html"]) for each in found if each["impact"] in SERIOUS for node in each["nodes"]]
    return [(fault, html) for fault, html in nodes if not any(name in html for name in NOT_OURS)]


@pytest.mark.parametrize("width", [1440, 1024, 800])
def test_no_page_has_a_serious_fault_or_is_cut(page: Any, address: str, tmp_path: Path, width: int) -> None:  # noqa: ANN401
    page.set_viewport_size({"width": width, "height": 900})
    marks = {"": "canvas", "case": "[data-shown]", "correction": "[data-shown]", "summary": "h4", "try": "h4"}
    for name, mark in marks.items():
        page.goto(f"{address}/{name}?reader=Ada&case=1")
        page.locator(mark).first.wait_for()
        page.wait_for_timeout(500)
        folder = Path(os.environ.get("CVS_MED_SCREENSHOTS", tmp_path))
        page.screenshot(path=folder / f"{name or 'worklist'}-{width}.png")
        assert faults(page) == [], name
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
