"""`cvs-med app`: the clinician's screen in a browser."""

import os
import sys
from pathlib import Path

import click

_FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)


@click.command()
@click.option("--run", type=_FOLDER, required=True, envvar="CVS_MED_RUN", show_envvar=True,
              help="Folder of a finished run.")
@click.option("--data-dir", type=_FOLDER, help="Folder of its data set.  [default: as for cv]")
@click.option("--store", envvar="CVS_MED_STORE", show_envvar=True,
              help="Database URL of the reviews.  [default: in the run folder]")
@click.option("--port", type=click.IntRange(1024, 65535), default=8501, show_default=True, help="Port of the page.")
@click.option("--address", default="localhost", show_default=True,
              help="Who is answered: localhost is this machine alone, 0.0.0.0 all that reach it, with a login only.")
@click.option("--published-on-loopback", is_flag=True,
              help="The address is a container's, published on 127.0.0.1 alone: no login is needed.")
@click.option("--admin", "admins", multiple=True, metavar="READER",
              help="Who sees all readers and takes files away; may be repeated.  [default: all without a login]")
def app(
    run: Path,
    data_dir: Path | None,
    store: str | None,
    port: int,
    address: str,
    published_on_loopback: bool,
    admins: tuple[str, ...],
) -> None:
    """Review a finished run in a browser on this machine: diagnosis, overlay, your answer, corrected masks.

    Needs neither a GPU nor the network. The page answers to this machine alone; to others only if Streamlit's login
    (OpenID Connect) is configured in .streamlit/secrets.toml. Ctrl-C ends it; what was answered is stored by then.
    """
    from cvs_med.review import access, flags, launch, thumbnails
    from cvs_med.review.run import open_run
    from cvs_med.review.store import open_store

    shown = launch.Settings(run, data_dir, store, access.login_configured(), frozenset(admins), published_on_loopback)
    command, environment = launch.command(shown, port, address)
    finished = open_run(run, data_dir)  # what is wrong with the run or the store is said here, not in the browser
    open_store(run / "reviews", store)
    click.echo(f"Measuring {len(finished.ids)} photographs, once")
    flags.of_run(finished)
    thumbnails.of_run(finished)
    click.echo(f"Reviewing {run}: http://localhost:{port}")
    os.execve(sys.executable, command, {**os.environ, **environment})
