"""Take a picture of every screen of the review app: `python docs/screenshots.py RUN DATA OUT`, or `make screenshots`.

RUN is a finished run on DATA, a data set in the layout of HRF; the pictures show its first photographs, so that it
should be a synthetic one. Three widths are looked at; OUT gets the widest, and a screen that is cut at any is said.
"""

import io
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from cvs_med.review import headless
from cvs_med.review.launch import Settings

if TYPE_CHECKING:
    from playwright.sync_api import Page

WIDTHS = (800, 1024, 1440)
HEIGHT = 940
LARGEST = 200_000
"""Bytes of a picture; the repository keeps every version of it."""


def take(run: Path, data: Path, out: Path) -> None:
    """Review a few cases, so that there is something to see, and take the pictures."""
    with tempfile.TemporaryDirectory() as folder:
        shown = Settings(run, data, f"sqlite:///{folder}/reviews.sqlite")
        with headless.served(shown) as app, headless.chromium() as browser:
            page = browser.new_page(viewport={"width": WIDTHS[-1], "height": HEIGHT})
            page.set_default_timeout(3000 * headless.WAIT)  # the networks are read and asked, too
            _review(page, app.address)
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": HEIGHT})
                for name in SCREENS:
                    _open(page, app.address, name, data)
                    _keep(page, out / f"{name}.png" if width == WIDTHS[-1] else None)


def _review(page: "Page", address: str) -> None:
    """Answer as two readers, who do not always agree."""
    for reader, keys in (("Grace", "aaxa1aaa"), ("Ada", "aaaa2aa")):
        page.goto(f"{address}/case?reader={reader}")
        for key in keys:
            before = page.locator("[data-shown]").get_attribute("data-shown")
            page.keyboard.press(key)
            page.locator(f'[data-shown]:not([data-shown="{before}"])').wait_for()


def _worklist(page: "Page", data: Path) -> None:
    page.locator("[data-testid=stDataFrame] canvas").first.wait_for()


def _case(page: "Page", data: Path) -> None:
    page.locator("[data-shown]").wait_for()
    page.get_by_label("Outline").check()


def _evidence(page: "Page", data: Path) -> None:
    page.locator("[data-shown]").wait_for()
    page.get_by_label("Predicted map").uncheck()
    page.get_by_label("Evidence").check()


def _correction(page: "Page", data: Path) -> None:
    canvas = page.get_by_label("Mask to be corrected")
    canvas.wait_for()
    page.get_by_role("button", name="Zoom in").click()
    page.get_by_role("button", name="Zoom in").click()
    page.get_by_role("button", name="Brush: add").click()
    box = canvas.bounding_box() or {"x": 0, "y": 0, "width": 0, "height": 0}
    for number in range(9):
        x = box["x"] + box["width"] * (0.3 + 0.05 * number)
        page.mouse.move(x, box["y"] + box["height"] * (0.3 + 0.004 * number**2))
        if not number:
            page.mouse.down()
    page.mouse.up()
    page.get_by_text("1 stroke").wait_for()


def _summary(page: "Page", data: Path) -> None:
    page.get_by_text("Agreement", exact=True).wait_for()


def _try(page: "Page", data: Path) -> None:
    page.locator("input[type=file]").set_input_files(sorted((data / "images").iterdir())[4])
    page.get_by_text("The networks say").wait_for()
    page.locator("[data-shown]").wait_for()


SCREENS = {
    "worklist": ("", _worklist), "case": ("case", _case), "evidence": ("case", _evidence),
    "correction": ("correction", _correction), "summary": ("summary", _summary), "try": ("try", _try),
}  # fmt: skip


def _open(page: "Page", address: str, name: str, data: Path) -> None:
    path, make_ready = SCREENS[name]
    page.evaluate("sessionStorage.clear()")  # strokes that are not saved outlive a reload
    page.goto(f"{address}/{path}?reader=Ada")
    make_ready(page, data)
    page.wait_for_timeout(1500)  # a message that something was stored goes by itself
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        sys.exit(f"{name}: expected to fit into {page.viewport_size}, found it wider.")


def _keep(page: "Page", file: Path | None) -> None:
    """Write the picture with few colours."""
    png = page.screenshot()
    if file is None:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(io.BytesIO(png)) as picture:
        # Colours that are rare count as much as the many reds: the legend is told by a few pixels.
        drawn = picture.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        drawn.save(file, optimize=True)
    if file.stat().st_size > LARGEST:
        sys.exit(f"{file}: expected at most {LARGEST} bytes, found {file.stat().st_size}.")


if __name__ == "__main__":
    take(*map(Path, sys.argv[1:4]))
