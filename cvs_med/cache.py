"""Photographs at working size, decoded once and kept in one file.

The file's name is a digest of the recipe and of the contents of every photograph and mask: another file, another size
or another crop is another cache. A digest of the pixels inside the file tells a damaged one, which is made anew. Both
are by BLAKE3, since they are most of the time that a cache takes; the SHA-256 that a run keeps lies in the cache.
Small pictures from packed files are in memory already; they are enlarged all at once, and no file is written.
"""

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, Unpack

import torch
from blake3 import blake3
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import avg_pool2d, pixel_shuffle, pixel_unshuffle

from cvs_med.errors import DataError, Problem, reason
from cvs_med.geometry import Geometry
from cvs_med.transforms import RECIPE_VERSION, How, Preparation, prepare, prepare_packed
from cvs_med.types import Case, Packed, Picture, file_of
from cvs_med.waiting import turn

LOGGER = logging.getLogger(__name__)

NAMES = ("images", "foreground", "field_of_view", "signs", "fine", "fine_foreground")
"""Of the tensors in a file; the last three only where they were asked for."""

_Method: TypeAlias = Callable[..., Any]
"""A kind of digest, as hashlib has them."""

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, eq=False)
class Photographs:
    """All cases of a data set at working size: N squares of S x S pixels, 8 bits.

    Attributes:
        images: (N, 3, S, S), zero outside the field of view.
        foreground: (N, S, S), foreground fraction times 255; zero for a case without a mask.
        field_of_view: (N, S, S), 0 or 255.
        has_mask: N truth values.
        geometries: N ways back to native pixels.
        case_ids: N names, in the order of the cases asked for.
        key: SHA-256 of the recipe and of all files, as a run keeps it.
        signs: (N, K, S, S), see `squares.Square`; None if nobody looked.
        fine: (N, k * k, S, S), what a square shows that is k times as large, see `squares.Square`; None unless asked.
        fine_foreground: (N, k * k, S, S), the foreground of that square.
    """

    images: Tensor
    foreground: Tensor
    field_of_view: Tensor
    has_mask: tuple[bool, ...]
    geometries: tuple[Geometry, ...]
    case_ids: tuple[str, ...]
    key: str
    signs: Tensor | None = None
    fine: Tensor | None = None
    fine_foreground: Tensor | None = None

    def reference(self, cases: Sequence[int]) -> Tensor:
        """Give the foreground of some cases at the finest scale that there is, (n, S, S) or (n, k S, k S), 8 bits."""
        chosen = list(cases)
        if self.fine_foreground is None:
            return self.foreground[chosen]
        return pixel_shuffle(self.fine_foreground[chosen], round(self.fine_foreground.shape[1] ** 0.5))[:, 0]

    def with_references(self, masks: Mapping[int, Tensor]) -> "Photographs":
        """Give the same photographs with these foregrounds, as `reference` has them, and no others."""
        foreground = torch.zeros_like(self.foreground)
        fine = None if self.fine_foreground is None else torch.zeros_like(self.fine_foreground)
        for case, mask in masks.items():
            times = mask.shape[-1] // foreground.shape[-1]
            foreground[case] = avg_pool2d(mask[None].float(), times)[0].round().byte()
            if fine is not None:
                fine[case] = pixel_unshuffle(mask[None], times)
        return replace(self, foreground=foreground, fine_foreground=fine)


def load(cases: Sequence[Case], *, folder: Path, workers: int, **asked: Unpack[How]) -> Photographs:
    """Give all cases at working size, from the cache if it holds them.

    Threads rather than processes: decoding and hashing let other threads run, and forking a process in which PyTorch
    has started its own threads may hang.

    Args:
        cases: what to load, in this order.
        folder: where the cache lies; made if missing.
        workers: threads that decode; each holds one photograph at native size.
        **asked: see `transforms.prepare`.

    Raises:
        DataError: files cannot be used (all of them are listed) or the cache cannot be written.
    """
    how = Preparation(**asked)
    at_once = prepare_packed(cases, size=how.size) if how.is_plain else None
    if at_once:
        return _photographs(cases, *at_once, key=_contents(cases, how, workers, hashlib.sha256))
    contents = _contents(cases, how, workers, blake3)
    path = folder / f"photographs-{contents[:16]}.safetensors"
    with turn(path.with_suffix(".lock")):  # Another process may be decoding the same.
        if path.exists():
            try:
                return _read(path, cases, contents, workers)
            except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
                LOGGER.warning("The cache %s is damaged (%s) and is made anew.", path, error)
        photographs = _decode(cases, how, key=_contents(cases, how, workers, hashlib.sha256), workers=workers)
        _write(photographs, path, contents, workers)
    return photographs


def _photographs(
    cases: Sequence[Case], images: Tensor, foreground: Tensor, geometry: Geometry, *, key: str
) -> Photographs:
    """Put together what was enlarged at once: every pixel is in the field of view."""
    return Photographs(
        images,
        foreground,
        foreground.new_full((1, 1, 1), 255).expand_as(foreground),
        has_mask=tuple(case.mask is not None for case in cases),
        geometries=(geometry,) * len(cases),
        case_ids=tuple(case.id for case in cases),
        key=key,
    )


