"""Reviews of another store or of an exported file are added to this one; what is there already is not added twice."""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from cvs_med.errors import ReviewError
from cvs_med.review import corrections, mask_files
from cvs_med.review.records import Answer, MaskVersion, check_answer, check_version, in_order
from cvs_med.review.run import FinishedRun
from cvs_med.review.store import Store

_LARGEST_FILE = 1 << 30


class _Exported(BaseModel):
    """A file that `review export` wrote as JSON; its summary is not read."""

    model_config = ConfigDict(extra="ignore")

    run_digest: str
    answers: list[Answer]
    masks: list[MaskVersion]
    mask_files: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Added:
    """What was new.

    Attributes:
        answers: number of answers.
        masks: number of mask versions.
    """

    answers: int
    masks: int


def from_file(run: FinishedRun, store: Store, path: Path) -> Added:
    """Add what `review export` wrote as JSON.

    Raises:
        ReviewError: it is something else, of another run, or not whole; then nothing is added.
    """
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise ReviewError(f"{path}: expected a file of at most a gigabyte, found more. Merge the stores instead.")
        found = TypeAdapter(_Exported).validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        said = str(error).splitlines()[0]
        raise ReviewError(f"{path}: expected a JSON file of `review export`, found another ({said}).") from error
    return _add(run, store, found.answers, found.masks, lambda version: _png(found.mask_files, version))


def from_store(run: FinishedRun, store: Store, other: Store) -> Added:
    """Add what another store holds of the run.

    Raises:
        ReviewError: it was tampered with, or a mask of it is missing; then nothing is added.
    """
    faults = other.verify()
    if faults:
        raise ReviewError("\n".join(["The other store was tampered with; nothing was added:", *faults]))
    return _add(run, store, other.answers(run.digest), other.masks(run.digest), other.mask_file)


def _add(
    run: FinishedRun,
    store: Store,
    answers: Sequence[Answer],
    masks: Sequence[MaskVersion],
    png: Callable[[MaskVersion], bytes],
) -> Added:
    """Check all, then add what is not there."""
    rows: list[Answer | MaskVersion] = [*answers, *masks]
    for row in rows:
        if row.run_digest != run.digest or row.case_id not in run.predictions:
            raise ReviewError(f"Expected reviews of the run {run.name} alone, found one of case {row.case_id[:80]!r} "
                              f"of the run {row.run[:80]!r}. Name the run that was reviewed.")  # fmt: skip
    for answer in answers:
        check_answer(answer)
        _require_classes(run, answer)
        _require_past(answer.answered_at)
    files = [(version, png(version)) for version in masks]
    for version, content in files:
        check_version(version, mask_files.decode(content, (version.height, version.width)))
        corrections.require_fitting(run, version)
        _require_past(version.drawn_at)
    known = {answer.token for answer in store.answers(run.digest)} | {v.token for v in store.masks(run.digest)}
    for version, content in files:
        store.add_mask_file(version, content)
    for answer in answers:
        store.add_answer(answer)
    new = [row for row in rows if row.token not in known]
    return Added(sum(isinstance(row, Answer) for row in new), sum(isinstance(row, MaskVersion) for row in new))


def _require_classes(run: FinishedRun, answer: Answer) -> None:
    derived, named = run.derived(answer.case_id), [*run.class_names, None]
    if answer.derived != derived or answer.diagnosis not in named:
        raise ReviewError(
            f"Case {answer.case_id}: expected the model's {derived} and a diagnosis of {', '.join(run.class_names)}, "
            f"found {answer.derived[:80]} and {str(answer.diagnosis)[:80]}. Export the reviews of this run."
        )


def _require_past(time: str) -> None:
    """Refuse a review of days to come, beside which no later one would stand."""
    if in_order(time) > datetime.now(UTC) + timedelta(days=1):
        raise ReviewError(f"A review: expected a time that is past, found {time}. Set that clock right.")


def _png(files: Mapping[str, str], version: MaskVersion) -> bytes:
    try:
        return base64.b64decode(files[version.content], validate=True)
    except (KeyError, binascii.Error) as error:
        raise ReviewError(
            f"Expected the pixels of each mask in the file, found none of {version.content[:64]!r}. Export again."
        ) from error
