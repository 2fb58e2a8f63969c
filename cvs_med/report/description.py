"""`cvs-med data describe`: a data set in numbers and in small images."""

import io
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from PIL import Image

from cvs_med.datasets import DataSet
from cvs_med.datasets.description import Description, describe
from cvs_med.images import Mask
from cvs_med.report import contact_sheet
from cvs_med.tables import write_bytes
from cvs_med.types import Array, Case

JSON = "description.json"
SHEET = "contact-sheet.png"


def write(dataset: DataSet, cases: Sequence[Case], out: Path, *, workers: int) -> Description:
    """Describe a data set into a folder, which is made if missing.

    Raises:
        DataError: files of the data set cannot be read; all of them are listed.
    """
    shown = _chosen(cases)
    drawn: defaultdict[int, list[tuple[str, Image.Image]]] = defaultdict(list)

    def see(case: Case, image: Array, mask: Mask | None) -> None:
        if case.id in shown:
            drawn[case.label].append((case.id, contact_sheet.small(image, mask, case.label)))

    found = describe(dataset, cases, workers=workers, see=see)
    out.mkdir(parents=True, exist_ok=True)
    write_bytes(out / JSON, f"{json.dumps(asdict(found), indent=2, ensure_ascii=False)}\n".encode())
    rows = [(_title(found, label, len(drawn[label])), drawn[label]) for label in range(len(found.classes))]
    stream = io.BytesIO()
    contact_sheet.draw(rows).save(stream, "PNG")
    write_bytes(out / SHEET, stream.getvalue())
    return found


def lines(found: Description) -> list[str]:
    """Say the same in words."""
    said = [f"{found.title}: {found.cases} images"]
    for each in found.classes:
        share = ""
        if each.share is not None:
            low, middle, high = (f"{100 * value:.1f}" for value in each.share)
            empty = f", {each.empty_masks} empty" if each.empty_masks else ""
            share = f"; {found.foreground} on {low} to {high} % of the field of view, median {middle}{empty}"
        said.append(f"  {each.name}: {each.cases} images, {each.masks} masks{share}")
    said.append(f"  sizes: {_counts(found.sizes)}")
    said.append(f"  bits: {_counts(found.bits)}")
    said.append(f"  files: {_counts(found.formats)}")
    groups = "not known" if found.groups is None else f"{found.groups}, at most {found.largest_group} images in one"
    return [*said, f"  groups: {groups}", *(f"  note: {note}" for note in found.notes)]


def _chosen(cases: Sequence[Case]) -> set[str]:
    """Take the first cases of each class."""
    seen: Counter[int] = Counter()
    chosen = set()
    for case in cases:
        seen[case.label] += 1
        if seen[case.label] <= contact_sheet.MOST_OF_A_CLASS:
            chosen.add(case.id)
    return chosen


def _title(found: Description, label: int, shown: int) -> str:
    each = found.classes[label]
    return f"{each.name}: {each.cases} images" + (f", the first {shown} of them" if shown < each.cases else "")


def _counts(counts: dict[str, int] | dict[int, int]) -> str:
    listed = [f"{name} ({count})" for name, count in list(counts.items())[:6]]
    return ", ".join(listed) + (" ..." if len(counts) > 6 else "")
