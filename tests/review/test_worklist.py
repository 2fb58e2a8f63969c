"""The worklist: least certain first, nothing told to a blinded reader, nothing left out."""

from dataclasses import replace
from pathlib import Path

import pytest

from cvs_med.review import worklist
from cvs_med.review.flags import Flags
from cvs_med.review.records import Answer
from cvs_med.review.run import FinishedRun, open_run

NO_FLAGS = Flags({}, None)


@pytest.fixture(scope="module")
def run(finished_run: Path) -> FinishedRun:
    return open_run(finished_run)


def answer(run: FinishedRun, case_id: str, reader: str = "Ada") -> Answer:
    derived = run.derived(case_id)
    times = "2026-01-01", "2026-01-02"
    return Answer("t", reader, run.name, run.digest, case_id, derived, "agree", derived, "good", "", *times)


def test_every_case_is_listed_once_least_certain_first(run: FinishedRun) -> None:
    listed = worklist.rows(run, [], [], "Ada", blinded=True, flags=NO_FLAGS)
    assert sorted(row.case_id for row in listed) == sorted(run.ids)
    assert sorted(row.number for row in listed) == list(range(1, len(run.ids) + 1))
    leads = [row.lead for row in listed]
    assert leads == sorted(leads)
    assert not any(row.done for row in listed)


def test_a_blinded_reader_sees_names_and_reference_only_of_answered_cases(run: FinishedRun) -> None:
    answered, other = run.ids[:2]
    answers = [answer(run, answered), answer(run, other, "Bob")]
    rows = {row.case_id: row for row in worklist.rows(run, answers, [], "Ada", blinded=True, flags=NO_FLAGS)}
    assert rows[answered].reference == run.reference(answered)
    assert answered in rows[answered].title
    for case_id in run.ids[1:]:
        assert rows[case_id].reference is None
        assert case_id not in rows[case_id].title
    assert rows[other].others == 1
    assert all(row.reference for row in worklist.rows(run, [], [], "Ada", blinded=False, flags=NO_FLAGS))


def test_the_newest_answer_stands(run: FinishedRun) -> None:
    first = answer(run, run.ids[0])
    later = replace(first, token="u", verdict="cannot tell", diagnosis=None)
    (row,) = [r for r in worklist.rows(run, [first, later], [], "Ada", blinded=True, flags=NO_FLAGS) if r.done]
    assert row.status == "cannot tell"


def test_filters_and_search_together(run: FinishedRun) -> None:
    listed = worklist.rows(run, [answer(run, run.ids[3])], [], "Ada", blinded=False, flags=NO_FLAGS)
    assert worklist.matching(listed) == listed
    assert [row.number for row in worklist.matching(listed, text="4")] == [4]
    assert [row.case_id for row in worklist.matching(listed, text=run.ids[0].upper())] == [run.ids[0]]
    assert [row.number for row in worklist.matching(listed, status="done")] == [4]
    assert len(worklist.matching(listed, status="to do")) == len(listed) - 1
    derived = run.derived(run.ids[3])
    assert [row.number for row in worklist.matching(listed, status="done", derived=[derived])] == [4]
    assert worklist.matching(listed, status="done", derived=["none of them"]) == []


def test_cases_sent_to_a_human_come_first_then_other_flags_then_the_least_certain(run: FinishedRun) -> None:
    plain = [row.case_id for row in worklist.rows(run, [], [], "Ada", blinded=True, flags=NO_FLAGS)]
    flags = Flags({plain[5]: ["too dark"], plain[7]: ["too dark"]}, None, frozenset({plain[3], plain[7]}))
    listed = worklist.rows(run, [], [], "Ada", blinded=True, flags=flags)
    rest = [case_id for case_id in plain if case_id not in {plain[3], plain[5], plain[7]}]
    assert [row.case_id for row in listed] == [plain[3], plain[7], plain[5], *rest]
    assert listed[0].flags == ("too unsure to be answered, sent to a human",)
    assert [row.case_id for row in worklist.matching(listed, status="flagged")] == [plain[3], plain[7], plain[5]]


def test_next_goes_on_from_the_top_and_ends_when_all_is_done(run: FinishedRun) -> None:
    listed = worklist.rows(run, [], [], "Ada", blinded=True, flags=NO_FLAGS)
    last, second = listed[-1], listed[1]
    assert worklist.following(listed, last.number)[0] == listed[0].number
    assert worklist.before(listed, second.number) == listed[0].number
    assert worklist.before(listed, listed[0].number) is None
    done = worklist.rows(run, [answer(run, case_id) for case_id in run.ids], [], "Ada", blinded=True, flags=NO_FLAGS)
    assert worklist.following(done, second.number) == []
