"""One ONNX file of a run's networks, checked against PyTorch before it is kept, and the gates beside it.

It does all that PyTorch does for `predict`: mirrored views, every network, their common answer. What comes before (the
square) and after (gates, pictures) is the same code for both; see `prediction.served`.
"""

import hashlib
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from cvs_med.augmentation import flips
from cvs_med.errors import CvsMedError
from cvs_med.export.together import Together
from cvs_med.prediction import gate_file, runtimes, served
from cvs_med.prediction.ensemble import Ensemble
from cvs_med.prediction.gates import Gates
from cvs_med.prediction.opinion import Recipe
from cvs_med.tables import write_bytes

TOLERANCE: Final = 1e-4
"""Largest difference from PyTorch, both with 32 bits.

Of what has no bounds, as a share of the largest.
"""
_UNBOUNDED: Final = ("evidence", "scores", "pooled")
"""Logits, or sums and shares of them: large weights make them thousands, with as many fewer digits."""
_CROPS: Final = {
    "field_of_view": "cropped to its field of view, ",
    "disc": "cropped to a square around the optic disc as cvs_med.disc finds it, ",
    "none": "",
}


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written.

    Attributes:
        path: the file.
        difference: largest difference from PyTorch; see `TOLERANCE`.
    """

    path: Path
    difference: float


def write(ensemble: Ensemble, gates: Gates, out: Path, *, run: Path) -> Exported:
    """Write an ensemble, read with 32 bits on the CPU, for batches of any size, and its gates beside it.

    Args:
        ensemble: the networks.
        gates: of these networks.
        out: folder, made if missing.
        run: the networks' folder; where it keeps photographs, the check is done on three of them.

    Raises:
        CvsMedError: packages are missing, or onnxruntime's answers differ from PyTorch's.
    """
    together = Together(ensemble).eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload] # torch's types lack it
    beside = gate_file.content(gates)
    content = _convert(together, ensemble, beside)
    difference = _compare(together, content, _photographs(run, ensemble.recipe) or _picture(ensemble.recipe, 3))
    if not difference <= TOLERANCE:
        raise CvsMedError(
            f"Expected onnxruntime within {TOLERANCE:g} of PyTorch, found {difference:.2g}. Nothing was written; "
            "try other versions of onnx and onnxruntime."
        )
    out.mkdir(parents=True, exist_ok=True)
    write_bytes(out / gate_file.FILE, beside)
    write_bytes(out / served.FILE, content)
    return Exported(out / served.FILE, difference)


def _convert(together: Together, ensemble: Ensemble, gates: bytes) -> bytes:
    try:
        import onnx
        import onnxscript  # noqa: F401 - torch's exporter needs it and says so less clearly
    except ImportError as error:
        raise CvsMedError(f"Expected onnx and onnxscript, found no {error.name}. Install cvs-med[export].") from error
    images, inside = _picture(ensemble.recipe, 2)
    batch = {0: torch.export.Dim("batch", min=1, max=4096)}
    with _quiet():
        program = torch.onnx.export(
            together,
            (images, inside),
            dynamo=True,
            dynamic_shapes=(batch, batch),
            input_names=["images", "inside"],
            output_names=together.names,
            verbose=False,
        )
    if program is None:
        raise CvsMedError("Expected an ONNX program of torch.onnx.export, found none. Try another version of PyTorch.")
    model = program.model_proto
    for node in model.graph.node:  # What the exporter notes of a node names the files of this machine.
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    onnx.helper.set_model_props(model, _metadata(ensemble, gates))
    content: bytes = model.SerializeToString()
    return content


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep back what the exporter says of its own parts that will be replaced, and of torchvision, which it lacks."""
    logger = logging.getLogger("torch.onnx._internal.exporter")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logger.setLevel(level)


def _metadata(ensemble: Ensemble, gates: bytes) -> dict[str, str]:
    """Describe input and output for whoever runs the file."""
    recipe = ensemble.recipe
    size = recipe.size
    views = len(flips(ensemble.protocol.augmentation))
    return {
        served.RECIPE: recipe.model_dump_json(),
        served.GATES: hashlib.sha256(gates).hexdigest(),
        "class_names": json.dumps(recipe.class_names, ensure_ascii=False),
        "networks": f"{len(ensemble.networks)}, averaged",
        "images": f"(batch, {recipe.planes}, {size}, {size}), RGB from 0 to 1, zero outside the field of view; the "
        "encoder's mean and deviation are taken off inside the model. The photograph is "
        + _CROPS[recipe.crop]
        + "padded with zeros to a square and resized by area."
        + (f" The fourth plane is what cvs_med.spots finds in a square {recipe.finer} times as large, over 255."
           if recipe.finer else "")
        + (" The next one is what cvs_med.fibres finds around the optic disc, over 255." if recipe.fibres else "")
        + (f" The {recipe.finer**2} planes after it are what cvs_med.levelling keeps of that square, over 255."
           if recipe.fine else ""),
        "inside": f"(batch, {size}, {size}), 1 inside the field of view and 0 outside.",
        "views": f"{views}, mirrored and averaged inside the model.",
        "use": "For research; not a medical device.",
    }


def _compare(together: Together, content: bytes, pictures: tuple[Tensor, Tensor]) -> float:
    """Give the largest difference between onnxruntime and PyTorch, for another number of images than in the export."""
    images, inside = pictures
    runtime = runtimes.by_onnxruntime(content, torch.get_num_threads())
    theirs = runtime.run({"images": images.numpy(), "inside": inside.numpy()})
    with torch.inference_mode():
        ours = [tensor.numpy() for tensor in together(images, inside)]
    pairs = zip(together.names, ours, theirs, strict=True)
    return max(
        float(np.abs(own - other).max()) / (max(1.0, float(np.abs(own).max())) if name in _UNBOUNDED else 1.0)
        for name, own, other in pairs
    )


def _photographs(run: Path, recipe: Recipe) -> tuple[Tensor, Tensor] | None:
    """Read three photographs of the run's first folds, with their fields of view; None if it keeps none.

    It keeps their colours alone: what else is looked at is drawn.
    """
    samples = [gate_file.sample(path) for path in sorted(run.glob("fold-*/maps/*.npz"))[:3]]
    if not samples:
        return None
    images, views = (torch.from_numpy(np.stack(planes)).float() / 255 for planes in zip(*samples, strict=True))
    drawn, _ = _picture(recipe, len(images))
    return torch.cat([images, drawn[:, 3:]], dim=1), views


def _picture(recipe: Recipe, count: int) -> tuple[Tensor, Tensor]:
    """Draw smooth random pictures (count, 3 or more, S, S) in a round field of view (count, S, S)."""
    size, generator = recipe.size, torch.Generator().manual_seed(0)
    coarse = torch.rand(count, recipe.planes, 8, 8, generator=generator)
    axis = torch.linspace(-1, 1, size)
    inside = ((axis[:, None].square() + axis.square()) < 0.95).float().expand(count, -1, -1).contiguous()
    images = interpolate(coarse, size=(size, size), mode="bilinear") * inside[:, None]
    return images, inside
