"""The pages in headless Chromium: axe finds nothing, nothing is wider than the window, and the filter filters."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cvs_med import report

playwright = pytest.importorskip("playwright.sync_api", reason="needs the extra `browser`: make test-browser")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs the extra `browser`")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: install the system's package chromium"),
]

# A browser in a container has no sandbox, and one without a network need not look for updates.
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(params=["map_run", "mapless_run"])
def page_file(request: pytest.FixtureRequest) -> Path:
    return report.write(request.getfixturevalue(request.param))


def violations(page: Any) -> list[tuple[str, str]]:  # noqa: ANN401 - Playwright is not there at collection
    found = axe.Axe().run(page).response["violations"]
    return [(each["id"], each["nodes"][0]["html"]) for each in found]


def choice(page: Any, name: str) -> Any:  # noqa: ANN401 - see above
    return page.locator(f"select[name={name}]")


@pytest.mark.parametrize("width", [1280, 400])
def test_axe_finds_nothing_and_nothing_is_cut(browser: Any, page_file: Path, width: int) -> None:  # noqa: ANN401
    page = browser.new_page(viewport={"width": width, "height": 900})
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(page_file.as_uri())
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert said == []


def test_the_filter_shows_what_is_asked_for_in_the_order_asked_for(browser: Any, map_run: Path) -> None:  # noqa: ANN401
    page = browser.new_page()
    page.goto(report.write(map_run).as_uri())
    assert page.locator(".card:visible").count() == 6
    choice(page, "outcome").select_option("wrong")
    assert page.locator(".card:visible").count() == 2
    assert page.locator("#shown").inner_text() == "2 of 6 images shown"
    choice(page, "outcome").select_option("")
    choice(page, "fold").select_option("1")
    assert page.locator(".card:visible").count() == 3
    choice(page, "fold").select_option("")
    choice(page, "order").select_option("name")
    names = page.locator(".card").evaluate_all("cards => cards.map((card) => card.dataset.name)")
    assert names == sorted(names)
    choice(page, "order").select_option("error")
    errors = page.locator(".card").evaluate_all("cards => cards.map((card) => Number(card.dataset.error))")
    assert errors == sorted(errors, reverse=True)


def test_without_a_script_every_case_is_shown_and_no_filter(browser: Any, map_run: Path) -> None:  # noqa: ANN401
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(report.write(map_run).as_uri())
    assert page.locator(".card:visible").count() == 6
    assert page.locator("#filter:visible").count() == 0
