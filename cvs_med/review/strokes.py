"""What a reader draws, as strokes in pixels of the photograph; the mask is made here, not in the browser."""

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from PIL import Image, ImageDraw
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from cvs_med.errors import ReviewError
from cvs_med.images import Mask

_Coordinate = Annotated[float, Field(ge=-20_000, le=20_000, allow_inf_nan=False)]


class Stroke(BaseModel):
    """One stroke.

    Attributes:
        tool: `brush` follows the points with a round brush, `polygon` fills what they enclose.
        erase: take the pixels out of the foreground rather than into it.
        radius: of the brush, in pixels.
        points: (x, y) in pixels of the photograph; the middle of the first pixel is (0.5, 0.5).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    tool: Literal["brush", "polygon"]
    erase: bool
    radius: Annotated[float, Field(ge=0.5, le=500)]
    points: Annotated[list[tuple[_Coordinate, _Coordinate]], Field(min_length=1, max_length=20_000)]


_STROKES = TypeAdapter(Annotated[list[Stroke], Field(max_length=5_000)])


def parse(sent: object) -> list[Stroke]:
    """Read what the browser sent, and believe nothing of it.

    Raises:
        ReviewError: it is something else than strokes.
    """
    try:
        return _STROKES.validate_python(sent or [])
    except ValidationError as error:
        found = error.errors()[0]["msg"]
        raise ReviewError(f"Expected strokes from the drawing, found: {found}. Reload the page.") from error


def apply(mask: Mask, strokes: Sequence[Stroke]) -> Mask:
    """Draw strokes onto a mask (H, W), one after the other; the mask given stays as it is."""
    if not strokes:
        return mask
    image = Image.fromarray(mask.astype(np.uint8))
    pen = ImageDraw.Draw(image)
    for stroke in strokes:
        _draw(pen, stroke)
    return np.asarray(image, dtype=np.bool_)


def _draw(pen: ImageDraw.ImageDraw, stroke: Stroke) -> None:
    value = int(not stroke.erase)
    # PIL counts from the middle of a pixel, the browser from its corner.
    points = [(x - 0.5, y - 0.5) for x, y in stroke.points]
    if stroke.tool == "polygon":
        if len(points) > 2:
            pen.polygon(points, fill=value)
        return
    if len(points) > 1:
        pen.line(points, fill=value, width=max(1, round(2 * stroke.radius)))
    reach = stroke.radius - 0.5
    for x, y in points:
        pen.ellipse((x - reach, y - reach, x + reach, y + reach), fill=value)
