"""One process at a time at one piece of work; the others wait for it instead of doing the same."""

import fcntl
import os
import platform
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path


@contextmanager
def turn(lock: Path) -> Iterator[None]:
    """Wait until no other process holds this lock, and hold it; the system frees it when a process ends or is killed.

    Where the folder cannot be written, or its file system knows no locks, nobody waits: work may then be done twice,
    but files are whole or absent, and both make the same.

    Args:
        lock: file that is made; while it is held it says by which machine and process.
    """
    with ExitStack() as stack:
        with suppress(OSError):
            lock.parent.mkdir(parents=True, exist_ok=True)
            held = stack.enter_context(lock.open("a+"))
            fcntl.flock(held.fileno(), fcntl.LOCK_EX)
            held.truncate(0)
            held.write(f"{platform.node()} {os.getpid()}")
            held.flush()
        yield
