"""The photograph of a case for the screen: the file itself where a browser can show it, at its own resolution."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from cvs_med.decoding.opening import opened
from cvs_med.disc import surroundings
from cvs_med.errors import DataError
from cvs_med.geometry import Geometry, around
from cvs_med.images import Mask, read_field_of_view, read_header, read_image
from cvs_med.report.case_maps import CaseMap
from cvs_med.review.run import FinishedRun
from cvs_med.types import Array, Case

_SHOWN_BY_BROWSERS = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png"}
_LARGEST_DIFFERENCE = 16
"""Mean difference of brightness, of 255, between the file and what the network saw, beyond which it is another one."""


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
        place = around(_kept(files, run.crop), case.image.shape[0])
        if not _same(files, place, case.image):
            return _small(case, "The file in the data folder shows something else than the run saw; it is not shown.")
        return Photograph(*_content(files), place, native=True)
    except DataError as error:
        return _small(case, str(error))


def field_of_view(files: Case) -> Mask:
    """Read the field of view of a case, (H, W); all pixels where there is none.

    Raises:
        DataError: a file cannot be read.
    """
    return read_field_of_view(files, shape_of(files))


def _kept(files: Case, crop: str) -> Mask:
    """Mark what the run's crop keeps, (H, W), as `transforms.square` does, which needs a network library."""
    if crop == "disc":
        return surroundings(read_image(files.image), field_of_view(files))
    return field_of_view(files) if crop == "field_of_view" else np.ones(shape_of(files), dtype=np.bool_)


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


def _same(files: Case, place: Geometry, seen: Array) -> bool:
    """Hold the file against what the network saw, both made very small."""
    box = place.left, place.top, place.left + place.crop_width, place.top + place.crop_height
    if isinstance(files.image, Path):
        with opened(files.image) as image:
            image.draft("RGB", (256, 256))  # a JPEG decodes to an eighth of its size in a fraction of the time
            left, top, right, bottom = (image.width / place.width * side for side in box)
            small = image.convert("RGB").resize((16, 16), Image.Resampling.BOX, (left, top, right, bottom))
    else:
        small = Image.fromarray(read_image(files.image)).resize((16, 16), Image.Resampling.BOX, box)
    above, before = (round(pad * place.size / place.side) for pad in place.padding)
    inner = Image.fromarray(seen[above : place.size - above, before : place.size - before])
    saw = inner.resize((16, 16), Image.Resampling.BOX)
    # The corners differ: the network saw nothing outside the field of view.
    middle = (slice(4, 12), slice(4, 12))
    return float(np.abs(np.asarray(small, float)[middle] - np.asarray(saw, float)[middle]).mean()) < _LARGEST_DIFFERENCE


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
