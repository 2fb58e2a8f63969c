"""Names of files and cases: what may serve as a case's name, and how a strange one is written in a message."""

import re
import unicodedata
from pathlib import Path

from cvs_med.decoding import dicom, nifti, raster

LONGEST = 120
"""Bytes of a case's name at most; files of a run folder are named after it."""

_FORBIDDEN = '/\\:*?"<>|#%'
_SUFFIXES = sorted((*raster.SUFFIXES, *dicom.SUFFIXES, *nifti.SUFFIXES), key=len, reverse=True)
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


def normal(text: str) -> str:
    """Write letters with marks in one way: some systems store "ü" in file names as two signs, and a table as one."""
    return unicodedata.normalize("NFC", text)


def stem(path: Path) -> str:
    """Give a file's name without its ending if that is one of ours; a DICOM file named by numbers has none."""
    name = normal(path.name)
    suffix = next((suffix for suffix in _SUFFIXES if name.lower().endswith(suffix)), "")
    return name[: len(name) - len(suffix)]


def unsafe(name: str) -> str | None:
    """Say why a name cannot name a case, whose files may be copied to any system and linked from a page."""
    if not name.isprintable():
        return "a line break, a control sign or a sign that cannot be shown"
    strange = [sign for sign in _FORBIDDEN if sign in name]
    if strange:
        return f"the sign {strange[0]}"
    if not name or name != name.strip() or name[0] in ".-" or name[-1] == ".":
        return "a space, dot or hyphen at its beginning, or a space or dot at its end"
    if len(name.encode(errors="replace")) > LONGEST:
        return f"more than {LONGEST} bytes"
    return "a name that Windows keeps for itself" if _RESERVED.fullmatch(name) else None


def inside(path: Path, root: Path) -> bool:
    """Whether a file lies in a folder once all links are followed."""
    try:
        return path.resolve(strict=True).is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # A link to nothing, or in a circle.
        return False


def natural(name: str) -> list[tuple[int, int, str]]:
    """Sort 2 before 10."""
    parts = re.split(r"([0-9]{1,18})", name)
    return [(1, int(part), "") if place % 2 else (0, 0, part) for place, part in enumerate(parts)]
