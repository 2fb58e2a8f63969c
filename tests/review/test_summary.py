"""Agreement is counted on the answers that stand; the files hold all answers."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, confusion_matrix

from cvs_med.review import exports
from cvs_med.review.records import Answer
from cvs_med.review.run import FinishedRun, open_run
from cvs_med.review.store import Store, open_store
from cvs_med.review.summary import MODEL, REFERENCE, summarise


@pytest.fixture(scope="module")
def run(finished_run: Path) -> FinishedRun:
    return open_run(finished_run)


@pytest.fixture
def store(run: FinishedRun, tmp_path: Path) -> Store:
    store, rng = open_store(tmp_path), np.random.default_rng(0)
    for reader in ("Ada", "=Bob"):
        for case_id in run.ids:
            derived, given = run.derived(case_id), run.class_names[rng.integers(3)]
            store.add_answer(
                Answer(
                    f"{reader}{case_id}", reader, run.name, run.digest, case_id, derived,
                    "agree" if given == derived else "other", given, "good", "=1+1",
                    "2026-01-01T10:00:00+00:00", "2026-01-01T10:00:07.500+00:00",
                )
            )  # fmt: skip
    return store


def test_kappa_and_confusion_are_those_of_scikit_learn(run: FinishedRun, store: Store) -> None:
    answers = store.answers(run.digest)
    found = {(c.first, c.second): c for c in summarise(run, answers).comparisons}
    given = {
        **{name: [a.diagnosis for a in answers if a.reader == name] for name in ("Ada", "=Bob")},
        MODEL: [run.derived(case_id) for case_id in run.ids],
        REFERENCE: [run.reference(case_id) for case_id in run.ids],
    }
    assert set(found) == {
        ("Ada", MODEL), ("=Bob", MODEL), ("Ada", REFERENCE), ("=Bob", REFERENCE), ("=Bob", "Ada"),
    }  # fmt: skip
    for (first, second), comparison in found.items():
        expected = confusion_matrix(given[first], given[second], labels=run.class_names)
        np.testing.assert_array_equal(comparison.matrix, expected)
        assert comparison.kappa == pytest.approx(cohen_kappa_score(given[first], given[second]))
        assert comparison.agreement.successes == np.trace(expected)


def test_cannot_tell_is_counted_but_not_compared_and_a_later_answer_stands(run: FinishedRun, store: Store) -> None:
    first = store.answers(run.digest)[0]
    store.add_answer(replace(first, token="new", verdict="cannot tell", diagnosis=None))
    found = summarise(run, store.answers(run.digest), with_reference=False)
    ada = next(reader for reader in found.readers if reader.name == "Ada")
    assert (ada.answered, ada.cannot_tell) == (len(run.ids), 1)
    assert ada.seconds == 7.5
    with_model = next(c for c in found.comparisons if (c.first, c.second) == ("Ada", MODEL))
    assert with_model.agreement.n == len(run.ids) - 1
    assert not any(c.second == REFERENCE for c in found.comparisons)


def test_nobody_and_a_single_case_are_no_reason_to_fail(run: FinishedRun, store: Store) -> None:
    assert summarise(run, []).readers == ()
    one = summarise(run, store.answers(run.digest)[:1])
    assert one.comparisons[0].kappa is None
    assert exports.as_pdf(run, summarise(run, [])).startswith(b"%PDF")


def test_a_case_left_open_over_night_is_not_timed(run: FinishedRun, store: Store) -> None:
    first = store.answers(run.digest)[0]
    for ended in ("2026-01-02T10:00:00+00:00", "2025-12-31T10:00:00+00:00", "whenever"):
        assert summarise(run, [replace(first, answered_at=ended)]).readers[0].seconds is None


def test_the_table_holds_every_answer_and_no_formula(run: FinishedRun, store: Store) -> None:
    first = store.answers(run.digest)[0]
    store.add_answer(replace(first, token="new", comment='a, "quoted"\nline'))
    rows = list(csv.DictReader(io.StringIO(exports.as_csv(store.answers(run.digest)).decode(), newline="")))
    assert len(rows) == 2 * len(run.ids) + 1
    assert [row["stands"] for row in rows].count("no") == 1
    assert rows[-1]["comment"] == 'a, "quoted"\nline'
    assert not any(cell.startswith(("=", "+", "@")) for row in rows for cell in row.values())


def test_json_and_pdf(run: FinishedRun, store: Store) -> None:
    content = json.loads(exports.as_json(run, store))
    assert len(content["answers"]) == 2 * len(run.ids)
    assert content["run_digest"] == run.digest
    assert len(content["summary"]["comparisons"]) == 5
    pdf = exports.as_pdf(run, summarise(run, store.answers(run.digest)))
    assert pdf.startswith(b"%PDF")
    assert pdf.rstrip().endswith(b"%%EOF")
