"""The audit of a run's data set: made once for the same files, and kept as audit.json in the run's folder."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from cvs_med import audit as audits
from cvs_med.audit.findings import Grade
from cvs_med.datasets import DataSet
from cvs_med.datasets import read as read_cases
from cvs_med.duplicates import Pair
from cvs_med.errors import DataError, RunError
from cvs_med.evaluation import read_json
from cvs_med.report.audit import to_json
from cvs_med.tables import write_bytes
from cvs_med.types import Case, OwnFile, Packed, Picture

FILE = "audit.json"

MOST_CASES = 500
"""Cases up to which a data set is audited without being asked; 45 large photographs take half a minute."""

Outcome = Literal["kept", "too large", "not possible"]


class KeptFinding(BaseModel):
    """One probe of audit.json; what was not measured is None."""

    model_config = ConfigDict(frozen=True)

    probe: str
    grade: Grade
    right: int | None
    cases: int
    low: float | None
    high: float | None
    p: float | None
    p_corrected: float | None
    verdict: str


class KeptAudit(BaseModel):
    """audit.json, as far as a report reads it."""

    model_config = ConfigDict(frozen=True)

    classes: dict[str, int]
    splits: str
    folds: int
    permutations: int
    findings: list[KeptFinding]
    duplicates: list[Pair] = []
    sentences: list[str] = []
    data: str = ""

    def graded(self, grade: Grade) -> list[KeptFinding]:
        """Give the findings of one grade."""
        return [each for each in self.findings if each.grade == grade]


def read(folder: Path) -> KeptAudit | None:
    """Read audit.json; None where there is none.

    Raises:
        RunError: it is damaged.
    """
    path = folder / FILE
    return read_json(path, KeptAudit) if path.exists() else None


def require_same_files(run: Path, cases: Sequence[Case]) -> None:
    """See that a run's own audit, where it kept one, read these very files.

    Raises:
        RunError: it read others, or is damaged.
    """
    kept = read(run)
    if kept is not None and kept.data and kept.data != digest(cases):
        raise RunError(f"{run}: expected a run of these photographs and masks, found one of others, or they have "
                       "changed since. Name a run of this folder, or run again.")  # fmt: skip


def keep(
    run: Path,
    dataset: DataSet,
    root: Path,
    cache_dir: Path,
    workers: int = 1,
) -> Outcome:
    """See that a run's folder holds the audit of its data set; what was audited before is not audited again.

    Args:
        run: the run's folder.
        dataset: what was learnt from.
        root: its folder.
        cache_dir: where audits are shared between runs.
        workers: threads that decode and measure.

    Returns:
        `too large` and `not possible` (too few cases or groups) leave the run without an audit.

    Raises:
        RunError: an audit that was kept is damaged.
    """
    cases = read_cases(dataset, root, folds=2)
    if len(cases) > MOST_CASES:
        return "too large"
    data = digest(cases)
    found = read(run)
    if found is not None and found.data == data:
        return "kept"
    shared = cache_dir / "audits" / f"{data}.json"
    if not shared.exists():
        try:
            made = audits.audit(dataset, root, workers=workers)
        except DataError:
            return "not possible"
        shared.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(shared, to_json(made, data).encode())
    write_bytes(run / FILE, shared.read_bytes())
    return "kept"


def digest(cases: Sequence[Case]) -> str:
    """Give the SHA-256 of all that an audit reads: files as they are, labels and groups."""
    whole = hashlib.sha256(f"audit {audits.VERSION}".encode())
    for case in cases:
        whole.update(f"{case.id}\0{case.label}\0{case.group}\0".encode())
        for picture in (case.image, case.mask, case.field_of_view):
            whole.update(_content(picture))
    return whole.hexdigest()


def _content(picture: Picture | str | None) -> bytes:
    if picture is None or isinstance(picture, str):
        return str(picture).encode()
    if isinstance(picture, Packed):
        return hashlib.sha256(picture.pixels.tobytes()).digest()
    if isinstance(picture, OwnFile):
        return hashlib.sha256(picture.path.read_bytes()).digest() + f"{picture.reading} {picture.empty}".encode()
    return hashlib.sha256(picture.read_bytes()).digest()
