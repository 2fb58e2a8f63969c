"""Probes of the files rather than of what they show: size, compression, date and camera.

EXIF data is whatever someone wrote: names are cut, odd values count as missing, and nothing of it is kept or printed.
"""

from math import isfinite, log
from pathlib import Path

from PIL import ExifTags, Image, ImageFile

from cvs_med.audit.sample import Measures, Probe, Sample, Value
from cvs_med.datasets.sittings import capture_time
from cvs_med.decoding.opening import exif_of, opened
from cvs_med.images import kind_of
from cvs_med.types import file_of

LONGEST_NAME = 64
_SETTINGS = {
    "iso": ExifTags.Base.ISOSpeedRatings,
    "exposure": ExifTags.Base.ExposureTime,
    "flash": ExifTags.Base.Flash,
    "metering": ExifTags.Base.MeteringMode,
}


def size(sample: Sample) -> Measures:
    """Give the bytes of the file for each pixel, as a logarithm, and its format."""
    path = file_of(sample.case.image)
    if path is None:
        return {}
    return {"bytes": log(max(path.stat().st_size, 1) / sample.view.size), "format": path.suffix.lower()}


def quantisation(sample: Sample) -> Measures:
    """Give how coarsely the JPEG tables divide brightness and colour; both missing for another format."""
    path = _photograph(sample)
    if path is None:
        return {}
    with opened(path) as image:
        tables: dict[int, list[int]] = getattr(image, "quantization", None) or {}
        sums = [log(max(sum(tables[number]), 1)) for number in sorted(tables)[:2]]
    return dict(zip(("brightness", "colour"), [*sums, None, None], strict=False))


def date(sample: Sample) -> Measures:
    """Give the day of the photograph."""
    path = _photograph(sample)
    moment = None if path is None else capture_time(path)
    return {"day": float(moment.toordinal()) if moment else None}


def camera(sample: Sample) -> Measures:
    """Give the make and model of the camera and how it was set."""
    path = _photograph(sample)
    if path is None:
        return {}
    with opened(path) as image:
        return _camera(image)


def _photograph(sample: Sample) -> Path | None:
    """Give the file if it is one that holds EXIF data and JPEG tables; DICOM's own elements are never read."""
    path = file_of(sample.case.image)
    return path if path is not None and kind_of(path) == "raster" else None


def _camera(image: ImageFile.ImageFile) -> Measures:
    exif = exif_of(image)
    settings = exif.get_ifd(ExifTags.IFD.Exif)
    names: Measures = {
        name: _name(exif, tag) for name, tag in (("make", ExifTags.Base.Make), ("model", ExifTags.Base.Model))
    }
    return names | {name: _number(settings.get(tag)) for name, tag in _SETTINGS.items()}


def _name(exif: Image.Exif, tag: int) -> Value:
    value = exif.get(tag)
    return value.strip()[:LONGEST_NAME] if isinstance(value, str) else None


def _number(value: object) -> Value:
    try:
        number = float(value)  # type: ignore[arg-type]  # whatever EXIF holds; what is no number is refused below
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return number if isfinite(number) else None


_AGAIN = "Save all photographs again with one setting before training, or train on one setting only; "

SIZE = Probe("file-size", "size of the file", f"{_AGAIN}a file's size follows its compression and its content.", size)

QUANTISATION = Probe(
    "jpeg-quantisation",
    "JPEG quantisation tables",
    f"{_AGAIN}a network sees the compression's traces.",
    quantisation,
)

DATE = Probe(
    "exif-date",
    "date of the photograph",
    "The classes were photographed at different times, so whatever changed at the camera tells them apart: collect "
    "the classes side by side, or test on a later set.",
    date,
)

CAMERA = Probe(
    "exif-camera",
    "camera and its settings",
    "The classes were photographed with different cameras or settings: collect them alike, or test on another camera.",
    camera,
)
