"""Reviews as files: CSV for a table, JSON for programs, PDF for a folder of paper."""

import base64
import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields

from cvs_med.report import words
from cvs_med.review.records import Answer
from cvs_med.review.run import FinishedRun
from cvs_med.review.store import Store, latest
from cvs_med.review.summary import Comparison, Reader, Summary, summarise
from cvs_med.tables import harmless

_LINES_OF_A_PAGE = 52
_LETTERS_OF_A_LINE = 92


def as_csv(answers: Sequence[Answer]) -> bytes:
    """Write all answers, oldest first, one a row; `stands` tells which was not followed by a later one."""
    standing = set(map(id, latest(answers).values()))
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    names = [field.name for field in fields(Answer)]
    writer.writerow([*names, "stands"])
    for answer in answers:
        cells = [harmless(getattr(answer, name) or "") for name in names]
        writer.writerow([*cells, "yes" if id(answer) in standing else "no"])
    return stream.getvalue().encode()


def as_json(run: FinishedRun, store: Store) -> bytes:
    """Write answers, mask versions with their pixels, and the summary; `review import` reads it."""
    answers, masks = store.answers(run.digest), store.masks(run.digest)
    content = {
        "run": run.name,
        "run_digest": run.digest,
        "dataset": run.card.name,
        "class_names": run.class_names,
        "answers": [asdict(answer) for answer in answers],
        "masks": [asdict(version) for version in masks],
        "mask_files": {version.content: base64.b64encode(store.mask_file(version)).decode() for version in masks},
        "summary": asdict(summarise(run, answers)),
    }
    return f"{json.dumps(content, indent=2, ensure_ascii=False)}\n".encode()


def as_pdf(run: FinishedRun, summary: Summary) -> bytes:
    """Write the summary as pages of A4."""
    from matplotlib.backends.backend_pdf import PdfPages
    from matplotlib.figure import Figure

    lines = list(_lines(run, summary))
    stream = io.BytesIO()
    with PdfPages(stream, metadata={"Title": f"Reviews of {run.name}", "CreationDate": None}) as pages:
        for start in range(0, len(lines), _LINES_OF_A_PAGE):
            page = Figure(figsize=(8.27, 11.69))
            text = "\n".join(lines[start : start + _LINES_OF_A_PAGE])
            # A dollar sign in a name would begin a formula.
            how = {"va": "top", "family": "DejaVu Sans Mono", "size": 8.5, "linespacing": 1.5, "parse_math": False}
            page.text(0.08, 0.94, text, how)
            pages.savefig(page)
    return stream.getvalue()


def _lines(run: FinishedRun, summary: Summary) -> Iterator[str]:
    yield f"Reviews of {run.name} ({run.card.title})"[:_LETTERS_OF_A_LINE]
    yield f"{len(run.ids)} cases; predictions {run.digest}. For research; not a medical device."
    for reader in summary.readers:
        yield ""
        yield from _reader(reader, len(run.ids))
    for comparison in summary.comparisons:
        yield ""
        yield from _comparison(comparison, run.class_names)
    if not summary.readers:
        yield "Nobody has answered yet."


def _reader(reader: Reader, cases: int) -> Iterator[str]:
    time = "not timed" if reader.seconds is None else f"median {reader.seconds:.0f} seconds a case"
    yield f"{reader.name}: {reader.answered} of {cases} cases answered, {time}"[:_LETTERS_OF_A_LINE]
    yield f"    agreed {reader.agreed}, other diagnosis {reader.other}, cannot tell {reader.cannot_tell}"


def _comparison(comparison: Comparison, names: Sequence[str]) -> Iterator[str]:
    yield f"{comparison.first} and {comparison.second}"[:_LETTERS_OF_A_LINE]
    yield f"    same class: {words.sentence(comparison.agreement, 'cases')}"
    yield f"    Cohen's kappa: {kappa(comparison)}"
    for name, row in zip(names, comparison.matrix, strict=True):
        yield f"    {name[:24]:24s}" + "".join(f"{count:6d}" for count in row)


def kappa(comparison: Comparison) -> str:
    """Say kappa with its interval, or why there is none."""
    if comparison.kappa is None or comparison.interval is None:
        return "not defined (fewer than two cases, or only one class was named)"
    low, high = comparison.interval
    return f"{comparison.kappa:.2f} (95 % interval {low:.2f} to {high:.2f})"
