"""What a frozen encoder says of every photograph, in every view: computed once, kept on disk, read in training."""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor
from torch.nn.functional import interpolate

from cvs_med.augmentation import View
from cvs_med.cache import Photographs
from cvs_med.datasets.checks import check_writable
from cvs_med.errors import DataError
from cvs_med.networks import Network
from cvs_med.precision import computing
from cvs_med.tables import write_bytes
from cvs_med.waiting import turn

Step = Callable[[int, int], None]
"""Told how many photographs are done, and of how many."""


@dataclass(frozen=True, slots=True)
class Features:
    """Features of N photographs in V views.

    Attributes:
        folder: one file a view and photograph.
        views: the V views.
        means: for each level (V, N, C), the mean over the field of view.
        deviations: for each level (V, N, C), the standard deviation over the field of view.
    """

    folder: Path
    views: tuple[View, ...]
    means: Mapping[int, Tensor]
    deviations: Mapping[int, Tensor]

    def maps(self, photographs: Sequence[int], views: Sequence[int], levels: Sequence[int]) -> dict[int, Tensor]:
        """Read the levels of some photographs, each in its view: level to (B, C, h, w), channels last."""
        found: dict[int, list[Tensor]] = {level: [] for level in levels}
        for photograph, view in zip(photographs, views, strict=True):
            with safe_open(_file(self.folder, view, photograph), framework="pt") as stored:
                for level in levels:
                    found[level].append(stored.get_tensor(f"level-{level}"))
        return {level: torch.stack(maps).permute(0, 3, 1, 2) for level, maps in found.items()}


NOTHING = Features(Path(), (), {}, {})
"""What is known beforehand of an encoder that is to be trained."""


def extract(
    network: Network,
    photographs: Photographs,
    *,
    views: Sequence[View],
    levels: Sequence[int],
    identity: str,
    precision: str,
    folder: Path,
    step: Step,
) -> Features:
    """Compute the features, or read what is already there; levels asked for later join those kept before.

    Args:
        network: its encoder is used as it is, in evaluation mode.
        photographs: N squares of pixels.
        views: ways to look at each.
        levels: levels to keep as maps; pooled values are kept of all levels.
        identity: what the encoder is: its name, stride and the checksum of its weights.
        precision: bf16 or fp32, for computing and keeping.
        folder: where caches lie.
        step: told of progress.

    Raises:
        DataError: the folder cannot be written, or has too little room.
    """
    recipe = [identity, _pixels(photographs), [asdict(view) for view in views], precision]
    target = folder / f"features-{hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:16]}"
    target.mkdir(parents=True, exist_ok=True)
    total = len(views) * len(photographs.case_ids)
    # One block for each level from the start: small tensors kept one by one between the large ones that come and go
    # leave holes that nothing fits into, and memory grows with every photograph.
    shape = len(views), len(photographs.case_ids)
    means, deviations = (
        {level: torch.empty(*shape, width) for level, width in enumerate(network.encoder.channels)} for _ in range(2)
    )
    for number in range(total):
        view, photograph = divmod(number, len(photographs.case_ids))
        path = _file(target, view, photograph)
        statistics = _read_pooled(path, levels)
        if statistics is None:
            with turn(target / ".lock"):  # Another process may be at the same; then its file is read.
                statistics = _read_pooled(path, levels)
                if statistics is None:
                    together = {*levels, *_kept_levels(path)}
                    statistics = _encode(network, photographs, photograph, views[view], together, precision)
                    _require_room(target, statistics, total - number)
                    write_bytes(path, save(statistics))
        for level in means:
            means[level][view, photograph] = statistics[f"mean-{level}"]
            deviations[level][view, photograph] = statistics[f"deviation-{level}"]
        step(number + 1, total)
    return Features(target, tuple(views), means, deviations)


def _pixels(photographs: Photographs) -> str:
    """Digest what an encoder sees of photographs, whatever else is prepared of them for a head."""
    digest = hashlib.sha256()
    for planes in (photographs.images, photographs.field_of_view):
        digest.update(planes.contiguous().numpy().data)
    return digest.hexdigest()


def pool(feature: Tensor, field_of_view: Tensor) -> tuple[Tensor, Tensor]:
    """Pool one level (B, C, h, w) over the field of view (B, 1, H, W): mean and standard deviation, (B, C) each."""
    weights = interpolate(field_of_view, size=feature.shape[-2:], mode="area")
    weights = weights / weights.sum(dim=(2, 3), keepdim=True).clamp_min(1e-6)
    values = feature.float()
    mean = (values * weights).sum(dim=(2, 3))
    variance = (values.square() * weights).sum(dim=(2, 3)) - mean.square()
    return mean, variance.clamp_min(0).sqrt()


def _encode(
    network: Network, photographs: Photographs, number: int, view: View, levels: Collection[int], precision: str
) -> dict[str, Tensor]:
    device = network.mean.device
    image = view.apply(photographs.images[number : number + 1].to(device).float() / 255)
    seen = view.apply(photographs.field_of_view[number : number + 1, None].to(device).float() / 255)
    with torch.inference_mode(), computing(device, precision):
        network.eval()
        features = network.features(image.contiguous(memory_format=torch.channels_last))
    kept: dict[str, Tensor] = {}
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    for level, feature in features.items():
        kept[f"mean-{level}"], kept[f"deviation-{level}"] = (value[0].cpu() for value in pool(feature, seen))
        if level in levels:
            kept[f"level-{level}"] = feature[0].permute(1, 2, 0).to("cpu", dtype).contiguous()
    return kept


def _read_pooled(path: Path, levels: Sequence[int]) -> dict[str, Tensor] | None:
    """Read the pooled values of a finished file; None if there is none or it is damaged."""
    wanted = {f"level-{level}" for level in levels}
    with suppress(SafetensorError, OSError), safe_open(path, framework="pt") as stored:
        keys = set(stored.keys())
        if wanted <= keys:
            return {key: stored.get_tensor(key) for key in keys if not key.startswith("level")}
    return None


def _kept_levels(path: Path) -> set[int]:
    """List the levels that a file keeps as maps; none if there is no such file or it is damaged."""
    with suppress(SafetensorError, OSError), safe_open(path, framework="pt") as stored:
        keys = set(stored.keys())
        return {int(key.removeprefix("level-")) for key in keys if key.startswith("level-")}
    return set()


def _require_room(folder: Path, tensors: Mapping[str, Tensor], files: int) -> None:
    problems = check_writable(folder, files * sum(tensor.nbytes for tensor in tensors.values()))
    if problems:
        raise DataError(problems)


def _file(folder: Path, view: int, photograph: int) -> Path:
    return folder / f"view-{view}-photograph-{photograph}.safetensors"
