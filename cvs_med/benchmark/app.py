"""The clinician's screen as its reader waits for it: from the key to the picture, in a browser."""

import os
import shutil
import statistics
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import torch

from cvs_med import environment
from cvs_med.benchmark.rounds import Ratio, Result, alternate
from cvs_med.errors import ReviewError
from cvs_med.evaluation import DatasetCard, read_json
from cvs_med.review import flags, headless, thumbnails
from cvs_med.review.launch import Settings
from cvs_med.review.run import open_run
from cvs_med.tables import read_predictions, write_predictions
from cvs_med.types import Prediction

if TYPE_CHECKING:
    from playwright.sync_api import Page

MANY: Final = 2_000
"""Cases of the long worklist."""

_LOOK_SECONDS = 2
"""How long a reader looks at a case at least; meanwhile the next one is prepared."""

# From the key's own time to the second frame after the next case, its title and its picture are there.
_TIMED = """
(panes) => {
  window.cvsMedSeconds = new Promise((done) => window.addEventListener("keydown", ({ timeStamp }) => {
    const before = panes.dataset.shown;
    const there = () => {
      const shown = panes.dataset.shown;
      const title = document.querySelector("h4")?.innerText ?? "";
      if (shown === before || title.split(" ")[1] !== shown.split(" ")[1]) return requestAnimationFrame(there);
      requestAnimationFrame(() => requestAnimationFrame(() => done((performance.now() - timeStamp) / 1000)));
    };
    there();
  }, { once: true, capture: true }));
}
"""
_LISTED = """
() => document.querySelectorAll("[data-testid=stDataFrame] canvas [role=row]").length > 2
  && new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))
"""


def app(run: Path, data_dir: Path | None, *, rounds: int) -> Result:
    """Time the next case, prepared and not, and the worklist, long and as it is; the answers are stored elsewhere.

    Raises:
        CvsMedError: the run is not as it should be or has too few cases, or there is no browser.
    """
    finished = open_run(run, data_dir)
    needed = 2 * (rounds + 1) + 1
    if len(finished.ids) < needed:
        found = len(finished.ids)
        raise ReviewError(f"Expected at least {needed} cases for {rounds} rounds, found {found}. Take fewer rounds.")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        multiply(run, MANY, folder / "many")
        for each in (finished, open_run(folder / "many")):  # as `cvs-med app` does before it opens the pages
            flags.of_run(each)
            thumbnails.of_run(each)
        with ExitStack() as opened:
            settings = Settings(run, data_dir, f"sqlite:///{folder}/reviews.sqlite")
            own, many = (
                opened.enter_context(headless.served(shown)).address
                for shown in (settings, Settings(folder / "many", None, None))
            )
            browser = opened.enter_context(headless.chromium())
            ratios = (_next_case(browser.new_page(), own, rounds), _worklist(browser.new_page(), own, many, rounds))
    return Result(ratios, rounds, environment.describe(torch.device("cpu"), "none"))


def multiply(run: Path, cases: int, out: Path) -> None:
    """Write a run of as many cases as are wanted, which show those of a run again and again; its maps are linked.

    Raises:
        RunError: the run is damaged.
    """
    names = read_json(run / "dataset.json", DatasetCard).class_names
    known = read_predictions(run / "predictions.csv", names)
    out.mkdir(parents=True)
    for file in ("dataset.json", "protocol.yaml"):
        shutil.copyfile(run / file, out / file)
    listed = [_again(run, out, known[number % len(known)], number) for number in range(cases)]
    write_predictions(out / "predictions.csv", listed, names)


def _again(run: Path, out: Path, case: Prediction, number: int) -> Prediction:
    another = replace(case, case_id=f"{case.case_id}-{number:05d}")
    maps = Path(f"fold-{case.fold}") / "maps"
    (out / maps).mkdir(parents=True, exist_ok=True)
    os.symlink((run / maps / f"{case.case_id}.npz").resolve(), out / maps / f"{another.case_id}.npz")
    return another


def _next_case(page: "Page", address: str, rounds: int) -> Ratio:
    """Answer after a look, and answer the next case at once, when the one after it is not prepared yet."""
    page.goto(f"{address}/case?reader=bench")
    page.locator("[data-shown]").wait_for(timeout=1000 * headless.WAIT)
    looked, at_once = [], []
    for _ in range(rounds + 1):
        page.wait_for_timeout(1000 * _LOOK_SECONDS)
        looked.append(_answer(page))
        at_once.append(_answer(page))
    return _ratio(f"next case after {_LOOK_SECONDS} s : after none", looked[1:], at_once[1:])


def _answer(page: "Page") -> float:
    page.locator("[data-shown]").evaluate(_TIMED)
    page.keyboard.press("a")
    return float(page.evaluate("window.cvsMedSeconds"))


def _worklist(page: "Page", own: str, many: str, rounds: int) -> Ratio:
    """Open the worklist anew, as after a reload."""

    def opened(address: str) -> Callable[[], None]:
        def open_it() -> None:
            page.goto(f"{address}/?reader=bench", wait_until="commit")
            page.wait_for_function(_LISTED, timeout=1000 * headless.WAIT)

        return open_it

    long, short = alternate([opened(many), opened(own)], rounds)
    return _ratio(f"worklist of {MANY} cases : of the run's own", long, short)


def _ratio(what: str, ours: list[float], other: list[float]) -> Ratio:
    first, second = 1000 * statistics.median(ours), 1000 * statistics.median(other)
    return Ratio(what, first, second, first / second, "ms")
