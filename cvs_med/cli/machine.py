"""What the machine offers: device, threads, memory, folders."""

import ctypes
import os
from pathlib import Path

from platformdirs import user_cache_path

from cvs_med.errors import CvsMedError

CACHE = "CVS_MED_CACHE"

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""Numbers of two settings of the C library's mallopt(3)."""


def accelerator(wanted: str) -> str:
    """Settle `auto`.

    Raises:
        CvsMedError: cuda is asked for where there is none.
    """
    import torch

    if wanted == "cuda" and not torch.cuda.is_available():
        raise CvsMedError("Expected a GPU for --device cuda, found none that PyTorch can use. Ask for --device cpu.")
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return wanted


def cache_folder() -> Path:
    """Folder for what can be computed again: CVS_MED_CACHE, or the user's cache."""
    named = os.environ.get(CACHE)
    return Path(named) if named else user_cache_path("cvs-med", appauthor=False)


def workers() -> int:
    """Threads for decoding: as many as this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def keep_memory() -> bool:
    """Let the C library keep freed memory for the next tensor, for the whole process; answer whether it can.

    By default every large tensor is fresh memory from the kernel, cleared page by page: on two cores half of the time
    of a training step. The most that is held at once stays the same.
    """
    adjust = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    return adjust is not None and adjust(_MMAP_MAX, 0) == 1 and adjust(_TRIM_THRESHOLD, -1) == 1
