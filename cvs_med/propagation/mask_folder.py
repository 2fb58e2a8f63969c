"""A folder of masks that a trained network predicts: many images at once, some thousands of them in memory.

Masks are gathered in a folder beside the one they are for, with a table for each chunk of images that is done; so a
process that was killed goes on, and what is found under its final name is whole.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from cvs_med import cache, folds
from cvs_med.datasets import masks
from cvs_med.datasets.masks import Origin
from cvs_med.errors import RunError
from cvs_med.features import NOTHING
from cvs_med.geometry import Geometry
from cvs_med.images import Mask, read_foreground
from cvs_med.inference import enlarged, predict_foreground
from cvs_med.networks import Network
from cvs_med.setup import Machine, Setup, with_features
from cvs_med.statistics.metrics import dice
from cvs_med.tables import MaskRow, read_masks, write_masks
from cvs_med.types import Case

TABLE: Final = "masks.csv"

SHARE: Final = "share of foreground in the masks learnt from"
"""Setting of an `Origin` that a guess takes its area from."""

_MOST_IN_MEMORY = 1000
_PIXELS_IN_MEMORY = 1 << 26
_MOST_AT_ONCE = 128
_PIXELS_AT_ONCE = 1 << 21


def make(
    setup: Setup, network: Network, cases: Sequence[Case], planned: Origin, folder: Path, machine: Machine
) -> tuple[Origin, list[MaskRow]]:
    """Make the masks of a folder, or read what is known of them if they are there.

    Args:
        setup: of the training; what is needed of the protocol, the device and the observer.
        network: trained, with a map.
        cases: who gets a mask; those with a reference mask are compared with it, or keep it where it was learnt from.
        planned: how the masks are made, still without `fallbacks`.
        folder: does not exist yet, or holds the masks.
        machine: where to compute.

    Returns:
        How the masks were made, and a row for each, in the order of the cases.

    Raises:
        CvsMedError: what is there was made in another way or of other images, or files cannot be read or written.
    """
    if folder.exists():
        return _require_same(folder, planned), read_masks(folder / TABLE)
    staging = folder.with_name(f".{folder.name}.begun")
    if staging.exists():
        _require_same(staging, planned)
    else:
        staging.mkdir(parents=True)
        masks.save_origin(staging, planned)
    setup.observer.stage(f"Making masks for {len(cases)} images of {planned.dataset}")
    rows = _fill(setup, network, cases, planned, staging, machine)
    origin = planned.model_copy(update={"fallbacks": [row.case_id for row in rows if row.source == "guessed"]})
    write_masks(staging / TABLE, rows)
    for part in staging.glob("part-*.csv"):
        part.unlink()
    masks.save_origin(staging, origin)
    os.replace(staging, folder)
    return origin, rows


def _require_same(folder: Path, planned: Origin) -> Origin:
    found = masks.read_origin(folder)
    if found is None or found.model_copy(update={"fallbacks": []}) != planned:
        raise RunError(
            f"{folder}: expected masks of this propagation, found others: its images, their number per class, or the "
            "versions are not what they were, and masks of two are never mixed. Name another --out."
        )
    return found


def _fill(
    setup: Setup, network: Network, cases: Sequence[Case], planned: Origin, staging: Path, machine: Machine
) -> list[MaskRow]:
    """Write every mask, chunk by chunk; read the table of a chunk that is done."""
    size = setup.protocol.images.size**2
    step = max(1, min(_MOST_IN_MEMORY, _PIXELS_IN_MEMORY // size))
    rows: list[MaskRow] = []
    for start in range(0, len(cases), step):
        chunk, table = cases[start : start + step], staging / f"part-{start:06d}.csv"
        if not table.exists():
            write_masks(table, _mask_chunk(_with(setup, chunk, machine), network, planned, staging))
        rows += read_masks(table)
        setup.observer.counted(len(rows), len(cases))
    return rows


def _with(setup: Setup, cases: Sequence[Case], machine: Machine) -> Setup:
    """Put other images in the place of those of the training."""
    # No mask is shown to the network, so that none need be resized.
    bare = [replace(case, mask=None) for case in cases]
    photographs = cache.load(
        bare, **setup.protocol.preparation, folder=machine.cache_dir, workers=machine.workers
    )
    changed = replace(setup, cases=list(cases), photographs=photographs, features=NOTHING)
    return with_features(changed, machine.cache_dir) if setup.network.frozen else changed


def _mask_chunk(setup: Setup, network: Network, planned: Origin, staging: Path) -> list[MaskRow]:
    source = folds.source_of(setup, network, setup.protocol.augmentation)
    step = max(1, min(_MOST_AT_ONCE, _PIXELS_AT_ONCE // setup.protocol.images.size**2))
    given = set(planned.learnt.given) if planned.learnt else set()
    rows = []
    for start in range(0, len(setup.cases), step):
        batch = range(start, min(start + step, len(setup.cases)))
        answers = predict_foreground(network, source, batch, device=setup.fabric.device, precision=setup.precision)
        for number, foreground in zip(batch, answers, strict=True):
            mask, row = (
                _keep(setup.cases[number], setup.photographs.geometries[number])
                if setup.cases[number].id in given
                else _cut(setup, number, foreground, planned.settings[SHARE])
            )
            masks.save(staging, row.case_id, mask)
            rows.append(row)
    return rows


def _keep(case: Case, geometry: Geometry) -> tuple[Mask, MaskRow]:
    """Give the mask that was learnt from."""
    mask = read_foreground(case, (geometry.height, geometry.width))
    if mask is None:
        raise RunError(f"{case.id}: expected the mask that was learnt from, found none.")
    return mask, MaskRow(case.id, "given", None, float(mask.mean()), None)


def _cut(setup: Setup, number: int, foreground: Tensor, share: float) -> tuple[Mask, MaskRow]:
    """Cut the predicted foreground, (S, S) or finer, out at the image's own size, and say how sure it is."""
    case, seen = setup.cases[number], setup.photographs.field_of_view[number] >= 128
    geometry = setup.photographs.geometries[number]
    native = geometry.to_native(foreground.numpy())
    mask = native >= 0.5
    source = "propagated" if mask.any() else "guessed"
    if source == "guessed":
        mask = most_probable(native, share)
    reference = read_foreground(case, (geometry.height, geometry.width))
    overlap = None if reference is None else dice(mask, reference)
    return mask, MaskRow(case.id, source, confidence(foreground, seen), float(mask.mean()), overlap)


def confidence(foreground: Tensor, seen: Tensor) -> float:
    """Average over the field of view (S, S) the probability of what each pixel, or finer one, is taken for."""
    taken = torch.where(foreground >= 0.5, foreground, 1 - foreground)
    return min(float(taken[enlarged(seen, foreground)].double().mean()), 1.0)


def most_probable(foreground: np.typing.NDArray[np.float32], share: float) -> Mask:
    """Take the pixels (H, W) most probable as foreground, as large a share of them as asked for, one at least.

    A mask without a pixel teaches that an image has no class, so that an image in which the network finds nothing gets
    its best guess, and is listed.
    """
    count = min(max(1, round(share * foreground.size)), foreground.size)
    mask = np.zeros(foreground.size, dtype=np.bool_)
    mask[np.argsort(-foreground, axis=None, kind="stable")[:count]] = True
    return mask.reshape(foreground.shape)
