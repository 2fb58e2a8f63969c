"""What is stored of a review: a reader's answer on a case, and a version of a mask."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias, get_args

from cvs_med.errors import ReviewError
from cvs_med.images import Mask

Verdict: TypeAlias = Literal["agree", "other", "cannot tell"]
VERDICTS: Final[tuple[Verdict, ...]] = get_args(Verdict)

Gradability: TypeAlias = Literal["good", "usable", "not gradable"]
GRADABILITIES: Final[tuple[Gradability, ...]] = get_args(Gradability)

MODEL, REFERENCE = "the model", "the reference"
"""What readers are compared with; no reader is called so."""

LONGEST_NAME = 80
LONGEST_COMMENT = 2000


@dataclass(frozen=True, slots=True)
class Answer:
    """What a reader says of one case; nothing of it is ever changed, a later answer stands beside it.

    Attributes:
        token: made when the case was shown; the same token is stored once, however often it is sent.
        reader: who.
        run: name of the run.
        run_digest: first 16 hexadecimal digits of the SHA-256 of its predictions.csv.
        case_id: the case.
        derived: name of the class that the model gave.
        verdict: whether the reader agrees with it.
        diagnosis: name of the class that the reader gives; None for `cannot tell`.
        gradability: quality of the photograph.
        comment: free text.
        shown_at: when the case came on the screen, UTC, ISO 8601.
        answered_at: when the reader answered.
        mask_digest: SHA-256 of the newest corrected mask of the case when it was answered, if there was one.
        image_digest: SHA-256 of the photograph's file; None where the data set was not at hand.
        model_digest: SHA-256 of the network's file that gave the diagnosis; None where the run keeps none.
    """

    token: str
    reader: str
    run: str
    run_digest: str
    case_id: str
    derived: str
    verdict: str
    diagnosis: str | None
    gradability: str
    comment: str
    shown_at: str
    answered_at: str
    mask_digest: str | None = None
    image_digest: str | None = None
    model_digest: str | None = None


@dataclass(frozen=True, slots=True)
class MaskVersion:
    """A mask that a reader drew or corrected; its pixels lie in a file named by `content`.

    Attributes:
        token: as of an answer.
        reader: who.
        run: name of the run.
        run_digest: as of an answer.
        case_id: the case.
        started_from: what was corrected: `predicted`, `reference`, or the digest of an earlier version.
        content: SHA-256 of the mask's file.
        height: rows of the photograph.
        width: its columns.
        pixels: of the foreground.
        drawn_at: when, UTC, ISO 8601.
        before_digest: SHA-256 of the mask that was corrected, written as `content` is.
    """

    token: str
    reader: str
    run: str
    run_digest: str
    case_id: str
    started_from: str
    content: str
    height: int
    width: int
    pixels: int
    drawn_at: str
    before_digest: str | None = None


def check_reader(name: str) -> str:
    """Give a reader's name without outer spaces.

    Raises:
        ReviewError: it is empty, too long, or has signs that cannot be printed.
    """
    name = name.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise ReviewError(
            f"Expected a reader's name of 1 to {LONGEST_NAME} letters, found {name[:LONGEST_NAME]!r}. Give another."
        )
    if name.casefold() in (MODEL, REFERENCE):
        raise ReviewError(f"Expected a reader's own name, found {name!r}, which is taken. Give another.")
    return name


def moment(text: str) -> datetime | None:
    """Read a time as ISO 8601 writes it, UTC where it names no zone; None for what is no time."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def in_order(text: str) -> datetime:
    """Give what to sort a time by: what is no time was first."""
    return moment(text) or datetime.min.replace(tzinfo=UTC)


def check_time(text: str) -> None:
    """Refuse what is no time.

    Raises:
        ReviewError: says what was expected.
    """
    _require(moment(text) is not None, "a time as ISO 8601 writes it", text[:LONGEST_NAME])


def check_answer(answer: Answer) -> None:
    """Refuse an answer that contradicts itself.

    Raises:
        ReviewError: says what was expected.
    """
    check_reader(answer.reader)
    _require(answer.verdict in VERDICTS, f"one of {', '.join(VERDICTS)}", answer.verdict)
    _require(answer.gradability in GRADABILITIES, f"one of {', '.join(GRADABILITIES)}", answer.gradability)
    _require(len(answer.comment) <= LONGEST_COMMENT, f"at most {LONGEST_COMMENT} letters", str(len(answer.comment)))
    check_time(answer.shown_at)
    check_time(answer.answered_at)
    fitting = {
        "agree": answer.diagnosis == answer.derived,
        "other": answer.diagnosis not in (None, answer.derived),
        "cannot tell": answer.diagnosis is None,
    }
    _require(fitting[answer.verdict], f"a diagnosis that fits `{answer.verdict}`", str(answer.diagnosis))


def check_version(version: MaskVersion, mask: Mask) -> None:
    """Refuse a version of a mask that is not what it says.

    Raises:
        ReviewError: says what was expected.
    """
    check_reader(version.reader)
    check_time(version.drawn_at)
    if int(mask.sum()) != version.pixels:
        raise ReviewError(f"Expected a mask of {version.pixels} pixels, found {int(mask.sum())}. Draw it again.")


def _require(fine: bool, expected: str, found: str) -> None:
    if not fine:
        raise ReviewError(f"A review: expected {expected}, found {found!r}. Answer again.")
