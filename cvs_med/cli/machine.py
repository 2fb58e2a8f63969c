"""What the machine offers: device, threads, folders."""

import os
from pathlib import Path

from platformdirs import user_cache_path

from cvs_med.errors import CvsMedError

CACHE = "CVS_MED_CACHE"


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