def _decode(cases: Sequence[Case], how: Preparation, *, key: str, workers: int) -> Photographs:
    channels = {"images": (3,), "foreground": (), "field_of_view": (), **how.added}
    tensors = {
        name: torch.empty(len(cases), *first, how.size, how.size, dtype=torch.uint8)
        for name, first in channels.items()
    }

    def fill(item: tuple[int, Case]) -> tuple[Geometry, bool]:
        prepared = prepare(item[1], **asdict(how))
        tensors["images"][item[0]] = prepared.image
        for name in channels.keys() - {"images"}:
            tensors[name][item[0]] = getattr(prepared, name)
        return prepared.geometry, prepared.has_mask

    facts = _in_parallel(fill, enumerate(cases), workers)
    return Photographs(
        **tensors,
        has_mask=tuple(has_mask for _, has_mask in facts),
        geometries=tuple(geometry for geometry, _ in facts),
        case_ids=tuple(case.id for case in cases),
        key=key,
    )


def _in_parallel(function: Callable[[Item], Result], items: Iterable[Item], workers: int) -> list[Result]:
    """Apply a function in threads, in order; gather the faults of all items before raising."""
    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(function, item) for item in items]
    errors = [future.exception() for future in futures]
    problems = [error.problems for error in errors if isinstance(error, DataError)]
    if problems:
        raise DataError(list(chain.from_iterable(problems)))
    return [future.result() for future in futures]


def key_of(cases: Sequence[Case], *, workers: int, **asked: Unpack[How]) -> str:
    """Give `Photographs.key` of cases without decoding them.

    Raises:
        DataError: a file cannot be read.
    """
    return _contents(cases, Preparation(**asked), workers, hashlib.sha256)


def _contents(cases: Sequence[Case], how: Preparation, workers: int, method: _Method) -> str:
    """Give a digest of the recipe and of the contents of every photograph and mask."""

    def of_file(path: Path) -> str:
        return _file_digest(path, method)

    pictures = [picture for case in cases for picture in (case.image, case.mask, case.field_of_view)]
    paths = [path for path in map(_file, pictures) if path is not None]
    of_files = dict(zip(paths, _in_parallel(of_file, paths, workers), strict=True))
    digests = [_digest_of(picture, of_files) for picture in pictures]
    recipe = {"version": RECIPE_VERSION, "size": how.size, "crop": how.crop, "ids": [case.id for case in cases]}
    # What is not asked for is left out, so that the caches of older releases hold.
    recipe |= {name: value for name, value in asdict(how).items() if name not in recipe and value}
    return str(method(json.dumps([recipe, digests]).encode()).hexdigest())


def _file(picture: Picture | str | None) -> Path | None:
    return None if picture is None or isinstance(picture, str) else file_of(picture)


def _digest_of(picture: Picture | str | None, of_files: Mapping[Path, str]) -> str | None:
    """Give what tells a picture from others: its content, and of a user's own file also how it is read."""
    if picture is None or isinstance(picture, str):
        return picture
    if isinstance(picture, Packed):
        return hashlib.sha256(picture.pixels.tobytes()).hexdigest()
    if isinstance(picture, Path):
        return of_files[picture]
    return f"{of_files[picture.path]} {picture.reading} {picture.empty}"


def _file_digest(path: Path, method: _Method) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, method).hexdigest()
    except OSError as error:
        remedy = "Restore it or allow reading."
        raise DataError([Problem(str(path), "a readable file", reason(error), remedy)]) from error


def _tensors(photographs: Photographs) -> dict[str, Tensor]:
    planes = {name: getattr(photographs, name) for name in NAMES}
    return {name: plane for name, plane in planes.items() if plane is not None}


def _digest(tensors: dict[str, Tensor], facts: Mapping[str, object], workers: int) -> str:
    """One digest for the pixels and for what is known about them."""
    digest = blake3(json.dumps(facts).encode(), max_threads=workers)
    for name in sorted(tensors, key=NAMES.index):
        digest.update(str(tuple(tensors[name].shape)).encode())
        digest.update(tensors[name].numpy().data)
    return digest.hexdigest()


def _write(photographs: Photographs, path: Path, contents: str, workers: int) -> None:
    pairs = zip(photographs.geometries, photographs.has_mask, strict=True)
    cases = [{"has_mask": has_mask, "geometry": asdict(geometry)} for geometry, has_mask in pairs]
    facts = {"contents": contents, "key": photographs.key, "cases": cases}
    tensors = _tensors(photographs)
    # One entry only: several would be written in an order that changes from run to run.
    metadata = {"cvs_med": json.dumps({"digest": _digest(tensors, facts, workers), "facts": facts})}
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, temporary, metadata)
        os.replace(temporary, path)
    except (OSError, SafetensorError) as error:
        remedy = "Free some space, or choose a folder where you may write."
        raise DataError([Problem(str(path.parent), "room for the cache", str(error), remedy)]) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def _read(path: Path, cases: Sequence[Case], contents: str, workers: int) -> Photographs:
    with safe_open(path, framework="pt") as file:
        metadata = json.loads(file.metadata()["cvs_med"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    facts = metadata["facts"]
    if metadata["digest"] != _digest(tensors, facts, workers):
        raise ValueError("its pixels do not match their digest")
    if facts["contents"] != contents:
        raise ValueError("it was made of other photographs")
    return Photographs(
        **tensors,
        has_mask=tuple(fact["has_mask"] for fact in facts["cases"]),
        geometries=tuple(Geometry(**fact["geometry"]) for fact in facts["cases"]),
        case_ids=tuple(case.id for case in cases),
        key=facts["key"],
    )
