"""How the pages are started, and how they learn what to show: by the environment of their process."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cvs_med
from cvs_med.errors import ReviewError
from cvs_med.review.upload import LARGEST_MEGABYTES

RUN, DATA_DIR, STORE = "CVS_MED_APP_RUN", "CVS_MED_APP_DATA_DIR", "CVS_MED_APP_STORE"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the pages show, as the command line of `cvs-med app` said it."""

    run: Path
    data_dir: Path | None
    store: str | None


def pages() -> Path:
    """Say where the pages lie: inside an installed package, or beside it in a checkout."""
    package = Path(cvs_med.__file__).parent
    installed = package / "apps"
    return installed if installed.is_dir() else package.parent / "apps"


def command(
    run: Path, data_dir: Path | None, store: str | None, port: int, address: str
) -> tuple[list[str], dict[str, str]]:
    """Give the command that serves the pages at an address, and the environment that it needs."""
    options = {
        "server.address": address,
        "server.port": str(port),
        "server.headless": "true",
        "server.fileWatcherType": "none",
        "server.maxUploadSize": str(LARGEST_MEGABYTES),
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "minimal",
        "theme.primaryColor": "#0b63a5",  # Streamlit's own red would make every answer look like an alarm
        "client.showErrorDetails": "none",
    }
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    environment = {RUN: str(run.resolve()), STORE: store or "", DATA_DIR: str(data_dir.resolve()) if data_dir else ""}
    return [sys.executable, "-m", "streamlit", "run", str(pages() / "main.py"), *words], environment


def settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read what the pages shall show.

    Raises:
        ReviewError: the pages were started by hand.
    """
    run = environment.get(RUN)
    if not run:
        raise ReviewError("Expected to be started by `cvs-med app --run RUN`, found no run. Start it so.")
    data_dir = environment.get(DATA_DIR)
    return Settings(Path(run), Path(data_dir) if data_dir else None, environment.get(STORE) or None)
