"""One vector for every photograph: what a pretrained encoder says of it, as the place where labels are propagated."""

import hashlib
import json
from contextlib import suppress
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from cvs_med.cache import Photographs
from cvs_med.features import Step, pool
from cvs_med.networks import Network
from cvs_med.precision import computing
from cvs_med.tables import write_bytes
from cvs_med.waiting import turn

BATCH = 64
"""Photographs that are encoded at once."""


def embed(
    network: Network,
    photographs: Photographs,
    level: int,
    *,
    identity: str,
    precision: str,
    folder: Path,
    step: Step,
) -> Tensor:
    """Average a level of the encoder over the field of view of every photograph, or read it if that was done before.

    Args:
        network: its encoder is used as it is, in evaluation mode.
        photographs: N squares of pixels.
        level: of the encoder.
        identity: what the encoder is: its name, stride and the checksum of its weights.
        precision: bf16 or fp32.
        folder: where caches lie.
        step: told of progress.

    Returns:
        (N, C), 32-bit floats on the CPU.
    """
    recipe = json.dumps([identity, photographs.key, level, precision])
    path = folder / f"embedding-{hashlib.sha256(recipe.encode()).hexdigest()[:16]}.safetensors"
    with turn(path.with_suffix(".lock")):  # Another process may be computing the same.
        with suppress(SafetensorError, OSError), safe_open(path, framework="pt") as stored:
            kept: Tensor = stored.get_tensor("embedding")
            return kept
        total = len(photographs.case_ids)
        parts: list[Tensor] = []
        for start in range(0, total, BATCH):
            parts.append(_encode(network, photographs, slice(start, start + BATCH), level, precision))
            step(min(start + BATCH, total), total)
        embedding = torch.cat(parts)
        folder.mkdir(parents=True, exist_ok=True)
        write_bytes(path, save({"embedding": embedding}))
    return embedding


def _encode(network: Network, photographs: Photographs, chosen: slice, level: int, precision: str) -> Tensor:
    device = network.mean.device
    images = photographs.images[chosen].to(device).float() / 255
    seen = photographs.field_of_view[chosen, None].to(device).float() / 255
    with torch.inference_mode(), computing(device, precision):
        network.eval()
        feature = network.features(images.contiguous(memory_format=torch.channels_last))[level]
    return pool(feature, seen)[0].cpu().clone()
