"""The overlays of a run, drawn a few at a time, and the cards that show them in the page."""

import base64
import io
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from PIL import Image

from cvs_med.report import case_maps, overlays
from cvs_med.tables import write_bytes
from cvs_med.types import Prediction

MOST_BYTES = 9_000_000
"""What the thumbnails may take in the page, which shall stay below 10 MB; one takes 50 to 200 kB."""

_THUMBNAIL = (720, 720)

_AT_ONCE = 32
"""Cases drawn before it is looked whether the page has room for more."""


@dataclass(frozen=True, slots=True)
class Card:
    """A case in the page.

    Attributes:
        case_id: its name.
        fold: the fold that tested it.
        right: whether it was given its reference class.
        derived: name of the class given.
        reference: name of the reference class.
        error: by how much the probability of the reference class falls short of 1.
        rival: name of the runner-up, if the overlay shows why it was not given.
        probabilities: name and probability of each class, most probable first.
        dice: its Dice at the working size, if known.
        link: its overlay, relative to the page.
        thumbnail: a JPEG as a data URI.
        sent: whether it goes to a human by the fold's threshold; None where no threshold was asked for.
    """

    case_id: str
    fold: int
    right: bool
    derived: str
    reference: str
    error: float
    rival: str | None
    probabilities: tuple[tuple[str, float], ...]
    dice: float | None
    link: str
    thumbnail: str
    sent: bool | None = None


def draw(
    run: Path, predictions: Sequence[Prediction], class_names: Sequence[str], dice: Mapping[str, float | None]
) -> list[Card]:
    """Write overlays/<case_id>.png for every case, and give the cards of the first, up to `MOST_BYTES`.

    Errors come first, the surest of them at the top; a core draws one case at a time.

    Raises:
        RunError: the maps of a case are missing or damaged.
    """
    (run / "overlays").mkdir(exist_ok=True)

    def one(prediction: Prediction) -> Card | None:
        return _draw(run, prediction, class_names, dice.get(prediction.case_id), shown=room > 0)

    order = sorted(predictions, key=_surest_errors_first)
    cards: list[Card] = []
    room = MOST_BYTES
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(order), _AT_ONCE):
            for card in pool.map(one, order[start : start + _AT_ONCE]):
                room -= 0 if card is None else len(card.thumbnail)
                if card is not None and room >= 0:
                    cards.append(card)
    return cards


def _draw(
    run: Path, prediction: Prediction, names: Sequence[str], dice: float | None, *, shown: bool
) -> Card | None:
    """Write the overlay of one case, and give its card if it is to be shown."""
    case = case_maps.load(run, prediction)
    overlay = overlays.draw(prediction, case, names)
    write_bytes(run / "overlays" / f"{prediction.case_id}.png", _png(overlay.whole))
    rival = None if case.margin is None else names[case.margin.rival]
    return _card(prediction, names, rival, dice, overlay.strip) if shown else None


def _surest_errors_first(prediction: Prediction) -> tuple[bool, float, str]:
    right = prediction.predicted == prediction.label
    return right, prediction.probabilities[prediction.label], prediction.case_id


def _card(
    prediction: Prediction, names: Sequence[str], rival: str | None, dice: float | None, strip: Image.Image
) -> Card:
    shares = zip(names, prediction.probabilities, strict=True)
    return Card(
        case_id=prediction.case_id,
        fold=prediction.fold,
        right=prediction.predicted == prediction.label,
        derived=names[prediction.predicted],
        reference=names[prediction.label],
        error=1 - prediction.probabilities[prediction.label],
        rival=rival,
        probabilities=tuple(sorted(shares, key=lambda share: -share[1])[:3]),
        dice=dice,
        link=quote(f"overlays/{prediction.case_id}.png"),
        thumbnail=f"data:image/jpeg;base64,{base64.b64encode(_jpeg(strip)).decode()}",
    )


def _png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    # A sixth of the time of the default level, for a quarter more bytes.
    image.save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def _jpeg(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.thumbnail(_THUMBNAIL)
    image.save(stream, "JPEG", quality=75, optimize=True)
    return stream.getvalue()
