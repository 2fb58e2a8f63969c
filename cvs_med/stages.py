"""The stage that finds the foreground at a finer scale: trained first, by tiles, then asked for each photograph."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import Tensor

from cvs_med import checkpoints
from cvs_med.cache import Photographs
from cvs_med.errors import RunError
from cvs_med.networks.fine import FineDecoder
from cvs_med.precision import Precision, computing
from cvs_med.protocol import Protocol
from cvs_med.protocol_sections import Loss, Training
from cvs_med.smaller_batch import is_out_of_memory, reason
from cvs_med.tiles import TileBatches, finer_of
from cvs_med.training import Epoch

Learn = Callable[..., list[Epoch]]
"""`training.fit` or `devices.fit`, knowing the device already."""

_OTHER_CHANCE = 500
"""Added to the seed of a fold: its stage draws other tiles than its head draws views."""


def of_stage(protocol: Protocol) -> Protocol:
    """Give the protocol of the stage's own training: per-pixel cross-entropy and Dice alike, by AdamW in one cycle."""
    settings = protocol.fine
    training = Training(
        optimiser="adamw", learning_rate=settings.learning_rate, weight_decay=0.01, schedule="one_cycle",
        steps=settings.steps, batch_size=settings.batch_size, shared_norms=protocol.training.shared_norms,
    )  # fmt: skip
    loss = Loss(map_weight=1, dice_weight=1, class_weight=0)
    return protocol.model_copy(update={"training": training, "loss": loss})


def train(
    decoder: FineDecoder,
    photographs: Photographs,
    cases: Sequence[int],
    protocol: Protocol,
    *,
    learn: Learn,
    device: torch.device,
    precision: Precision,
    seed: int,
    checkpoint: Path,
    told: Callable[[Epoch], None],
    say: Callable[[str], None],
) -> None:
    """Train the stage of a decoder in place, or read it where that is done; it does not learn afterwards.

    Args:
        decoder: whose stage it is.
        photographs: with a finer square.
        cases: the training part, as positions among them.
        protocol: the experiment.
        learn: see `Learn`.
        device: where batches go.
        precision: bf16 or fp32.
        seed: of this fold.
        checkpoint: of the fold's training; the stage's lies beside it.
        told: of every epoch as it ends.
        say: see `training.fit`.

    Raises:
        RunError: memory is not enough; see `training.fit` for others.
    """
    decoder.stage.requires_grad_(True)
    tile = min(protocol.fine.tile, protocol.images.size)
    try:
        learn(
            decoder.stage,
            TileBatches(photographs, tile, protocol.augmentation, device),
            cases,
            of_stage(protocol),
            precision=precision,
            seed=seed + _OTHER_CHANCE,
            checkpoint=checkpoints.of_stage(checkpoint),
            on_epoch=told,
            say=say,
        )
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise RunError(
            f"{checkpoint.parent}: expected memory for {protocol.fine.batch_size} tiles of {tile} pixels at a finer "
            f"scale, found: {reason(error)}. Free some memory, and the same command goes on; or ask, with another "
            "--out, for a smaller fine.tile or fine.batch_size."
        ) from error
    decoder.stage.requires_grad_(False).eval()


def foreground(
    decoder: FineDecoder, photographs: Photographs, cases: Sequence[int], *, fabric: Fabric, precision: Precision
) -> Tensor:
    """Ask a trained stage for the foreground of some photographs: (N, S, S), its probability; zero for the others."""
    fine, _ = finer_of(photographs)
    known = torch.zeros_like(photographs.foreground, dtype=torch.float16)
    with torch.inference_mode():
        for case in cases:
            planes = fine[case : case + 1].to(fabric.device).float() / 255
            with computing(fabric.device, precision):
                finest = decoder.finest(planes.contiguous(memory_format=torch.channels_last))
            known[case] = decoder.coarse(finest)[0, 0].cpu()
    return known
