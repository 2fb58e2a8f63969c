"""The audit of a run's data: made once for the same files, and shown in the report."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cvs_med import audit as audits
from cvs_med import datasets, report
from cvs_med.errors import DataError, RunError
from cvs_med.report import kept_audit


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the audits, and make them quick."""
    calls: list[int] = []
    real = audits.audit

    def audit(*args: object, **settings: object) -> audits.Audit:
        calls.append(1)
        return real(*args, **settings, permutations=19)  # type: ignore[arg-type]

    monkeypatch.setattr(audits, "audit", audit)
    return calls


def test_the_same_files_are_audited_once_for_all_runs_and_changed_ones_again(
    make_fundus: Callable[..., Path], tmp_path: Path, counted: list[int]
) -> None:
    root, cache = make_fundus("photographs"), tmp_path / "cache"
    runs = [tmp_path / name for name in ("first", "second")]
    for run in runs:
        run.mkdir()
        assert kept_audit.keep(run, datasets.get("hrf"), root, cache) == "kept"
        assert kept_audit.keep(run, datasets.get("hrf"), root, cache) == "kept"
    assert len(counted) == 1
    assert (runs[0] / "audit.json").read_bytes() == (runs[1] / "audit.json").read_bytes()
    image = next((root / "images").glob("*.jpg"))
    image.write_bytes(image.read_bytes() + b"\0")
    assert kept_audit.keep(runs[0], datasets.get("hrf"), root, cache) == "kept"
    assert len(counted) == 2


def test_a_large_data_set_is_left_to_the_command(
    make_fundus: Callable[..., Path], tmp_path: Path, counted: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_audit, "MOST_CASES", 3)
    assert kept_audit.keep(tmp_path, datasets.get("hrf"), make_fundus("photographs"), tmp_path) == "too large"
    assert counted == []


def test_data_that_cannot_be_audited_leave_the_run_as_it_is(
    make_fundus: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **settings: object) -> None:
        raise DataError([])

    monkeypatch.setattr(audits, "audit", refuse)
    assert kept_audit.keep(tmp_path, datasets.get("hrf"), make_fundus("photographs"), tmp_path) == "not possible"
    assert kept_audit.read(tmp_path) is None


def test_the_report_shows_what_the_audit_found(
    map_run: Path, make_fundus: Callable[..., Path], tmp_path: Path, counted: list[int]
) -> None:
    before = report.write(map_run, "md").read_text(encoding="utf-8")
    assert "was not audited" in before
    kept_audit.keep(map_run, datasets.get("hrf"), make_fundus("photographs"), tmp_path / "cache")
    text = report.write(map_run, "md").read_text(encoding="utf-8")
    assert "was not audited" not in text
    assert "What the shortcut audit found" in text
    found = kept_audit.read(map_run)
    assert found is not None
    assert all(each.probe in text for each in found.findings if each.right is not None)


def test_a_damaged_audit_is_named(map_run: Path) -> None:
    (map_run / "audit.json").write_text("{}")
    with pytest.raises(RunError, match=r"audit\.json"):
        report.write(map_run)


def test_a_run_of_other_files_is_told_from_one_of_these(
    make_fundus: Callable[..., Path], tmp_path: Path, counted: list[int]
) -> None:
    root, run = make_fundus("photographs"), tmp_path / "run"
    run.mkdir()
    cases = datasets.read(datasets.get("hrf"), root, folds=2)
    kept_audit.require_same_files(run, cases)  # nothing was kept, and nothing can be told
    kept_audit.keep(run, datasets.get("hrf"), root, tmp_path / "cache")
    kept_audit.require_same_files(run, cases)
    image = next((root / "images").glob("*.jpg"))
    image.write_bytes(image.read_bytes() + b"\0")
    with pytest.raises(RunError, match="expected a run of these photographs and masks, found one of others"):
        kept_audit.require_same_files(run, cases)
    assert len(counted) == 1
