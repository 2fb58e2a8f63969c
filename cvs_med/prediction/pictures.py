"""What is written for one photograph: the label map at its own size, the evidence, and the overlay."""

import io
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from cvs_med import case_arrays
from cvs_med.case_arrays import Plane
from cvs_med.errors import printable
from cvs_med.prediction.answers import Row
from cvs_med.prediction.opinion import Opinion
from cvs_med.report import case_maps, panels
from cvs_med.report.case_maps import CaseMap
from cvs_med.report.overlays import RIGHT, WRONG, Badge, draw_titled
from cvs_med.squares import Square
from cvs_med.tables import write_bytes
from cvs_med.types import Array, Floats


def label_map(pixels: Plane, prepared: Square, finest: Plane | None = None) -> Array:
    """Give the label map (H, W) of the photograph: 0 is background and c + 1 class c, background outside the field.

    The foreground is enlarged bilinearly and cut at one half, as Dice at native size is measured; its class is the most
    probable one of the nearest working pixel.

    Args:
        pixels: (P + 1, S, S), probability of background and of each class.
        prepared: the square that they are of.
        finest: (k S, k S), probability of foreground at a finer scale, where there is one.
    """
    native = prepared.geometry.to_native
    probable = 1 - pixels[0] if finest is None else finest
    times = len(probable) // len(prepared.inside)
    inside = prepared.inside.repeat(times, axis=0).repeat(times, axis=1)
    foreground = native(np.where(inside, probable, np.float32(0))) >= 0.5
    classes = (np.where(prepared.inside, pixels[1:], 0).argmax(axis=0) + 1).astype(np.uint8)
    found: Array = native(classes, nearest=True).astype(np.uint8) * foreground
    return found


def label_map_png(labels: Array, class_names: Sequence[str]) -> bytes:
    """Draw a label map (H, W) as a PNG with a palette."""
    image = Image.fromarray(labels)
    image.putpalette([0, 0, 0, *(channel for c in range(len(class_names)) for channel in panels.class_colour(c))])
    stream = io.BytesIO()
    image.save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def evidence_npz(shares: Plane, scores: Floats) -> bytes:
    """Keep the exact evidence at working size: `shares` (P, S, S) and `scores` (P,), their sums over the pixels.

    Without compression, which costs much and wins little: the shares' last bits are as good as noise.
    """
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, shares=shares, scores=scores)
    return stream.getvalue()


def overlay_png(row: Row, opinion: Opinion, prepared: Square, class_names: Sequence[str]) -> bytes:
    """Draw the photograph, its map and its evidence under the answer, or under the reason why there is none."""
    derived = class_names[int(np.argmax(row.probabilities))]
    if row.flags:
        badge, said = Badge("✗ FLAGGED", WRONG, True), f"no diagnosis: {'; '.join(row.flags)}"
    else:
        badge, said = Badge("DERIVED", RIGHT, False), f"{derived}   ({row.agreeing} of {row.models} networks agree)"
    title = f"{printable(row.file)}   {said}"
    case = case_map(opinion, prepared, len(class_names))
    drawn = draw_titled(badge, title, row.probabilities, case, class_names)
    stream = io.BytesIO()
    drawn.whole.save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def case_map(opinion: Opinion, prepared: Square, classes: int) -> CaseMap:
    """Give an answer the form in which a run folder keeps its cases."""
    seen = prepared.inside.astype(np.uint8)
    arrays: dict[str, np.typing.NDArray[np.generic]] = {
        "image": prepared.image.transpose(1, 2, 0), "field_of_view": seen
    }  # fmt: skip
    if opinion.map is not None:
        arrays |= case_arrays.of_map(opinion.map, seen)
    if opinion.shares is not None and opinion.scores is not None:
        arrays |= case_arrays.of_evidence(opinion.shares, opinion.scores)
    return case_maps.of_arrays(arrays, classes)


def write(folder: Path, row: Row, opinion: Opinion, prepared: Square, class_names: Sequence[str]) -> Array | None:
    """Write everything of one photograph into a folder of its own, made if missing; give its label map, if any."""
    folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(1) as beside:  # Drawing and packing both leave Python to compute.
        overlay = beside.submit(overlay_png, row, opinion, prepared, class_names)
        native = None if opinion.map is None else label_map(opinion.map, prepared, opinion.finest)
        if native is not None:
            write_bytes(folder / "label_map.png", label_map_png(native, class_names))
        if opinion.shares is not None and opinion.scores is not None:
            write_bytes(folder / "evidence.npz", evidence_npz(opinion.shares, opinion.scores))
        write_bytes(folder / "overlay.png", overlay.result())
    return native


def write_legend(out: Path, class_names: Sequence[str]) -> None:
    """Write which value and colour of a label map is which class."""
    rows = [{"value": 0, "name": "background", "colour": [0, 0, 0]}]
    colours = [list(panels.class_colour(c)) for c in range(len(class_names))]
    rows += [{"value": c + 1, "name": name, "colour": colours[c]} for c, name in enumerate(class_names)]
    write_bytes(out / "label_map_legend.json", f"{json.dumps(rows, indent=2, ensure_ascii=False)}\n".encode())
