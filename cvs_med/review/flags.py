"""Which cases of a finished run stand out: unsure answers, poor photographs, and photographs unlike those trained on.

Every case is held against the photographs of the other folds alone, those that its network was trained on. Quality is
measured here, once, from the pictures in the run's folder. Likeness needs the networks: it is read where they were
asked, by `predict` or by trying an image.
"""

import json
from collections.abc import Mapping, Set
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from pydantic import BaseModel, ValidationError

from cvs_med.errors import RunError
from cvs_med.evaluation import decided
from cvs_med.prediction import gates, quality
from cvs_med.report import case_maps
from cvs_med.review.run import FinishedRun
from cvs_med.tables import write_bytes
from cvs_med.types import Floats

FILE = "quality_flags.json"
_DAMAGED = "its file in the run folder is damaged"


M = TypeVar("M", bound=BaseModel)


class _Kept(BaseModel):
    """quality_flags.json."""

    run: str
    flags: dict[str, list[str]]


class _Unlike(BaseModel):
    """unlike.json: whether a case was stopped by the gate that was fitted on the other folds."""

    unlike: dict[str, bool]


@dataclass(frozen=True, slots=True)
class Flags:
    """What stands out in the cases of a run.

    Attributes:
        quality: case id to what is unusual in the photograph as such; cases without anything may be left out.
        unlike: case id to whether it is unlike the photographs trained on; None where the networks were not asked.
        sent: ids of the cases whose answer is too unsure, by the threshold of their fold.
    """

    quality: Mapping[str, list[str]]
    unlike: Mapping[str, bool] | None
    sent: Set[str] = frozenset()

    def of(self, case_id: str) -> tuple[str, ...]:
        """List what stands out in a case."""
        unsure = ["too unsure to be answered, sent to a human"] if case_id in self.sent else []
        far = ["unlike the training photographs"] if self.unlike and self.unlike.get(case_id) else []
        return (*unsure, *self.quality.get(case_id, []), *far)

    def said(self, case_id: str) -> str:
        """Say it in a sentence, or what was not looked at."""
        found = self.of(case_id)
        asked = self.unlike is not None and case_id in self.unlike
        if found:
            return f"Flagged: {'; '.join(found)}."
        if asked:
            return "Image quality and likeness to the training photographs: nothing unusual."
        return "Image quality: nothing unusual. Likeness to the training photographs was not measured."


def of_run(run: FinishedRun) -> Flags:
    """Read the flags of a run, or measure them and keep them in its folder if one may write.

    Raises:
        RunError: a file of flags is damaged.
    """
    kept = _read(run, FILE, _Kept)
    if kept is None or kept.run != run.digest:
        kept = _Kept(run=run.digest, flags=_measure(run))
        with suppress(OSError):
            write_bytes(run.path / FILE, json.dumps(kept.model_dump(), indent=2).encode())
    asked = _read(run, gates.UNLIKE, _Unlike)
    return Flags(kept.flags, asked.unlike if asked else None, _sent(run))


def _sent(run: FinishedRun) -> frozenset[str]:
    """Name the cases that their fold's threshold sends to a human; none where the run has no thresholds."""
    decisions = decided.read(run.path)
    return frozenset(case.case_id for case in decisions.cases if case.answered is False) if decisions else frozenset()


def _read(run: FinishedRun, name: str, kind: type[M]) -> M | None:
    path = run.path / name
    try:
        return kind.model_validate_json(path.read_bytes()) if path.exists() else None
    except (OSError, ValidationError) as error:
        raise RunError(
            f"{path}: expected flags of this run, found something else ({error}). Delete the file."
        ) from error


def _measure(run: FinishedRun) -> dict[str, list[str]]:
    """Hold each photograph against those of the other folds."""
    measured: dict[str, Floats] = {}
    flags: dict[str, list[str]] = {}
    for case_id, prediction in run.predictions.items():
        try:
            case = case_maps.load(run.path, prediction)
        except RunError:
            flags[case_id] = [_DAMAGED]
            continue
        seen = np.ones(case.image.shape[:2], np.bool_) if case.field_of_view is None else case.field_of_view > 0
        measured[case_id] = quality.measure(case.image.transpose(2, 0, 1), seen.astype(np.uint8) * 255)
    for fold in {prediction.fold for prediction in run.predictions.values()}:
        rest = [values for case_id, values in measured.items() if run.predictions[case_id].fold != fold]
        if not rest:
            continue
        low, high = gates.limits(np.stack(rest))
        own = {case_id: values for case_id, values in measured.items() if run.predictions[case_id].fold == fold}
        flags |= {case_id: found for case_id, values in own.items() if (found := gates.outside(values, low, high))}
    return flags
