"""The photograph of a case for the screen: the file itself where a browser can show it, at its own resolution."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from cvs_med.errors import DataError
from cvs_med.geometry import Geometry
from cvs_med.harmonising import harmonise
from cvs_med.images import Mask, read_field_of_view, read_header, read_image
from cvs_med.report.case_maps import CaseMap
from cvs_med.review.run import FinishedRun
from cvs_med.squares import Square, square
from cvs_med.types import Case

_SHOWN_BY_BROWSERS = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png"}
_LARGEST_DIFFERENCE = 2
"""Mean difference of the pixels, of 255, between the file and what the network saw, beyond which it is another one.

The same file differs by nothing, or by what another release of a decoder makes of it."""


@dataclass(frozen=True, slots=True)
class Photograph:
    """A photograph for the screen.

    Attributes:
        content: the picture's file.
        mime: its type.
        place: its size, and where the network's square lies in it.
        native: whether it has its own resolution rather than the network's.
        problem: why it does not, in a sentence; None where there is nothing to say.
    """

    content: bytes
    mime: str
    place: Geometry
    native: bool
    problem: str | None = None


def photograph(run: FinishedRun, case_id: str, case: CaseMap) -> Photograph:
    """Take the photograph from the data set, or from the run folder if the data set's cannot be used."""
    files = run.cases.get(case_id)
    if files is None:
        said = "The photographs were not found" if not run.cases else "This case is not in the data folder"
        return _small(case, f"{said}: shown as the network saw it. Start with --data-dir to see every pixel.")
    try:
        again = _again(files, run, case.image.shape[0])
        seen = again.inside
        apart = np.abs(again.image.transpose(1, 2, 0)[seen].astype(np.int16) - case.image[seen])
        if apart.mean() > _LARGEST_DIFFERENCE:
            return _small(case, "The file in the data folder shows something else than the run saw; it is not shown.")
        return Photograph(*_content(files), again.geometry, native=True)
    except DataError as error:
        return _small(case, str(error))


def field_of_view(files: Case) -> Mask:
    """Read the field of view of a case, (H, W); all pixels where there is none.

    Raises:
        DataError: a file cannot be read.
    """
    return read_field_of_view(files, shape_of(files))


def _again(files: Case, run: FinishedRun, size: int) -> Square:
    """Bring a photograph to the square that the network saw, if it is the same photograph."""
    view, pixels = field_of_view(files), read_image(files.image)
    pixels = harmonise(pixels, view) if run.harmonise else pixels
    return square(pixels, view, None, size=size, crop=run.crop)  # type: ignore[arg-type] # the run's protocol


def predicted_mask(case: CaseMap, place: Geometry) -> Mask:
    """Bring the predicted foreground to the pixels of the photograph, (H, W)."""
    native = np.zeros((place.height, place.width), dtype=np.bool_)
    if case.foreground is None:
        return native
    square = Image.fromarray(case.foreground).resize((place.side, place.side), Image.Resampling.BILINEAR)
    above, before = place.padding
    crop = np.asarray(square)[above : above + place.crop_height, before : before + place.crop_width]
    native[place.top : place.top + place.crop_height, place.left : place.left + place.crop_width] = crop >= 128
    return native


def shape_of(files: Case) -> tuple[int, int]:
    """Give height and width of a case's photograph.

    Raises:
        DataError: it cannot be read.
    """
    if isinstance(files.image, Path):
        header = read_header(files.image)
        return header.height, header.width
    height, width, _ = read_image(files.image).shape
    return height, width


def _content(files: Case) -> tuple[bytes, str]:
    kind = _SHOWN_BY_BROWSERS.get(files.image.suffix.lower()) if isinstance(files.image, Path) else None
    if kind and isinstance(files.image, Path):
        return files.image.read_bytes(), f"image/{kind}"
    return jpeg(Image.fromarray(read_image(files.image)), 95), "image/jpeg"


def _small(case: CaseMap, problem: str) -> Photograph:
    height, width, _ = case.image.shape
    place = Geometry(height, width, 0, 0, height, width, height)
    return Photograph(jpeg(Image.fromarray(case.image), 92), "image/jpeg", place, native=False, problem=problem)


def jpeg(image: Image.Image, quality: int) -> bytes:
    """Encode a picture as JPEG, without anything but its pixels."""
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return stream.getvalue()
