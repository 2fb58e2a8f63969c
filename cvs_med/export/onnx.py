"""One ONNX file of a run's networks, checked against PyTorch before it is kept.

It answers for the plain view alone, where `predict` averages over the mirrored ones too; and it has no gates.
"""

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from cvs_med.augmentation import flips
from cvs_med.errors import CvsMedError
from cvs_med.label_maps import evidence
from cvs_med.networks import Network
from cvs_med.networks.heads import CvsHead
from cvs_med.prediction import gate_file
from cvs_med.prediction.ensemble import Ensemble
from cvs_med.tables import write_bytes

TOLERANCE: Final = 1e-4
"""Largest difference from PyTorch, both with 32 bits; of scores, which have no bounds, as a share of the largest."""
FILE: Final = "model.onnx"
_CROPS: Final = {
    "field_of_view": "cropped to its field of view, ",
    "disc": "cropped to a square around the optic disc as cvs_med.disc finds it, ",
    "none": "",
}


class Plain(nn.Module):
    """Networks as a function of tensors alone; those with a frozen encoder share it."""

    def __init__(self, networks: Sequence[Network]) -> None:
        """Take the networks over."""
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, images: Tensor, inside: Tensor) -> tuple[Tensor, ...]:
        """Answer for images (B, 3, S, S), RGB in 0 to 1, and their field of view (B, S, S).

        Returns:
            Probabilities (B, P) and scores (B, P); with a map its probabilities (B, P + 1, S, S); with evidence the
            shares (B, P, S, S), which sum to the scores.
        """
        first = self.networks[0]
        features = first.features(images)  # type: ignore[operator] # a Network
        outputs, shares = [], []
        for number, network in enumerate(self.networks):
            seen = features if network.frozen or number == 0 else network.features(images)  # type: ignore[operator] # as above
            outputs.append(network.head(seen, inside))  # type: ignore[operator] # as above
            if isinstance(network.head, CvsHead):
                head = network.head
                shares.append(evidence(outputs[-1].map_logits, head.q, head.counted(inside)))
        found = []
        if shares:
            share = torch.stack(shares).mean(dim=0)
            scores = share.sum(dim=(2, 3))
            linear = isinstance(first.head, CvsHead) and first.head.q == "probability"
            probabilities = scores / scores.sum(dim=1, keepdim=True) if linear else scores.softmax(dim=1)
            found = [share]
        else:
            scores = torch.stack([output.class_logits.log_softmax(dim=1) for output in outputs]).mean(dim=0)
            probabilities = scores.softmax(dim=1)
        maps = [output.map_logits.softmax(dim=1) for output in outputs if output.map_logits is not None]
        return (probabilities, scores, *([torch.stack(maps).mean(dim=0)] if maps else []), *found)


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written.

    Attributes:
        path: the file.
        difference: largest difference from PyTorch; see `TOLERANCE`.
    """

    path: Path
    difference: float


def write(ensemble: Ensemble, out: Path, *, run: Path, fold: int | None = None) -> Exported:
    """Write an ensemble, read with 32 bits on the CPU, or one of its networks, for batches of any size.

    Args:
        ensemble: the networks.
        out: folder, made if missing.
        run: the networks' folder; where it keeps photographs, the check is done on three of them.
        fold: position of one network; None takes all of them.

    Raises:
        CvsMedError: there is no such fold, packages are missing, or onnxruntime's answers differ from PyTorch's.
    """
    if fold is not None and not 0 <= fold < len(ensemble.networks):
        raise CvsMedError(f"Expected a fold of 0 to {len(ensemble.networks) - 1}, found {fold}. Name one of them.")
    chosen = ensemble.networks if fold is None else (ensemble.networks[fold],)
    plain = Plain(chosen).eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload] # torch's types lack it
    content = _convert(plain, ensemble, fold)
    difference = _compare(plain, content, _photographs(run) or _picture(ensemble.protocol.images.size, 3))
    if not difference <= TOLERANCE:
        raise CvsMedError(
            f"Expected onnxruntime within {TOLERANCE:g} of PyTorch, found {difference:.2g}. Nothing was written; "
            "try other versions of onnx and onnxruntime."
        )
    out.mkdir(parents=True, exist_ok=True)
    write_bytes(out / FILE, content)
    return Exported(out / FILE, difference)


def _convert(plain: Plain, ensemble: Ensemble, fold: int | None) -> bytes:
    try:
        import onnx
        import onnxscript  # noqa: F401 - torch's exporter needs it and says so less clearly
    except ImportError as error:
        raise CvsMedError(f"Expected onnx and onnxscript, found no {error.name}. Install cvs-med[export].") from error
    images, inside = _picture(ensemble.protocol.images.size, 2)
    batch = {0: torch.export.Dim("batch", min=1, max=4096)}
    with warnings.catch_warnings(action="ignore"):  # The exporter warns of its own parts that will be replaced.
        program = torch.onnx.export(
            plain,
            (images, inside),
            dynamo=True,
            dynamic_shapes=(batch, batch),
            input_names=["images", "inside"],
            output_names=_names(plain),
            verbose=False,
        )
    if program is None:
        raise CvsMedError("Expected an ONNX program of torch.onnx.export, found none. Try another version of PyTorch.")
    model = program.model_proto
    onnx.helper.set_model_props(model, _metadata(ensemble, fold))
    content: bytes = model.SerializeToString()
    return content


def _names(plain: Plain) -> list[str]:
    head = plain.networks[0].head
    has_evidence = isinstance(head, CvsHead)
    has_map = has_evidence or hasattr(head, "decoder")
    return ["probabilities", "scores", *(["map"] if has_map else []), *(["evidence"] if has_evidence else [])]


def _metadata(ensemble: Ensemble, fold: int | None) -> dict[str, str]:
    """Describe input and output for whoever runs the file."""
    size = ensemble.protocol.images.size
    views = len(flips(ensemble.protocol.augmentation))
    return {
        "class_names": json.dumps(ensemble.card.class_names, ensure_ascii=False),
        "networks": f"all {len(ensemble.networks)}, averaged" if fold is None else f"fold {fold}",
        "images": f"(batch, 3, {size}, {size}), RGB from 0 to 1, zero outside the field of view; the encoder's mean "
        "and deviation are taken off inside the model. The photograph is "
        + _CROPS[ensemble.protocol.images.crop]
        + "padded with zeros to a square and resized by area.",
        "inside": f"(batch, {size}, {size}), 1 inside the field of view and 0 outside.",
        "views": f"the plain one; cvs-med predict averages over {views} mirrored ones.",
        "use": "For research; not a medical device.",
    }


def _compare(plain: Plain, content: bytes, pictures: tuple[Tensor, Tensor]) -> float:
    """Give the largest difference between onnxruntime and PyTorch, for another number of images than in the export."""
    try:
        import onnxruntime
    except ImportError as error:
        raise CvsMedError("Expected onnxruntime, found none. Install cvs-med[export].") from error
    images, inside = pictures
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    theirs = session.run(None, {"images": images.numpy(), "inside": inside.numpy()})
    with torch.inference_mode():
        ours = [tensor.numpy() for tensor in plain(images, inside)]
    pairs = zip(_names(plain), ours, theirs, strict=True)
    return max(
        float(np.abs(own - other).max()) / (max(1.0, float(np.abs(own).max())) if name == "scores" else 1.0)
        for name, own, other in pairs
    )


def _photographs(run: Path) -> tuple[Tensor, Tensor] | None:
    """Read three photographs of the run's first folds, with their fields of view; None if it keeps none."""
    samples = [gate_file.sample(path) for path in sorted(run.glob("fold-*/maps/*.npz"))[:3]]
    if not samples:
        return None
    images, views = (torch.stack(planes).float() / 255 for planes in zip(*samples, strict=True))
    return images, views


def _picture(size: int, count: int) -> tuple[Tensor, Tensor]:
    """Draw smooth random pictures (count, 3, S, S) in a round field of view (count, S, S)."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, 3, 8, 8, generator=generator)
    axis = torch.linspace(-1, 1, size)
    inside = ((axis[:, None].square() + axis.square()) < 0.95).float().expand(count, -1, -1).contiguous()
    images = interpolate(coarse, size=(size, size), mode="bilinear") * inside[:, None]
    return images, inside
