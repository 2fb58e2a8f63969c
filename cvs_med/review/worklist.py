"""The worklist: which case to look at next, and what is known of each."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from cvs_med.review.flags import Flags
from cvs_med.review.records import Answer, MaskVersion
from cvs_med.review.run import FinishedRun
from cvs_med.review.store import latest

TO_DO = "to do"


@dataclass(frozen=True, slots=True)
class Row:
    """One case in the worklist.

    Attributes:
        number: neutral number of the case, from one.
        case_id: its name.
        title: what it is called on the screen; the neutral number where its name could tell the class.
        derived: name of the class that the model gave.
        probability: of that class.
        runner_up: name of the next class.
        lead: by how much the derived class is more probable than the next one.
        spread: least and most probability of that class over the run's repeats; None for a run that stands alone.
        fold: the fold whose model answered.
        flags: why the photograph stands out; such a case is not to be decided by the model.
        reference: name of the reference class; None while it is hidden.
        status: `to do`, or what this reader answered last.
        others: how many other readers have answered.
        masks: how many versions of the mask readers have drawn.
    """

    number: int
    case_id: str
    title: str
    derived: str
    probability: float
    runner_up: str
    lead: float
    spread: tuple[float, float] | None
    fold: int
    flags: tuple[str, ...]
    reference: str | None
    status: str
    others: int
    masks: int

    @property
    def done(self) -> bool:
        """Whether this reader has answered."""
        return self.status != TO_DO


def rows(
    run: FinishedRun,
    answers: Sequence[Answer],
    masks: Sequence[MaskVersion],
    reader: str,
    *,
    blinded: bool,
    flags: Flags,
) -> list[Row]:
    """List the cases: those sent to a human first, then what else is flagged, then the least certain.

    Args:
        run: what is reviewed.
        answers: all answers on the run.
        masks: all mask versions of the run.
        reader: for whom.
        blinded: hide the reference, and the name, which may tell it, of every case without an answer of this reader.
        flags: of the run.
    """
    standing = latest(answers)
    own = {case_id: answer for (name, case_id), answer in standing.items() if name == reader}
    others = Counter(case_id for name, case_id in standing if name != reader)
    drawn = Counter(version.case_id for version in masks)
    listed = [
        _row(
            run, number, case_id, own.get(case_id), blinded=blinded, others=others[case_id], masks=drawn[case_id],
            flags=flags.of(case_id),
        )
        for number, case_id in enumerate(run.ids, start=1)
    ]  # fmt: skip
    return sorted(listed, key=lambda row: (row.case_id not in flags.sent, not row.flags, row.lead, row.number))


def _row(
    run: FinishedRun,
    number: int,
    case_id: str,
    own: Answer | None,
    *,
    blinded: bool,
    others: int,
    masks: int,
    flags: tuple[str, ...],
) -> Row:
    prediction = run.predictions[case_id]
    first, second = sorted(range(len(run.class_names)), key=lambda c: -prediction.probabilities[c])[:2]
    hidden = blinded and own is None
    return Row(
        number=number,
        case_id=case_id,
        title=f"Case {number}" if hidden else f"Case {number} ({case_id})",
        derived=run.class_names[first],
        probability=prediction.probabilities[first],
        runner_up=run.class_names[second],
        lead=prediction.probabilities[first] - prediction.probabilities[second],
        spread=_spread(run, case_id, first),
        fold=prediction.fold,
        flags=flags,
        reference=None if hidden else run.reference(case_id),
        status=TO_DO if own is None else said(own),
        others=others,
        masks=masks,
    )


def _spread(run: FinishedRun, case_id: str, derived: int) -> tuple[float, float] | None:
    if not run.repeats:
        return None
    shares = [repeat[case_id].probabilities[derived] for repeat in (run.predictions, *run.repeats)]
    return min(shares), max(shares)


def said(answer: Answer) -> str:
    """Say an answer in a few words."""
    return f"other: {answer.diagnosis}" if answer.verdict == "other" else answer.verdict


def matching(listed: Sequence[Row], *, text: str = "", derived: Sequence[str] = (), status: str = "all") -> list[Row]:
    """Keep the rows that a reader asks for.

    Args:
        listed: the rows.
        text: part of a title, capital or small; a bare number means the case of that number alone.
        derived: classes given by the model; none means any.
        status: `all`, `to do`, `done` or `flagged`.
    """
    wanted = text.strip().lower()
    return [
        row
        for row in listed
        if (wanted == str(row.number) if wanted.isdigit() else wanted in row.title.lower()) or not wanted
        if not derived or row.derived in derived
        if status == "all" or (bool(row.flags) if status == "flagged" else row.done == (status == "done"))
    ]


def before(listed: Sequence[Row], number: int) -> int | None:
    """Give the number of the case before another one in the list; None for the first."""
    place = _place(listed, number)
    return listed[place - 1].number if place else None


def following(listed: Sequence[Row], number: int) -> list[int]:
    """List the numbers of the cases to do after a case; after the last one it goes on from the top."""
    place = _place(listed, number)
    return [row.number for row in (*listed[place + 1 :], *listed[:place]) if not row.done]


def _place(listed: Sequence[Row], number: int) -> int:
    return next((place for place, row in enumerate(listed) if row.number == number), 0)
