"""An audit for people and programs: a table on the terminal, audit.json, audit.csv, a figure, and audit.html."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cvs_med.audit import Audit
from cvs_med.audit.findings import Finding
from cvs_med.duplicates import Pair
from cvs_med.evaluation.doubts import Doubts
from cvs_med.report import audit_page
from cvs_med.report import doubts as in_doubt
from cvs_med.report.figures import Figure
from cvs_med.report.words import NOT_DEFINED, listed
from cvs_med.tables import write_bytes

CAVEAT = (
    "A guess from the mask, or from colour or sharpness inside the field of view, can also rest on the disease itself; "
    "and a shortcut that is not found here may still be there."
)


SUSPECT = "A suspect is no finding: chance makes one of about every twentieth probe."


def show(audit: Audit, console: Console, doubts: Doubts | None = None) -> None:
    """Print the findings, the surest first, and the labels that a run's answers contradict."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 0, 0, 1))
    for number, name in enumerate(("probe", "right", "95 % interval", "AUROC", "p", "Holm", "")):
        table.add_column(Text(name), justify="right" if 0 < number < 6 else "left", no_wrap=True)
    for row in rows(audit):
        table.add_row(*map(Text, (row["probe"], *cells(row, audit.cases), row["grade"])))
    console.print(Text(heading(audit), style="bold"))
    console.print(table)
    for sentence in [*sentences(audit), *_doubted(doubts)]:
        console.print(Text(sentence))


def heading(audit: Audit) -> str:
    """Say what was asked of which cases."""
    counts = [f"{count} {name}" for count, name in zip(audit.counts, audit.class_names, strict=True)]
    return (
        f"Can the label be guessed without the disease? {audit.title}: {audit.cases} images ({', '.join(counts)}), "
        f"{audit.folds} {audit.splits} folds, {audit.permutations} permutations."
    )


def sentences(audit: Audit) -> list[str]:
    """Say in words what was found, with what to do about it."""
    told = [f"{each.verdict} {each.probe.advice}" for each in audit.findings if each.grade == "found"]
    carried = [each.verdict for each in audit.findings if each.grade == "carrier"]
    if carried:
        carried.append("Make what carries a date or a camera alike in all images, and see whether the result stays.")
    suspects = [each.verdict for each in audit.findings if each.grade == "suspect"]
    if suspects:
        suspects.append(SUSPECT)
    if not told:
        asked = sum(each.guess is not None for each in audit.findings)
        told.append(f"None of {asked} probes was shown to guess the label better than chance.")
    counted = [each.verdict for each in audit.findings if each.grade == "not found" and each.spread]
    repeated = told_duplicates(audit.duplicates)
    return [*told, *carried, *suspects, *counted, repeated, audit.groups.sentence(), _by_chance(audit), CAVEAT]


def _doubted(doubts: Doubts | None) -> list[str]:
    """Say which labels are in doubt, or that no run was named."""
    if doubts is None:
        return [in_doubt.NOT_ASKED]
    listed_ones = [f"{each.case} ({each.label}, rather {each.answer})" for each in doubts.found[: in_doubt.MOST]]
    return [in_doubt.told(doubts), *([f"In doubt: {listed(listed_ones)}."] if listed_ones else [])]


def _by_chance(audit: Audit) -> str:
    return (
        f"By chance: about {max(audit.counts)} of {audit.cases} right. The AUROC is that of the class best told, "
        "so that chance gives more than 0.5: in the mean 0.6 with 45 images of three classes."
    )


def told_duplicates(duplicates: Sequence[Pair]) -> str:
    """Say how many images are nearly the same, and whether labels or splits suffer."""
    if not duplicates:
        return "No two of these images are nearly the same."
    labels = sum(not pair.same_label for pair in duplicates)
    apart = sum(not pair.same_group for pair in duplicates)
    pairs = listed([f"{pair.first} and {pair.second}" for pair in duplicates[:3]])
    count = "1 pair of images is" if len(duplicates) == 1 else f"{len(duplicates)} pairs of images are"
    return (
        f"{count} nearly the same, such as {pairs}; {labels} of them have two "
        f"labels, {apart} no common group, so that folds can part them. Look at them and keep one of each."
    )


def rows(audit: Audit) -> Iterator[dict[str, Any]]:
    """Give each finding as plain values; what was not measured is None."""
    for finding in audit.findings:
        yield {
            "probe": finding.probe.name,
            "grade": finding.grade,
            **_numbers(finding, audit),
            "verdict": finding.verdict,
        }


def _numbers(finding: Finding, audit: Audit) -> dict[str, Any]:
    made = finding.guess
    return {
        "right": made.right if made else None,
        "cases": audit.cases,
        "low": made.interval.low if made else None,
        "high": made.interval.high if made else None,
        **{f"auroc {name}": made.aurocs[label] if made else None for label, name in enumerate(audit.class_names)},
        "p": made.p if made else None,
        "p_corrected": made.adjusted if made else None,
    }


def cells(row: dict[str, Any], cases: int) -> list[str]:
    """Lay out a row's numbers as text."""
    if row["right"] is None:
        return ["", "", "", "", ""]
    areas = [value for name, value in row.items() if name.startswith("auroc ") and value is not None]
    return [
        f"{row['right']} of {cases}",
        f"{100 * row['low']:.0f} to {100 * row['high']:.0f} %",
        f"{max(areas):.2f}" if areas else NOT_DEFINED,
        f"{row['p']:.3f}",
        f"{row['p_corrected']:.3f}",
    ]


def to_json(audit: Audit, data: str = "", doubts: Doubts | None = None) -> str:
    """Give the whole audit as JSON, with a digest of the files that it read and what a run doubts, if known."""
    content = {
        "dataset": audit.dataset,
        "classes": dict(zip(audit.class_names, audit.counts, strict=True)),
        "splits": audit.splits,
        "folds": audit.folds,
        "permutations": audit.permutations,
        "data": data,
        "sentences": sentences(audit),
        "findings": list(rows(audit)),
        "duplicates": [asdict(pair) for pair in audit.duplicates],
        "groups": asdict(audit.groups),
        "doubts": asdict(doubts) if doubts else None,
    }
    return json.dumps(content, indent=1) + "\n"


def write(audit: Audit, out: Path, doubts: Doubts | None = None) -> Path:
    """Write audit.json, audit.csv, audit.png and audit.html.

    Args:
        audit: what was found.
        out: folder, which is made.
        doubts: labels that the answers of a run contradict, if one was named.

    Returns:
        The page.
    """
    out.mkdir(parents=True, exist_ok=True)
    write_bytes(out / "audit.json", to_json(audit, doubts=doubts).encode())
    write_bytes(out / "audit.csv", _csv(audit).encode())
    figure = audit_page.draw(audit.findings, audit.cases, max(audit.counts))
    write_bytes(out / "audit.png", figure.png)
    write_bytes(out / "audit.html", _page(audit, figure, doubts).encode())
    return out / "audit.html"


def _page(audit: Audit, figure: Figure, doubts: Doubts | None) -> str:
    table = [[row["probe"], *cells(row, audit.cases), row["grade"], row["verdict"]] for row in rows(audit)]
    return audit_page.render(heading(audit), [*sentences(audit), *_doubted(doubts)], table, figure)


def _csv(audit: Audit) -> str:
    stream = io.StringIO()
    table = list(rows(audit))
    writer = csv.DictWriter(stream, list(table[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return stream.getvalue()
