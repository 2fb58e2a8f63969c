"""SIGTERM, as Slurm and containers send it, where a library has a will of its own about signals."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def kept() -> Iterator[Callable[[], None]]:
    """Keep a SIGTERM that comes until the given function is called, or the block is left.

    What is raised inside a library to end the work may get lost there, or come out as another error.
    """
    if threading.current_thread() is not threading.main_thread():  # Signals are the main thread's.
        yield lambda: None
        return
    came: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: came.append(number)) or signal.SIG_DFL

    def heed() -> None:
        if came:
            came.clear()
            signal.signal(signal.SIGTERM, before)
            signal.raise_signal(signal.SIGTERM)

    try:
        yield heed
    finally:
        signal.signal(signal.SIGTERM, before)
    heed()


@contextmanager
def answered_as_before() -> Iterator[None]:
    """Undo that a library takes SIGTERM for itself in a block: Ray would abort the command with a trace."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    if before is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, before)
