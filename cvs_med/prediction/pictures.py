"""What is written for one photograph: the label map at its own size, the evidence, and the overlay."""

import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from cvs_med.errors import printable
from cvs_med.geometry import Geometry
from cvs_med.inference import Answer, AnsweredMap
from cvs_med.prediction.answers import Row
from cvs_med.report import panels
from cvs_med.report.case_maps import CaseMap, Margin
from cvs_med.report.overlays import RIGHT, WRONG, Badge, draw_titled
from cvs_med.tables import write_bytes
from cvs_med.transforms import Prepared


def label_map_png(seen: AnsweredMap, geometry: Geometry, class_names: Sequence[str]) -> bytes:
    """Draw the label map (H, W) of the photograph as a PNG with a palette: 0 is background and c + 1 class c.

    The foreground is enlarged bilinearly and cut at one half, as Dice at native size is measured; its class is the most
    probable one of the nearest working pixel.
    """
    foreground = geometry.to_native(seen.foreground).numpy() >= 0.5
    classes = (seen.pixels[1:].argmax(dim=0) + 1).byte()
    image = Image.fromarray(geometry.to_native(classes, nearest=True).byte().numpy() * foreground)
    image.putpalette([0, 0, 0, *(channel for c in range(len(class_names)) for channel in panels.class_colour(c))])
    stream = io.BytesIO()
    image.save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def evidence_npz(answer: Answer) -> bytes:
    """Keep the exact evidence at working size: `shares` (P, S, S) and `scores` (P,), their sums over the pixels.

    Without compression, which costs much and wins little: the shares' last bits are as good as noise.
    """
    if answer.evidence is None:
        raise ValueError("expected an answer with evidence")
    stream = io.BytesIO()
    np.savez(
        stream, allow_pickle=False, shares=answer.evidence.shares.numpy(), scores=answer.evidence.scores.numpy()
    )
    return stream.getvalue()


def overlay_png(row: Row, answer: Answer, prepared: Prepared, class_names: Sequence[str]) -> bytes:
    """Draw the photograph, its map and its evidence under the answer, or under the reason why there is none."""
    derived = class_names[int(np.argmax(row.probabilities))]
    if row.flags:
        badge, said = Badge("✗ FLAGGED", WRONG, True), f"no diagnosis: {'; '.join(row.flags)}"
    else:
        badge, said = Badge("DERIVED", RIGHT, False), f"{derived}   ({row.agreeing} of {row.models} networks agree)"
    title = f"{printable(row.file)}   {said}"
    drawn = draw_titled(badge, title, row.probabilities, case_map(answer, prepared), class_names)
    stream = io.BytesIO()
    drawn.whole.save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def case_map(answer: Answer, prepared: Prepared) -> CaseMap:
    """Give an answer the form in which a run folder keeps its cases."""
    inside = prepared.field_of_view >= 128
    image = prepared.image.permute(1, 2, 0).numpy()
    label_map = None if answer.map is None else (answer.map.label_map * inside).byte().numpy()
    view = inside.byte().numpy()
    foreground = None if answer.map is None else (answer.map.foreground * inside * 255).round().byte().numpy()
    if answer.evidence is None:
        return CaseMap(image, label_map, None, None, None, foreground=foreground, field_of_view=view)
    shares, scores = answer.evidence.shares, answer.evidence.scores
    derived, rival = scores.argsort(descending=True, stable=True)[:2].tolist()
    lead = shares[derived] - shares[rival]
    margin = Margin(lead.numpy(), float(lead.double().sum()), rival)
    own, score = shares[derived].numpy(), float(scores[derived])
    return CaseMap(image, label_map, own, score, None, margin, foreground, view)


def write(folder: Path, row: Row, answer: Answer, prepared: Prepared, class_names: Sequence[str]) -> None:
    """Write everything of one photograph into a folder of its own, made if missing."""
    folder.mkdir(parents=True, exist_ok=True)
    if answer.map is not None:
        inside = AnsweredMap(torch.where(prepared.field_of_view >= 128, answer.map.pixels, _background(answer.map)))
        write_bytes(folder / "label_map.png", label_map_png(inside, prepared.geometry, class_names))
    if answer.evidence is not None:
        write_bytes(folder / "evidence.npz", evidence_npz(answer))
    write_bytes(folder / "overlay.png", overlay_png(row, answer, prepared, class_names))


def _background(seen: AnsweredMap) -> Tensor:
    """Give a map (P + 1, 1, 1) that is sure of background: nothing is predicted outside the field of view."""
    sure = torch.zeros(len(seen.pixels), 1, 1)
    sure[0] = 1
    return sure


def write_legend(out: Path, class_names: Sequence[str]) -> None:
    """Write which value and colour of a label map is which class."""
    rows = [{"value": 0, "name": "background", "colour": [0, 0, 0]}]
    colours = [list(panels.class_colour(c)) for c in range(len(class_names))]
    rows += [{"value": c + 1, "name": name, "colour": colours[c]} for c, name in enumerate(class_names)]
    write_bytes(out / "label_map_legend.json", f"{json.dumps(rows, indent=2, ensure_ascii=False)}\n".encode())
