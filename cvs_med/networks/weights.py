"""Pretrained weights for an encoder: found, checked, read without running anything in them, matched by name."""

import hashlib
import io
import pickle
import re
import warnings
import zipfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from cvs_med.download import fetch
from cvs_med.errors import WeightsError
from cvs_med.networks import bit
from cvs_med.networks.encoder import Encoder
from cvs_med.waiting import turn

# First digits of the SHA-256 of torchvision's files (IMAGENET1K_V1); they are part of the files' names.
PUBLISHED: Final = {
    "resnet18": "f37072fd",
    "resnet34": "b627a593",
    "resnet50": "0676ba61",
    "resnet101": "63fe2227",
    "densenet121": "a639ec97",
    "densenet169": "b2777c0a",
}
_ADDRESS: Final = "https://download.pytorch.org/models"
_ENDINGS: Final = (".pth", ".pt", ".safetensors", ".npz")
_MAX_BYTES: Final = 1 << 30
_REMEDY: Final = "download that address on another computer and pass the file with --weights FILE"
_WRAPPING: Final = re.compile(r"^(?:(?:module|model|backbone|encoder)\.)+")
_CLASSIFIER: Final = re.compile(r"^(?:(?:fc|classifier|aux_classifier)\.|resnet/head/)")
# `norm.1` is how torchvision's own files still write it; `layers.norm1` is MONAI's name for the same tensor.
_DENSE_LAYER: Final = re.compile(r"(denselayer\d+)\.(?:layers\.)?(norm|conv)\.?([12])\.")
# A count of the batches seen in the pretraining: nothing reads it, and older files do not have it.
_COUNTER: Final = "num_batches_tracked"

State = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class WeightsReport:
    """What became of a file of weights, tensor by tensor.

    Attributes:
        source: "none", "imagenet", or the file.
        sha256: checksum of the file; empty for "none".
        loaded: the encoder's tensors that now hold the file's values.
        missing: the encoder's tensors that the file does not have; they keep their random values.
        unexpected: the file's tensors that the encoder does not have, classifiers aside.
        mismatched: the tensors that both have, in different shapes, as lines naming both shapes.
    """

    source: str
    sha256: str = ""
    loaded: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    mismatched: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Count what was loaded and list everything else, a line a tensor."""
        head = f"{self.source}: {len(self.loaded)} tensors loaded"
        lines = [
            *(f"  missing: {name}" for name in self.missing),
            *(f"  wrong shape: {line}" for line in self.mismatched),
        ]
        return "\n".join([head, *lines, *(f"  not used: {name}" for name in self.unexpected)])


def load_weights(
    encoder: Encoder, source: str | Path, *, name: str, partial: bool = False, cache_dir: Path
) -> WeightsReport:
    """Fill an encoder with pretrained weights, in place.

    Args:
        encoder: the network to fill; after an error it is what it was.
        source: "none" (stay random), "imagenet" (torchvision's published file), or a file (.pth, .pt, .safetensors)
            with torchvision's key names, of BiT its authors' (.npz), of other networks the encoder's own. Half
            precision is cast up, a prefix such as `module.` or `backbone.` is taken off, classifiers are left out.
        name: the encoder's name; see `backbones.find`.
        partial: accept a file that does not cover the whole encoder.
        cache_dir: where the published file is kept.

    Raises:
        WeightsError: the file cannot be read safely, or does not cover the encoder.
        DownloadError: the published file could not be fetched.
    """
    if str(source) == "none":
        return WeightsReport("none")
    path = _published(name, cache_dir) if str(source) == "imagenet" else Path(source)
    content = _content(path)
    found = _read(path, content)
    own = {key: value for key, value in encoder.state_dict().items() if not key.endswith(_COUNTER)}
    report = _compare(own, found, source=str(source), sha256=hashlib.sha256(content).hexdigest())
    _refuse(report, name=name, partial=partial)
    encoder.load_state_dict({key: found[key].float() for key in report.loaded}, strict=False)
    return report


def _published(name: str, cache_dir: Path) -> Path:
    if name not in PUBLISHED:
        raise WeightsError(
            f"Expected one of {', '.join(PUBLISHED)}, for which weights are published, found {name}. "
            "Pass a file with --weights FILE, or --weights none."
        )
    digest = PUBLISHED[name]
    file = f"{name}-{digest}.pth"
    with turn(cache_dir / f"{file}.lock"):  # Another process may be fetching the same.
        return fetch(f"{_ADDRESS}/{file}", cache_dir / file, sha256=digest, max_bytes=_MAX_BYTES, remedy=_REMEDY)


def _content(path: Path) -> bytes:
    """Read a file once, so that the checksum reported is that of the bytes loaded."""
    if path.suffix.lower() not in _ENDINGS:
        raise WeightsError(f"{path}: expected a file ending in {', '.join(_ENDINGS)}, found another. Convert it first.")
    try:
        size = path.stat().st_size
        if size > _MAX_BYTES:
            raise WeightsError(f"{path}: expected at most {_MAX_BYTES} bytes, found {size}. Take another file.")
        return path.read_bytes()
    except OSError as error:
        raise WeightsError(
            f"{path}: expected a file of weights, found none that can be read ({error.strerror}). "
            "Give --weights none, imagenet or an existing file."
        ) from error


def _read(path: Path, content: bytes) -> State:
    """Decode a file as the ending of its name says, and leave out what no encoder has use for."""
    decode = {".safetensors": safetensors.torch.load, ".npz": _read_numpy}.get(path.suffix.lower(), _read_torch)
    try:
        state = decode(content)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path}: expected nothing but tensors, found a file that is damaged or would run code on loading "
            f"({_first_line(error)}). Nothing of it was run. Save model.state_dict() alone, best as .safetensors."
        ) from error
    except Exception as error:  # a damaged file makes the decoders raise anything
        raise WeightsError(
            f"{path}: expected weights, found a damaged file ({_first_line(error)}). Get the file again."
        ) from error
    return _usable(path, state)


def _read_numpy(content: bytes) -> State:
    _refuse_bomb(content)
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return {name: bit.own_layout(arrays[name]) for name in arrays.files}


def _refuse_bomb(content: bytes) -> None:
    unpacked = sum(entry.file_size for entry in zipfile.ZipFile(io.BytesIO(content)).infolist())
    if unpacked > _MAX_BYTES:
        raise ValueError(f"it would unpack to {unpacked} bytes")


def _read_torch(content: bytes) -> object:
    if zipfile.is_zipfile(io.BytesIO(content)):
        _refuse_bomb(content)
    with warnings.catch_warnings(action="ignore"):  # on odd pickles, which are refused anyway where it matters
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)


def _usable(path: Path, state: object) -> State:
    """Give the tensors under the encoder's names, without classifiers and counters."""
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise WeightsError(
            f"{path}: expected names with their tensors, found {_kind(state)}. Save model.state_dict() alone."
        )
    named = [(_canonical(str(key)), value) for key, value in state.items()]
    kept = [(key, value) for key, value in named if not (_CLASSIFIER.match(key) or key.endswith(_COUNTER))]
    for key, value in kept:
        if not value.is_floating_point() or value.layout != torch.strided:
            raise WeightsError(f"{path}: expected floating-point numbers, found {value.dtype} in {key}. Convert them.")
    doubled = [key for key, count in Counter(key for key, _ in kept).items() if count > 1]
    if doubled:
        raise WeightsError(f"{path}: expected one network, found two tensors for {doubled[0]}. Save one of them alone.")
    return dict(kept)


def _canonical(key: str) -> str:
    """Turn a key into the encoder's own name for it, without what other networks wrapped around the encoder."""
    return _DENSE_LAYER.sub(r"\1.\2\3.", _WRAPPING.sub("", bit.own_name(key)))


def _compare(own: State, found: State, *, source: str, sha256: str) -> WeightsReport:
    common = [key for key in own if key in found]
    fitting = [key for key in common if own[key].shape == found[key].shape]
    return WeightsReport(
        source=source,
        sha256=sha256,
        loaded=tuple(fitting),
        missing=tuple(key for key in own if key not in found),
        unexpected=tuple(key for key in found if key not in own),
        mismatched=tuple(
            f"{key}: expected {tuple(own[key].shape)}, found {tuple(found[key].shape)}"
            for key in common
            if own[key].shape != found[key].shape
        ),
    )


def _refuse(report: WeightsReport, *, name: str, partial: bool) -> None:
    if not report.loaded:
        some = ", ".join((*report.unexpected, *report.mismatched)[:3]) or "nothing"
        raise WeightsError(f"{report.source}: expected weights of {name}, found {some}. Take a file made for {name}.")
    gaps = len(report.missing) + len(report.mismatched)
    if gaps and not partial:
        raise WeightsError(
            f"{report.source}: expected all {len(report.loaded) + gaps} tensors of {name}, found {len(report.loaded)}. "
            f"Take a complete file, or accept the gaps with --weights-partial.\n{report}"
        )


def _kind(state: object) -> str:
    if isinstance(state, Mapping):
        return f"other things under {', '.join(str(key) for key in list(state)[:3])}"
    return f"a {type(state).__name__}"


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
