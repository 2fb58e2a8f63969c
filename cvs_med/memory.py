"""How a process keeps the memory that it frees."""

import ctypes
import os

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""Numbers of two settings of the C library's mallopt(3)."""


def keep_memory() -> bool:
    """Let the C library keep freed memory for the next tensor, for the whole process; answer whether it can.

    By default every large tensor is fresh memory from the kernel, cleared page by page: on two cores half of the time
    of a training step. The most that is held at once stays the same.
    """
    adjust = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    return adjust is not None and adjust(_MMAP_MAX, 0) == 1 and adjust(_TRIM_THRESHOLD, -1) == 1
