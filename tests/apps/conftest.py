"""A run to review, and the app's pages without a browser."""

import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cvs_med.review import launch
from cvs_med.review.run import FinishedRun, open_run
from cvs_med.review.store import Store, open_store
from databases import database, new_database, postgres

__all__ = ["database", "new_database", "postgres"]

with warnings.catch_warnings():
    # Importing Streamlit warns of what its own dependencies are about to change.
    warnings.simplefilter("ignore")
    from streamlit.testing.v1 import AppTest


@pytest.fixture
def run_folder(finished_run: Path, tmp_path: Path) -> Path:
    """A run whose store may be written to."""
    return shutil.copytree(finished_run, tmp_path / "run")


@pytest.fixture
def run(run_folder: Path, phantom_folder: Path) -> FinishedRun:
    return open_run(run_folder, phantom_folder)


@pytest.fixture
def store(run_folder: Path) -> Store:
    return open_store(run_folder / "reviews")


@pytest.fixture
def start(run_folder: Path, phantom_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., AppTest]]:
    """Open the app as one reader: `start(page="case", reader="Ada", case=1, data_dir=None)`."""
    import streamlit as st

    monkeypatch.syspath_prepend(launch.pages())

    def begin(
        page: str | None = None,
        *,
        reader: str | None = "Ada",
        case: int | None = None,
        data_dir: Path | None = phantom_folder,
    ) -> AppTest:
        monkeypatch.setenv(launch.RUN, str(run_folder))
        monkeypatch.setenv(launch.DATA_DIR, str(data_dir or ""))
        app = AppTest.from_file(str(launch.pages() / "main.py"), default_timeout=60)
        if reader is not None:
            app.query_params["reader"] = reader
        if case is not None:
            app.query_params["case"] = str(case)
        app.run()
        return app if page is None else _turn(app, page)

    yield begin
    st.cache_resource.clear()
    st.cache_data.clear()


@pytest.fixture
def turn() -> Callable[[AppTest, str], AppTest]:
    """Turn to another page: `turn(app, "worklist")`."""
    return _turn


def _turn(app: AppTest, page: str) -> AppTest:
    """Turn to another page, as its link does; AppTest itself knows only pages that are files."""
    app._page_hash = next(key for key, info in app._registered_pages.items() if info["url_pathname"] == page)
    app.run()
    app._page_hash = ""  # from here on it stays on the page to which its own buttons lead
    return app
