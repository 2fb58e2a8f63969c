"""Masks that readers correct: what a correction starts from, how it is kept, and how training reads it."""

import shutil
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

from PIL import Image

from cvs_med.datasets import masks as mask_folder
from cvs_med.datasets.masks import Origin, check_new
from cvs_med.errors import ReviewError
from cvs_med.images import Mask, read_foreground
from cvs_med.report import case_maps
from cvs_med.review import mask_files, pictures
from cvs_med.review.records import MaskVersion, in_order
from cvs_med.review.run import FinishedRun
from cvs_med.review.store import Store
from cvs_med.types import Case

PREDICTED: Final = "predicted"
REFERENCE: Final = "reference"


def newest(versions: Sequence[MaskVersion]) -> dict[str, MaskVersion]:
    """Give the newest version of each case's mask, whoever drew it; merged stores are not in the order of time."""
    return {drawn.case_id: drawn for drawn in sorted(versions, key=lambda drawn: in_order(drawn.drawn_at))}


def starts(run: FinishedRun, case_id: str, versions: Sequence[MaskVersion]) -> dict[str, str]:
    """List what a correction of a case can start from: its name in the store, and in words; the best first."""
    own = [drawn for drawn in versions if drawn.case_id == case_id]
    found = {drawn.content: f"version {n} by {drawn.reader}" for n, drawn in reversed(list(enumerate(own, start=1)))}
    found[PREDICTED] = "the model's mask"
    if run.cases[case_id].mask is not None:
        found[REFERENCE] = "reference mask"
    return found


def base(run: FinishedRun, store: Store, case_id: str, start: str) -> Mask:
    """Read the mask that a correction starts from, in the photograph's own pixels, (H, W).

    Raises:
        RunError: the case's maps are damaged.
        ReviewError: there is no such version, or its file is damaged.
        DataError: the reference mask or the photograph cannot be read.
    """
    files = run.cases[case_id]
    reference = read_foreground(files, pictures.shape_of(files)) if start == REFERENCE else None
    if reference is not None:
        return reference
    if start == PREDICTED:
        case = case_maps.load(run.path, run.predictions[case_id])
        return pictures.predicted_mask(case, pictures.photograph(run, case_id, case).place)
    drawn = {v.content: v for v in store.masks(run.digest) if v.case_id == case_id}
    if start not in drawn:
        raise ReviewError("Expected a stored version of this case's mask, found none. Choose what to start from again.")
    require_fitting(run, drawn[start])
    return store.read_mask(drawn[start])


def require_fitting(run: FinishedRun, version: MaskVersion) -> None:
    """Refuse a mask that is not of its photograph's size, if the photograph is at hand.

    Raises:
        ReviewError: says the sizes.
        DataError: the photograph cannot be read.
    """
    if version.case_id not in run.cases:
        return
    height, width = pictures.shape_of(run.cases[version.case_id])
    if (version.height, version.width) != (height, width):
        raise ReviewError(
            f"A mask of {version.case_id} by {version.reader}: expected {width} x {height} pixels as its photograph "
            f"has, found {version.width} x {version.height}. Save another version of the mask."
        )


def save(
    run: FinishedRun, store: Store, mask: Mask, *, case_id: str, reader: str, token: str, start: str, now: str
) -> MaskVersion:
    """Keep a corrected mask as a new version.

    Raises:
        ReviewError: the mask is empty, or cannot be written.
        CvsMedError: as `base`.
    """
    if not mask.any():
        raise ReviewError("Expected a mask with at least one pixel, found an empty one. Draw something, then save.")
    drawn = MaskVersion(
        token=token,
        reader=reader,
        run=run.name,
        run_digest=run.digest,
        case_id=case_id,
        started_from=start,
        content=mask_files.content_name(mask_files.encode(mask)),
        height=mask.shape[0],
        width=mask.shape[1],
        pixels=int(mask.sum()),
        drawn_at=now,
        before_digest=mask_files.content_name(mask_files.encode(base(run, store, case_id, start))),
    )
    store.add_mask(drawn, mask)
    return drawn


def write(run: FinishedRun, store: Store, out: Path) -> list[str]:
    """Write a new folder from which training reads the corrected masks.

    A fundus data set is written whole: its photographs and fields of view, the corrected masks, and its own masks for
    the other cases. Of any other data set only the corrected masks are written, ID.png, with `masks.json`.

    Returns:
        The ids of the cases whose masks were corrected.

    Raises:
        ReviewError: there is no corrected mask, or no data set to put it in.
        DataError: `out` holds something or cannot be written.
    """
    drawn = newest(store.masks(run.digest))
    if not drawn:
        raise ReviewError("Expected corrected masks of this run in the store, found none. Correct one first.")
    if not set(drawn) <= set(run.cases):
        raise ReviewError("Expected the data set that the masks belong to, found another or none. Give its --data-dir.")
    for newest_drawn in drawn.values():
        require_fitting(run, newest_drawn)
    check_new(out)
    masks = {case_id: store.read_mask(drawn[case_id]) for case_id in sorted(drawn)}
    if _has_fundus_layout(run):
        _write_fundus(run, masks, out)
    else:
        mask_folder.write(out, masks, _origin(run, list(masks)))
    return list(masks)


def _has_fundus_layout(run: FinishedRun) -> bool:
    images = [case.image for case in run.cases.values() if case.field_of_view is not None]
    return len(images) == len(run.cases) and all(
        isinstance(image, Path) and image.parent.name == "images" for image in images
    )


def _write_fundus(run: FinishedRun, masks: dict[str, Mask], out: Path) -> None:
    """Write all of it or nothing."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as place:
        staging = Path(place) / out.name
        for folder in ("images", "manual1", "mask"):
            (staging / folder).mkdir(parents=True)
        for case in run.cases.values():
            _write_case(case, masks.get(case.id), staging)
        staging.replace(out)


def _write_case(case: Case, mask: Mask | None, folder: Path) -> None:
    for name, picture in (("images", case.image), ("mask", case.field_of_view)):
        if isinstance(picture, Path):
            shutil.copyfile(picture, folder / name / picture.name)
    if mask is not None:
        Image.fromarray(mask).convert("L").save(folder / "manual1" / f"{case.id}.tif", compression="tiff_lzw")
    elif isinstance(case.mask, Path):
        shutil.copyfile(case.mask, folder / "manual1" / case.mask.name)


def _origin(run: FinishedRun, ids: Sequence[str]) -> Origin:
    parts = {run.cases[case_id].part or "all" for case_id in ids}
    return Origin(
        method=f"correction by readers of the run {run.name}",
        software={"cvs-med": version("cvs-med")},
        settings={},
        seed=0,
        dataset=run.card.name,
        part=" and ".join(sorted(parts)),
        per_class=None,
        images={case_id: mask_folder.image_digest(run.cases[case_id]) for case_id in ids},
        fallbacks=[],
    )
