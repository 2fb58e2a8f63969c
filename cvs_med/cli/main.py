"""`cvs-med`: the group of all commands, and how errors look."""

import errno
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import click

from cvs_med.cli.app import app
from cvs_med.cli.audit import audit
from cvs_med.cli.bench import bench
from cvs_med.cli.checklist import card, checklist
from cvs_med.cli.compare import compare
from cvs_med.cli.cost import cost
from cvs_med.cli.cv import cv
from cvs_med.cli.data import data
from cvs_med.cli.export import export
from cvs_med.cli.predict import predict
from cvs_med.cli.propagate import propagate
from cvs_med.cli.report import report
from cvs_med.cli.review import review
from cvs_med.cli.sweep import sweep, table
from cvs_med.cli.train import train
from cvs_med.errors import CvsMedError

_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EROFS, errno.EPERM)


_GOES_ON = "The same command goes on from the last finished epoch."


class _TerminatedError(BaseException):
    """SIGTERM came: from a cluster's scheduler before it kills, or from `docker stop`."""


class _Group(click.Group):
    """Commands whose errors are sentences for people."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own signature
        try:
            with _terminable():
                return super().invoke(ctx)
        except CvsMedError as error:
            click.echo(f"Error: {error}", err=True)
            sys.exit(2)
        except OSError as error:
            if error.errno not in _OF_THE_DISK:
                raise
            text = f"Error: {error.filename or 'the disk'}: expected to write here, found: {error.strerror}."
            click.echo(f"{text} Make room or choose another folder; what was computed stays.", err=True)
            sys.exit(2)
        except KeyboardInterrupt:
            click.echo(f"Stopped. {_GOES_ON}", err=True)
            sys.exit(128 + signal.SIGINT)
        except _TerminatedError:
            click.echo(f"Stopped by SIGTERM. {_GOES_ON}", err=True)
            sys.exit(128 + signal.SIGTERM)


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM end the work inside as Ctrl-C does: files are whole or absent, and the user is told."""
    if threading.current_thread() is not threading.main_thread():  # Signals are the main thread's.
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise _TerminatedError


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="cvs-med")
def main() -> None:
    """Classify medical images from a handful of labelled examples, by segmenting them.

    For research; not a medical device.
    """


main.add_command(cv)
main.add_command(train)
main.add_command(predict)
main.add_command(export)
main.add_command(compare)
main.add_command(audit)
main.add_command(data)
main.add_command(propagate)
main.add_command(report)
main.add_command(checklist)
main.add_command(card)
main.add_command(sweep)
main.add_command(table)
main.add_command(cost)
main.add_command(bench)
main.add_command(app)
main.add_command(review)
