"""The app in headless Chromium: a reader reviews, draws and reloads, and the store holds just what was done."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from cvs_med.datasets import phantom
from cvs_med.review import corrections, headless
from cvs_med.review.launch import Settings
from cvs_med.review.run import FinishedRun, open_run
from cvs_med.review.store import Store

playwright = pytest.importorskip("playwright.sync_api", reason="needs the extra `browser`: make test-browser")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs the extra `browser`")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        headless.find_chromium() is None, reason="no Chromium on this machine: install the system's package chromium"
    ),
]

WAIT = headless.WAIT * 1000
"""Milliseconds."""

CASES = 12


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("twelve")
    phantom.make(folder, cases=CASES, size=64)
    return folder


@pytest.fixture(scope="module")
def reviewed(
    photographs: Path, cross_validate: Callable[..., object], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A finished run of twelve cases; not to be written to."""
    run = tmp_path_factory.mktemp("reviewed") / "run"
    cross_validate(run, "training.epochs=1", data_dir=photographs)
    return run


@pytest.fixture
def run_folder(reviewed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(reviewed, tmp_path / "run"))


@pytest.fixture
def run(run_folder: Path, photographs: Path) -> FinishedRun:
    return open_run(run_folder, photographs)


@pytest.fixture
def address(run_folder: Path, photographs: Path) -> Iterator[str]:
    """Serve the app as `cvs-med app` does, on a free port."""
    with headless.served(Settings(run_folder, photographs, None)) as server:
        yield server.address


@pytest.fixture
def page(address: str) -> Iterator[Any]:
    """A page that fails on an error of its script, on a dialog, and on a request to any other machine."""
    wrong: list[str] = []

    def surprised(dialog: Any) -> None:  # noqa: ANN401 - Playwright is not there at collection
        wrong.append(dialog.message)
        dialog.dismiss()

    with headless.chromium() as browser:
        opened = browser.new_page(viewport={"width": 1280, "height": 860})
        opened.set_default_timeout(WAIT)
        opened.on("pageerror", lambda error: wrong.append(str(error)))
        opened.on("dialog", surprised)
        own = (address, "data:", "blob:", address.replace("http", "ws"))
        opened.on("request", lambda request: None if request.url.startswith(own) else wrong.append(request.url))
        yield opened
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
    page.get_by_text(f"0 of {CASES} cases answered").wait_for()
    page.keyboard.press("n")
    page.locator("[data-shown]").wait_for()
    assert page.get_by_label("Reference mask").count() == 0
    switch_every_layer(page)

    given = []
    for turn in range(CASES):
        here = shown(page)
        if turn == 1:
            playwright.expect(page.get_by_label("Comment")).to_have_count(1)  # that of the case before is gone
            page.get_by_label("Comment").fill("a <b>comment</b>")
            page.get_by_role("button", name="Cannot tell").click()
        elif turn % 2:
            page.get_by_role("button", name="Agree").click()
        else:
            page.keyboard.press("x" if turn == 4 else "a")
        given.append((run.ids[int(here.split()[1]) - 1], "cannot tell" if turn in (1, 4) else "agree"))
        if turn < CASES - 1:
            after = await_another(page, here)
        if turn == 3:
            page.reload()
            page.locator("[data-shown]").wait_for()
            assert shown(page) == after
            page.get_by_text(f"4 of {CASES} answered").wait_for()
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


# More pictures were loaded than the open case has, and none is on its way.
LOADED_AHEAD = """
() => {
  const loaded = performance.getEntriesByType("resource").filter(({ name }) => name.includes("/media/")).length;
  if (loaded !== window.loadedBefore?.loaded) window.loadedBefore = { loaded, since: performance.now() };
  const ownLayers = document.querySelectorAll(".bar input[type=checkbox]").length;
  return loaded > ownLayers + 1 && performance.now() - window.loadedBefore.since > 1500;
}
"""


def test_the_pictures_of_the_next_case_are_there_before_it_is_opened(page: Any, address: str) -> None:  # noqa: ANN401
    page.goto(f"{address}/case?reader=Ada")
    page.locator("[data-shown]").wait_for()
    here = shown(page)
    page.wait_for_function(LOADED_AHEAD, timeout=WAIT)
    page.route("**/media/**", lambda route: route.abort())
    page.keyboard.press("a")
    await_another(page, here)


def test_an_image_is_tried_and_a_file_that_is_none_is_refused(
    page: Any,  # noqa: ANN401
    address: str,
    photographs: Path,
    store: Store,
) -> None:
    page.goto(f"{address}/try?reader=Ada")
    upload = page.locator("input[type=file]")
    upload.set_input_files({"name": "<b>x</b>.png", "mimeType": "image/png", "buffer": b"<script>alert(1)</script>"})
    page.get_by_text("This file cannot be read").wait_for()
    assert page.locator("[data-shown]").count() == 0
    upload.set_input_files(min((photographs / "images").iterdir()))
    page.get_by_text("The networks say").wait_for()
    page.locator("[data-shown]").wait_for()
    switch_every_layer(page)
    assert not (store.folder.parent / "tried").exists()


NASTY = "<img src=x onerror=alert(1)> **bold** '; DROP TABLE answers; --"


def test_what_a_reader_types_is_text_wherever_it_is_shown(
    page: Any,  # noqa: ANN401
    address: str,
    run: FinishedRun,
    store: Store,
) -> None:
    """A name and a comment that are HTML, Markdown and SQL at once."""
    page.goto(f"{address}/case")
    page.get_by_label("Your name or initials").fill(NASTY)
    page.keyboard.press("Enter")
    page.locator("[data-shown]").wait_for()
    page.get_by_label("Comment").fill(NASTY)
    here = shown(page)
    page.get_by_role("button", name="Cannot tell").click()
    await_another(page, here)
    (answer,) = store.answers(run.digest)
    assert (answer.reader, answer.comment) == (NASTY, NASTY)
    for name in ("", "case", "correction", "summary"):
        page.goto(f"{address}/{name}?case=1&reader={quote(NASTY)}")
        page.get_by_text(NASTY).first.wait_for()
        assert page.locator("img[src=x]").count() == 0
        assert page.locator("strong", has_text="bold").count() == 0
    assert len(store.answers(run.digest)) == 1
    assert store.verify() == []


def test_a_case_that_is_not_there_opens_another_and_no_file(page: Any, address: str, store: Store) -> None:  # noqa: ANN401
    for case in ("../../etc/passwd", "99999", "-1", "<script>alert(1)</script>", "1e9"):
        page.goto(f"{address}/case?reader=Ada&case={case}")
        page.locator("[data-shown]").wait_for()
        assert "root:" not in page.content()
    assert store.verify() == []


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
