"""Small pictures of all cases for the worklist, made once and kept in the run folder."""

import base64
from collections.abc import Mapping
from contextlib import suppress

from PIL import Image
from pydantic import Base64Bytes, BaseModel, ValidationError

from cvs_med.errors import RunError
from cvs_med.report import case_maps
from cvs_med.review.pictures import jpeg
from cvs_med.review.run import FinishedRun
from cvs_med.tables import write_bytes

FILE = "thumbnails.json"
SIDE = 72
"""Pixels; a row of the worklist is a little lower."""


class _Kept(BaseModel):
    """thumbnails.json: case id to a JPEG."""

    run: str
    pictures: dict[str, Base64Bytes]


def of_run(run: FinishedRun) -> Mapping[str, bytes]:
    """Read the small pictures of a run, or make them and keep them in its folder if one may write.

    Returns:
        Case id to a JPEG of `SIDE` x `SIDE` pixels; a case whose file is damaged has none.
    """
    kept = _read(run)
    if kept is None or kept.run != run.digest:
        made = {case_id: picture for case_id in run.ids if (picture := _picture(run, case_id))}
        kept = _Kept(run=run.digest, pictures={name: base64.b64encode(jpeg) for name, jpeg in made.items()})
        with suppress(OSError):
            write_bytes(run.path / FILE, kept.model_dump_json().encode())
    return kept.pictures


def _read(run: FinishedRun) -> _Kept | None:
    """Take what is damaged for what is not there: it is made again."""
    try:
        return _Kept.model_validate_json((run.path / FILE).read_bytes())
    except (OSError, ValidationError):
        return None


def _picture(run: FinishedRun, case_id: str) -> bytes | None:
    try:
        case = case_maps.load(run.path, run.predictions[case_id])
    except RunError:
        return None
    return jpeg(Image.fromarray(case.image).resize((SIDE, SIDE), Image.Resampling.BOX), 80)
