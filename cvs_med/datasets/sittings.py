"""Guesses from capture times which photographs were taken in one sitting, and so perhaps of one person.

An inference of ours, not a statement of any data set's authors: two eyes of one person are photographed within
minutes of each other, and must not fall on both sides of a split. Nothing of the EXIF data but the sitting leaves here.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

from PIL import ExifTags

from cvs_med.decoding.opening import exif_of, opened
from cvs_med.errors import DataError

PAUSE = timedelta(minutes=15)
"""Photographs that follow each other faster than this belong to one sitting."""


def sittings(photographs: Sequence[Path]) -> list[str | None]:
    """Name the sitting of every photograph, "sitting-01" being the earliest; None where no capture time is stored."""
    times = [capture_time(path) for path in photographs]
    moments = sorted({time for time in times if time is not None})
    starts = [True, *(later - earlier >= PAUSE for earlier, later in pairwise(moments))]
    names: dict[datetime, str] = {}
    for moment, is_start in zip(moments, starts, strict=False):
        number = len(set(names.values())) + is_start
        names[moment] = f"sitting-{number:02d}"
    return [names.get(time) if time else None for time in times]


def capture_time(path: Path) -> datetime | None:
    """Read when a photograph was taken; None where EXIF does not say it or the file cannot be read."""
    try:
        with opened(path) as image:
            exif = exif_of(image).get_ifd(ExifTags.IFD.Exif)
            return datetime.strptime(str(exif.get(ExifTags.Base.DateTimeOriginal)), "%Y:%m:%d %H:%M:%S")
    except (DataError, ValueError):  # An unreadable file is reported by the check, with its remedy.
        return None
