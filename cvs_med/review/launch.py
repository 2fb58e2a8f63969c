"""How the pages are started, and how they learn what to show: by the environment of their process."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cvs_med
from cvs_med.errors import ReviewError
from cvs_med.review import access
from cvs_med.review.upload import LARGEST_MEGABYTES

RUN, DATA_DIR, STORE = "CVS_MED_APP_RUN", "CVS_MED_APP_DATA_DIR", "CVS_MED_APP_STORE"
LOGIN, ADMINS = "CVS_MED_APP_LOGIN", "CVS_MED_APP_ADMINS"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the pages show, as the command line of `cvs-med app` said it.

    Attributes:
        run: the run folder.
        data_dir: folder of its data set; None looks where `datasets.locate` looks.
        store: database URL of the reviews; None is the run's own folder.
        login: whether readers prove who they are by Streamlit's login.
        admins: readers who see everything.
        published_on_loopback: whether the pages are in a container whose port only its host reaches.
    """

    run: Path
    data_dir: Path | None
    store: str | None
    login: bool = False
    admins: frozenset[str] = frozenset()
    published_on_loopback: bool = False


def pages() -> Path:
    """Say where the pages lie: inside an installed package, or beside it in a checkout."""
    package = Path(cvs_med.__file__).parent
    installed = package / "apps"
    return installed if installed.is_dir() else package.parent / "apps"


def command(shown: Settings, port: int, address: str) -> tuple[list[str], dict[str, str]]:
    """Give the command that serves the pages at an address, and the environment that it needs.

    Raises:
        ReviewError: other machines would reach the pages without a login.
    """
    access.require_safe(address, login=shown.login, published_on_loopback=shown.published_on_loopback)
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
    environment = {
        RUN: str(shown.run.resolve()),
        STORE: shown.store or "",
        DATA_DIR: str(shown.data_dir.resolve()) if shown.data_dir else "",
        LOGIN: "1" if shown.login else "",
        ADMINS: "\n".join(sorted(shown.admins)),
    }
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
    return Settings(
        run=Path(run),
        data_dir=Path(data_dir) if data_dir else None,
        store=environment.get(STORE) or None,
        login=bool(environment.get(LOGIN)),
        admins=frozenset(filter(None, environment.get(ADMINS, "").split("\n"))),
    )
